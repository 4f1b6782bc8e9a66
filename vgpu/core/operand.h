// Reads operands and writes results of vector instructions, 32 lanes at a time, under
// exec. Included by the handler files only; they are compiled once for each host
// instruction set, into namespace VGPU_HOST (portable, avx2, avx512).
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "vgpu/core/bindings.h"
#include "vgpu/core/wave.h"

#ifndef VGPU_HOST
#define VGPU_HOST portable
#endif

#define VGPU_INLINE inline __attribute__((always_inline))
#define VGPU_LANES _Pragma("GCC ivdep") for (int i = 0; i < 32; ++i)

namespace vgpu::core::VGPU_HOST {

struct alignas(64) Lanes32 {
    u32 x[32];
};
struct alignas(64) Lanes64 {
    u64 x[32];
};

// A 16-bit float operand or result: handlers see it as float.
struct half_t {};

VGPU_INLINE u32 bits(float f) { return std::bit_cast<u32>(f); }
VGPU_INLINE u64 bits(double f) { return std::bit_cast<u64>(f); }
VGPU_INLINE float f32(u32 b) { return std::bit_cast<float>(b); }
VGPU_INLINE double f64(u64 b) { return std::bit_cast<double>(b); }

// ---- scalar operands

VGPU_INLINE u32 rs32(const Wave& w, u32 o) {
    return (o & operand::kSgpr) ? w.s[o & operand::kValue] : w.consts[o & operand::kValue];
}
VGPU_INLINE u64 rs64(const Wave& w, u32 o) {
    const u32 at = o & operand::kValue;
    if (o & operand::kSgpr) return w.s[at] | u64{w.s[at + 1]} << 32;
    return w.consts[at] | u64{w.consts[at + 32]} << 32;
}
VGPU_INLINE void ws64(Wave& w, u32 slot, u64 value) {
    w.s[slot] = static_cast<u32>(value);
    w.s[slot + 1] = static_cast<u32>(value >> 32);
}
// A lane mask: 32 bits in wave32, 64 in wave64.
VGPU_INLINE u64 rmask(const Wave& w, u32 slot) { return w.s[slot] | (w.lanes == 64 ? u64{w.s[slot + 1]} << 32 : 0); }

// ---- binary16, independent of the host's rounding mode

VGPU_INLINE float half_to_float(u32 h) {
    const u32 magic = 113u << 23;
    u32 o = (h & 0x7fff) << 13;
    const u32 exponent = o & 0x0f800000u;
    o += (127 - 15) << 23;
    const u32 infinite = o + ((128 - 16) << 23);
    const u32 tiny = bits(f32(o + (1 << 23)) - f32(magic)) & 0x7fffffff;  // x - x is -0 when rounding down
    o = exponent == 0x0f800000u ? infinite : exponent == 0 ? tiny : o;
    return f32(o | (h & 0x8000) << 16);
}

// To nearest even. The subtraction of `magic` is exact for every binary16 denormal.
VGPU_INLINE u32 float_to_half(float f) {
    u32 x = bits(f);
    const u32 sign = (x >> 16) & 0x8000;
    x &= 0x7fffffff;
    const u32 special = x > 0x7f800000 ? 0x7e00 | ((x >> 13) & 0x3ff) : 0x7c00;
    const u32 magic = ((127 - 15) + (23 - 10) + 1) << 23;
    const u32 tiny = bits(f32(x) + f32(magic)) - magic;
    const u32 normal = (x + ((15u - 127u) << 23) + 0xfff + ((x >> 13) & 1)) >> 13;
    return sign | (x >= 0x47800000 ? special : x < 0x38800000 ? tiny : normal);
}

// Any rounding mode (0 nearest, 1 up, 2 down, 3 zero), denormals kept.
u32 double_to_half(double value, u32 round);

// ---- vector sources

// 32 raw dwords of half h of a source; `tmp` is used where they must be made.
VGPU_INLINE const u32* raw32(const Wave& w, u32 o, u32 h, Lanes32& tmp) {
    const u32 at = o & operand::kValue;
    if ((o & operand::kKind) == operand::kVgpr) return w.v + at + h * 32;
    if ((o & operand::kKind) == operand::kConst) return w.consts + at;
    const u32 value = w.s[at];
    VGPU_LANES tmp.x[i] = value;
    return tmp.x;
}

VGPU_INLINE const u64* raw64(const Wave& w, u32 o, u32 h, Lanes64& tmp) {
    const u32 at = o & operand::kValue;
    if ((o & operand::kKind) == operand::kSgpr) {
        const u64 value = w.s[at] | u64{w.s[at + 1]} << 32;
        VGPU_LANES tmp.x[i] = value;
        return tmp.x;
    }
    const bool vgpr = (o & operand::kKind) == operand::kVgpr;
    const u32* lo = vgpr ? w.v + at + h * 32 : w.consts + at;
    const u32* hi = lo + (vgpr ? w.lanes : 32);
    VGPU_LANES tmp.x[i] = lo[i] | u64{hi[i]} << 32;
    return tmp.x;
}

// How a C++ type is read from registers: S::buf holds 32 values if they must be made.
template <class T>
struct In {  // u32, i32, float
    using value = T;
    VGPU_INLINE In() {}  // not {}: a tuple of these must not clear tmp
    Lanes32 tmp;
    const u32* p;
    VGPU_INLINE void load(const Wave& w, u32 o, u32 h) {
        const u32* raw = raw32(w, o, h, tmp);
        if constexpr (std::is_same_v<T, float>) {
            if (o & (operand::kNeg | operand::kAbs)) [[unlikely]] {
                const u32 keep = (o & operand::kAbs) ? 0x7fffffff : 0xffffffff;
                const u32 flip = (o & operand::kNeg) ? 0x80000000 : 0;
                VGPU_LANES tmp.x[i] = (raw[i] & keep) ^ flip;
                raw = tmp.x;
            }
        }
        p = raw;
    }
    VGPU_INLINE T operator[](int i) const { return std::bit_cast<T>(p[i]); }
};

template <class T>
    requires(sizeof(T) == 8)
struct In<T> {  // u64, i64, double
    using value = T;
    VGPU_INLINE In() {}
    Lanes64 tmp;
    VGPU_INLINE void load(const Wave& w, u32 o, u32 h) {
        const u64* raw = raw64(w, o, h, tmp);
        if constexpr (std::is_same_v<T, double>) {
            if (o & (operand::kNeg | operand::kAbs)) [[unlikely]] {
                const u64 keep = (o & operand::kAbs) ? ~u64{0} >> 1 : ~u64{0};
                const u64 flip = (o & operand::kNeg) ? u64{1} << 63 : 0;
                VGPU_LANES tmp.x[i] = (raw[i] & keep) ^ flip;
            }
        }
        (void)raw;  // always tmp
    }
    VGPU_INLINE T operator[](int i) const { return std::bit_cast<T>(tmp.x[i]); }
};

template <class T>
    requires(sizeof(T) == 2)
struct In<T> {  // u16, i16: the low half, or the high one with op_sel
    using value = T;
    VGPU_INLINE In() {}
    Lanes32 tmp;
    const u32* p;
    VGPU_INLINE void load(const Wave& w, u32 o, u32 h) {
        p = raw32(w, o, h, tmp);
        if (o & operand::kHigh) [[unlikely]] {
            const u32* raw = p;
            VGPU_LANES tmp.x[i] = raw[i] >> 16;
            p = tmp.x;
        }
    }
    VGPU_INLINE T operator[](int i) const { return static_cast<T>(p[i]); }
};

template <>
struct In<half_t> {
    using value = float;
    VGPU_INLINE In() {}
    Lanes32 tmp;
    VGPU_INLINE void load(const Wave& w, u32 o, u32 h) {
        Lanes32 scalar;
        const u32* raw = raw32(w, o, h, scalar);
        const u32 shift = (o & operand::kHigh) ? 16 : 0;
        const u32 keep = (o & operand::kAbs) ? 0x7fff : 0xffff;
        const u32 flip = (o & operand::kNeg) ? 0x8000 : 0;
        if (w.fp_default) [[likely]] {
            VGPU_LANES tmp.x[i] = bits(half_to_float(((raw[i] >> shift) & keep) ^ flip));
        } else {
            const bool flush = (w.mode & 0x40) == 0;  // f16 denormal inputs become zero
            for (int i = 0; i < 32; ++i) {
                u32 x = ((raw[i] >> shift) & keep) ^ flip;
                if (flush && (x & 0x7c00) == 0) x &= 0x8000;
                tmp.x[i] = bits(half_to_float(x));
            }
        }
    }
    VGPU_INLINE float operator[](int i) const { return f32(tmp.x[i]); }
};

// ---- vector results

// The card's default NaN is positive, x86's negative.
VGPU_INLINE float card_nan(float f) { return f32(bits(f) ^ (bits(f) == 0xffc00000u ? 0x80000000u : 0)); }
VGPU_INLINE double card_nan(double f) { return f64(bits(f) ^ (bits(f) == 0xfff8000000000000u ? u64{1} << 63 : 0)); }

template <class T>
VGPU_INLINE T clamp01(T f, bool dx10) {
    if (f != f) return dx10 ? T(0) : f;
    return f > T(0) ? (f < T(1) ? f : T(1)) : T(0);
}
template <class T>
VGPU_INLINE T omod(T f, u8 o) {
    switch (o & out::kOmod) {
        case 1 << out::kOmodShift: return f * T(2);
        case 2 << out::kOmodShift: return f * T(4);
        case 3 << out::kOmodShift: return f * T(0.5);
        default: return f;
    }
}

VGPU_INLINE void store32(Wave& w, u32 dst, u32 h, u32 exec, const Lanes32& value) {
    u32* d = w.v + dst + h * 32;
    if (exec == 0xffffffffu) [[likely]] {
        std::memcpy(d, value.x, sizeof value.x);
    } else {
        VGPU_LANES d[i] = (exec >> i & 1) ? value.x[i] : d[i];
    }
}
VGPU_INLINE void store64(Wave& w, u32 dst, u32 h, u32 exec, const Lanes64& value) {
    u32* lo = w.v + dst + h * 32;
    u32* hi = lo + w.lanes;
    if (exec == 0xffffffffu) {
        VGPU_LANES lo[i] = static_cast<u32>(value.x[i]);
        VGPU_LANES hi[i] = static_cast<u32>(value.x[i] >> 32);
    } else {
        VGPU_LANES lo[i] = (exec >> i & 1) ? static_cast<u32>(value.x[i]) : lo[i];
        VGPU_LANES hi[i] = (exec >> i & 1) ? static_cast<u32>(value.x[i] >> 32) : hi[i];
    }
}
// gfx10 keeps the other half of the destination.
VGPU_INLINE void store16(Wave& w, u32 dst, u32 h, u32 exec, u8 o, const Lanes32& value) {
    u32* d = w.v + dst + h * 32;
    const u32 shift = (o & out::kHigh) ? 16 : 0;
    const u32 keep = (o & out::kHigh) ? 0x0000ffff : 0xffff0000;
    VGPU_LANES {
        const u32 merged = (d[i] & keep) | (value.x[i] & 0xffff) << shift;
        d[i] = (exec >> i & 1) ? merged : d[i];
    }
}

template <class T>
struct Out {  // u32, i32, float
    using value = T;
    Lanes32 r;
    static VGPU_INLINE u32 raw(T x) {
        if constexpr (std::is_same_v<T, float>) return bits(card_nan(x));
        else return static_cast<u32>(x);
    }
    VGPU_INLINE void set(int i, T x) { r.x[i] = raw(x); }
    VGPU_INLINE void store(Wave& w, const MicroOp* u, u32 h, u32 exec) {
        if constexpr (std::is_same_v<T, float>) {
            if (u->out & (out::kClamp | out::kOmod)) [[unlikely]]
                for (int i = 0; i < 32; ++i) {
                    float f = omod(f32(r.x[i]), u->out);
                    if (u->out & out::kClamp) f = clamp01(f, w.dx10_clamp);
                    r.x[i] = bits(f);
                }
        }
        store32(w, u->dst, h, exec, r);
    }
};

template <class T>
    requires(sizeof(T) == 8)
struct Out<T> {
    using value = T;
    Lanes64 r;
    VGPU_INLINE void set(int i, T x) {
        if constexpr (std::is_same_v<T, double>) r.x[i] = bits(card_nan(x));
        else r.x[i] = static_cast<u64>(x);
    }
    VGPU_INLINE void store(Wave& w, const MicroOp* u, u32 h, u32 exec) {
        if constexpr (std::is_same_v<T, double>) {
            if (u->out & (out::kClamp | out::kOmod)) [[unlikely]]
                for (int i = 0; i < 32; ++i) {
                    double f = omod(f64(r.x[i]), u->out);
                    if (u->out & out::kClamp) f = clamp01(f, w.dx10_clamp);
                    r.x[i] = bits(f);
                }
        }
        store64(w, u->dst, h, exec, r);
    }
};

template <class T>
    requires(sizeof(T) == 2)
struct Out<T> {
    using value = T;
    Lanes32 r;
    VGPU_INLINE void set(int i, T x) { r.x[i] = static_cast<u16>(x); }
    VGPU_INLINE void store(Wave& w, const MicroOp* u, u32 h, u32 exec) { store16(w, u->dst, h, exec, u->out, r); }
};

template <>
struct Out<half_t> {
    using value = float;
    Lanes32 r;  // floats until the store
    VGPU_INLINE void set(int i, float x) { r.x[i] = bits(card_nan(x)); }
    VGPU_INLINE void store(Wave& w, const MicroOp* u, u32 h, u32 exec) {
        if (u->out & (out::kClamp | out::kOmod)) [[unlikely]]
            for (int i = 0; i < 32; ++i) {
                float f = omod(f32(r.x[i]), u->out);
                if (u->out & out::kClamp) f = clamp01(f, w.dx10_clamp);
                r.x[i] = bits(f);
            }
        if (w.fp_default) [[likely]] {
            VGPU_LANES r.x[i] = float_to_half(f32(r.x[i]));
        } else {
            const u32 round = w.mode >> 2 & 3;
            const bool flush = (w.mode & 0x80) == 0;
            for (int i = 0; i < 32; ++i) {
                u32 x = double_to_half(f32(r.x[i]), round);
                if (flush && (x & 0x7c00) == 0) x &= 0x8000;
                r.x[i] = x;
            }
        }
        store16(w, u->dst, h, exec, u->out, r);
    }
};

// ---- the shape of an element-wise instruction: D = F(S...) for every active lane

template <class D, class... S>
inline constexpr bool kWide = std::is_same_v<D, double> || std::is_same_v<D, half_t> ||
                              (std::is_same_v<S, double> || ...) || (std::is_same_v<S, half_t> || ...);

// D = F(S...) over the lanes of each half.
template <class F, class D, class... S>
struct Map {
    template <std::size_t... I>
    static VGPU_INLINE void body(Wave& w, const MicroOp* u, std::index_sequence<I...>) {
        for (u32 h = 0; h < w.halves; ++h) {
            const u32 exec = w.s[kExecLo + h];
            if (exec == 0) continue;
            std::tuple<In<S>...> in;
            (std::get<I>(in).load(w, u->src[I], h), ...);
            Out<D> result;
            VGPU_LANES result.set(i, F{}(std::get<I>(in)[i]...));
            result.store(w, u, h, exec);
        }
    }
    static __attribute__((noinline)) void plain(Wave& w, const MicroOp* u) {
        body(w, u, std::index_sequence_for<S...>{});
    }
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        if constexpr (kWide<D, S...>) {
            if (w.split_fp) [[unlikely]] {
                load_host_csr(w.host_csr64);
                plain(w, u);
                load_host_csr(w.host_csr);
                return u + 1;
            }
        }
        body(w, u, std::index_sequence_for<S...>{});
        return u + 1;
    }
};

// The same for the usual case, chosen by the translator: wave32, 32-bit types, sources
// that lie in memory (VGPRs and constants) without modifiers, a plain result.
template <class F, class D, class... S>
struct Quick {
    template <std::size_t... I>
    static VGPU_INLINE void body(Wave& w, const MicroOp* u, std::index_sequence<I...>) {
        const u32* const p[] = {w.bases[u->src[I] >> 24] + (u->src[I] & operand::kValue)...};
        Lanes32 r;  // not the destination itself: that may be a source
        VGPU_LANES r.x[i] = Out<D>::raw(F{}(std::bit_cast<S>(p[I][i])...));
        std::memcpy(w.v + u->dst, r.x, sizeof r.x);
    }
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        if (w.s[kExecLo] != 0xffffffffu) [[unlikely]]
            return Map<F, D, S...>::run(w, u);
        body(w, u, std::index_sequence_for<S...>{});
        return u + 1;
    }
};

template <class T>
inline constexpr bool kDword = sizeof(T) == 4 && !std::is_same_v<T, half_t>;

template <class Signature, class F>
struct Mapped;
template <class D, class... S, class F>
struct Mapped<D(S...), F> {
    static constexpr Fn fn = &Map<F, D, S...>::run;
    static constexpr Fn quick() {
        if constexpr (kDword<D> && (kDword<S> && ...)) return &Quick<F, D, S...>::run;
        else return nullptr;
    }
};

// One row: vec<Op::v_add_f32, float(float, float)>([](float a, float b) { return a + b; })
template <isa::Op O, class Signature, class F>
constexpr Binding vec(F) {
    return {O, Mapped<Signature, F>::fn, Mapped<Signature, F>::quick()};
}

VGPU_INLINE u64 pc_of(const MicroOp* u) { return u->extra->pc; }

}  // namespace vgpu::core::VGPU_HOST
