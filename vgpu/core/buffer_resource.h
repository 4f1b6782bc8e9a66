// Which byte a buffer (V#) or scalar memory instruction means, and whether it may.
// Shared by the handlers of these instructions and by strict mode's view of memory accesses.
#pragma once

#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {

struct Resource {
    u64 base;
    u32 stride, records, format, index_stride, bounds;
    u32 select[4];
    bool swizzle, add_tid;
};

// gfx10 layout (RDNA1 ISA manual, "Buffer Resource Descriptor").
inline Resource resource(const Wave& w, const MicroOp* u) {
    const u32* d = w.s + (u->src[2] & operand::kValue);
    Resource r;
    r.base = d[0] | u64{d[1] & 0xffff} << 32;
    r.stride = d[1] >> 16 & 0x3fff;
    r.swizzle = d[1] >> 31;
    r.records = d[2];
    for (u32 k = 0; k < 4; ++k) r.select[k] = d[3] >> (3 * k) & 7;
    r.format = d[3] >> 12 & 0x7f;
    r.index_stride = 8u << (d[3] >> 21 & 3);
    r.add_tid = d[3] >> 23 & 1;
    r.bounds = d[3] >> 28 & 3;
    return r;
}

struct Spot {
    u64 index, offset;  // as the resource sees them
    u64 scalar;         // soffset, outside swizzling
};

inline Spot spot(const Wave& w, const MicroOp* u, const Resource& r, u32 lane) {
    u32 at = u->src[0];
    u64 index = 0, offset = static_cast<u64>(u->imm);
    if (u->aux & memflag::kIdxen) {
        index = w.v[at + lane];
        at += w.lanes;
    }
    if (u->aux & memflag::kOffen) offset += w.v[at + lane];
    if (r.add_tid) index += lane;
    return {index, offset, rs32(w, u->src[3])};
}

// May `size` bytes at `extra` past the spot be touched? The four rules of OOB_SELECT.
inline bool in_bounds(const Resource& r, const Spot& s, u32 extra, u32 size) {
    switch (r.bounds) {
        case 0: return s.index < r.records && (r.stride == 0 || s.offset + extra + size <= r.stride);
        case 1: return s.index < r.records;
        case 2: return r.records != 0;
        default: {
            const u64 linear = s.offset + s.index * r.stride + s.scalar + extra;
            if (r.swizzle && r.stride != 0)
                return s.index < r.records / r.stride && s.offset + extra + size <= r.stride;
            return linear + size <= r.records;
        }
    }
}

inline u64 address_of(const Resource& r, const Spot& s, u32 extra) {
    const u64 offset = s.offset + extra;
    if (!r.swizzle) return r.base + s.scalar + s.index * r.stride + offset;
    const u64 major = s.index / r.index_stride, minor = s.index % r.index_stride;
    return r.base + s.scalar + (major * r.stride + (offset & ~u64{3})) * r.index_stride + minor * 4 + (offset & 3);
}

// Where scalar memory instructions point: src[0] is the base, src[1] the scalar offset.
VGPU_INLINE u64 scalar_address(const Wave& w, const MicroOp* u) {
    return (rs64(w, u->src[0]) + static_cast<u64>(u->imm) + rs32(w, u->src[1])) & ~u64{3};
}

// The buffer form: the offset is unsigned and checked against the resource; `room` is how
// many bytes from there on are inside.
VGPU_INLINE u64 scalar_buffer_address(const Wave& w, const MicroOp* u, u64& room) {
    const u32 at = u->src[0] & operand::kValue;
    const u64 base = w.s[at] | u64{w.s[at + 1] & 0xffff} << 32;
    const u32 stride = w.s[at + 1] >> 16 & 0x3fff;
    const u64 size = u64{w.s[at + 2]} * (stride == 0 ? 1 : stride);
    const u64 offset = (u64{rs32(w, u->src[1])} + static_cast<u64>(u->imm)) & ~u64{3};
    room = offset < size ? size - offset : 0;
    return base + offset;
}

}  // namespace vgpu::core::VGPU_HOST
