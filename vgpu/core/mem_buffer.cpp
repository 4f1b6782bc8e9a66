// MUBUF and MTBUF: buffer memory through a 128-bit resource (V#).
#include "vgpu/core/buffer_format.h"
#include "vgpu/core/buffer_resource.h"
#include "vgpu/core/handlers.h"
#include "vgpu/core/memory_ops.h"

namespace vgpu::core::VGPU_HOST {
namespace {

// A private-memory access past the lane's own bytes would hit another lane's.
bool past_scratch(const Wave& w, const Resource& r, const Spot& s, u32 size) {
    if (!(r.add_tid && r.swizzle && r.base >= w.scratch_base && r.base < w.scratch_base + w.lanes)) return false;
    return s.offset + s.scalar / w.lanes + size > w.scratch_lane_bytes;
}

enum class Access { Load, Store };

// One lane, `size` bytes, dword by dword: each dword is checked and swizzled on its own.
// False when it faulted. Loads out of bounds give 0, stores there are dropped.
template <Access A>
bool copy_lane(Wave& w, const MicroOp* u, const Resource& r, u32 lane, u8* bytes, u32 size) {
    constexpr bool write = A == Access::Store;
    const Spot s = spot(w, u, r, lane);
    if (past_scratch(w, r, s, size)) {
        raise(w, u, Fault::Kind::ScratchOutOfRange, s.offset + s.scalar / w.lanes, lane, write, size);
        return false;
    }
    for (u32 done = 0; done < size; done += 4) {
        u32 n = size - done < 4 ? size - done : 4;
        if (!in_bounds(r, s, done, n)) {
            if constexpr (!write) std::memset(bytes + done, 0, n);
            continue;
        }
        // A swizzled dword that is not aligned lies in two places.
        for (u32 part = 0; part < n;) {
            const u32 room = r.swizzle ? 4 - static_cast<u32>((s.offset + done + part) & 3) : n;
            const u32 piece = n - part < room ? n - part : room;
            const u64 address = address_of(r, s, done + part);
            if (!w.memory->contains(address, piece, write)) [[unlikely]] {
                raise(w, u, Fault::Kind::Memory, address, lane, write, piece);
                return false;
            }
            if constexpr (write) std::memcpy(reinterpret_cast<void*>(address), bytes + done + part, piece);
            else std::memcpy(bytes + done + part, reinterpret_cast<const void*>(address), piece);
            part += piece;
        }
    }
    return true;
}

// Buffers without swizzling and stride, raw bounds: the usual case, all lanes at once.
// 1: done, 0: not this case, -1: faulted.
template <Access A, Element E, u32 N, Part P>
int fast(Wave& w, const MicroOp* u, const Resource& r, u32 h, u32 exec, u32 reg) {
    constexpr u32 size = element_bytes(E, N);
    if (r.swizzle || r.add_tid || r.bounds != 3 || r.stride != 0 || (u->aux & memflag::kIdxen)) return 0;
    Lanes64 a;
    const u64 fixed = static_cast<u64>(u->imm) + rs32(w, u->src[3]);
    if (u->aux & memflag::kOffen) {
        const u32* v = w.v + u->src[0] + h * 32;
        VGPU_LANES a.x[i] = v[i] + fixed;
    } else {
        VGPU_LANES a.x[i] = fixed;
    }
    u32 out = 0;
    for (int i = 0; i < 32; ++i) out |= a.x[i] + size > r.records ? 1u << i : 0u;
    if (out & exec) return 0;
    VGPU_LANES a.x[i] += r.base;
    const int bad = first_bad_lane(w, a, exec, size, A == Access::Store);
    if (bad >= 0) {
        raise(w, u, Fault::Kind::Memory, a.x[bad], h * 32 + static_cast<u32>(bad), A == Access::Store, size);
        return -1;
    }
    u32* p = w.v + reg + h * 32;
    for (u32 m = exec; m != 0; m &= m - 1) {
        const u32 i = static_cast<u32>(std::countr_zero(m));
        if constexpr (A == Access::Store) store_lane<E, N, P>(p + i, w.lanes, reinterpret_cast<u8*>(a.x[i]));
        else load_lane<E, N, P>(p + i, w.lanes, reinterpret_cast<const u8*>(a.x[i]));
    }
    return 1;
}

// buffer_load ... lds: the dword goes to LDS at M0 + offset + 4 * lane.
const MicroOp* load_to_lds(Wave& w, const MicroOp* u, const Resource& r) {
    count_bytes(w, false, w.exec(), isa::bytes(u->extra->inst.row().mem));
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        u8 bytes[4] = {};
        const u32 size = isa::bytes(u->extra->inst.row().mem);
        if (!copy_lane<Access::Load>(w, u, r, lane, bytes, size)) return nullptr;
        const u64 to = u64{w.s[kM0] & 0xffff} + static_cast<u64>(u->imm) + u64{lane} * 4;
        if (to + 4 > w.lds_size) return raise(w, u, Fault::Kind::LdsOutOfRange, to, lane, true, 4);
        std::memcpy(w.lds + to, bytes, 4);
    }
    return u + 1;
}

template <Element E, u32 N, Part P>
struct Load {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        constexpr u32 size = element_bytes(E, N);
        const Resource r = resource(w, u);
        if (u->aux & memflag::kLds) return load_to_lds(w, u, r);
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            if (!r.add_tid) count_bytes(w, false, exec, size);  // else scratch
            const int quick = fast<Access::Load, E, N, P>(w, u, r, h, exec, u->dst);
            if (quick < 0) return nullptr;
            if (quick > 0) continue;
            for (u32 m = exec; m != 0; m &= m - 1) {
                const u32 i = static_cast<u32>(std::countr_zero(m));
                u8 bytes[16];
                if (!copy_lane<Access::Load>(w, u, r, h * 32 + i, bytes, size)) return nullptr;
                load_lane<E, N, P>(w.v + u->dst + h * 32 + i, w.lanes, bytes);
            }
        }
        return u + 1;
    }
};
template <Element E, u32 N, Part P>
struct Store {
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        constexpr u32 size = element_bytes(E, N);
        const Resource r = resource(w, u);
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            if (!r.add_tid) count_bytes(w, true, exec, size);
            const int quick = fast<Access::Store, E, N, P>(w, u, r, h, exec, u->src[1]);
            if (quick < 0) return nullptr;
            if (quick > 0) continue;
            for (u32 m = exec; m != 0; m &= m - 1) {
                const u32 i = static_cast<u32>(std::countr_zero(m));
                u8 bytes[16];
                store_lane<E, N, P>(w.v + u->src[1] + h * 32 + i, w.lanes, bytes);
                if (!copy_lane<Access::Store>(w, u, r, h * 32 + i, bytes, size)) return nullptr;
            }
        }
        return u + 1;
    }
};

template <class T>
const MicroOp* atomic(Wave& w, const MicroOp* u) {
    const Atomic op = static_cast<Atomic>(u->n);
    const bool compare = op == Atomic::CmpSwap || op == Atomic::FCmpSwap;
    const Resource r = resource(w, u);
    const u32 words = sizeof(T) / 4;
    count_bytes(w, true, w.exec(), sizeof(T));
    const auto reg = [&](u32 at, u32 lane) {
        if constexpr (sizeof(T) == 4) return w.v[at + lane];
        else return w.v[at + lane] | u64{w.v[at + w.lanes + lane]} << 32;
    };
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const Spot s = spot(w, u, r, lane);
        T old = 0;
        if (in_bounds(r, s, 0, sizeof(T))) {
            const u64 address = address_of(r, s, 0);
            if (address % sizeof(T) != 0) return raise(w, u, Fault::Kind::Misaligned, address, lane, true, sizeof(T));
            if (!w.memory->contains(address, sizeof(T), true))
                return raise(w, u, Fault::Kind::Memory, address, lane, true, sizeof(T));
            const T data = reg(u->src[1], lane);
            const T data2 = compare ? reg(u->src[1] + words * w.lanes, lane) : T{0};
            old = atomic_on_host<T>(op, address, data, data2);
        }
        if (u->aux & memflag::kGlc) {
            w.v[u->dst + lane] = static_cast<u32>(old);
            if constexpr (sizeof(T) == 8) w.v[u->dst + w.lanes + lane] = static_cast<u32>(old >> 32);
        }
    }
    return u + 1;
}

// Formatted access. n is the number of components asked for; aux bits above the flags say
// how they lie in registers (Extra::inst has the D16 flags).
template <Access A>
const MicroOp* formatted(Wave& w, const MicroOp* u) {
    const isa::Inst& inst = u->extra->inst;
    const isa::Row& row = inst.row();
    Resource r = resource(w, u);
    const bool typed = inst.fmt == isa::Fmt::MTBUF;
    const BufferFormat format = buffer_format(typed ? inst.format : r.format);
    if (format.components == 0) return u + 1;  // an invalid format touches nothing
    if (!r.add_tid) count_bytes(w, A == Access::Store, w.exec(), format.bytes);
    const bool packed = row.has(isa::D16FMT), high = row.has(isa::D16HI), d16 = packed || high;
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        u8 bytes[16] = {};
        u32 value[4] = {};
        if constexpr (A == Access::Load) {
            if (!copy_lane<Access::Load>(w, u, r, lane, bytes, format.bytes)) return nullptr;
            u32 raw[4];
            decode_format(format, bytes, d16, raw);
            const u32 one = format.is_float() ? (d16 ? 0x3c00 : 0x3f800000) : 1;
            for (u32 k = 0; k < u->n; ++k) {
                const u32 select = typed ? 4 + k : r.select[k];
                value[k] = select >= 4   ? (select - 4 < format.components ? raw[select - 4]
                                            : select == 7                  ? one
                                                                           : 0)
                           : select == 1 ? one
                                         : 0;
            }
            if (high) {
                u32& d = w.v[u->dst + lane];
                d = (d & 0xffff) | value[0] << 16;
            } else if (packed) {
                for (u32 k = 0; k < u->n; k += 2)
                    w.v[u->dst + k / 2 * w.lanes + lane] =
                        (value[k] & 0xffff) | (k + 1 < u->n ? value[k + 1] << 16 : 0);
            } else {
                for (u32 k = 0; k < u->n; ++k) w.v[u->dst + k * w.lanes + lane] = value[k];
            }
        } else {
            for (u32 k = 0; k < u->n; ++k) {
                if (high) value[k] = w.v[u->src[1] + lane] >> 16;
                else if (packed) value[k] = w.v[u->src[1] + k / 2 * w.lanes + lane] >> (16 * (k & 1)) & 0xffff;
                else value[k] = w.v[u->src[1] + k * w.lanes + lane];
            }
            encode_format(format, value, d16, bytes);
            if (!copy_lane<Access::Store>(w, u, r, lane, bytes, format.bytes)) return nullptr;
        }
    }
    return u + 1;
}

const MicroOp* nothing(Wave&, const MicroOp* u) { return u + 1; }

}  // namespace

Fn buffer_handler(const isa::Inst& inst) {
    const isa::Row& row = inst.row();
    if (row.has(isa::CACHE)) return &nothing;
    if (inst.tfe) return nullptr;  // partially resident textures: graphics only
    if (row.has(isa::ATOMIC)) return isa::bytes(row.mem) == 8 ? &atomic<u64> : &atomic<u32>;
    if (row.mem == isa::Ty::FMT) return row.has(isa::STORE) ? &formatted<Access::Store> : &formatted<Access::Load>;
    return row.has(isa::STORE) ? by_element<Store>(row) : by_element<Load>(row);
}

}  // namespace vgpu::core::VGPU_HOST
