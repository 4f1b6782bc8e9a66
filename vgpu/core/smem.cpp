// Scalar memory: loads, stores, atomics, clocks. src[0] is the base (or buffer resource),
// src[1] the scalar offset, src[2] the stored data; n is the number of dwords.
#include "vgpu/core/buffer_resource.h"
#include "vgpu/core/handlers.h"
#include "vgpu/core/memory_ops.h"

namespace vgpu::core::VGPU_HOST {
namespace {

template <bool Buffer>
const MicroOp* load(Wave& w, const MicroOp* u) {
    u64 room = ~u64{0};
    const u64 address = Buffer ? scalar_buffer_address(w, u, room) : scalar_address(w, u);
    const u32 size = 4u * u->n;
    const u32 inside = room >= size ? size : static_cast<u32>(room & ~u64{3});
    if (w.class_counts) w.class_counts[kStatReadBytes] += inside;
    if (inside != 0 && !w.memory->contains(address, inside, false)) [[unlikely]]
        return raise(w, u, Fault::Kind::Memory, address, 0, false, inside);
    u32 data[16] = {};
    std::memcpy(data, reinterpret_cast<const void*>(address), inside);
    std::memcpy(w.s + u->dst, data, size);
    return u + 1;
}

template <bool Buffer>
const MicroOp* store(Wave& w, const MicroOp* u) {
    u64 room = ~u64{0};
    const u64 address = Buffer ? scalar_buffer_address(w, u, room) : scalar_address(w, u);
    const u32 size = 4u * u->n;
    const u32 inside = room >= size ? size : static_cast<u32>(room & ~u64{3});
    if (w.class_counts) w.class_counts[kStatWriteBytes] += inside;
    if (inside != 0 && !w.memory->contains(address, inside, true)) [[unlikely]]
        return raise(w, u, Fault::Kind::Memory, address, 0, true, inside);
    std::memcpy(reinterpret_cast<void*>(address), w.s + (u->src[2] & operand::kValue), inside);
    return u + 1;
}

template <class T, bool Buffer>
const MicroOp* atomic(Wave& w, const MicroOp* u) {
    u64 room = ~u64{0};
    const u64 address = Buffer ? scalar_buffer_address(w, u, room) : scalar_address(w, u);
    const Atomic op = static_cast<Atomic>(u->n);
    if (address % sizeof(T) != 0) return raise(w, u, Fault::Kind::Misaligned, address, 0, true, sizeof(T));
    T old = 0;
    if (room >= sizeof(T)) {
        if (!w.memory->contains(address, sizeof(T), true))
            return raise(w, u, Fault::Kind::Memory, address, 0, true, sizeof(T));
        const u32 at = u->src[2] & operand::kValue;
        T data[2] = {};
        std::memcpy(data, w.s + at, op == Atomic::CmpSwap ? 2 * sizeof(T) : sizeof(T));
        old = atomic_on_host<T>(op, address, data[0], data[1]);
    }
    if (u->aux & memflag::kGlc) std::memcpy(w.s + u->dst, &old, sizeof(T));
    return u + 1;
}

// s_scratch_*: FLAT_SCRATCH plus an offset in units of 64 bytes, not swizzled.
template <bool Write>
const MicroOp* scratch(Wave& w, const MicroOp* u) {
    const u64 address =
        w.flat_scratch + ((rs64(w, u->src[0]) + static_cast<u64>(u->imm) + u64{64} * rs32(w, u->src[1])) & ~u64{3});
    const u32 size = 4u * u->n;
    if (!w.memory->contains(address, size, Write)) return raise(w, u, Fault::Kind::Memory, address, 0, Write, size);
    if constexpr (Write) std::memcpy(reinterpret_cast<void*>(address), w.s + (u->src[2] & operand::kValue), size);
    else std::memcpy(w.s + u->dst, reinterpret_cast<const void*>(address), size);
    return u + 1;
}

const MicroOp* nothing(Wave&, const MicroOp* u) { return u + 1; }

// Shader clock: 1.75 GHz, the boost clock of the RX 5600 XT. The reference clock: 100 MHz.
const MicroOp* memtime(Wave& w, const MicroOp* u) {
    ws64(w, u->dst, clock_nanoseconds() * 7 / 4);
    return u + 1;
}
const MicroOp* memrealtime(Wave& w, const MicroOp* u) {
    ws64(w, u->dst, clock_nanoseconds() / 10);
    return u + 1;
}
const MicroOp* wave_id(Wave& w, const MicroOp* u) {
    w.s[u->dst] = w.index;
    return u + 1;
}

}  // namespace

Fn smem_handler(const isa::Inst& inst) {
    const isa::Row& row = inst.row();
    const bool buffer = row.src[0] == isa::Ty::B128;
    switch (inst.op) {
        case isa::Op::s_memtime: return &memtime;
        case isa::Op::s_memrealtime: return &memrealtime;
        case isa::Op::s_get_waveid_in_workgroup: return &wave_id;
        default: break;
    }
    if (row.has(isa::SCRATCHMEM)) return row.has(isa::STORE) ? &scratch<true> : &scratch<false>;
    if (row.has(isa::ATOMIC)) {
        if (isa::bytes(row.mem) == 8) return buffer ? &atomic<u64, true> : &atomic<u64, false>;
        return buffer ? &atomic<u32, true> : &atomic<u32, false>;
    }
    if (row.has(isa::LOAD)) return buffer ? &load<true> : &load<false>;
    if (row.has(isa::STORE)) return buffer ? &store<true> : &store<false>;
    return &nothing;  // caches and address translation probes
}

}  // namespace vgpu::core::VGPU_HOST
