// Instructions that move data between lanes or between registers chosen at run time, and
// the wrappers for DPP and SDWA: they prepare operands in hidden registers, then run the
// plain instruction (Extra::inner).
#include <bit>

#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

constexpr u32 kHiddenSrc0 = 0, kHiddenSrc1 = 1, kHiddenDst = 2;

u32 lane_value(const Wave& w, u32 o, u32 lane) {
    const u32 at = o & operand::kValue;
    if ((o & operand::kKind) == operand::kVgpr) return w.v[at + lane];
    return rs32(w, o);
}

const MicroOp* readlane(Wave& w, const MicroOp* u) {
    const u32 lane = rs32(w, u->src[1]) & (w.lanes - 1);
    w.s[u->dst] = lane_value(w, u->src[0], lane);
    return u + 1;
}
const MicroOp* readfirstlane(Wave& w, const MicroOp* u) {
    const u64 exec = w.exec();
    w.s[u->dst] = lane_value(w, u->src[0], exec == 0 ? 0 : static_cast<u32>(std::countr_zero(exec)));
    return u + 1;
}
const MicroOp* writelane(Wave& w, const MicroOp* u) {
    const u32 lane = rs32(w, u->src[1]) & (w.lanes - 1);
    w.v[u->dst + lane] = rs32(w, u->src[0]);
    return u + 1;
}

// Extra::inst.op_sel: bit 0 fetches from inactive lanes, bit 1 gives 0 instead of nothing.
template <bool Cross>
const MicroOp* permlane(Wave& w, const MicroOp* u) {
    const isa::Inst& inst = u->extra->inst;
    const bool fi = inst.op_sel & 1, bound = inst.op_sel & 2;
    const u64 select = rs32(w, u->src[1]) | u64{rs32(w, u->src[2])} << 32;
    const u64 exec = w.exec();
    u32 old[64];
    for (u32 lane = 0; lane < w.lanes; ++lane) old[lane] = lane_value(w, u->src[0], lane);
    for (u32 lane = 0; lane < w.lanes; ++lane) {
        if (!(exec >> lane & 1)) continue;
        const u32 row = (lane & ~15u) ^ (Cross ? 16u : 0u);
        const u32 from = row | static_cast<u32>(select >> (4 * (lane & 15)) & 15);
        if (fi || (exec >> from & 1)) w.v[u->dst + lane] = old[from];
        else if (bound) w.v[u->dst + lane] = 0;
    }
    return u + 1;
}

template <u32 Half>
const MicroOp* mbcnt(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        In<u32> a, b;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        Lanes32 r;
        for (int i = 0; i < 32; ++i) {
            const u32 below = h > Half ? 0xffffffffu : h < Half ? 0u : (1u << i) - 1;
            r.x[i] = static_cast<u32>(std::popcount(a[i] & below)) + b[i];
        }
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}

const MicroOp* swap(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        u32* a = w.v + u->dst + h * 32;
        u32* b = w.v + (u->src[0] & operand::kValue) + h * 32;
        for (int i = 0; i < 32; ++i)
            if (exec >> i & 1) std::swap(a[i], b[i]);
    }
    return u + 1;
}

// VGPR-relative moves: M0 is added to the number of a VGPR.
template <bool Source, bool Destination, bool Two, bool Swap = false>
const MicroOp* movrel(Wave& w, const MicroOp* u) {
    const u32 m0 = w.s[kM0];
    const u32 add_s = (Two ? m0 & 0x3ff : m0) * w.lanes;
    const u32 add_d = (Two ? m0 >> 16 & 0x3ff : m0) * w.lanes;
    MicroOp moved(*u);
    const bool vgpr = (u->src[0] & operand::kKind) == operand::kVgpr;
    if (Source && vgpr) moved.src[0] += add_s;
    if (Destination) moved.dst += add_d;
    const u32 end = kFileVgprs * w.lanes;
    if ((vgpr && (moved.src[0] & operand::kValue) >= end) || moved.dst >= end || m0 >= (1u << 26))
        return raise(w, u, Fault::Kind::IllegalInstruction, pc_of(u), 0, false, 0, "M0 leads past the last VGPR");
    if (Swap) {
        swap(w, &moved);
        return u + 1;
    }
    for (u32 h = 0; h < w.halves; ++h) {
        Lanes32 tmp, r;
        const u32* from = raw32(w, moved.src[0], h, tmp);
        for (int i = 0; i < 32; ++i) r.x[i] = from[i];
        store32(w, moved.dst, h, w.s[kExecLo + h], r);
    }
    return u + 1;
}

const MicroOp* nothing(Wave&, const MicroOp* u) { return u + 1; }

// Where lane i of a row of 16 reads from under DPP16; 16 or more: nowhere.
u32 dpp_source(u32 ctrl, u32 i) {
    const u32 n = ctrl & 15;
    if (ctrl < 0x100) return (i & 12) | (ctrl >> (2 * (i & 3)) & 3);
    switch (ctrl & 0x1f0) {
        case 0x100: return i + n;         // row_shl
        case 0x110: return i - n;         // row_shr (wraps far above 15)
        case 0x120: return (i - n) & 15;  // row_ror
        case 0x140: return n == 0 ? 15 - i : (i & 8) | (7 - (i & 7));
        case 0x150: return n;      // row_share
        case 0x160: return i ^ n;  // row_xmask
        default: return i;
    }
}

constexpr Binding kRows[] = {
    {Op::v_readlane_b32, &readlane},
    {Op::v_readfirstlane_b32, &readfirstlane},
    {Op::v_writelane_b32, &writelane},
    {Op::v_permlane16_b32, &permlane<false>},
    {Op::v_permlanex16_b32, &permlane<true>},
    {Op::v_mbcnt_lo_u32_b32, &mbcnt<0>},
    {Op::v_mbcnt_hi_u32_b32, &mbcnt<1>},
    {Op::v_swap_b32, &swap},
    {Op::v_swaprel_b32, &movrel<true, true, true, true>},
    {Op::v_movrels_b32, &movrel<true, false, false>},
    {Op::v_movreld_b32, &movrel<false, true, false>},
    {Op::v_movrelsd_b32, &movrel<true, true, false>},
    {Op::v_movrelsd_2_b32, &movrel<true, true, true>},
    {Op::v_nop, &nothing},
    {Op::v_pipeflush, &nothing},
    {Op::v_clrexcp, &nothing},
};

}  // namespace

extern const BindingList kLaneRows{kRows, std::size(kRows)};

// imm: 1 when the defect "DPP reads one lane too far" is planted.
const MicroOp* run_dpp(Wave& w, const MicroOp* u) {
    const Extra& extra = *u->extra;
    const isa::Dpp& dpp = extra.inst.dpp;
    const bool eight = extra.inst.ext == isa::Ext::dpp8;
    const u64 exec = w.exec();
    const u32* from = w.v + (u->src[0] & operand::kValue);
    u32* to = w.v + kHiddenSrc0 * w.lanes;
    u64 enabled = 0;
    for (u32 lane = 0; lane < w.lanes; ++lane) {
        const u32 i = lane & 15;
        u32 source;
        bool zero_if_off = true;  // DPP8 reads 0 from lanes that are off
        if (eight) {
            source = (i & 8) | dpp.lane[i & 7];
        } else {
            if (!(dpp.row_mask >> (lane / 16) & 1) || !(dpp.bank_mask >> (i / 4) & 1)) continue;
            source = dpp_source(dpp.ctrl, i);
            zero_if_off = dpp.bound_ctrl;
        }
        if (u->imm) source = (source & ~15u) | ((source + 1) & 15);
        const bool valid = source < 16 && (dpp.fi || (exec >> ((lane & ~15u) + source) & 1));
        if (!valid && !zero_if_off) continue;
        to[lane] = valid ? from[(lane & ~15u) + source] : 0;
        enabled |= u64{1} << lane;
    }
    const u32 saved[2] = {w.s[kExecLo], w.s[kExecHi]};
    w.s[kExecLo] &= static_cast<u32>(enabled);
    if (w.lanes == 64) w.s[kExecHi] &= static_cast<u32>(enabled >> 32);
    const MicroOp* next = extra.inner.fn(w, &extra.inner);
    w.s[kExecLo] = saved[0];
    w.s[kExecHi] = saved[1];
    return next == nullptr ? nullptr : u + 1;
}

// Extra::inner reads kHiddenSrc0/1 and, where imm is set, writes kHiddenDst.
const MicroOp* run_sdwa(Wave& w, const MicroOp* u) {
    const Extra& extra = *u->extra;
    const isa::Sdwa& sdwa = extra.inst.sdwa;
    for (u32 k = 0; k < 2; ++k) {
        if (k == 1 && !extra.inst.src[1]) break;
        const u32 select = sdwa.sel[k];
        const u32 shift = select < 4 ? 8 * select : select < 6 ? 16 * (select - 4) : 0;
        const u32 width = select < 4 ? 8 : select < 6 ? 16 : 32;
        for (u32 h = 0; h < w.halves; ++h) {
            Lanes32 tmp;
            const u32* from = raw32(w, u->src[k] & ~operand::kMods, h, tmp);
            u32* to = w.v + (k ? kHiddenSrc1 : kHiddenSrc0) * w.lanes + h * 32;
            if (sdwa.sext[k]) {
                for (int i = 0; i < 32; ++i)
                    to[i] = static_cast<u32>(static_cast<i32>(from[i] << (32 - width - shift)) >> (32 - width));
            } else {
                const u32 mask = width == 32 ? 0xffffffffu : (1u << width) - 1;
                for (int i = 0; i < 32; ++i) to[i] = from[i] >> shift & mask;
            }
        }
    }
    if (!u->imm) {
        return extra.inner.fn(w, &extra.inner) == nullptr ? nullptr : u + 1;
    }
    u32* result = w.v + kHiddenDst * w.lanes;
    u32* dst = w.v + u->dst;
    for (u32 i = 0; i < w.lanes; ++i) result[i] = dst[i];
    if (extra.inner.fn(w, &extra.inner) == nullptr) return nullptr;
    const u32 select = sdwa.dst_sel;
    const u32 shift = select < 4 ? 8 * select : select < 6 ? 16 * (select - 4) : 0;
    const u32 width = select < 4 ? 8 : select < 6 ? 16 : 32;
    const u32 mask = width == 32 ? 0xffffffffu : (1u << width) - 1;
    const u64 exec = w.exec();
    for (u32 i = 0; i < w.lanes; ++i) {
        if (!(exec >> i & 1)) continue;
        const u32 part = result[i] & mask;
        u32 value = part << shift;
        if (sdwa.dst_unused == 2) value |= dst[i] & ~(mask << shift);
        else if (sdwa.dst_unused == 1 && (part >> (width - 1) & 1) && shift + width < 32)
            value |= 0xffffffffu << (shift + width);
        dst[i] = value;
    }
    return u + 1;
}

// A planted defect: lane 5 keeps what its destination held.
const MicroOp* run_stuck_lane(Wave& w, const MicroOp* u) {
    const u32 saved = w.s[kExecLo];
    w.s[kExecLo] &= ~(1u << 5);
    const MicroOp& inner = u->extra->inner;
    const MicroOp* next = inner.fn(w, &inner);
    w.s[kExecLo] = saved;
    return next == nullptr ? nullptr : u + 1;
}

}  // namespace vgpu::core::VGPU_HOST
