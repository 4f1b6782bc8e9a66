// 16-bit integer instructions; gfx10 keeps the other half of the destination.
#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using U2 = u16(u16, u16);
using U3 = u16(u16, u16, u16);
using I2 = i16(i16, i16);
using I3 = i16(i16, i16, i16);

template <class T>
VGPU_INLINE T least(T a, T b) {
    return a < b ? a : b;
}
template <class T>
VGPU_INLINE T most(T a, T b) {
    return a > b ? a : b;
}
template <class T>
VGPU_INLINE T middle(T a, T b, T c) {
    return most(least(a, b), least(most(a, b), c));
}

// D = F(S0, S1, S2) in wide arithmetic; VOP3 clamp cuts to the range of D.
template <class D, class S, class C, unsigned Count, class F>
const MicroOp* clamped(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        In<S> a, b;
        In<C> c;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        if constexpr (Count == 3) c.load(w, u->src[2], h);
        Out<D> r;
        const bool clamp = u->out & out::kClamp;
        for (int i = 0; i < 32; ++i) {
            i64 value = 0;
            if constexpr (Count == 3) value = F{}(i64{a[i]}, i64{b[i]}, i64{c[i]});
            else value = F{}(i64{a[i]}, i64{b[i]});
            constexpr i64 bits_of = sizeof(D) * 8;
            constexpr i64 low = std::is_signed_v<D> ? -(i64{1} << (bits_of - 1)) : 0;
            constexpr i64 high = (i64{1} << (std::is_signed_v<D> ? bits_of - 1 : bits_of)) - 1;
            if (clamp) value = value < low ? low : value > high ? high : value;
            r.set(i, static_cast<D>(value));
        }
        r.store(w, u, h, exec);
    }
    return u + 1;
}
template <Op O, class T, class F>
constexpr Binding sat2(F) {
    return {O, &clamped<T, T, T, 2, F>};
}
template <Op O, class D, class S, class C, class F>
constexpr Binding sat3(F) {
    return {O, &clamped<D, S, C, 3, F>};
}

constexpr auto kAdd = [](i64 a, i64 b) { return a + b; };
constexpr auto kSub = [](i64 a, i64 b) { return a - b; };
constexpr auto kMad = [](i64 a, i64 b, i64 c) { return a * b + c; };

constexpr Binding kRows[] = {
    sat2<Op::v_add_nc_u16, u16>(kAdd),
    sat2<Op::v_add_nc_i16, i16>(kAdd),
    sat2<Op::v_sub_nc_u16, u16>(kSub),
    sat2<Op::v_sub_nc_i16, i16>(kSub),
    vec<Op::v_mul_lo_u16, U2>([](u16 a, u16 b) { return static_cast<u16>(u32{a} * b); }),
    vec<Op::v_lshrrev_b16, U2>([](u16 a, u16 b) { return static_cast<u16>(b >> (a & 15)); }),
    vec<Op::v_ashrrev_i16, i16(u16, i16)>([](u16 a, i16 b) { return static_cast<i16>(b >> (a & 15)); }),
    vec<Op::v_lshlrev_b16, U2>([](u16 a, u16 b) { return static_cast<u16>(u32{b} << (a & 15)); }),
    vec<Op::v_max_u16, U2>([](u16 a, u16 b) { return most(a, b); }),
    vec<Op::v_max_i16, I2>([](i16 a, i16 b) { return most(a, b); }),
    vec<Op::v_min_u16, U2>([](u16 a, u16 b) { return least(a, b); }),
    vec<Op::v_min_i16, I2>([](i16 a, i16 b) { return least(a, b); }),
    vec<Op::v_min3_i16, I3>([](i16 a, i16 b, i16 c) { return least(least(a, b), c); }),
    vec<Op::v_min3_u16, U3>([](u16 a, u16 b, u16 c) { return least(least(a, b), c); }),
    vec<Op::v_max3_i16, I3>([](i16 a, i16 b, i16 c) { return most(most(a, b), c); }),
    vec<Op::v_max3_u16, U3>([](u16 a, u16 b, u16 c) { return most(most(a, b), c); }),
    vec<Op::v_med3_i16, I3>([](i16 a, i16 b, i16 c) { return middle(a, b, c); }),
    vec<Op::v_med3_u16, U3>([](u16 a, u16 b, u16 c) { return middle(a, b, c); }),
    sat3<Op::v_mad_u16, u16, u16, u16>(kMad),
    sat3<Op::v_mad_i16, i16, i16, i16>(kMad),
    sat3<Op::v_mad_u32_u16, u32, u16, u32>(kMad),
    sat3<Op::v_mad_i32_i16, i32, i16, i32>(kMad),
};

}  // namespace

extern const BindingList kInt16Rows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
