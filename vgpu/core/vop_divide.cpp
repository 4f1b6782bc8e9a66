// The three steps around a Newton division: scale, fused multiply-add with scale, fix-up.
// After the pseudo-code of the RDNA manuals; where that would lose a result (both the
// reciprocal and the quotient denormal) the scale is the one that keeps it.
#include <limits>

#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

struct F32 {
    using T = float;
    using Bits = u32;
    static constexpr int kMant = 23, kFar = 96, kScale = 64, kTiny = 23, kUnder = -150, kFull = 255;
    static constexpr Bits kNan = 0x7fc00000;
    static int exponent(T f) { return static_cast<int>(bits(f) >> 23 & 255); }
};
struct F64 {
    using T = double;
    using Bits = u64;
    static constexpr int kMant = 52, kFar = 768, kScale = 128, kTiny = 53, kUnder = -1075, kFull = 2047;
    static constexpr Bits kNan = 0x7ff8000000000000;
    static int exponent(T f) { return static_cast<int>(bits(f) >> 52 & 2047); }
};

template <class K>
bool denormal_quotient(typename K::T n, typename K::T d) {
    const long double q = std::fabs(static_cast<long double>(n) / static_cast<long double>(d));
    return q != 0 && q < static_cast<long double>(std::numeric_limits<typename K::T>::min());
}

template <class K>
typename K::T scale_one(typename K::T a, typename K::T den, typename K::T num, bool& flag) {
    using T = typename K::T;
    flag = false;
    if (den == 0 || num == 0) return std::bit_cast<T>(K::kNan);
    if (den - den != 0 || num - num != 0) return a;  // the fix-up replaces these anyway
    const int ed = K::exponent(den), en = K::exponent(num);
    const bool rcp_denormal = denormal_quotient<K>(T(1), den);
    const bool q_denormal = denormal_quotient<K>(num, den);
    if (en - ed >= K::kFar) {
        flag = true;
        return a == den ? std::ldexp(a, K::kScale) : a;
    }
    if (ed == 0) return std::ldexp(a, K::kScale);
    if (rcp_denormal && q_denormal) {
        flag = true;
        return a == den ? std::ldexp(a, -K::kScale) : a;
    }
    if (rcp_denormal) return std::ldexp(a, -K::kScale);
    if (q_denormal) {
        flag = true;
        return a == num ? std::ldexp(a, K::kScale) : a;
    }
    if (en <= K::kTiny) return std::ldexp(a, K::kScale);
    return a;
}

template <class K>
void scale_half(Wave& w, const MicroOp* u, u32 h, u32& mask) {
    using T = typename K::T;
    const u32 exec = w.s[kExecLo + h];
    In<T> a, b, c;
    a.load(w, u->src[0], h);
    b.load(w, u->src[1], h);
    c.load(w, u->src[2], h);
    Out<T> r;
    mask = 0;
    for (int i = 0; i < 32; ++i) {
        bool flag = false;
        r.set(i, scale_one<K>(a[i], b[i], c[i], flag));
        mask |= static_cast<u32>(flag) << i;
    }
    mask &= exec;
    r.store(w, u, h, exec);
}

template <class K>
const MicroOp* div_scale(Wave& w, const MicroOp* u) {
    u32 mask[2] = {0, 0};
    for (u32 h = 0; h < w.halves; ++h) scale_half<K>(w, u, h, mask[h]);
    for (u32 h = 0; h < w.halves; ++h) w.s[u->sdst + h] = mask[h];
    return u + 1;
}

// Where VCC is set the quotient was scaled: up by kScale if it is large, else down.
float fmas_one(float a, float b, float c) {
    const double sum = add_to_odd(double{a} * double{b}, double{c});
    return static_cast<float>(std::ldexp(sum, F32::exponent(c) > 127 ? 64 : -64));
}
double fmas_one(double a, double b, double c) {
    const int up = F64::exponent(c) > 1023 ? 128 : -128;
    const double once = std::ldexp(std::fma(a, b, c), up);
    if (F64::exponent(once) > 1) return once;  // surely normal: the scaling was exact
    // A denormal would be rounded twice: round to odd first, in a format with bits to spare.
    using wide = long double;
    const double product = a * b, below = std::fma(a, b, -product);
    const wide sum = wide{product} + c, back = sum - product;
    const wide error = ((product - (sum - back)) + (c - back)) + below;
    u8 last = 0;  // the lowest byte of the mantissa
    std::memcpy(&last, &sum, 1);
    const wide infinity = std::numeric_limits<wide>::infinity();
    const wide odd = error != 0 && (last & 1) == 0 ? std::nextafter(sum, error > 0 ? infinity : -infinity) : sum;
    return static_cast<double>(std::ldexp(odd, up));
}

template <class K>
const MicroOp* div_fmas(Wave& w, const MicroOp* u) {
    using T = typename K::T;
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h], vcc = w.s[kVccLo + h];
        In<T> a, b, c;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        c.load(w, u->src[2], h);
        Out<T> r;
        for (int i = 0; i < 32; ++i) r.set(i, std::fma(a[i], b[i], c[i]));
        if (vcc & exec)
            for (int i = 0; i < 32; ++i)
                if (vcc >> i & 1) r.set(i, fmas_one(a[i], b[i], c[i]));
        r.store(w, u, h, exec);
    }
    return u + 1;
}

template <class K>
typename K::T fixup(typename K::T q, typename K::T den, typename K::T num) {
    using T = typename K::T;
    const bool negative = std::signbit(den) != std::signbit(num);
    const T inf = std::numeric_limits<T>::infinity();
    if (num != num) return quiet(num);
    if (den != den) return quiet(den);
    if ((den == 0 && num == 0) || (std::isinf(den) && std::isinf(num))) return std::bit_cast<T>(K::kNan);
    if (den == 0 || std::isinf(num)) return negative ? -inf : inf;
    if (std::isinf(den) || num == 0) return negative ? -T(0) : T(0);
    if (K::exponent(num) - K::exponent(den) < K::kUnder) return negative ? -T(0) : T(0);
    // Operands that are finite give no such quotient but by overflow.
    if (K::exponent(q) == K::kFull) return negative ? -inf : inf;
    return negative ? -std::fabs(q) : std::fabs(q);
}

constexpr Binding kRows[] = {
    {Op::v_div_scale_f32, &div_scale<F32>},
    {Op::v_div_scale_f64, &div_scale<F64>},
    {Op::v_div_fmas_f32, &div_fmas<F32>},
    {Op::v_div_fmas_f64, &div_fmas<F64>},
    vec<Op::v_div_fixup_f32, float(float, float, float)>([](float a, float b, float c) { return fixup<F32>(a, b, c); }),
    vec<Op::v_div_fixup_f64, double(double, double, double)>(
        [](double a, double b, double c) { return fixup<F64>(a, b, c); }),
};

}  // namespace

extern const BindingList kDivideRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
