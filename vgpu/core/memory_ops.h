// What DS, FLAT, GLOBAL, SCRATCH and buffer instructions share: element types, atomic
// operations, and the check of 32 addresses against the address space.
#pragma once

#include <string_view>

#include "vgpu/core/float_ops.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {

enum class Atomic : u8 {
    Swap,
    CmpSwap,
    Add,
    Sub,
    RSub,
    SMin,
    UMin,
    SMax,
    UMax,
    And,
    Or,
    Xor,
    Inc,
    Dec,
    FCmpSwap,
    FMin,
    FMax,
    FAdd,
    MskOr,
    Wrap,
    None
};

// The operation of an atomic's mnemonic, e.g. ds_min_rtn_f32 or global_atomic_smin_x2.
inline Atomic atomic_of(const isa::Row& row) {
    std::string_view name = row.name;
    const bool is_float = row.mem == isa::Ty::F32 || row.mem == isa::Ty::F64;
    const bool is_signed = row.mem == isa::Ty::I32 || row.mem == isa::Ty::I64;
    const auto at = name.find("atomic_");
    name.remove_prefix(at != std::string_view::npos ? at + 7 : 3);
    const auto is = [&](std::string_view w) {
        return name.substr(0, w.size()) == w && (name.size() == w.size() || name[w.size()] == '_');
    };
    if (is("swap") || is("wrxchg") || is("wrxchg2") || is("wrxchg2st64")) return Atomic::Swap;
    if (is("cmpswap")) return Atomic::CmpSwap;
    if (is("fcmpswap")) return Atomic::FCmpSwap;
    if (is("cmpst")) return is_float ? Atomic::FCmpSwap : Atomic::CmpSwap;
    if (is("add")) return is_float ? Atomic::FAdd : Atomic::Add;
    if (is("sub")) return Atomic::Sub;
    if (is("rsub")) return Atomic::RSub;
    if (is("smin")) return Atomic::SMin;
    if (is("umin")) return Atomic::UMin;
    if (is("smax")) return Atomic::SMax;
    if (is("umax")) return Atomic::UMax;
    if (is("fmin")) return Atomic::FMin;
    if (is("fmax")) return Atomic::FMax;
    if (is("min")) return is_float ? Atomic::FMin : is_signed ? Atomic::SMin : Atomic::UMin;
    if (is("max")) return is_float ? Atomic::FMax : is_signed ? Atomic::SMax : Atomic::UMax;
    if (is("and")) return Atomic::And;
    if (is("or")) return Atomic::Or;
    if (is("xor")) return Atomic::Xor;
    if (is("inc")) return Atomic::Inc;
    if (is("dec")) return Atomic::Dec;
    if (is("mskor")) return Atomic::MskOr;
    if (is("wrap")) return Atomic::Wrap;
    if (is("write")) return Atomic::Swap;  // ds_write_src2
    return Atomic::None;
}

// The value an atomic leaves in memory. `data2`: comparand of a compare-and-swap, or the
// second operand of mskor and wrap.
template <class T>
T atomic_result(Atomic op, T old, T data, T data2) {
    using S = std::make_signed_t<T>;
    using F = std::conditional_t<sizeof(T) == 8, double, float>;
    const auto f = [](T x) { return std::bit_cast<F>(x); };
    const S so = static_cast<S>(old), sd = static_cast<S>(data);
    switch (op) {
        case Atomic::Swap: return data;
        case Atomic::CmpSwap: return old == data2 ? data : old;
        case Atomic::FCmpSwap: return f(old) == f(data2) ? data : old;
        case Atomic::Add: return old + data;
        case Atomic::Sub: return old - data;
        case Atomic::RSub: return data - old;
        case Atomic::SMin: return so < sd ? old : data;
        case Atomic::SMax: return so > sd ? old : data;
        case Atomic::UMin: return old < data ? old : data;
        case Atomic::UMax: return old > data ? old : data;
        case Atomic::And: return old & data;
        case Atomic::Or: return old | data;
        case Atomic::Xor: return old ^ data;
        case Atomic::Inc: return old >= data ? 0 : old + 1;
        case Atomic::Dec: return old == 0 || old > data ? data : old - 1;
        case Atomic::FMin: return std::bit_cast<T>(minimum(f(old), f(data)));
        case Atomic::FMax: return std::bit_cast<T>(maximum(f(old), f(data)));
        case Atomic::FAdd: return std::bit_cast<T>(card_nan(f(old) + f(data)));
        case Atomic::MskOr: return (old & ~data) | data2;
        case Atomic::Wrap: return old >= data ? old - data : old + data2;
        case Atomic::None: break;
    }
    return old;
}

// A real atomic on host memory: other workgroups run on other threads.
template <class T>
T atomic_on_host(Atomic op, u64 address, T data, T data2) {
    T* p = reinterpret_cast<T*>(address);
    switch (op) {
        case Atomic::Add: return __atomic_fetch_add(p, data, __ATOMIC_SEQ_CST);
        case Atomic::Sub: return __atomic_fetch_sub(p, data, __ATOMIC_SEQ_CST);
        case Atomic::And: return __atomic_fetch_and(p, data, __ATOMIC_SEQ_CST);
        case Atomic::Or: return __atomic_fetch_or(p, data, __ATOMIC_SEQ_CST);
        case Atomic::Xor: return __atomic_fetch_xor(p, data, __ATOMIC_SEQ_CST);
        case Atomic::Swap: return __atomic_exchange_n(p, data, __ATOMIC_SEQ_CST);
        default: break;
    }
    T old = __atomic_load_n(p, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(p, &old, atomic_result(op, old, data, data2), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {}
    return old;
}

// Are all active lanes' [address, address + size) memory that the GPU may touch? The
// usual answer takes one look-up for the whole span. -1: yes, else the first bad lane.
VGPU_INLINE int first_bad_lane(const Wave& w, const Lanes64& address, u32 exec, u32 size, bool write) {
    u64 low = ~u64{0}, high = 0;
    if (exec == 0xffffffffu) {
        for (int i = 0; i < 32; ++i) {
            low = address.x[i] < low ? address.x[i] : low;
            high = address.x[i] > high ? address.x[i] : high;
        }
    } else {
        for (int i = 0; i < 32; ++i) {
            const bool on = exec >> i & 1;
            low = on && address.x[i] < low ? address.x[i] : low;
            high = on && address.x[i] > high ? address.x[i] : high;
        }
    }
    if (w.memory->contains(low, high - low + size, write)) [[likely]]
        return -1;
    for (int i = 0; i < 32; ++i)
        if ((exec >> i & 1) && !w.memory->contains(address.x[i], size, write)) return i;
    return -1;
}

// How the bytes of one element become the dwords of a register and back.
enum class Element : u8 { U8, I8, U16, I16, Words };
enum class Part : u8 { Whole, Low, High };  // D16: which half of the register

constexpr u32 element_bytes(Element e, u32 dwords) {
    return e == Element::Words ? 4 * dwords : e == Element::U8 || e == Element::I8 ? 1 : 2;
}

template <Element E>
VGPU_INLINE u32 extend(const u8* p) {
    if constexpr (E == Element::U8) return *p;
    if constexpr (E == Element::I8) return static_cast<u32>(i32{static_cast<i8>(*p)});
    u16 v;
    std::memcpy(&v, p, 2);
    if constexpr (E == Element::I16) return static_cast<u32>(i32{static_cast<i16>(v)});
    return v;
}
template <Part P>
VGPU_INLINE u32 merge(u32 old, u32 value) {
    if constexpr (P == Part::Whole) return value;
    if constexpr (P == Part::Low) return (old & 0xffff0000) | (value & 0xffff);
    return (old & 0xffff) | value << 16;
}

typedef u32 Quad __attribute__((vector_size(16)));

// Keeps an access in one piece: a compiler takes a vector that is only picked to pieces, or put together
// from pieces, apart into one access for each piece (gcc's forwprop does).
VGPU_INLINE Quad whole(Quad v) {
#if defined(__x86_64__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
    return v;
}
VGPU_INLINE u64 whole(u64 v) {
    asm("" : "+r"(v));
    return v;
}

// Loads one element of a lane to registers r[0], r[lanes], ... Two and four dwords are one
// access, as on the card: workgroups that wait on each other pass a flag and its value in one.
template <Element E, u32 N, Part P>
VGPU_INLINE void load_lane(u32* r, u32 lanes, const u8* p) {
    if constexpr (E == Element::Words && N == 4) {
        Quad v;
        std::memcpy(&v, p, 16);
        v = whole(v);
        for (u32 k = 0; k < 4; ++k) r[k * lanes] = v[k];
    } else if constexpr (E == Element::Words) {
        u32 k = 0;
        for (; k + 2 <= N; k += 2) {
            u64 v;
            std::memcpy(&v, p + 4 * k, 8);
            v = whole(v);
            r[k * lanes] = static_cast<u32>(v);
            r[(k + 1) * lanes] = static_cast<u32>(v >> 32);
        }
        for (; k < N; ++k) {
            u32 v;
            std::memcpy(&v, p + 4 * k, 4);
            r[k * lanes] = v;
        }
    } else {
        *r = merge<P>(*r, extend<E>(p));
    }
}
template <Element E, u32 N, Part P>
VGPU_INLINE void store_lane(const u32* r, u32 lanes, u8* p) {
    if constexpr (E == Element::Words && N == 4) {
        const Quad v = whole(Quad{r[0], r[lanes], r[2 * lanes], r[3 * lanes]});
        std::memcpy(p, &v, 16);
    } else if constexpr (E == Element::Words) {
        u32 k = 0;
        for (; k + 2 <= N; k += 2) {
            const u64 v = whole(r[k * lanes] | u64{r[(k + 1) * lanes]} << 32);
            std::memcpy(p + 4 * k, &v, 8);
        }
        for (; k < N; ++k) {
            const u32 v = r[k * lanes];
            std::memcpy(p + 4 * k, &v, 4);
        }
    } else {
        const u32 v = P == Part::High ? *r >> 16 : *r;
        if constexpr (E == Element::U8 || E == Element::I8) {
            *p = static_cast<u8>(v);
        } else {
            const u16 x = static_cast<u16>(v);
            std::memcpy(p, &x, 2);
        }
    }
}

// All 32 lanes of an element of N dwords; lane i's is at place(i). Elements of two and
// four dwords go through 4x4 transpositions.
template <Element E, u32 N, Part P, class Place>
VGPU_INLINE void load_all(u32* r, u32 lanes, Place place) {
    if constexpr (E == Element::Words && N == 4) {
        for (u32 i = 0; i < 32; i += 4) {
            Quad a, b, c, d;
            std::memcpy(&a, place(i), 16);
            std::memcpy(&b, place(i + 1), 16);
            std::memcpy(&c, place(i + 2), 16);
            std::memcpy(&d, place(i + 3), 16);
            const Quad ab_low = __builtin_shuffle(a, b, Quad{0, 4, 1, 5}),
                       ab_high = __builtin_shuffle(a, b, Quad{2, 6, 3, 7});
            const Quad cd_low = __builtin_shuffle(c, d, Quad{0, 4, 1, 5}),
                       cd_high = __builtin_shuffle(c, d, Quad{2, 6, 3, 7});
            a = __builtin_shuffle(ab_low, cd_low, Quad{0, 1, 4, 5});
            b = __builtin_shuffle(ab_low, cd_low, Quad{2, 3, 6, 7});
            c = __builtin_shuffle(ab_high, cd_high, Quad{0, 1, 4, 5});
            d = __builtin_shuffle(ab_high, cd_high, Quad{2, 3, 6, 7});
            std::memcpy(r + i, &a, 16);
            std::memcpy(r + lanes + i, &b, 16);
            std::memcpy(r + 2 * lanes + i, &c, 16);
            std::memcpy(r + 3 * lanes + i, &d, 16);
        }
    } else {
        for (u32 i = 0; i < 32; ++i) load_lane<E, N, P>(r + i, lanes, place(i));
    }
}

// Picks an instantiation X<Element, dwords, Part> by a row of the table. Static: each file's
// X is its own, but g++ 12 gives the instantiations of a plain template one weak name.
template <template <Element, u32, Part> class X>
static Fn by_element(const isa::Row& row) {
    const Part part = row.has(isa::D16HI) ? Part::High : row.has(isa::D16LO) ? Part::Low : Part::Whole;
#define VGPU_PART(E)                                       \
    return part == Part::High  ? &X<E, 1, Part::High>::run \
           : part == Part::Low ? &X<E, 1, Part::Low>::run  \
                               : &X<E, 1, Part::Whole>::run
    switch (row.mem) {
        case isa::Ty::U8:
        case isa::Ty::B8: VGPU_PART(Element::U8);
        case isa::Ty::I8: VGPU_PART(Element::I8);
        case isa::Ty::U16:
        case isa::Ty::B16:
        case isa::Ty::F16: VGPU_PART(Element::U16);
        case isa::Ty::I16: VGPU_PART(Element::I16);
        default: break;
    }
#undef VGPU_PART
    switch (isa::dwords(row.mem)) {
        case 1: return &X<Element::Words, 1, Part::Whole>::run;
        case 2: return &X<Element::Words, 2, Part::Whole>::run;
        case 3: return &X<Element::Words, 3, Part::Whole>::run;
        case 4: return &X<Element::Words, 4, Part::Whole>::run;
        default: return nullptr;
    }
}

// Where lane `lane` keeps byte `offset` of its scratch: dwords of all lanes alternate.
VGPU_INLINE u64 scratch_swizzle(const Wave& w, u32 offset, u32 lane) {
    return u64{offset & ~3u} * w.lanes + lane * 4 + (offset & 3);
}

VGPU_INLINE void count_bytes(Wave& w, bool write, u64 exec, u32 size) {
    if (w.class_counts)
        w.class_counts[write ? kStatWriteBytes : kStatReadBytes] += static_cast<u64>(std::popcount(exec)) * size;
}

}  // namespace vgpu::core::VGPU_HOST
