// Scalar ALU: SOP1, SOP2, SOPC, SOPK. Program control is in control.cpp.
#include <bit>
#include <limits>

#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

template <class T>
VGPU_INLINE T read(const Wave& w, u32 o) {
    if constexpr (sizeof(T) == 8) return static_cast<T>(rs64(w, o));
    else return static_cast<T>(rs32(w, o));
}
template <class T>
VGPU_INLINE void write(Wave& w, u32 slot, T value) {
    if constexpr (sizeof(T) == 8) ws64(w, slot, static_cast<u64>(value));
    else w.s[slot] = static_cast<u32>(value);
}

template <class Signature, class F>
struct Scalar;

// D = F(S..., scc&)
template <class D, class... S, class F>
struct Scalar<D(S...), F> {
    template <std::size_t... I>
    static VGPU_INLINE void body(Wave& w, const MicroOp* u, std::index_sequence<I...>) {
        u32 scc = w.s[kScc];
        const D value = F{}(read<S>(w, u->src[I])..., scc);
        write<D>(w, u->dst, value);
        w.s[kScc] = scc;
    }
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        body(w, u, std::index_sequence_for<S...>{});
        return u + 1;
    }
};

// SCC = F(S...)
template <class... S, class F>
struct Scalar<void(S...), F> {
    template <std::size_t... I>
    static VGPU_INLINE void body(Wave& w, const MicroOp* u, std::index_sequence<I...>) {
        w.s[kScc] = F{}(read<S>(w, u->src[I])...);
    }
    static const MicroOp* run(Wave& w, const MicroOp* u) {
        body(w, u, std::index_sequence_for<S...>{});
        return u + 1;
    }
};

template <Op O, class Signature, class F>
constexpr Binding sop(F) {
    return {O, &Scalar<Signature, F>::run};
}

// SOPK: F(destination or source, simm16 sign-extended, scc&)
template <class F>
const MicroOp* sopk_run(Wave& w, const MicroOp* u) {
    u32 scc = w.s[kScc];
    w.s[u->dst] = F{}(rs32(w, u->src[0]), static_cast<i32>(u->imm), scc);
    w.s[kScc] = scc;
    return u + 1;
}
template <class F>
const MicroOp* sopk_compare(Wave& w, const MicroOp* u) {
    w.s[kScc] = F{}(rs32(w, u->src[0]), static_cast<i32>(u->imm));
    return u + 1;
}
template <Op O, class F>
constexpr Binding sopk(F) {
    return {O, &sopk_run<F>};
}
template <Op O, class F>
constexpr Binding cmpk(F) {
    return {O, &sopk_compare<F>};
}

// saveexec: D = exec; exec = F(S0, exec). wrexec: both get the result.
template <class T, class F, bool Write>
const MicroOp* saveexec(Wave& w, const MicroOp* u) {
    const T old = read<T>(w, operand::kSgpr | kExecLo);
    const T now = F{}(read<T>(w, u->src[0]), old);
    write<T>(w, kExecLo, now);
    write<T>(w, u->dst, Write ? now : old);
    w.s[kScc] = now != 0;
    return u + 1;
}
template <Op O32, bool Write = false, class F>
constexpr Binding exec32(F) {
    return {O32, &saveexec<u32, F, Write>};
}
template <Op O64, bool Write = false, class F>
constexpr Binding exec64(F) {
    return {O64, &saveexec<u64, F, Write>};
}

// s_bitset writes one bit of what the destination held; s_cmov may leave it alone.
template <class T, bool Set>
const MicroOp* bitset(Wave& w, const MicroOp* u) {
    const T bit = T{1} << (rs32(w, u->src[0]) & (sizeof(T) * 8 - 1));
    const T old = read<T>(w, operand::kSgpr | u->dst);
    write<T>(w, u->dst, Set ? (old | bit) : (old & ~bit));
    return u + 1;
}
template <class T>
const MicroOp* cmov(Wave& w, const MicroOp* u) {
    if (w.s[kScc]) write<T>(w, u->dst, read<T>(w, u->src[0]));
    return u + 1;
}
const MicroOp* cmovk(Wave& w, const MicroOp* u) {
    if (w.s[kScc]) w.s[u->dst] = static_cast<u32>(u->imm);
    return u + 1;
}

// SGPR-relative moves: M0 is added to the register number.
template <class T, bool Source, bool Destination, bool Two>
const MicroOp* movrel(Wave& w, const MicroOp* u) {
    const u32 m0 = w.s[kM0];
    const u32 add_s = Two ? m0 & 0x3ff : m0;
    const u32 add_d = Two ? m0 >> 16 & 0x3ff : m0;
    u32 src = u->src[0];
    u32 dst = u->dst;
    if (Source && (src & operand::kSgpr)) src = operand::kSgpr | ((src & operand::kValue) + add_s);
    if (Destination) dst += add_d;
    const u32 last = kVccHi - (sizeof(T) / 4 - 1);
    if ((src & operand::kValue) > last || dst > last)
        return raise(w, u, Fault::Kind::IllegalInstruction, pc_of(u), 0, false, 0, "M0 leads past the last SGPR");
    write<T>(w, dst, read<T>(w, src));
    return u + 1;
}

template <class T>
VGPU_INLINE T bfe(T value, u32 control, u32& scc) {
    constexpr u32 kBits = sizeof(T) * 8;
    const u32 offset = control & (kBits - 1);
    u32 width = control >> 16 & 0x7f;
    T result = 0;
    if (width != 0) {
        if (width > kBits) width = kBits;
        using U = std::make_unsigned_t<T>;
        const T shifted = value >> offset;
        if (width + offset >= kBits) result = shifted;  // takes what is left, sign included
        else result = static_cast<T>(static_cast<U>(value) << (kBits - offset - width)) >> (kBits - width);
    }
    scc = result != 0;
    return result;
}

template <class T>
VGPU_INLINE T brev(T v) {
    T r = 0;
    for (unsigned i = 0; i < sizeof(T) * 8; ++i) r |= (v >> i & 1) << (sizeof(T) * 8 - 1 - i);
    return r;
}
template <class T>
VGPU_INLINE T wqm(T v) {  // every quad with a set bit becomes whole
    T r = v | v >> 1;
    r |= r >> 2;
    r &= static_cast<T>(0x1111111111111111ull);
    return static_cast<T>(r * 15);
}
template <class T>
VGPU_INLINE T quadmask(T v) {
    T r = 0;
    for (unsigned i = 0; i < sizeof(T) * 2; ++i) r |= static_cast<T>((v >> (4 * i) & 15) != 0) << i;
    return r;
}
VGPU_INLINE i32 first_one(u64 v) { return v == 0 ? -1 : std::countr_zero(v); }
VGPU_INLINE i32 sign_run32(u32 v) {  // leading bits equal to the sign; -1 if all
    const u32 x = (v >> 31) ? ~v : v;
    return x == 0 ? -1 : std::countl_zero(x);
}
VGPU_INLINE i32 sign_run64(u64 v) {
    const u64 x = (v >> 63) ? ~v : v;
    return x == 0 ? -1 : std::countl_zero(x);
}

template <int N>
VGPU_INLINE u32 lshl_add(u32 a, u32 b, u32& scc) {
    const u64 r = (u64{a} << N) + b;
    scc = r >> 32 != 0;
    return static_cast<u32>(r);
}

#define BITWISE(name, expr)                                                 \
    sop<Op::s_##name##_b32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {     \
        const u32 r = (expr);                                               \
        scc = r != 0;                                                       \
        return r;                                                           \
    }),                                                                     \
        sop<Op::s_##name##_b64, u64(u64, u64)>([](u64 a, u64 b, u32& scc) { \
            const u64 r = (expr);                                           \
            scc = r != 0;                                                   \
            return r;                                                       \
        })
#define SAVEEXEC(name, expr)                                                  \
    exec32<Op::s_##name##_saveexec_b32>([](auto a, auto b) { return expr; }), \
        exec64<Op::s_##name##_saveexec_b64>([](auto a, auto b) { return expr; })
#define COMPARE(name, test)                                                                     \
    sop<Op::s_cmp_##name##_i32, void(i32, i32)>([](i32 a, i32 b) { return a test b; }),         \
        sop<Op::s_cmp_##name##_u32, void(u32, u32)>([](u32 a, u32 b) { return a test b; }),     \
        cmpk<Op::s_cmpk_##name##_i32>([](u32 a, i32 k) { return static_cast<i32>(a) test k; }), \
        cmpk<Op::s_cmpk_##name##_u32>([](u32 a, i32 k) { return a test(static_cast<u32>(k) & 0xffff); })

constexpr Binding kRows[] = {
    sop<Op::s_add_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a + b;
        scc = r < a;
        return r;
    }),
    sop<Op::s_sub_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        scc = b > a;
        return a - b;
    }),
    sop<Op::s_add_i32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a + b;
        scc = (~(a ^ b) & (a ^ r)) >> 31;
        return r;
    }),
    sop<Op::s_sub_i32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a - b;
        scc = ((a ^ b) & (a ^ r)) >> 31;
        return r;
    }),
    sop<Op::s_addc_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u64 r = u64{a} + b + scc;
        scc = r >> 32 != 0;
        return static_cast<u32>(r);
    }),
    sop<Op::s_subb_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a - b - scc;
        scc = u64{b} + scc > a;
        return r;
    }),
    sop<Op::s_min_i32, i32(i32, i32)>([](i32 a, i32 b, u32& scc) {
        scc = a < b;
        return a < b ? a : b;
    }),
    sop<Op::s_min_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        scc = a < b;
        return a < b ? a : b;
    }),
    sop<Op::s_max_i32, i32(i32, i32)>([](i32 a, i32 b, u32& scc) {
        scc = a > b;
        return a > b ? a : b;
    }),
    sop<Op::s_max_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        scc = a > b;
        return a > b ? a : b;
    }),
    sop<Op::s_cselect_b32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return scc ? a : b; }),
    sop<Op::s_cselect_b64, u64(u64, u64)>([](u64 a, u64 b, u32& scc) { return scc ? a : b; }),
    BITWISE(and, a& b),
    BITWISE(or, a | b),
    BITWISE(xor, a ^ b),
    BITWISE(andn2, a & ~b),
    BITWISE(orn2, a | ~b),
    BITWISE(nand, ~(a& b)),
    BITWISE(nor, ~(a | b)),
    BITWISE(xnor, ~(a ^ b)),
    sop<Op::s_lshl_b32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a << (b & 31);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_lshl_b64, u64(u64, u32)>([](u64 a, u32 b, u32& scc) {
        const u64 r = a << (b & 63);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_lshr_b32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 r = a >> (b & 31);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_lshr_b64, u64(u64, u32)>([](u64 a, u32 b, u32& scc) {
        const u64 r = a >> (b & 63);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_ashr_i32, i32(i32, u32)>([](i32 a, u32 b, u32& scc) {
        const i32 r = a >> (b & 31);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_ashr_i64, i64(i64, u32)>([](i64 a, u32 b, u32& scc) {
        const i64 r = a >> (b & 63);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_bfm_b32, u32(u32, u32)>([](u32 a, u32 b, u32&) { return ((1u << (a & 31)) - 1) << (b & 31); }),
    sop<Op::s_bfm_b64, u64(u32, u32)>([](u32 a, u32 b, u32&) { return ((u64{1} << (a & 63)) - 1) << (b & 63); }),
    sop<Op::s_mul_i32, u32(u32, u32)>([](u32 a, u32 b, u32&) { return a * b; }),
    sop<Op::s_mul_hi_u32, u32(u32, u32)>([](u32 a, u32 b, u32&) { return static_cast<u32>(u64{a} * b >> 32); }),
    sop<Op::s_mul_hi_i32, i32(i32, i32)>([](i32 a, i32 b, u32&) { return static_cast<i32>(i64{a} * b >> 32); }),
    sop<Op::s_bfe_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return bfe<u32>(a, b, scc); }),
    sop<Op::s_bfe_i32, i32(i32, u32)>([](i32 a, u32 b, u32& scc) { return bfe<i32>(a, b, scc); }),
    sop<Op::s_bfe_u64, u64(u64, u32)>([](u64 a, u32 b, u32& scc) { return bfe<u64>(a, b, scc); }),
    sop<Op::s_bfe_i64, i64(i64, u32)>([](i64 a, u32 b, u32& scc) { return bfe<i64>(a, b, scc); }),
    sop<Op::s_absdiff_i32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) {
        const u32 d = a - b;
        const u32 r = (d >> 31) ? 0u - d : d;
        scc = r != 0;
        return r;
    }),
    sop<Op::s_lshl1_add_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return lshl_add<1>(a, b, scc); }),
    sop<Op::s_lshl2_add_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return lshl_add<2>(a, b, scc); }),
    sop<Op::s_lshl3_add_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return lshl_add<3>(a, b, scc); }),
    sop<Op::s_lshl4_add_u32, u32(u32, u32)>([](u32 a, u32 b, u32& scc) { return lshl_add<4>(a, b, scc); }),
    sop<Op::s_pack_ll_b32_b16, u32(u32, u32)>([](u32 a, u32 b, u32&) { return (a & 0xffff) | b << 16; }),
    sop<Op::s_pack_lh_b32_b16, u32(u32, u32)>([](u32 a, u32 b, u32&) { return (a & 0xffff) | (b & 0xffff0000); }),
    sop<Op::s_pack_hh_b32_b16, u32(u32, u32)>([](u32 a, u32 b, u32&) { return a >> 16 | (b & 0xffff0000); }),

    sopk<Op::s_movk_i32>([](u32, i32 k, u32&) { return static_cast<u32>(k); }),
    {Op::s_cmovk_i32, &cmovk},
    COMPARE(eq, ==),
    COMPARE(lg, !=),
    COMPARE(gt, >),
    COMPARE(ge, >=),
    COMPARE(lt, <),
    COMPARE(le, <=),
    sopk<Op::s_addk_i32>([](u32 a, i32 k, u32& scc) {
        const u32 b = static_cast<u32>(k), r = a + b;
        scc = (~(a ^ b) & (a ^ r)) >> 31;
        return r;
    }),
    sopk<Op::s_mulk_i32>([](u32 a, i32 k, u32&) { return a * static_cast<u32>(k); }),

    sop<Op::s_mov_b32, u32(u32)>([](u32 a, u32&) { return a; }),
    sop<Op::s_mov_b64, u64(u64)>([](u64 a, u32&) { return a; }),
    {Op::s_cmov_b32, &cmov<u32>},
    {Op::s_cmov_b64, &cmov<u64>},
    sop<Op::s_not_b32, u32(u32)>([](u32 a, u32& scc) {
        scc = ~a != 0;
        return ~a;
    }),
    sop<Op::s_not_b64, u64(u64)>([](u64 a, u32& scc) {
        scc = ~a != 0;
        return ~a;
    }),
    sop<Op::s_wqm_b32, u32(u32)>([](u32 a, u32& scc) {
        const u32 r = wqm(a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_wqm_b64, u64(u64)>([](u64 a, u32& scc) {
        const u64 r = wqm(a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_brev_b32, u32(u32)>([](u32 a, u32&) { return brev(a); }),
    sop<Op::s_brev_b64, u64(u64)>([](u64 a, u32&) { return brev(a); }),
    sop<Op::s_bcnt0_i32_b32, u32(u32)>([](u32 a, u32& scc) {
        const u32 r = std::popcount(~a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_bcnt0_i32_b64, u32(u64)>([](u64 a, u32& scc) {
        const u32 r = std::popcount(~a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_bcnt1_i32_b32, u32(u32)>([](u32 a, u32& scc) {
        const u32 r = std::popcount(a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_bcnt1_i32_b64, u32(u64)>([](u64 a, u32& scc) {
        const u32 r = std::popcount(a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_ff0_i32_b32, i32(u32)>([](u32 a, u32&) { return first_one(~a); }),
    sop<Op::s_ff0_i32_b64, i32(u64)>([](u64 a, u32&) { return first_one(~a); }),
    sop<Op::s_ff1_i32_b32, i32(u32)>([](u32 a, u32&) { return first_one(a); }),
    sop<Op::s_ff1_i32_b64, i32(u64)>([](u64 a, u32&) { return first_one(a); }),
    sop<Op::s_flbit_i32_b32, i32(u32)>([](u32 a, u32&) { return a == 0 ? -1 : std::countl_zero(a); }),
    sop<Op::s_flbit_i32_b64, i32(u64)>([](u64 a, u32&) { return a == 0 ? -1 : std::countl_zero(a); }),
    sop<Op::s_flbit_i32, i32(u32)>([](u32 a, u32&) { return sign_run32(a); }),
    sop<Op::s_flbit_i32_i64, i32(u64)>([](u64 a, u32&) { return sign_run64(a); }),
    sop<Op::s_sext_i32_i8, i32(u32)>([](u32 a, u32&) { return i32{static_cast<i8>(a)}; }),
    sop<Op::s_sext_i32_i16, i32(u32)>([](u32 a, u32&) { return i32{static_cast<i16>(a)}; }),
    {Op::s_bitset0_b32, &bitset<u32, false>},
    {Op::s_bitset0_b64, &bitset<u64, false>},
    {Op::s_bitset1_b32, &bitset<u32, true>},
    {Op::s_bitset1_b64, &bitset<u64, true>},
    SAVEEXEC(and, a& b),
    SAVEEXEC(or, a | b),
    SAVEEXEC(xor, a ^ b),
    SAVEEXEC(andn2, a & ~b),
    SAVEEXEC(orn2, a | ~b),
    SAVEEXEC(nand, ~(a& b)),
    SAVEEXEC(nor, ~(a | b)),
    SAVEEXEC(xnor, ~(a ^ b)),
    SAVEEXEC(andn1, ~a& b),
    SAVEEXEC(orn1, ~a | b),
    exec32<Op::s_andn1_wrexec_b32, true>([](auto a, auto b) { return ~a & b; }),
    exec64<Op::s_andn1_wrexec_b64, true>([](auto a, auto b) { return ~a & b; }),
    exec32<Op::s_andn2_wrexec_b32, true>([](auto a, auto b) { return a & ~b; }),
    exec64<Op::s_andn2_wrexec_b64, true>([](auto a, auto b) { return a & ~b; }),
    sop<Op::s_quadmask_b32, u32(u32)>([](u32 a, u32& scc) {
        const u32 r = quadmask(a);
        scc = r != 0;
        return r;
    }),
    sop<Op::s_quadmask_b64, u64(u64)>([](u64 a, u32& scc) {
        const u64 r = quadmask(a);
        scc = r != 0;
        return r;
    }),
    {Op::s_movrels_b32, &movrel<u32, true, false, false>},
    {Op::s_movrels_b64, &movrel<u64, true, false, false>},
    {Op::s_movreld_b32, &movrel<u32, false, true, false>},
    {Op::s_movreld_b64, &movrel<u64, false, true, false>},
    {Op::s_movrelsd_2_b32, &movrel<u32, true, true, true>},
    sop<Op::s_abs_i32, u32(u32)>([](u32 a, u32& scc) {
        const u32 r = (a >> 31) ? 0u - a : a;
        scc = r != 0;
        return r;
    }),
    sop<Op::s_bitreplicate_b64_b32, u64(u32)>([](u32 a, u32&) {
        u64 r = 0;
        for (int i = 0; i < 32; ++i) r |= (a >> i & 1 ? u64{3} : u64{0}) << (2 * i);
        return r;
    }),

    sop<Op::s_bitcmp0_b32, void(u32, u32)>([](u32 a, u32 b) { return (a >> (b & 31) & 1) == 0; }),
    sop<Op::s_bitcmp1_b32, void(u32, u32)>([](u32 a, u32 b) { return (a >> (b & 31) & 1) == 1; }),
    sop<Op::s_bitcmp0_b64, void(u64, u32)>([](u64 a, u32 b) { return (a >> (b & 63) & 1) == 0; }),
    sop<Op::s_bitcmp1_b64, void(u64, u32)>([](u64 a, u32 b) { return (a >> (b & 63) & 1) == 1; }),
    sop<Op::s_cmp_eq_u64, void(u64, u64)>([](u64 a, u64 b) { return a == b; }),
    sop<Op::s_cmp_lg_u64, void(u64, u64)>([](u64 a, u64 b) { return a != b; }),
};

}  // namespace

extern const BindingList kSopRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
