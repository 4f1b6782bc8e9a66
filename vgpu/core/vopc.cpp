// Vector comparisons: v_cmp writes a lane mask (inactive lanes 0), v_cmpx writes exec.
#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

template <class A, class B, class F>
VGPU_INLINE void compare_body(Wave& w, const MicroOp* u) {
    u32 mask[2] = {0, 0};
    for (u32 h = 0; h < w.halves; ++h) {
        In<A> a;
        In<B> b;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        u32 m = 0;
        for (int i = 0; i < 32; ++i) m |= F{}(a[i], b[i]) ? 1u << i : 0u;
        mask[h] = m & w.s[kExecLo + h];
    }
    for (u32 h = 0; h < w.halves; ++h) w.s[u->dst + h] = mask[h];
}
template <class A, class B, class F>
const MicroOp* compare(Wave& w, const MicroOp* u) {
    compare_body<A, B, F>(w, u);
    return u + 1;
}
template <class A, class B, class F>
constexpr Fn fn(F) {
    return &compare<A, B, F>;
}

// Bits of the class mask: signalling NaN, quiet NaN, -inf, -normal, -denormal, -0, +0,
// +denormal, +normal, +inf.
VGPU_INLINE bool in_class(bool negative, bool exponent_full, bool exponent_zero, bool mantissa, bool quiet_bit,
                          u32 mask) {
    u32 k = 0;
    if (exponent_full && mantissa) k = quiet_bit ? 1 : 0;
    else if (exponent_full) k = negative ? 2 : 9;
    else if (!exponent_zero) k = negative ? 3 : 8;
    else if (mantissa) k = negative ? 4 : 7;
    else k = negative ? 5 : 6;
    return mask >> k & 1;
}
constexpr auto kClass32 = [](float f, u32 mask) {
    const u32 x = bits(f);
    return in_class(x >> 31, (x >> 23 & 255) == 255, (x >> 23 & 255) == 0, (x & 0x7fffff) != 0, x >> 22 & 1, mask);
};
constexpr auto kClass64 = [](double f, u32 mask) {
    const u64 x = bits(f);
    return in_class(x >> 63, (x >> 52 & 2047) == 2047, (x >> 52 & 2047) == 0, (x & 0xfffffffffffff) != 0, x >> 51 & 1,
                    mask);
};
constexpr auto kClass16 = [](u16 x, u32 mask) {
    return in_class(x >> 15, (x >> 10 & 31) == 31, (x >> 10 & 31) == 0, (x & 0x3ff) != 0, x >> 9 & 1, mask);
};

// f16 classes look at the raw half; neg and abs still apply.
const MicroOp* class16(Wave& w, const MicroOp* u) {
    u32 mask[2] = {0, 0};
    for (u32 h = 0; h < w.halves; ++h) {
        In<u16> a;
        In<u32> b;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        const u32 keep = (u->src[0] & operand::kAbs) ? 0x7fff : 0xffff;
        const u32 flip = (u->src[0] & operand::kNeg) ? 0x8000 : 0;
        u32 m = 0;
        for (int i = 0; i < 32; ++i) m |= kClass16(static_cast<u16>((a[i] & keep) ^ flip), b[i]) ? 1u << i : 0u;
        mask[h] = m & w.s[kExecLo + h];
    }
    for (u32 h = 0; h < w.halves; ++h) w.s[u->dst + h] = mask[h];
    return u + 1;
}

#define BOTH(name, type, A, expr)                                                                                   \
    {Op::v_cmp_##name##_##type, fn<A, A>([]([[maybe_unused]] auto a, [[maybe_unused]] auto b) { return expr; })}, { \
        Op::v_cmpx_##name##_##type, fn<A, A>([]([[maybe_unused]] auto a, [[maybe_unused]] auto b) { return expr; }) \
    }
#define ORDERED(type, A)                                                                                      \
    BOTH(lt, type, A, a < b), BOTH(eq, type, A, a == b), BOTH(le, type, A, a <= b), BOTH(gt, type, A, a > b), \
        BOTH(ge, type, A, a >= b)
#define INTEGER(type, A) ORDERED(type, A), BOTH(ne, type, A, a != b)
#define INTEGER_ALL(type, A) INTEGER(type, A), BOTH(f, type, A, false), BOTH(t, type, A, true)
#define FLOATING(type, A)                                                                                          \
    ORDERED(type, A), BOTH(f, type, A, false), BOTH(tru, type, A, true), BOTH(lg, type, A, (a < b || a > b)),      \
        BOTH(o, type, A, (a == a && b == b)), BOTH(u, type, A, (a != a || b != b)), BOTH(nge, type, A, !(a >= b)), \
        BOTH(nlg, type, A, !(a < b || a > b)), BOTH(ngt, type, A, !(a > b)), BOTH(nle, type, A, !(a <= b)),        \
        BOTH(neq, type, A, a != b), BOTH(nlt, type, A, !(a < b))

constexpr Binding kRows[] = {
    FLOATING(f32, float),
    FLOATING(f64, double),
    FLOATING(f16, half_t),
    INTEGER_ALL(i32, i32),
    INTEGER_ALL(u32, u32),
    INTEGER_ALL(i64, i64),
    INTEGER_ALL(u64, u64),
    INTEGER(i16, i16),
    INTEGER(u16, u16),
    {Op::v_cmp_class_f32, fn<float, u32>(kClass32)},
    {Op::v_cmpx_class_f32, fn<float, u32>(kClass32)},
    {Op::v_cmp_class_f64, fn<double, u32>(kClass64)},
    {Op::v_cmpx_class_f64, fn<double, u32>(kClass64)},
    {Op::v_cmp_class_f16, &class16},
    {Op::v_cmpx_class_f16, &class16},
};

}  // namespace

extern const BindingList kCompareRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
