// Every compute instruction of the table must have a handler, in each build that this machine runs; prints those
// without.
#include <cstdio>
#include <string>

#include "vgpu/core/code_cache.h"

namespace {

using namespace vgpu;

// How many compute instructions have no handler of this build.
unsigned missing_of(const core::HandlerSet& handlers) {
    core::AddressSpace space;
    const core::CodeCache cache(handlers, space, core::Inject::None);
    unsigned missing = 0, rows = 0;
    for (std::size_t i = 0; i < isa::op_count; ++i) {
        const isa::Row& row = isa::table[i];
        if (row.fmt == isa::Fmt::MIMG || row.fmt == isa::Fmt::EXP) continue;  // graphics
        isa::Inst inst;
        inst.op = static_cast<isa::Op>(i);
        inst.fmt = row.fmt;
        inst.gds = row.has(isa::GDSONLY);
        ++rows;
        if (cache.handler(inst) != nullptr) continue;
        // GDS memory is never allocated under ROCm: the ordered append, and s_code_end, fault on purpose.
        if (inst.op == isa::Op::ds_ordered_count || inst.op == isa::Op::s_code_end) continue;
        std::printf("no handler in %s: %s\n", handlers.host, std::string(row.name).c_str());
        ++missing;
    }
    std::printf("%s: %u of %u compute instructions without a handler\n", handlers.host, missing, rows);
    return missing;
}

}  // namespace

int main() {
    unsigned missing = 0;
    for (const char* const host : {"portable", "avx2", "avx512"}) {
        const core::HandlerSet& handlers = core::choose_handlers(host);
        if (handlers.host == std::string(host)) missing += missing_of(handlers);
    }
    return missing == 0 ? 0 : 1;
}
