// HazardTracker alone, beside the audit: over straight code both find the same rule, and nothing in its cured form.
// Nothing is executed here; strict_test.cpp runs the same kernels.
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vgpu/core/strict_hazards.h"
#include "vgpu/core/tests/strict_kernels.h"
#include "vgpu/isa/audit/rules.h"

using namespace vgpu;
using namespace vgpu::core;
using namespace vgpu::core::tests;

namespace {

using Code = std::span<const std::uint32_t>;

int failures = 0;

void check(const char* name, const std::string& got, const std::string& wanted) {
    if (got == wanted) return;
    ++failures;
    std::printf("FAILED: %s: got '%s', wanted '%s'\n", name, got.c_str(), wanted.c_str());
}

// The rule that the tracker names when these words run once from first to last; "" for none.
std::string tracked(Code words) {
    HazardTracker tracker;
    std::vector<std::unique_ptr<Extra>> ran;
    for (std::size_t at = 0; at < words.size();) {
        auto& x = *ran.emplace_back(std::make_unique<Extra>());
        x.pc = 0x1000 + 4 * at;
        if (isa::decode(words.subspan(at), x.inst, 32) != isa::Status::ok) return "does not decode";
        at += x.inst.length / 4u;
        const HazardMarks marks = hazard_marks(x.inst, 32);
        const std::string found = tracker.check(x, marks, 32, 0x1000);
        if (!found.empty()) return found.substr(0, found.find(':'));
        tracker.follow(x, marks);
    }
    return {};
}

std::string audited(Code words) {
    for (const isa::audit::Finding& f : isa::audit::check(isa::audit::Code(words, 32))) return f.rule;
    return {};
}

void both(const char* name, Code words, const char* rule) {
    check(name, tracked(words), rule);
    check(name, audited(words), rule);
}

}  // namespace

int main() {
    both("VmemScalar", kVmemScalar, "gfx10-vmem-to-scalar-write");
    both("VmemScalarCured", kVmemScalarCured, "");
    both("SmemVector", kSmemVector, "gfx10-smem-to-vector-write");
    both("SmemVectorCured", kSmemVectorCured, "");
    both("VcmpxExec", kVcmpxExec, "gfx10-vcmpx-exec-war");
    both("VcmpxExecCured", kVcmpxExecCured, "");
    both("Permlane", kPermlane, "gfx10-vcmpx-permlane");
    both("PermlaneCured", kPermlaneCured, "");
    both("LdsBranch", kLdsBranch, "gfx10-lds-branch-vmem-war");
    both("LdsBranchCured", kLdsBranchCured, "");
    check("a loop is found on paths, not on the first round", audited(kLdsBranchInLoop), "gfx10-lds-branch-vmem-war");
    check("a loop is found on paths, not on the first round", tracked(kLdsBranchInLoop), "");
    both("Clause", kClause, "gfx10-nsa-clause");
    both("Prefetch", kPrefetch, "gfx10-inst-fwd-prefetch");
    both("Branch3f", kBranch3f, "gfx10-branch-offset-3f");
    both("Branch3e", kBranch3e, "");
    both("FlatOffset", kFlatOffset, "gfx10-flat-segment-offset");
    both("FlatNoOffset", kFlatNoOffset, "");
    // image_sample_d of 16 bytes right before a buffer access at offset 2, and with s_nop between.
    static constexpr std::uint32_t nsa[] = {0xf0880f0c, 0x00020408, 0, 0, 0xe0301002, 0x80010100};
    static constexpr std::uint32_t apart[] = {0xf0880f0c, 0x00020408, 0, 0, 0xbf800000, 0xe0301002, 0x80010100};
    both("a buffer access after a long image access", nsa, "gfx10-nsa-to-vmem");
    both("one instruction later", apart, "");
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
