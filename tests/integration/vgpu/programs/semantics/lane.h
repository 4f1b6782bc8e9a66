// What one lane computes: operations that mean the same on the card and on the CPU, to the bit.
// Whatever C++ leaves open (overflow, shifts by too much, conversions out of range, the payload and sign of
// a NaN, the sign of min(-0, 0)) is given one meaning here, so that a difference is always somebody's fault.
// No header is included: the file is compiled once for the CPU and eight times for the card.
#pragma once

using i8 = signed char;
using u8 = unsigned char;
using i16 = short;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned;
using i64 = long;
using u64 = unsigned long;
using f16 = _Float16;
using f32 = float;
using f64 = double;

constexpr u32 kBlock = 64;

#if defined(__HIP__)
#define FN static inline __attribute__((device))
#define KERNEL(name) \
    extern "C" __attribute__((global, amdgpu_flat_work_group_size(1, 128))) void name(const u64* in, u64* out, u32 n)
// Declares NAME, which gives each lane its IN words and takes its OUT words.
#define LANES(name, IN, OUT) \
    FN void name##_lane(const u64* in, u64* out); \
    KERNEL(name) { \
        const u32 i = __builtin_amdgcn_workgroup_id_x() * kBlock + __builtin_amdgcn_workitem_id_x(); \
        if (i < n) name##_lane(in + u64(i) * IN, out + u64(i) * OUT); \
    } \
    FN void name##_lane(const u64* in, u64* out)
#else
#define FN static inline
#define LANES(name, IN, OUT) \
    FN void name##_lane(const u64* in, u64* out); \
    extern "C" void name(const u64* in, u64* out, u32 n, u32) { \
        for (u32 i = 0; i < n; ++i) name##_lane(in + u64(i) * IN, out + u64(i) * OUT); \
    } \
    FN void name##_lane(const u64* in, u64* out)
#endif

template <typename T> struct Trait {
    static constexpr bool kFloat = false;
    static constexpr bool kSigned = T(-1) < T(0);
    static constexpr int kBits = sizeof(T) * 8;
    using Unsigned = __make_unsigned(T);
    static constexpr T kMin = kSigned ? T(u64(1) << (kBits - 1)) : T(0);
    static constexpr T kMax = T(~kMin);
};
template <typename U, int MANTISSA> struct FloatTrait {
    static constexpr bool kFloat = true;
    static constexpr bool kSigned = true;
    static constexpr int kBits = sizeof(U) * 8;
    using Unsigned = U;
    static constexpr U kSign = U(u64(1) << (kBits - 1));
    static constexpr U kInf = U(U(~kSign) >> MANTISSA << MANTISSA);
    static constexpr U kNan = U(kInf | U(u64(1) << (MANTISSA - 1)));
};
template <> struct Trait<f16> : FloatTrait<u16, 10> {};
template <> struct Trait<f32> : FloatTrait<u32, 23> {};
template <> struct Trait<f64> : FloatTrait<u64, 52> {};
template <typename T> using Unsigned = typename Trait<T>::Unsigned;
template <int BITS> struct WideOf { using Type = u32; };
template <> struct WideOf<64> { using Type = u64; };
// The type in which additions and products wrap instead of overflowing.
template <typename T> using Wide = typename WideOf<Trait<T>::kBits>::Type;

// --- Bits of floating-point values: one NaN.
template <typename T> FN Unsigned<T> one_nan(Unsigned<T> u) {
    using Info = Trait<T>;
    return Unsigned<T>(u & ~Info::kSign) > Info::kInf ? Info::kNan : u;
}
template <typename T> FN T real(Unsigned<T> u) { return __builtin_bit_cast(T, one_nan<T>(u)); }
template <typename T> FN Unsigned<T> bits(T x) {
    if constexpr (Trait<T>::kFloat) return one_nan<T>(__builtin_bit_cast(Unsigned<T>, x));
    else return Unsigned<T>(x);
}
template <typename T> FN T load(u64 word) {
    if constexpr (Trait<T>::kFloat) return real<T>(Unsigned<T>(word));
    else return T(word);
}

// --- Conversions: saturating from floating point, a NaN gives 0.
template <typename T, typename F> FN T to(F x) {
    if constexpr (Trait<T>::kFloat && sizeof(T) == 2 && !Trait<F>::kFloat) {
        return T(f32(x));  // rounds once: what f32 cannot hold exactly is infinite in f16
    } else if constexpr (Trait<T>::kFloat || !Trait<F>::kFloat) {
        return T(x);
    } else {
        constexpr int kTop = Trait<T>::kBits - Trait<T>::kSigned;
        constexpr F kLimit = kTop > 15 && sizeof(F) == 2 ? F(__builtin_inff()) : F(f64(u64(1) << (kTop - 1)) * 2);
        if (!(x == x)) return 0;
        if (x >= kLimit) return Trait<T>::kMax;
        if (x <= (Trait<T>::kSigned ? -kLimit : F(0))) return Trait<T>::kMin;
        return T(x);
    }
}

// --- Integers.
template <typename T> FN T add(T a, T b) { return T(Wide<T>(a) + Wide<T>(b)); }
template <typename T> FN T sub(T a, T b) { return T(Wide<T>(a) - Wide<T>(b)); }
template <typename T> FN T mul(T a, T b) { return T(Wide<T>(a) * Wide<T>(b)); }
template <typename T> FN T mad(T a, T b, T c) { return T(Wide<T>(a) * Wide<T>(b) + Wide<T>(c)); }
template <typename T> FN T mul24(T a, T b) {
    constexpr int kCut = Trait<T>::kBits - 24;
    if constexpr (kCut <= 0) return mul(a, b);
    else return mul(T(T(Wide<T>(a) << kCut) >> kCut), T(T(Wide<T>(b) << kCut) >> kCut));
}
template <typename T> FN T mul_high(T a, T b) {
    constexpr int kBits = Trait<T>::kBits;
    if constexpr (kBits < 64 && Trait<T>::kSigned) return T((i64(a) * i64(b)) >> kBits);
    else if constexpr (kBits < 64) return T((u64(a) * u64(b)) >> kBits);
    else if constexpr (Trait<T>::kSigned) return T((__int128(a) * __int128(b)) >> 64);
    else return T((static_cast<unsigned __int128>(a) * b) >> 64);
}
template <typename T> FN T neg(T a) { return T(Wide<T>(0) - Wide<T>(a)); }
template <typename T> FN T bit_and(T a, T b) { return T(a & b); }
template <typename T> FN T bit_or(T a, T b) { return T(a | b); }
template <typename T> FN T bit_xor(T a, T b) { return T(a ^ b); }
template <typename T> FN T bit_not(T a) { return T(~a); }
template <typename T> FN T bit_select(T m, T a, T b) { return T((m & a) | (~m & b)); }
template <typename T> FN u32 amount(T b) { return u32(b) & (Trait<T>::kBits - 1); }
template <typename T> FN T shl(T a, T b) { return T(Wide<T>(a) << amount(b)); }
template <typename T> FN T shr(T a, T b) { return T(a >> amount(b)); }
template <typename T> FN T shl_add(T a, T b, T c) { return add(shl(a, b), c); }
template <typename T> FN T rotate(T a, T b) {
    const auto u = Unsigned<T>(a);
    return T((Wide<T>(u) << amount(b)) | (Wide<T>(u) >> amount(T(Trait<T>::kBits - amount(b)))));
}
// The high word shifted left, filled from the low word: what v_alignbit_b32 is for.
template <typename T> FN T funnel(T high, T low, T b) {
    const u32 left = amount(b);
    return T(Wide<T>(high) << left | Wide<T>(Unsigned<T>(low)) >> 1 >> (Trait<T>::kBits - 1 - left));
}
template <typename T> FN T field(T a, T offset, T width) {
    const Wide<T> mask = (Wide<T>(1) << amount(width)) - 1;
    return T((Wide<T>(Unsigned<T>(a)) >> amount(offset)) & mask);
}
template <typename T> FN T divide(T a, T b) {
    if (b == 0) return T(-1);
    if (Trait<T>::kSigned && b == T(-1)) return neg(a);
    return T(a / b);
}
template <typename T> FN T modulo(T a, T b) {
    if (b == 0) return a;
    if (Trait<T>::kSigned && b == T(-1)) return T(0);
    return T(a % b);
}
template <typename T> FN T least(T a, T b) { return a < b ? a : b; }
template <typename T> FN T most(T a, T b) { return a > b ? a : b; }
template <typename T> FN T middle(T a, T b, T c) { return most(least(a, b), least(most(a, b), c)); }
template <typename T> FN T add_sat(T a, T b) { return __builtin_elementwise_add_sat(a, b); }
template <typename T> FN T sub_sat(T a, T b) { return __builtin_elementwise_sub_sat(a, b); }
template <typename T> FN T distance(T a, T b) { return a < b ? sub(b, a) : sub(a, b); }
template <typename T> FN T carry(T a, T b) { return T(Unsigned<T>(Wide<T>(a) + Wide<T>(b)) < Unsigned<T>(a)); }
template <typename T> FN T absolute(T a) { return a < 0 ? neg(a) : a; }
template <typename T> FN T leading(T a) {
    constexpr int kBits = Trait<T>::kBits;
    const u64 u = Unsigned<T>(a);
    if constexpr (kBits == 64) return T(u ? __builtin_clzll(u) : kBits);
    else return T(u ? __builtin_clz(u32(u)) - (32 - kBits) : kBits);
}
template <typename T> FN T trailing(T a) {
    constexpr int kBits = Trait<T>::kBits;
    const u64 u = Unsigned<T>(a);
    if constexpr (kBits == 64) return T(u ? __builtin_ctzll(u) : kBits);
    else return T(u ? __builtin_ctz(u32(u)) : kBits);
}
template <typename T> FN T population(T a) {
    const u64 u = Unsigned<T>(a);
    if constexpr (Trait<T>::kBits == 64) return T(__builtin_popcountll(u));
    else return T(__builtin_popcount(u32(u)));
}
template <typename T> FN T bit_reverse(T a) {
    const auto u = Unsigned<T>(a);
    if constexpr (sizeof(T) == 1) return T(__builtin_bitreverse8(u));
    else if constexpr (sizeof(T) == 2) return T(__builtin_bitreverse16(u));
    else if constexpr (sizeof(T) == 4) return T(__builtin_bitreverse32(u));
    else return T(__builtin_bitreverse64(u));
}
template <typename T> FN T byte_swap(T a) {
    const auto u = Unsigned<T>(a);
    if constexpr (sizeof(T) == 1) return a;
    else if constexpr (sizeof(T) == 2) return T(__builtin_bswap16(u));
    else if constexpr (sizeof(T) == 4) return T(__builtin_bswap32(u));
    else return T(__builtin_bswap64(u));
}

// --- Floating point, rounded to nearest even, denormals kept, nothing contracted.
template <typename T> FN T fadd(T a, T b) { return a + b; }
template <typename T> FN T fsub(T a, T b) { return a - b; }
template <typename T> FN T fmul(T a, T b) { return a * b; }
template <typename T> FN T fdiv(T a, T b) { return a / b; }
template <typename T> FN T fma(T a, T b, T c) {
#if !defined(__HIP__)
    if constexpr (sizeof(T) == 2) {
        // Exact product; the sum is rounded to odd, so that rounding it again to f16 is as rounding once.
        const f64 p = f64(a) * f64(b), d = f64(c), s = p + d, t = s - p, error = (p - (s - t)) + (d - t);
        u64 u = __builtin_bit_cast(u64, s);
        if (error != 0 && error == error && !(u & 1)) u += (error > 0) == (s > 0) ? 1 : u64(-1);
        return T(__builtin_bit_cast(f64, u));
    }
#endif
    return __builtin_elementwise_fma(a, b, c);
}
// Adding zero makes one of the two zeros, either of which min and max may give.
template <typename T> FN T fmin(T a, T b) { return __builtin_elementwise_min(a, b) + T(0); }
template <typename T> FN T fmax(T a, T b) { return __builtin_elementwise_max(a, b) + T(0); }
template <typename T> FN T fmid(T a, T b, T c) { return fmax(fmin(a, b), fmin(fmax(a, b), c)); }
template <typename T> FN T fclamp(T a) { return fmin(fmax(a, T(0)), T(1)); }
template <typename T> FN T fneg(T a) { return -a; }
template <typename T> FN T fabsolute(T a) { return __builtin_elementwise_abs(a); }
template <typename T> FN T fsign(T a, T b) { return __builtin_elementwise_copysign(a, b == b ? b : T(1)); }
template <typename T> FN T froot(T a) { return __builtin_elementwise_sqrt(a); }
template <typename T> FN T ffloor(T a) { return __builtin_elementwise_floor(a); }
template <typename T> FN T fceil(T a) { return __builtin_elementwise_ceil(a); }
template <typename T> FN T ftrunc(T a) { return __builtin_elementwise_trunc(a); }
template <typename T> FN T fnear(T a) { return __builtin_elementwise_rint(a); }
template <typename T> FN bool finite(T a) { return (bits(a) & Trait<T>::kInf) != Trait<T>::kInf; }
template <typename T> FN T fscale(T a, i32 k) {
    const i32 by = middle(-3000, k, 3000);
    if constexpr (sizeof(T) == 8) return __builtin_ldexp(a, by);
    else if constexpr (sizeof(T) == 4) return __builtin_ldexpf(a, by);
    else return T(__builtin_ldexpf(f32(a), middle(-60, by, 60)));
}
template <typename T> FN T fmantissa(T a) {
    int ignored = 0;
    if (!finite(a)) return a;
    if constexpr (sizeof(T) == 8) return __builtin_frexp(a, &ignored);
    else return T(__builtin_frexpf(f32(a), &ignored));
}
template <typename T> FN i32 fexponent(T a) {
    int exponent = 0;
    if (!finite(a)) return 0;
    if constexpr (sizeof(T) == 8) (void)__builtin_frexp(a, &exponent);
    else (void)__builtin_frexpf(f32(a), &exponent);
    return exponent;
}

// --- Two halves of a dword at once.
typedef i16 short2 __attribute__((ext_vector_type(2)));
typedef u16 ushort2 __attribute__((ext_vector_type(2)));
typedef f16 half2 __attribute__((ext_vector_type(2)));
FN half2 halves(u32 u) {
    const half2 h = {real<f16>(u16(u)), real<f16>(u16(u >> 16))};
    return h;
}
FN u32 joined(half2 h) { return bits(h.x) | u32(bits(h.y)) << 16; }
FN u32 half2_add(u32 a, u32 b) { return joined(halves(a) + halves(b)); }
FN u32 half2_mul(u32 a, u32 b) { return joined(halves(a) * halves(b)); }
FN u32 half2_crossed(u32 a, u32 b) { return joined(halves(a).yx - halves(b)); }
FN u32 half2_fma(u32 a, u32 b, u32 c) {
    const half2 x = halves(a), y = halves(b), z = halves(c);
#if defined(__HIP__)
    return joined(__builtin_elementwise_fma(x, y, z));
#else
    const half2 h = {fma(f16(x.x), f16(y.x), f16(z.x)), fma(f16(x.y), f16(y.y), f16(z.y))};
    return joined(h);
#endif
}
#define PAIRS(T, name, ...) \
    FN u32 name(u32 first, u32 second) { \
        const T a = __builtin_bit_cast(T, first), b = __builtin_bit_cast(T, second); \
        const T r = __VA_ARGS__; \
        return __builtin_bit_cast(u32, r); \
    }
PAIRS(ushort2, short2_add, a + b)
PAIRS(ushort2, short2_sub, a - b)
PAIRS(ushort2, short2_shl, a << (b & u16(15)))
PAIRS(short2, short2_shr, a >> (b & i16(15)))
PAIRS(short2, short2_min, __builtin_elementwise_min(a, b))
PAIRS(ushort2, short2_max, __builtin_elementwise_max(a, b))
PAIRS(short2, short2_sat, __builtin_elementwise_add_sat(a, b))
#undef PAIRS
FN u32 short2_mul(u32 a, u32 b) { return u32(u16(a * b)) | (a >> 16) * (b >> 16) << 16; }

// --- Functions of the maths library that have one right answer.
#if defined(__HIP__)
extern "C" __attribute__((device)) f32 __ocml_fmod_f32(f32, f32);
extern "C" __attribute__((device)) f64 __ocml_fmod_f64(f64, f64);
extern "C" __attribute__((device)) f32 __ocml_remainder_f32(f32, f32);
extern "C" __attribute__((device)) f64 __ocml_remainder_f64(f64, f64);
FN f32 fmodulo(f32 a, f32 b) { return __ocml_fmod_f32(a, b); }
FN f64 fmodulo(f64 a, f64 b) { return __ocml_fmod_f64(a, b); }
FN f32 fremainder(f32 a, f32 b) { return __ocml_remainder_f32(a, b); }
FN f64 fremainder(f64 a, f64 b) { return __ocml_remainder_f64(a, b); }
#else
FN f32 fmodulo(f32 a, f32 b) { return __builtin_fmodf(a, b); }
FN f64 fmodulo(f64 a, f64 b) { return __builtin_fmod(a, b); }
FN f32 fremainder(f32 a, f32 b) { return __builtin_remainderf(a, b); }
FN f64 fremainder(f64 a, f64 b) { return __builtin_remainder(a, b); }
#endif
