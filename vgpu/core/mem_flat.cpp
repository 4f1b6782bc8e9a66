// FLAT, GLOBAL and SCRATCH memory. A generic (FLAT) address may lie in the LDS aperture or
// in the private aperture; GLOBAL never does; SCRATCH is the lane's private memory.
#include "vgpu/core/handlers.h"
#include "vgpu/core/memory_ops.h"

namespace vgpu::core::VGPU_HOST {
namespace {

// What the 32 lanes of half h address. Lanes that are off get lane values too; they are
// never used.
VGPU_INLINE void addresses(const Wave& w, const MicroOp* u, u32 h, Lanes64& a) {
    const u64 offset = static_cast<u64>(u->imm);
    if (u->aux & memflag::kSaddr) {
        const u64 base = rs64(w, u->src[2]) + offset;
        const u32* v = w.v + u->src[0] + h * 32;
        VGPU_LANES a.x[i] = base + v[i];
    } else {
        const u32* lo = w.v + u->src[0] + h * 32;
        const u32* hi = lo + w.lanes;
        VGPU_LANES a.x[i] = (lo[i] | u64{hi[i]} << 32) + offset;
    }
}

VGPU_INLINE u32 aperture(u64 address) { return static_cast<u32>(address >> 32); }
constexpr u32 kSharedHigh = kSharedAperture >> 32, kPrivateHigh = kPrivateAperture >> 32;

// The lanes whose generic address is not plain memory.
VGPU_INLINE u32 in_aperture(const Lanes64& a) {
    u32 found = 0;
    for (int i = 0; i < 32; ++i)
        found |= (aperture(a.x[i]) == kSharedHigh || aperture(a.x[i]) == kPrivateHigh) ? 1u << i : 0u;
    return found;
}
VGPU_INLINE bool any_aperture(const Lanes64& a, u32 exec) { return (in_aperture(a) & exec) != 0; }

struct Problem {
    Fault::Kind kind = Fault::Kind::Memory;
    u64 address = 0;
    int lane = -1;
    const char* note = nullptr;
};

// Host pointers of the bytes [offset, offset+size) of a lane's scratch, dword by dword.
// `out` gets one pointer a dword piece; returns false when out of range.
bool scratch_piece(const Wave& w, u64 offset, u32 size, u32 lane, u8*& out) {
    if (w.flat_scratch == 0 || offset + size > w.scratch_lane_bytes) return false;
    out = reinterpret_cast<u8*>(w.flat_scratch + scratch_swizzle(w, static_cast<u32>(offset), lane));
    return true;
}

// Copies between a lane's scratch and `bytes`, a byte range that may cross dwords.
template <bool Write>
bool scratch_copy(const Wave& w, u64 offset, u32 size, u32 lane, u8* bytes) {
    while (size != 0) {
        const u32 in_dword = 4 - (offset & 3);
        const u32 n = size < in_dword ? size : in_dword;
        u8* p = nullptr;
        if (!scratch_piece(w, offset, n, lane, p)) return false;
        if constexpr (Write) std::memcpy(p, bytes, n);
        else std::memcpy(bytes, p, n);
        offset += n;
        bytes += n;
        size -= n;
    }
    return true;
}

// One lane of a load or store wherever its address leads.
template <bool Write>
bool copy_generic(const Wave& w, u64 address, u32 size, u32 lane, u8* bytes, Problem& problem) {
    const u64 offset = static_cast<u32>(address);
    if (aperture(address) == kSharedHigh) {
        if (offset + size > w.lds_size) {
            problem = {Fault::Kind::LdsOutOfRange, offset, static_cast<int>(lane),
                       "generic address in the LDS aperture"};
            return false;
        }
        if constexpr (Write) std::memcpy(w.lds + offset, bytes, size);
        else std::memcpy(bytes, w.lds + offset, size);
        return true;
    }
    if (aperture(address) == kPrivateHigh) {
        if (scratch_copy<Write>(w, offset, size, lane, bytes)) return true;
        problem = {Fault::Kind::ScratchOutOfRange, offset, static_cast<int>(lane),
                   "generic address in the private aperture"};
        return false;
    }
    if (!w.memory->contains(address, size, Write)) {
        problem = {Fault::Kind::Memory, address, static_cast<int>(lane), nullptr};
        return false;
    }
    if constexpr (Write) std::memcpy(reinterpret_cast<void*>(address), bytes, size);
    else std::memcpy(bytes, reinterpret_cast<const void*>(address), size);
    return true;
}

VGPU_INLINE bool consecutive(const Lanes64& a, u32 step) {
    u64 off = 0;
    for (int i = 0; i < 32; ++i) off |= (a.x[i] - a.x[0]) ^ (u64{step} * static_cast<u32>(i));
    return off == 0;
}

template <Element E, u32 N, Part P>
struct Load {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        constexpr u32 size = element_bytes(E, N);
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            Lanes64 a;
            addresses(w, u, h, a);
            u32* r = w.v + u->dst + h * 32;
            if (!(u->aux & memflag::kGlobal) && any_aperture(a, exec)) [[unlikely]] {
                count_bytes(w, false, exec & ~in_aperture(a), size);
                for (u32 i = 0; i < 32; ++i) {
                    if (!(exec >> i & 1)) continue;
                    u8 bytes[16];
                    Problem problem;
                    if (!copy_generic<false>(w, a.x[i], size, h * 32 + i, bytes, problem))
                        return raise(w, u, problem.kind, problem.address, h * 32 + i, false, size, problem.note);
                    load_lane<E, N, P>(r + i, w.lanes, bytes);
                }
                continue;
            }
            count_bytes(w, false, exec, size);
            const int bad = first_bad_lane(w, a, exec, size, false);
            if (bad >= 0) [[unlikely]]
                return raise(w, u, Fault::Kind::Memory, a.x[bad], h * 32 + static_cast<u32>(bad), false, size);
            if constexpr (E == Element::Words && N == 1) {
                if (exec == 0xffffffffu && consecutive(a, 4)) {
                    std::memcpy(r, reinterpret_cast<const void*>(a.x[0]), 128);
                    continue;
                }
            }
            if (exec == 0xffffffffu) {
                load_all<E, N, P>(r, w.lanes, [&](u32 i) { return reinterpret_cast<const u8*>(a.x[i]); });
            } else {
                for (u32 m = exec; m != 0; m &= m - 1) {
                    const u32 i = static_cast<u32>(std::countr_zero(m));
                    load_lane<E, N, P>(r + i, w.lanes, reinterpret_cast<const u8*>(a.x[i]));
                }
            }
        }
        return u + 1;
    }
};

template <Element E, u32 N, Part P>
struct Store {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        constexpr u32 size = element_bytes(E, N);
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            Lanes64 a;
            addresses(w, u, h, a);
            const u32* r = w.v + u->src[1] + h * 32;
            if (!(u->aux & memflag::kGlobal) && any_aperture(a, exec)) [[unlikely]] {
                count_bytes(w, true, exec & ~in_aperture(a), size);
                for (u32 i = 0; i < 32; ++i) {
                    if (!(exec >> i & 1)) continue;
                    u8 bytes[16];
                    Problem problem;
                    store_lane<E, N, P>(r + i, w.lanes, bytes);
                    if (!copy_generic<true>(w, a.x[i], size, h * 32 + i, bytes, problem))
                        return raise(w, u, problem.kind, problem.address, h * 32 + i, true, size, problem.note);
                }
                continue;
            }
            count_bytes(w, true, exec, size);
            const int bad = first_bad_lane(w, a, exec, size, true);
            if (bad >= 0) [[unlikely]]
                return raise(w, u, Fault::Kind::Memory, a.x[bad], h * 32 + static_cast<u32>(bad), true, size);
            if constexpr (E == Element::Words && N == 1) {
                if (exec == 0xffffffffu && consecutive(a, 4)) {
                    std::memcpy(reinterpret_cast<void*>(a.x[0]), r, 128);
                    continue;
                }
            }
            for (u32 m = exec; m != 0; m &= m - 1) {
                const u32 i = static_cast<u32>(std::countr_zero(m));
                store_lane<E, N, P>(r + i, w.lanes, reinterpret_cast<u8*>(a.x[i]));
            }
        }
        return u + 1;
    }
};

// SCRATCH: the address is an offset into the lane's private memory.
VGPU_INLINE u32 scratch_offset(const Wave& w, const MicroOp* u, u32 lane) {
    const u32 base = (u->aux & memflag::kSaddr) ? rs32(w, u->src[2]) : w.v[u->src[0] + lane];
    return base + static_cast<u32>(u->imm);
}

template <bool Write>
struct Scratch {
    template <Element E, u32 N, Part P>
    struct Op {
        static const MicroOp* run(Wave& w, const MicroOp* u) {
            constexpr u32 size = element_bytes(E, N);
            const u64 exec = w.exec();
            u32* r = w.v + (Write ? u->src[1] : u->dst);
            for (u64 m = exec; m != 0; m &= m - 1) {
                const u32 lane = static_cast<u32>(std::countr_zero(m));
                const u32 offset = scratch_offset(w, u, lane);
                u8 bytes[16];
                if constexpr (Write) store_lane<E, N, P>(r + lane, w.lanes, bytes);
                if (!scratch_copy<Write>(w, offset, size, lane, bytes))
                    return raise(w, u, Fault::Kind::ScratchOutOfRange, offset, lane, Write, size);
                if constexpr (!Write) load_lane<E, N, P>(r + lane, w.lanes, bytes);
            }
            return u + 1;
        }
    };
};

template <class T>
VGPU_INLINE T reg(const Wave& w, u32 at, u32 lane) {
    if constexpr (sizeof(T) == 4) return w.v[at + lane];
    else return w.v[at + lane] | u64{w.v[at + w.lanes + lane]} << 32;
}

// n is the operation; the comparand of a compare-and-swap follows the new value.
template <class T>
const MicroOp* atomic(Wave& w, const MicroOp* u) {
    const Atomic op = static_cast<Atomic>(u->n);
    const bool compare = op == Atomic::CmpSwap || op == Atomic::FCmpSwap;
    const u32 words = sizeof(T) / 4;
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        if (exec == 0) continue;
        Lanes64 a;
        addresses(w, u, h, a);
        const bool generic = !(u->aux & memflag::kGlobal);
        count_bytes(w, true, generic ? exec & ~in_aperture(a) : exec, sizeof(T));
        for (u32 m = exec; m != 0; m &= m - 1) {
            const u32 i = static_cast<u32>(std::countr_zero(m)), lane = h * 32 + i;
            const T data = reg<T>(w, u->src[1], lane);
            const T data2 = compare ? reg<T>(w, u->src[1] + words * w.lanes, lane) : T{0};
            const u64 address = a.x[i];
            if (address % sizeof(T) != 0) return raise(w, u, Fault::Kind::Misaligned, address, lane, true, sizeof(T));
            T old = 0;
            if (generic && aperture(address) == kSharedHigh) {
                const u32 offset = static_cast<u32>(address);
                if (offset + u64{sizeof(T)} > w.lds_size)
                    return raise(w, u, Fault::Kind::LdsOutOfRange, offset, lane, true, sizeof(T));
                std::memcpy(&old, w.lds + offset, sizeof(T));
                const T now = atomic_result(op, old, data, data2);
                std::memcpy(w.lds + offset, &now, sizeof(T));
            } else if (generic && aperture(address) == kPrivateHigh) {
                const u32 offset = static_cast<u32>(address);
                if (!scratch_copy<false>(w, offset, sizeof(T), lane, reinterpret_cast<u8*>(&old)))
                    return raise(w, u, Fault::Kind::ScratchOutOfRange, offset, lane, true, sizeof(T));
                T now = atomic_result(op, old, data, data2);
                scratch_copy<true>(w, offset, sizeof(T), lane, reinterpret_cast<u8*>(&now));
            } else {
                if (!w.memory->contains(address, sizeof(T), true))
                    return raise(w, u, Fault::Kind::Memory, address, lane, true, sizeof(T));
                old = atomic_on_host<T>(op, address, data, data2);
            }
            if (u->aux & memflag::kGlc) {
                w.v[u->dst + lane] = static_cast<u32>(old);
                if constexpr (sizeof(T) == 8) w.v[u->dst + w.lanes + lane] = static_cast<u32>(old >> 32);
            }
        }
    }
    return u + 1;
}

template <Element E, u32 N, Part P>
using ScratchLoad = Scratch<false>::Op<E, N, P>;
template <Element E, u32 N, Part P>
using ScratchStore = Scratch<true>::Op<E, N, P>;

}  // namespace

Fn flat_handler(const isa::Inst& inst) {
    const isa::Row& row = inst.row();
    if (row.has(isa::ATOMIC)) return isa::bytes(row.mem) == 8 ? &atomic<u64> : &atomic<u32>;
    if (inst.fmt == isa::Fmt::SCRATCH)
        return row.has(isa::STORE) ? by_element<ScratchStore>(row) : by_element<ScratchLoad>(row);
    return row.has(isa::STORE) ? by_element<Store>(row) : by_element<Load>(row);
}

}  // namespace vgpu::core::VGPU_HOST
