// Instructions with lane masks: carry in and out, selections, 64-bit multiply-add.
#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

// Half h of a mask operand.
VGPU_INLINE u32 mask_half(const Wave& w, u32 o, u32 h) {
    const u32 at = o & operand::kValue;
    return (o & operand::kSgpr) ? w.s[at + h] : w.consts[at + (h ? 32 : 0)];
}

// Lanes of `value` that are non-zero, as bits.
VGPU_INLINE u32 gather_bits(const Lanes32& value) {
    u32 m = 0;
    for (int i = 0; i < 32; ++i) m |= value.x[i] ? 1u << i : 0u;
    return m;
}

const MicroOp* cndmask(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        const u32 mask = mask_half(w, u->src[2], h);
        In<float> a, b;  // neg and abs act on the sign bit
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        Lanes32 r;
        VGPU_LANES r.x[i] = (mask >> i & 1) ? bits(b[i]) : bits(a[i]);
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}

enum class Kind { Add, Sub, SubRev };

template <Kind K, bool CarryIn>
const MicroOp* carry(Wave& w, const MicroOp* u) {
    u32 out_mask[2] = {0, 0};
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        const u32 in = CarryIn ? mask_half(w, u->src[2], h) : 0;
        In<u32> a, b;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        Lanes32 r, c;
        VGPU_LANES {
            const u32 bit = in >> i & 1;
            const u32 x = K == Kind::SubRev ? b[i] : a[i], y = K == Kind::SubRev ? a[i] : b[i];
            if constexpr (K == Kind::Add) {
                const u32 part = x + y;
                r.x[i] = part + bit;
                c.x[i] = (part < x) | (r.x[i] < part);
            } else {
                const u32 part = x - y;
                r.x[i] = part - bit;
                c.x[i] = (x < y) | (part < bit);
            }
        }
        if (u->out & out::kClamp) [[unlikely]]
            VGPU_LANES r.x[i] = c.x[i] ? (K == Kind::Add ? 0xffffffffu : 0u) : r.x[i];
        store32(w, u->dst, h, exec, r);
        out_mask[h] = gather_bits(c) & exec;
    }
    for (u32 h = 0; h < w.halves; ++h) w.s[u->sdst + h] = out_mask[h];
    return u + 1;
}

template <class Wide, class Narrow, class Total>
const MicroOp* mad64(Wave& w, const MicroOp* u) {
    u32 out_mask[2] = {0, 0};
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        In<Narrow> a, b;
        In<Wide> c;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        c.load(w, u->src[2], h);
        Lanes64 r;
        for (int i = 0; i < 32; ++i) {
            const Wide product = static_cast<Wide>(a[i]) * static_cast<Wide>(b[i]);
            const Total total = static_cast<Total>(product) + static_cast<Total>(c[i]);
            r.x[i] = static_cast<u64>(total);
            out_mask[h] |= static_cast<u32>(total >> 64 & 1) << i;
        }
        out_mask[h] &= exec;
        store64(w, u->dst, h, exec, r);
    }
    for (u32 h = 0; h < w.halves; ++h) w.s[u->sdst + h] = out_mask[h];
    return u + 1;
}

__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;

constexpr Binding kRows[] = {
    {Op::v_cndmask_b32, &cndmask},
    {Op::v_add_co_u32, &carry<Kind::Add, false>},
    {Op::v_sub_co_u32, &carry<Kind::Sub, false>},
    {Op::v_subrev_co_u32, &carry<Kind::SubRev, false>},
    {Op::v_add_co_ci_u32, &carry<Kind::Add, true>},
    {Op::v_sub_co_ci_u32, &carry<Kind::Sub, true>},
    {Op::v_subrev_co_ci_u32, &carry<Kind::SubRev, true>},
    {Op::v_mad_u64_u32, &mad64<u64, u32, u128>},
    {Op::v_mad_i64_i32, &mad64<i64, i32, i128>},
};

}  // namespace

extern const BindingList kCarryRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
