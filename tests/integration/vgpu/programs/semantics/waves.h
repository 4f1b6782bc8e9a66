// What the lanes of a wave, and the waves of a workgroup, do together; beside each kernel its model for the CPU.
// One workgroup of 128 places, `n` of which exist. A model is told the wave's size.
#pragma once

#include "lane.h"

constexpr u32 kPlaces = 128;
constexpr u32 kCrossIn = 3;
constexpr u32 kCrossOut = 18;
constexpr u32 kSharedOut = 9;

// The wiring of the data-parallel moves that are tried, as the ISA manual numbers them.
constexpr int kRowShr1 = 0x111, kRowShl5 = 0x105, kRowRor3 = 0x123, kQuad = 0x1b, kMirror = 0x140;
constexpr int kHalfMirror = 0x141, kShare2 = 0x152, kXmask5 = 0x165;
constexpr u32 kEight = 0 << 0 | 7 << 3 | 2 << 6 | 2 << 9 | 5 << 12 | 3 << 15 | 6 << 18 | 1 << 21;
constexpr u32 kOld = 0xbeef;
FN u32 same_half(u32 self, u32 lane) { return (self & ~31u) | (lane & 31); }

#if defined(__HIP__)
#define SHARED __attribute__((shared))
FN u32 place() { return __builtin_amdgcn_workitem_id_x(); }
FN u32 wave_size() { return __builtin_amdgcn_wavefrontsize(); }
FN u32 lane_of(u32 i) { return i & (wave_size() - 1); }
FN u64 ballot(bool x) { return __builtin_amdgcn_ballot_w64(x); }
// As HIP's __shfl. On gfx10 each half of a wave64 asks among its own 32 lanes: HIP allows no wave64 there.
// What an absent lane would give counts as 0.
FN u32 from_lane(u32 value, u32 lane, u64 present) {
    const u32 got = __builtin_amdgcn_ds_bpermute(i32(lane << 2), i32(value));
    return present >> same_half(lane_of(place()), lane) & 1 ? got : 0;
}
FN void barrier() {
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
    __builtin_amdgcn_s_barrier();
    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
template <int CTRL, int ROWS = 15, int BANKS = 15, bool ZERO = false> FN u32 moved(u32 value) {
    return __builtin_amdgcn_update_dpp(kOld, value, CTRL, ROWS, BANKS, ZERO);
}

// Words in: value; source lane, its distance and log2 of the width; bit 0: takes part, bit 1: votes.
KERNEL(cross) {
    const u32 i = place();
    if (i >= n) return;
    in += i * kCrossIn;
    out += i * kCrossOut;
    const u32 value = in[0], lane = lane_of(i), w = wave_size();
    const u32 width = 1u << u32(in[1] >> 16) % (w == 64 ? 7 : 6), start = lane & ~(width - 1);
    const u32 by = in[1] >> 8 & 63;
    if (!(in[2] & 1)) return;
    const bool votes = in[2] & 2;
    const u64 present = ballot(true);
    out[0] = ballot(votes);
    out[1] = from_lane(value, start + (in[1] & (width - 1)), present);
    // All lanes ask at once, as in HIP: a lane that took another branch would be absent.
    out[2] = from_lane(value, lane < start + by ? lane : lane - by, present);
    out[3] = from_lane(value, (lane & (width - 1)) + by >= width ? lane : lane + by, present);
    out[4] = from_lane(value, (lane ^ by) >= start + width ? lane : lane ^ by, present);
    out[5] = u32(__builtin_amdgcn_readfirstlane(value));
    const u64 mask = ballot(votes);
    out[6] = __builtin_amdgcn_mbcnt_hi(u32(mask >> 32), __builtin_amdgcn_mbcnt_lo(u32(mask), 7));
    out[7] = moved<kRowShr1>(value);
    out[8] = moved<kRowShl5, 15, 15, true>(value);
    out[9] = moved<kRowRor3, 10>(value) + value;
    out[10] = moved<kQuad, 15, 5>(value);
    out[11] = moved<kMirror>(value) ^ moved<kHalfMirror, 15, 15, true>(value);
    out[12] = moved<kShare2, 15, 15, true>(value) - value;
    out[13] = moved<kXmask5>(value);
    const u32 low = __builtin_amdgcn_readfirstlane(u32(in[1])), high = __builtin_amdgcn_readfirstlane(value);
    out[14] = __builtin_amdgcn_permlane16(kOld, value, low, high, false, false);
    out[15] = __builtin_amdgcn_permlanex16(kOld, value, low, high, false, true);
    const u32 eight = __builtin_amdgcn_mov_dpp8(value, kEight);
    out[16] = present >> ((lane & ~7u) + (kEight >> 3 * (lane & 7) & 7)) & 1 ? eight : 0;
    // The waves' own way to serve different values one after the other.
    u32 rounds = 1;
    while ((value & 7) != u32(__builtin_amdgcn_readfirstlane(value & 7))) ++rounds;
    out[17] = rounds;
}

// Words in: value, index. Reductions, a scan, accesses of every width and a histogram in LDS.
KERNEL(shared) {
    SHARED static u32 part[kPlaces];
    SHARED static u8 bytes[kPlaces * 16] __attribute__((aligned(16)));
    SHARED static u32 histogram[16];
    typedef u32 Four __attribute__((ext_vector_type(4)));
    const u32 i = place();
    const bool here = i < n;
    const u32 value = here ? u32(in[i * 2]) : 0, index = here ? u32(in[i * 2 + 1]) % n : 0;
    u64 results[kSharedOut] = {};
    part[i] = value;
    if (i < 16) histogram[i] = 0;
    barrier();
    for (u32 step = kPlaces / 2; step > 0; step /= 2) {
        if (i < step) part[i] = part[i] * 3 + part[i + step];
        barrier();
    }
    results[0] = part[0];
    barrier();
    part[i] = value;
    barrier();
    for (u32 step = 1; step < kPlaces; step *= 2) {
        const u32 other = i >= step ? part[i - step] : 0;
        barrier();
        part[i] += other;
        barrier();
    }
    results[1] = part[i];
    bytes[i] = u8(value);
    barrier();
    results[2] = bytes[index];
    results[3] = u64(i64(reinterpret_cast<i8*>(bytes)[index]));
    barrier();
    reinterpret_cast<u16*>(bytes)[i] = u16(value);
    barrier();
    results[4] = u64(i64(reinterpret_cast<i16*>(bytes)[index]));
    barrier();
    reinterpret_cast<u64*>(bytes)[i] = value * 0x100000001ul + i;
    barrier();
    results[5] = reinterpret_cast<u64*>(bytes)[index];
    barrier();
    const Four four = {value, i, value ^ i, ~value};
    reinterpret_cast<Four*>(bytes)[i] = four;
    barrier();
    const Four got = reinterpret_cast<Four*>(bytes)[index];
    results[6] = got.x + got.y * 3 + got.z * 5 + got.w * 7;
    // So many turns as the lane's own value says.
    if (here)
        for (u32 k = 0; k < value % 5; ++k)
            __hip_atomic_fetch_add(&histogram[(value >> 4 * k) & 15], k + 1, __ATOMIC_RELAXED,
                                   __HIP_MEMORY_SCOPE_WORKGROUP);
    barrier();
    results[7] = histogram[i & 15];
    const u64 votes = ballot(value & 1);
    results[8] = __builtin_popcountll(votes);
    if (here)
        for (u32 k = 0; k < kSharedOut; ++k) out[i * kSharedOut + k] = results[k];
}

// Words in: operand, slot, what a compare-and-swap expects. `out` holds each lane's old values, then 4 slots an
// operation with what was there before.
#define ATOMIC_STEPS(T, SIGNED, FLOAT, order, scope) \
    STEP(0, __hip_atomic_fetch_add(at, T(value), order, scope)) \
    STEP(1, __hip_atomic_fetch_sub(at, T(value), order, scope)) \
    STEP(2, __hip_atomic_fetch_min(at, T(value), order, scope)) \
    STEP(3, __hip_atomic_fetch_max(at, T(value), order, scope)) \
    STEP(4, T(__hip_atomic_fetch_min(reinterpret_cast<SIGNED*>(at), SIGNED(value), order, scope))) \
    STEP(5, T(__hip_atomic_fetch_max(reinterpret_cast<SIGNED*>(at), SIGNED(value), order, scope))) \
    STEP(6, __hip_atomic_fetch_and(at, T(value), order, scope)) \
    STEP(7, __hip_atomic_fetch_or(at, T(value), order, scope)) \
    STEP(8, __hip_atomic_fetch_xor(at, T(value), order, scope)) \
    STEP(9, __hip_atomic_exchange(at, T(value), order, scope)) \
    STEP(10, swapped(at, T(expected), T(value))) \
    STEP(11, __builtin_bit_cast(T, __hip_atomic_fetch_add(reinterpret_cast<FLOAT*>(at), FLOAT(value & 0xff), \
                                                          order, scope)))
constexpr u32 kAtomicSteps = 12;
constexpr u32 kSlots = 4;
template <typename T> FN T swapped(T* at, T expected, T value) {
    __hip_atomic_compare_exchange_strong(at, &expected, value, __ATOMIC_RELAXED, __ATOMIC_RELAXED,
                                         __HIP_MEMORY_SCOPE_AGENT);
    return expected;
}
#define STEP(number, call) \
    { \
        T* at = reinterpret_cast<T*>(slots + number * kSlots + slot); \
        old[number] = call; \
    }
template <typename T, typename SIGNED, typename FLOAT>
FN void atomic_steps(u64* slots, u32 slot, u64 value, u64 expected, u64* old) {
    ATOMIC_STEPS(T, SIGNED, FLOAT, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT)
}
#undef STEP
#define ATOMICS(name, T, SIGNED, FLOAT) \
    KERNEL(name##_global) { \
        const u32 i = place(); \
        const u64* word = in + i * 3; \
        u64* old = out + i * kAtomicSteps; \
        if (i < n) atomic_steps<T, SIGNED, FLOAT>(out + n * kAtomicSteps, word[1], word[0], word[2], old); \
    } \
    KERNEL(name##_lds) { \
        SHARED static u64 slots[kAtomicSteps * kSlots]; \
        const u32 i = place(); \
        const u64* word = in + i * 3; \
        u64* tail = out + n * kAtomicSteps; \
        if (i < kAtomicSteps * kSlots) slots[i] = tail[i]; \
        barrier(); \
        if (i < n) atomic_steps<T, SIGNED, FLOAT>(slots, word[1], word[0], word[2], out + i * kAtomicSteps); \
        barrier(); \
        if (i < kAtomicSteps * kSlots) tail[i] = slots[i]; \
    }
ATOMICS(atomics32, u32, i32, f32)
ATOMICS(atomics64, u64, i64, f64)

#else

// A wave as the models see it: who takes part, with which value.
struct Wave {
    u32 value[64];
    bool present[64];
    u32 size;
    u32 from(u32 self, u32 lane) const {
        const u32 source = same_half(self, lane);
        return present[source] ? value[source] : 0;
    }
    // What a data-parallel move gives: `old` or 0 where the source is outside its row or does not take part.
    u32 moved(u32 lane, i32 source, bool written, bool zero) const {
        if (!written) return kOld;
        if (source >= 0 && present[source]) return value[source];
        return zero ? 0 : kOld;
    }
};

FN void cross_wave(const u64* in, u64* out, const Wave& wave) {
    const u32 w = wave.size;
    u64 mask = 0;
    u32 first = 0;
    for (u32 lane = 0; lane < w; ++lane)
        if (wave.present[lane] && in[lane * kCrossIn + 2] & 2) mask |= u64(1) << lane;
    while (first < w && !wave.present[first]) ++first;
    if (first == w) return;
    u32 order[8] = {}, seen = 0;  // round in which a value of the last loop is served
    for (u32 lane = first; lane < w; ++lane)
        if (wave.present[lane] && !order[wave.value[lane] & 7]) order[wave.value[lane] & 7] = ++seen;
    const u64 select = u64(wave.value[first]) << 32 | u32(in[first * kCrossIn + 1]);
    for (u32 lane = 0; lane < w; ++lane) {
        if (!wave.present[lane]) continue;
        const u64* word = in + lane * kCrossIn;
        u64* got = out + lane * kCrossOut;
        const u32 value = wave.value[lane], by = word[1] >> 8 & 63;
        const u32 width = 1u << u32(word[1] >> 16) % (w == 64 ? 7 : 6), start = lane & ~(width - 1);
        const u32 row = lane & ~15u, in_row = lane & 15;
        got[0] = mask;
        got[1] = wave.from(lane, start + (word[1] & (width - 1)));
        got[2] = lane < start + by ? value : wave.from(lane, lane - by);
        got[3] = (lane & (width - 1)) + by >= width ? value : wave.from(lane, lane + by);
        got[4] = (lane ^ by) >= start + width ? value : wave.from(lane, lane ^ by);
        got[5] = wave.value[first];
        got[6] = 7 + __builtin_popcountll(mask & ((u64(1) << lane) - 1));
        got[7] = wave.moved(lane, in_row >= 1 ? i32(lane - 1) : -1, true, false);
        got[8] = wave.moved(lane, in_row + 5 < 16 ? i32(lane + 5) : -1, true, true);
        got[9] = u32(wave.moved(lane, row + ((in_row - 3) & 15), 10 >> (lane / 16 & 3) & 1, false) + value);
        got[10] = wave.moved(lane, (lane & ~3u) + (kQuad >> 2 * (lane & 3) & 3), 5 >> (lane / 4 & 3) & 1, false);
        got[11] = wave.moved(lane, row + 15 - in_row, true, false) ^ wave.moved(lane, lane ^ 7, true, true);
        got[12] = u32(wave.moved(lane, row + 2, true, true) - value);
        got[13] = wave.moved(lane, lane ^ 5, true, false);
        const u32 chosen = select >> 4 * in_row & 15;
        got[14] = wave.moved(lane, row + chosen, true, false);
        got[15] = wave.moved(lane, (row ^ 16) + chosen, true, true);
        got[16] = wave.from(lane, (lane & ~7u) + (kEight >> 3 * (lane & 7) & 7));
        got[17] = order[value & 7];
    }
}

extern "C" void cross(const u64* in, u64* out, u32 n, u32 size) {
    for (u32 base = 0; base < n; base += size) {
        Wave wave{{}, {}, size};
        for (u32 lane = 0; lane < size && base + lane < n; ++lane) {
            wave.value[lane] = u32(in[(base + lane) * kCrossIn]);
            wave.present[lane] = in[(base + lane) * kCrossIn + 2] & 1;
        }
        cross_wave(in + base * kCrossIn, out + base * kCrossOut, wave);
    }
}

extern "C" void shared(const u64* in, u64* out, u32 n, u32 size) {
    u32 value[kPlaces] = {}, part[kPlaces], histogram[16] = {}, sum = 0;
    for (u32 i = 0; i < n; ++i) part[i] = value[i] = u32(in[i * 2]);
    for (u32 i = n; i < kPlaces; ++i) part[i] = 0;
    for (u32 step = kPlaces / 2; step > 0; step /= 2)
        for (u32 i = 0; i < step; ++i) part[i] = part[i] * 3 + part[i + step];
    for (u32 i = 0; i < n; ++i)
        for (u32 k = 0; k < value[i] % 5; ++k) histogram[(value[i] >> 4 * k) & 15] += k + 1;
    for (u32 i = 0; i < n; ++i) {
        u64* got = out + i * kSharedOut;
        const u32 at = u32(in[i * 2 + 1]) % n, there = value[at];
        sum += value[i];
        got[0] = part[0];
        got[1] = sum;
        got[2] = u8(there);
        got[3] = u64(i64(i8(there)));
        got[4] = u64(i64(i16(there)));
        got[5] = there * 0x100000001ul + at;
        got[6] = u32(there + at * 3 + (there ^ at) * 5 + ~there * 7);
        got[7] = histogram[i & 15];
        got[8] = 0;
        for (u32 k = i / size * size; k < (i / size + 1) * size; ++k) got[8] += value[k] & 1;
    }
}
#endif
