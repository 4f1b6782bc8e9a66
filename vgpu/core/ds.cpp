// LDS: loads, stores, atomics, lane permutation, global wave sync. A workgroup runs on one
// host thread, so its LDS needs no host atomics.
#include "vgpu/core/gws.h"
#include "vgpu/core/handlers.h"
#include "vgpu/core/memory_ops.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

// Extra passes over the 32 banks: lanes that want different dwords of one bank. A pass serves 32 dwords, so wide
// elements go in groups of lanes. Lanes that share a dword share a pass, but not where each changes it (atomics).
template <bool Shared = true>
void count_conflicts(Wave& w, const Lanes32& a, u32 exec, u32 size) {
    if (!w.class_counts) return;
    const u32 dwords = (size + 3) / 4, group = dwords == 1 ? 32 : dwords == 2 ? 16 : 8;
    for (u32 first = 0; first < 32; first += group) {
        u32 seen[32][32];
        u8 used[32] = {};
        u32 passes = 1;
        for (u32 i = first; i < first + group; ++i) {
            if (!(exec >> i & 1)) continue;
            for (u32 d = 0; d < dwords; ++d) {
                const u32 dword = (a.x[i] >> 2) + d, bank = dword & 31;
                bool known = false;
                for (u32 k = 0; Shared && k < used[bank]; ++k) known = known || seen[bank][k] == dword;
                if (known) continue;
                seen[bank][used[bank]++] = dword;
                passes = used[bank] > passes ? used[bank] : passes;
            }
        }
        w.class_counts[kStatLdsConflicts] += passes - 1;
    }
}

VGPU_INLINE const u32* address_register(const Wave& w, const MicroOp* u, u32 h) { return w.v + u->src[0] + h * 32; }
VGPU_INLINE void addresses(const u32* base, u32 offset, Lanes32& a) { VGPU_LANES a.x[i] = base[i] + offset; }

// Is every active lane inside the workgroup's LDS?
VGPU_INLINE bool all_inside(const Wave& w, const Lanes32& a, u32 exec, u32 size) {
    if (w.lds_size < size) return exec == 0;
    const u32 last = w.lds_size - size;
    u32 bad = 0;
    for (int i = 0; i < 32; ++i) bad |= a.x[i] > last ? 1u << i : 0u;
    return (bad & exec) == 0;
}

VGPU_INLINE bool consecutive(const Lanes32& a, u32 step) {
    u32 off = 0;
    for (int i = 0; i < 32; ++i) off |= (a.x[i] - a.x[0]) ^ (step * static_cast<u32>(i));
    return off == 0;
}

// Past the end the card reads zero and drops stores. A dropped store is always an error
// of the kernel, so it faults; a read past the end faults in strict mode alone.
const MicroOp* overrun(Wave& w, const MicroOp* u, const Lanes32& a, u32 h, u32 exec, u32 size, bool write) {
    for (u32 i = 0; i < 32; ++i)
        if ((exec >> i & 1) && u64{a.x[i]} + size > w.lds_size)
            return raise(w, u, Fault::Kind::LdsOutOfRange, a.x[i], h * 32 + i, write, size);
    return u + 1;
}

template <Element E, u32 N, Part P>
VGPU_INLINE bool load_half(Wave& w, const MicroOp* u, u32 h, u32 exec, const u32* base, u32 offset, u32 dst) {
    constexpr u32 size = element_bytes(E, N);
    Lanes32 a;
    addresses(base, offset, a);
    count_conflicts(w, a, exec, size);
    u32* r = w.v + dst + h * 32;
    if (!all_inside(w, a, exec, size)) [[unlikely]] {
        if (w.lds_strict) {
            overrun(w, u, a, h, exec, size, false);
            return false;
        }
        for (u32 i = 0; i < 32; ++i) {
            if (!(exec >> i & 1)) continue;
            u8 bytes[16] = {};
            if (u64{a.x[i]} + size <= w.lds_size) std::memcpy(bytes, w.lds + a.x[i], size);
            load_lane<E, N, P>(r + i, w.lanes, bytes);
        }
        return true;
    }
    const u8* lds = w.lds;
    if (exec == 0xffffffffu) {
        if constexpr (E == Element::Words && N == 1)
            if (consecutive(a, 4)) {
                std::memcpy(r, lds + a.x[0], 128);
                return true;
            }
        load_all<E, N, P>(r, w.lanes, [&](u32 i) { return lds + a.x[i]; });
    } else {
        for (u32 m = exec; m != 0; m &= m - 1) {
            const u32 i = static_cast<u32>(std::countr_zero(m));
            load_lane<E, N, P>(r + i, w.lanes, lds + a.x[i]);
        }
    }
    return true;
}

template <Element E, u32 N, Part P>
struct Load {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            if (!load_half<E, N, P>(w, u, h, exec, address_register(w, u, h), static_cast<u32>(u->imm), u->dst))
                return nullptr;
        }
        return u + 1;
    }
};

// Two elements: the offsets are in imm (low and high word); the second goes to the
// registers after the first, which may be the address register: hence the copy.
template <u32 N>
const MicroOp* load_two(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        if (exec == 0) continue;
        Lanes32 base;
        std::memcpy(base.x, address_register(w, u, h), sizeof base.x);
        const u32 first = static_cast<u32>(u->imm), second = static_cast<u32>(u->imm >> 32);
        if (!load_half<Element::Words, N, Part::Whole>(w, u, h, exec, base.x, first, u->dst)) return nullptr;
        if (!load_half<Element::Words, N, Part::Whole>(w, u, h, exec, base.x, second, u->dst + N * w.lanes))
            return nullptr;
    }
    return u + 1;
}

template <Element E, u32 N, Part P>
VGPU_INLINE bool store_half(Wave& w, const MicroOp* u, u32 h, u32 exec, u32 offset, u32 data) {
    constexpr u32 size = element_bytes(E, N);
    Lanes32 a;
    addresses(address_register(w, u, h), offset, a);
    count_conflicts(w, a, exec, size);
    if (!all_inside(w, a, exec, size)) [[unlikely]] {
        overrun(w, u, a, h, exec, size, true);
        return false;
    }
    const u32* r = w.v + data + h * 32;
    if constexpr (E == Element::Words && N == 1)
        if (exec == 0xffffffffu && consecutive(a, 4)) {
            std::memcpy(w.lds + a.x[0], r, 128);
            return true;
        }
    for (u32 m = exec; m != 0; m &= m - 1) {
        const u32 i = static_cast<u32>(std::countr_zero(m));
        store_lane<E, N, P>(r + i, w.lanes, w.lds + a.x[i]);
    }
    return true;
}

template <Element E, u32 N, Part P>
struct Store {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec != 0 && !store_half<E, N, P>(w, u, h, exec, static_cast<u32>(u->imm), u->src[1])) return nullptr;
        }
        return u + 1;
    }
};
template <u32 N>
const MicroOp* store_two(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        if (exec == 0) continue;
        if (!store_half<Element::Words, N, Part::Whole>(w, u, h, exec, static_cast<u32>(u->imm), u->src[1]))
            return nullptr;
        if (!store_half<Element::Words, N, Part::Whole>(w, u, h, exec, static_cast<u32>(u->imm >> 32), u->src[2]))
            return nullptr;
    }
    return u + 1;
}

template <class T>
VGPU_INLINE T reg(const Wave& w, u32 at, u32 lane) {
    if constexpr (sizeof(T) == 4) return w.v[at + lane];
    else return w.v[at + lane] | u64{w.v[at + w.lanes + lane]} << 32;
}
template <class T>
VGPU_INLINE void set_reg(Wave& w, u32 at, u32 lane, T value) {
    w.v[at + lane] = static_cast<u32>(value);
    if constexpr (sizeof(T) == 8) w.v[at + w.lanes + lane] = static_cast<u32>(value >> 32);
}

// One lane's operation on LDS; false when it faulted.
template <class T>
bool lds_atomic(Wave& w, const MicroOp* u, Atomic op, u32 address, u32 lane, T data, T data2, T& old) {
    if (address % sizeof(T) != 0) {
        raise(w, u, Fault::Kind::Misaligned, address, lane, true, sizeof(T), "LDS");
        return false;
    }
    if (u64{address} + sizeof(T) > w.lds_size) {
        raise(w, u, Fault::Kind::LdsOutOfRange, address, lane, true, sizeof(T));
        return false;
    }
    std::memcpy(&old, w.lds + address, sizeof(T));
    const T now = atomic_result(op, old, data, data2);
    std::memcpy(w.lds + address, &now, sizeof(T));
    return true;
}

// n is the operation, aux says whether the old value is wanted. DS compare-and-swap has
// the comparand first; mskor and wrap take their operands in order.
template <class T>
const MicroOp* atomic(Wave& w, const MicroOp* u) {
    const Atomic op = static_cast<Atomic>(u->n);
    const bool compare = op == Atomic::CmpSwap || op == Atomic::FCmpSwap;
    const bool two = compare || op == Atomic::MskOr || op == Atomic::Wrap;
    if (w.class_counts) {
        for (u32 h = 0; h < w.halves; ++h) {
            Lanes32 a;
            addresses(address_register(w, u, h), static_cast<u32>(u->imm), a);
            count_conflicts<false>(w, a, w.s[kExecLo + h], sizeof(T));
        }
    }
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        T data = reg<T>(w, u->src[1], lane);
        T data2 = two ? reg<T>(w, u->src[2], lane) : T{0};
        if (compare) std::swap(data, data2);
        T old = 0;
        if (!lds_atomic<T>(w, u, op, w.v[u->src[0] + lane] + static_cast<u32>(u->imm), lane, data, data2, old))
            return nullptr;
        if (u->aux & memflag::kGlc) set_reg<T>(w, u->dst, lane, old);
    }
    return u + 1;
}

template <class T>
const MicroOp* exchange_two(Wave& w, const MicroOp* u) {
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const u32 base = w.v[u->src[0] + lane];
        T first = 0, second = 0;
        if (!lds_atomic<T>(w, u, Atomic::Swap, base + static_cast<u32>(u->imm), lane, reg<T>(w, u->src[1], lane), 0,
                           first))
            return nullptr;
        if (!lds_atomic<T>(w, u, Atomic::Swap, base + static_cast<u32>(u->imm >> 32), lane, reg<T>(w, u->src[2], lane),
                           0, second))
            return nullptr;
        set_reg<T>(w, u->dst, lane, first);
        set_reg<T>(w, u->dst + sizeof(T) / 4 * w.lanes, lane, second);
    }
    return u + 1;
}

// *_src2: the second operand is LDS itself, at a distance given by the offset field.
template <class T>
const MicroOp* atomic_src2(Wave& w, const MicroOp* u) {
    const isa::Inst& inst = u->extra->inst;
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const u32 a = w.v[u->src[0] + lane];
        const u32 fixed = (inst.offset1() & 0x7f) << 8 | inst.offset0();
        const i32 distance = (inst.offset1() & 0x80) ? static_cast<i32>(a) >> 17 : static_cast<i32>(fixed << 17) >> 17;
        const u32 b = (a & 0x1ffff) + 4u * static_cast<u32>(distance);  // bits 31:17 are the distance, not the address
        if (u64{b} + sizeof(T) > w.lds_size) return raise(w, u, Fault::Kind::LdsOutOfRange, b, lane, false, sizeof(T));
        T data = 0, old = 0;
        std::memcpy(&data, w.lds + b, sizeof(T));
        if (!lds_atomic<T>(w, u, static_cast<Atomic>(u->n), a & 0x1ffff, lane, data, 0, old)) return nullptr;
    }
    return u + 1;
}

// Each 32-bit half is stored only if its top bit is set, without that bit.
const MicroOp* conditional_exchange(Wave& w, const MicroOp* u) {
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const u32 address = w.v[u->src[0] + lane] + static_cast<u32>(u->imm);
        if (u64{address} + 8 > w.lds_size) return raise(w, u, Fault::Kind::LdsOutOfRange, address, lane, true, 8);
        for (u32 k = 0; k < 2; ++k) {
            const u32 data = w.v[u->src[1] + k * w.lanes + lane];
            u32 old = 0;
            std::memcpy(&old, w.lds + address + 4 * k, 4);
            if (data >> 31) {
                const u32 now = data & 0x7fffffff;
                std::memcpy(w.lds + address + 4 * k, &now, 4);
            }
            w.v[u->dst + k * w.lanes + lane] = old;
        }
    }
    return u + 1;
}

// One addition of the number of active lanes; every lane gets the old value.
template <bool Append>
const MicroOp* append(Wave& w, const MicroOp* u) {
    const u64 exec = w.exec();
    const u32 address = (w.s[kM0] & 0xffff) + static_cast<u32>(u->imm);
    const u32 count = static_cast<u32>(std::popcount(exec));
    u32 old = 0;
    if (!lds_atomic<u32>(w, u, Append ? Atomic::Add : Atomic::Sub, address, 0, count, 0, old)) return nullptr;
    for (u64 m = exec; m != 0; m &= m - 1) w.v[u->dst + static_cast<u32>(std::countr_zero(m))] = old;
    return u + 1;
}

template <bool Write>
const MicroOp* addtid(Wave& w, const MicroOp* u) {
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const u32 address = (w.s[kM0] & 0xffff) + static_cast<u32>(u->imm) + lane * 4;
        if (address + 4 > w.lds_size) return raise(w, u, Fault::Kind::LdsOutOfRange, address, lane, Write, 4);
        if constexpr (Write) std::memcpy(w.lds + address, w.v + u->src[1] + lane, 4);
        else std::memcpy(w.v + u->dst + lane, w.lds + address, 4);
    }
    return u + 1;
}

// Both permutations stay inside 32 lanes on gfx10, in wave64 too.
const MicroOp* permute(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        Lanes32 r{};
        for (u32 i = 0; i < 32; ++i)
            if (exec >> i & 1)
                r.x[(w.v[u->src[0] + h * 32 + i] + static_cast<u32>(u->imm)) >> 2 & 31] = w.v[u->src[1] + h * 32 + i];
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}
const MicroOp* bpermute(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        Lanes32 r;
        for (u32 i = 0; i < 32; ++i) {
            const u32 from = (w.v[u->src[0] + h * 32 + i] + static_cast<u32>(u->imm)) >> 2 & 31;
            r.x[i] = (exec >> from & 1) ? w.v[u->src[1] + h * 32 + from] : 0;
        }
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}

u32 swizzle_source(u32 offset, u32 i) {
    const u32 mask = offset & 31;
    if (offset >= 0xe000) {  // FFT order
        u32 reversed = 0;
        for (u32 k = 0; k < 5; ++k) reversed |= (i >> k & 1) << (4 - k);
        return (reversed >> std::popcount(mask)) | (i & mask);
    }
    if (offset >= 0xc000) {  // rotation
        const u32 distance = offset >> 5 & 31;
        const u32 moved = (offset & 0x400) ? i - distance : i + distance;
        return (i & mask) | (moved & ~mask & 31);
    }
    if (offset & 0x8000) return (i & 28) | (offset >> (2 * (i & 3)) & 3);
    return ((i & mask) | (offset >> 5 & 31)) ^ (offset >> 10 & 31);
}
const MicroOp* swizzle(Wave& w, const MicroOp* u) {
    const u32 offset = static_cast<u32>(u->imm) & 0xffff;
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        Lanes32 r;
        for (u32 i = 0; i < 32; ++i) {
            const u32 from = swizzle_source(offset, i) & 31;
            r.x[i] = (exec >> from & 1) ? w.v[u->src[0] + h * 32 + from] : 0;
        }
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}

// Global wave sync. The resource is the offset plus M0[21:16]; the value comes from the
// first active lane.
u32 gws_id(const Wave& w, const MicroOp* u) { return ((w.s[kM0] >> 16 & 63) + static_cast<u32>(u->imm)) & 63; }
u32 gws_value(const Wave& w, const MicroOp* u) {
    const u64 exec = w.exec();
    return exec == 0 ? 0 : w.v[u->src[0] + static_cast<u32>(std::countr_zero(exec))];
}
const MicroOp* wait_again(Wave& w, const MicroOp* u) {
    w.next = u;
    w.state = State::Yield;
    return nullptr;
}
const MicroOp* gws_init_op(Wave& w, const MicroOp* u) {
    gws_init(w, gws_id(w, u), gws_value(w, u));
    return u + 1;
}
const MicroOp* gws_barrier_op(Wave& w, const MicroOp* u) {
    return gws_barrier(w, gws_id(w, u), gws_value(w, u)) ? u + 1 : wait_again(w, u);
}
const MicroOp* gws_p(Wave& w, const MicroOp* u) { return gws_sema_p(w, gws_id(w, u)) ? u + 1 : wait_again(w, u); }
const MicroOp* gws_v(Wave& w, const MicroOp* u) {
    gws_sema_v(w, gws_id(w, u), 1);
    return u + 1;
}
const MicroOp* gws_br(Wave& w, const MicroOp* u) {
    gws_sema_v(w, gws_id(w, u), gws_value(w, u));
    return u + 1;
}
const MicroOp* gws_release_all(Wave& w, const MicroOp* u) {
    gws_sema_v(w, gws_id(w, u), 1u << 20);
    return u + 1;
}

const MicroOp* nothing(Wave&, const MicroOp* u) { return u + 1; }

constexpr Binding kRows[] = {
    {Op::ds_nop, &nothing},
    {Op::ds_swizzle_b32, &swizzle},
    {Op::ds_permute_b32, &permute},
    {Op::ds_bpermute_b32, &bpermute},
    {Op::ds_append, &append<true>},
    {Op::ds_consume, &append<false>},
    {Op::ds_write_addtid_b32, &addtid<true>},
    {Op::ds_read_addtid_b32, &addtid<false>},
    {Op::ds_wrxchg2_rtn_b32, &exchange_two<u32>},
    {Op::ds_wrxchg2st64_rtn_b32, &exchange_two<u32>},
    {Op::ds_wrxchg2_rtn_b64, &exchange_two<u64>},
    {Op::ds_wrxchg2st64_rtn_b64, &exchange_two<u64>},
    {Op::ds_condxchg32_rtn_b64, &conditional_exchange},
    {Op::ds_gws_init, &gws_init_op},
    {Op::ds_gws_barrier, &gws_barrier_op},
    {Op::ds_gws_sema_p, &gws_p},
    {Op::ds_gws_sema_v, &gws_v},
    {Op::ds_gws_sema_br, &gws_br},
    {Op::ds_gws_sema_release_all, &gws_release_all},
};

}  // namespace

extern const BindingList kDsRows{kRows, std::size(kRows)};

Fn ds_handler(const isa::Inst& inst) {
    const isa::Row& row = inst.row();
    if (inst.gds && !row.has(isa::GWS)) return nullptr;  // ROCm gives no kernel any GDS memory
    for (const Binding& b : kRows)
        if (b.op == inst.op) return b.fn;
    const bool wide = isa::bytes(row.mem) == 8;
    if (row.has(isa::ATOMIC)) {
        if (atomic_of(row) == Atomic::None) return nullptr;
        if (row.name.find("_src2_") != std::string_view::npos) return wide ? &atomic_src2<u64> : &atomic_src2<u32>;
        return wide ? &atomic<u64> : &atomic<u32>;
    }
    if (row.has(isa::TWO)) {
        if (row.has(isa::STORE)) return wide ? &store_two<2> : &store_two<1>;
        return wide ? &load_two<2> : &load_two<1>;
    }
    if (row.has(isa::STORE)) return by_element<Store>(row);
    if (row.has(isa::LOAD)) return by_element<Load>(row);
    return nullptr;
}

}  // namespace vgpu::core::VGPU_HOST
