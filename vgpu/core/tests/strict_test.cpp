// --strict: each kind of defect planted in a kernel is found and named; the same kernel without it passes, and so does
// either one outside strict mode.
#include <vector>

#include "vgpu/core/tests/card.h"
#include "vgpu/core/tests/strict_kernels.h"

using namespace vgpu::core;
using namespace vgpu::core::tests;

namespace {

using Code = std::span<const std::uint32_t>;

Options strict() {
    Options options;
    options.strict = true;
    options.stall_seconds = 20;
    return options;
}

constexpr unsigned kTwoWaves = 64;

// A card of its own each: kernels leave flags in memory.
void found(Code code, const char* text, unsigned items = kTwoWaves) {
    Card card(strict());
    expect_fault(card, code, Fault::Kind::Strict, text, items);
}

void clean(const char* name, Code code, unsigned items = kTwoWaves) {
    Card card(strict());
    const auto fault = card.run(code, 1, items);
    check(!fault, name, "should be clean: " + text_of(fault));
}

void races_on_lds() {
    found(kLdsRead, "race: 4-byte read at LDS offset 0x0 by wave 1 lane 0; wave 0 lane 0 has its write there");
    found(kLdsRead, "ds_read_b32 v2, v3");
    found(kLdsRead, "the other access: pc 0x");
    found(kLdsRead, "(kernel entry + 0x18): ds_write_b32 v1, v0");
    clean("a barrier between write and read", kLdsReadBarrier);
    clean("one wave needs no barrier", kLdsRead, 32);
    found(kLdsWrite, "race: 4-byte write at LDS offset 0x0 by wave 1 lane 0; wave 0 lane 0 has its write there");
    clean("the same value stored twice", kLdsSame);
    clean("bytes of one dword", kLdsBytes);
    found(kLdsReadThenWrite,
          "race: 4-byte write at LDS offset 0x7c by wave 1 lane 0; wave 0 lane 31 has its read there");
    found(kFlatLdsRead, "race: 4-byte read at LDS offset 0x0 by wave 1");
}

void races_with_atomics() {
    clean("LDS atomics between barriers", kLdsAtomics);
    found(kLdsAtomicRead, "race: 4-byte atomic at LDS offset 0x0 by wave 1 lane 0; wave 0");
    found(kLdsAtomicUnguarded, "race: 4-byte write at LDS offset 0x0 by wave 1 lane 0; wave 0");
}

void races_on_memory() {
    found(kMemoryRead, "has its write there, and neither a barrier nor an atomic orders the two");
    found(kMemoryRead, "byte 0 of test page of 65536 bytes");
    clean("a barrier between store and load", kMemoryReadBarrier);
    found(kMemoryScalarRead, "by wave 1 lane 0; wave 0 lane 0 has its write there");
    found(kBufferRead, "race: 4-byte read");
    clean("a barrier between buffer store and load", kBufferReadBarrier);
    found(kMemoryNoFlag, "race: 4-byte read");
    clean("an atomic flag", kMemoryFlag);
    clean("a flag that is stored and polled", kMemoryStoredFlag);
    clean("an atomic flag that is waited for", kMemoryFlagLate);
    clean("a stored flag that is waited for", kMemoryStoredFlagLate);
}

void hazards() {
    found(kVmemScalar,
          "gfx10-vmem-to-scalar-write: s_mov_b32 s0, 0 overwrites a register that is read by global_load_dword");
    found(kVmemScalar, "at kernel entry + 0x10");
    clean("VALU after the load", kVmemScalarCured);
    found(kSmemVector,
          "gfx10-smem-to-vector-write: v_readfirstlane_b32 s0, v0 overwrites a register that is read by s_load_dword");
    clean("SALU after the scalar load", kSmemVectorCured);
    found(kVcmpxExec, "gfx10-vcmpx-exec-war: v_cmpx_le_u32_e32 v0, v1 writes EXEC, which is read by global_load_dword");
    clean("s_waitcnt_depctr before v_cmpx", kVcmpxExecCured);
    found(kPermlane, "gfx10-vcmpx-permlane: v_permlane16_b32");
    clean("VALU before v_permlane16", kPermlaneCured);
    found(kLdsBranch, "gfx10-lds-branch-vmem-war: global_load_dword", 32);
    clean("s_waitcnt_vscnt before the branch", kLdsBranchCured, 32);
    found(kLdsBranchInLoop, "gfx10-lds-branch-vmem-war: global_load_dword", 32);
    found(kPrefetch, "gfx10-inst-fwd-prefetch: s_inst_prefetch");
    found(kFlatOffset, "gfx10-flat-segment-offset: flat_load_dword");
    clean("a flat load without an offset", kFlatNoOffset);
    found(kClause, "gfx10-nsa-clause: image_sample");
    found(kBranch3f, "gfx10-branch-offset-3f: s_branch");
    clean("a branch by 0x3e", kBranch3e);
}

// What was asked for ends inside the granule that the card gives.
void bounds() {
    Card exact(strict());
    expect_fault(exact, kLdsPastEnd, Fault::Kind::LdsOutOfRange, "LDS offset 1000, the workgroup has 1000 bytes", 32,
                 1000);
    Card plain;
    check(!plain.run(kLdsPastEnd, 1, 32, 1000), "the card gives LDS in granules");
}

// Ranges as the HSA layer lays them in strict mode: an allocation of 5 bytes, its tail, a red zone, a freed one.
void memory_ranges() {
    Card card(strict());
    std::vector<std::uint32_t> heap(4096);
    const auto base = reinterpret_cast<std::uint64_t>(heap.data());
    card.space.add(base, 5, AddressSpace::Device, "allocation", "allocated by somebody");
    card.space.add(base + 5, 3, AddressSpace::ReadOnly | AddressSpace::Tail, "tail");
    card.space.add(base + 8, 4088, AddressSpace::RedZone, "red zone");
    card.space.add(base + 4096, 64, AddressSpace::Freed, "freed allocation", "freed by somebody else");
    const auto aim = [&](std::uint64_t where) { std::memcpy(card.kernarg, &where, sizeof where); };
    aim(base + 4);
    check(!card.run(kByteStore) && !card.run(kDwordLoad), "the last byte, and a load to the end of its dword");
    aim(base + 5);
    expect_fault(card, kByteStore, Fault::Kind::Memory, "0 bytes past the end of allocation of 5 bytes");
    expect_fault(card, kByteStore, Fault::Kind::Memory, "allocated by somebody");
    aim(base + 8);
    expect_fault(card, kDwordLoad, Fault::Kind::Memory, "3 bytes past the end of allocation of 5 bytes");
    aim(base + 4095);
    expect_fault(card, kByteStore, Fault::Kind::Memory, "1 bytes before freed allocation of 64 bytes");
    aim(base + 4096);
    expect_fault(card, kByteStore, Fault::Kind::Memory, "byte 0 of freed allocation of 64 bytes");
    expect_fault(card, kByteStore, Fault::Kind::Memory, "freed by somebody else");
}

// Outside strict mode none of it is looked at.
void nothing_without_strict() {
    for (const Code code :
         {Code(kLdsRead), Code(kMemoryNoFlag), Code(kVmemScalar), Code(kVcmpxExec), Code(kBranch3f)}) {
        Card card;
        const auto fault = card.run(code, 1, kTwoWaves);
        check(!fault, "no finding outside strict mode", text_of(fault));
    }
}

}  // namespace

int main() {
    races_on_lds();
    races_with_atomics();
    races_on_memory();
    hazards();
    bounds();
    memory_ranges();
    nothing_without_strict();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
