// State of one wave and its workgroup, and the pre-decoded instruction (MicroOp) that
// handlers run. Everything that all builds of the handlers share; no semantics here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vgpu/core/address_space.h"
#include "vgpu/core/engine.h"
#include "vgpu/core/options.h"

namespace vgpu::core {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

// Slots of Wave::s. 0..127 are the operand encodings of the ISA.
enum Slot : u32 {
    kVccLo = 106,
    kVccHi = 107,
    kTtmp0 = 108,
    kM0 = 124,
    kNull = 125,
    kExecLo = 126,
    kExecHi = 127,
    kScc = 128,   // 0 or 1
    kVccz = 129,  // filled just before an instruction that reads it
    kExecz = 130,
    kDump = 132,    // 16 slots: where writes to null go
    kDppTmp = 148,  // saved exec of a DPP instruction
    kSlots = 160,
};

// VGPRs 0..kHidden-1 of the file are ours: operands of SDWA and DPP after selection.
inline constexpr u32 kHidden = 8;
inline constexpr u32 kFileVgprs = 256 + kHidden;

struct Wave;
struct MicroOp;
struct Extra;
struct Workgroup;
struct Launch;
class StrictWave;

// Runs one instruction; the next one, or nullptr with Wave::next and Wave::state set.
using Fn = const MicroOp* (*)(Wave&, const MicroOp*);

// A source operand: where its 32 (or 64) lane values are, and what is done to them.
//   bits 0..23  VGPR: offset into Wave::v in dwords; Const: the same into Wave::consts;
//               Sgpr: slot
//   bits 24,25  kind      26 neg   27 abs   28 high half (op_sel)   29 sign-extend
namespace operand {
inline constexpr u32 kVgpr = 0u << 24, kConst = 1u << 24, kSgpr = 2u << 24;
inline constexpr u32 kKind = 3u << 24;
inline constexpr u32 kNeg = 1u << 26, kAbs = 1u << 27, kHigh = 1u << 28;
inline constexpr u32 kMods = kNeg | kAbs | kHigh;
inline constexpr u32 kValue = 0xffffff;
}  // namespace operand

// What is done to a result.
namespace out {
inline constexpr u8 kClamp = 1, kOmodShift = 1, kOmod = 6, kHigh = 8;  // kHigh: op_sel[3]
}

enum class Class : u8 { Salu, Smem, Valu, Vmem, Lds, Branch, Other, Count };

struct alignas(64) MicroOp {
    Fn fn = nullptr;
    u32 src[4] = {0, 0, 0, 0};
    u32 dst = 0;      // VGPR offset in dwords, or slot of Wave::s
    u8 sdst = kDump;  // slot of a mask or carry result
    u8 out = 0;       // out::
    Class cls = Class::Other;
    u8 n = 0;                                             // dwords of a memory access, or a small family constant
    i64 imm = 0;                                          // offset, literal, dpp control: per family
    mutable std::atomic<const MicroOp*> target{nullptr};  // of a branch, once known
    const Extra* extra = nullptr;
    u32 aux = 0;  // op_sel and neg of VOP3P, memory flags
    u8 fma = 0;   // counted as a fused multiply-add
    u8 trans = 0;

    MicroOp() = default;
    MicroOp(const MicroOp& o) { *this = o; }
    MicroOp& operator=(const MicroOp& o) {
        fn = o.fn;
        for (int i = 0; i < 4; ++i) src[i] = o.src[i];
        dst = o.dst;
        sdst = o.sdst;
        out = o.out;
        cls = o.cls;
        n = o.n;
        imm = o.imm;
        target.store(o.target.load(std::memory_order_relaxed), std::memory_order_relaxed);
        extra = o.extra;
        aux = o.aux;
        fma = o.fma;
        trans = o.trans;
        return *this;
    }
};

// Memory flags in MicroOp::aux.
namespace memflag {
inline constexpr u32 kOffen = 1, kIdxen = 2, kGlc = 4, kSlc = 8, kDlc = 16, kLds = 32, kGds = 64, kSaddr = 128,
                     kScratch = 256, kGlobal = 512, kTfe = 1024, kAddr32 = 2048;
}

enum class State : u8 { Ready, Barrier, Yield, Ended, Faulted };

struct PendingFault {
    Fault::Kind kind = Fault::Kind::Memory;
    u64 address = 0;
    unsigned lane = 0;
    bool write = false;
    unsigned size = 0;
    const char* note = nullptr;
};

struct alignas(64) Wave {
    u32 s[kSlots];
    u32* v = nullptr;  // kFileVgprs registers of `lanes` dwords
    const u32* consts = nullptr;
    const u32* bases[2] = {nullptr, nullptr};  // v, consts: indexed by the kind of a plain operand
    const AddressSpace* memory = nullptr;
    const MicroOp* next = nullptr;
    Workgroup* group = nullptr;
    u8* lds = nullptr;
    u32 lds_size = 0;  // bytes of this workgroup, rounded up to the granule
    u32 lanes = 32;
    u32 halves = 1;
    State state = State::Ready;
    bool split_fp = false;   // f64/f16 run under another rounding or denormal mode than f32
    bool fp_default = true;  // all FP modes: nearest even, denormals kept
    bool ieee = false;
    bool dx10_clamp = true;
    bool lds_strict = false;  // a load past the end of LDS is a fault, not zero
    u32 mode = 0;             // HW_REG_MODE
    u32 trapsts = 0;
    u32 host_csr = 0x1f80;    // MXCSR for f32
    u32 host_csr64 = 0x1f80;  // MXCSR for f64 and f16
    u32 index = 0;            // within the workgroup
    u32 slot = 0;             // resident wave slot, for HW_ID
    u64 flat_scratch = 0;     // HW_REG_FLAT_SCR
    u64 scratch_base = 0;     // this wave's scratch, swizzled by lane
    u32 scratch_lane_bytes = 0;
    u64 exec_count = 0;           // instructions run
    u64* class_counts = nullptr;  // stats: indexed by Class, then fma, trans ...
    u32 gws_ticket = 0;
    StrictWave* strict = nullptr;  // in strict mode
    PendingFault fault;

    u64 exec() const { return s[kExecLo] | (lanes == 64 ? u64{s[kExecHi]} << 32 : 0); }
    u64 vcc() const { return s[kVccLo] | (lanes == 64 ? u64{s[kVccHi]} << 32 : 0); }
};

// Indices of Wave::class_counts after Class::Count.
enum StatIndex : unsigned {
    kStatFma = static_cast<unsigned>(Class::Count),
    kStatTrans,
    kStatLdsConflicts,
    kStatReadBytes,
    kStatWriteBytes,
    kStatCount
};

struct Workgroup {
    Launch* launch = nullptr;
    u32 id[3] = {0, 0, 0};
    u32 size[3] = {1, 1, 1};  // work-items, partial at the edge of the grid
    unsigned waves = 0;
    Wave* wave = nullptr;  // array of `waves`
    u8* lds = nullptr;
    u32 lds_size = 0;
};

// Raises a fault: returns nullptr so that a handler can `return raise(...)`.
const MicroOp* raise(Wave& w, const MicroOp* u, Fault::Kind kind, u64 address, unsigned lane = 0, bool write = false,
                     unsigned size = 0, const char* note = nullptr);

// Sets Wave::mode and what follows from it, MXCSR included.
void set_mode(Wave& w, u32 mode);
void load_host_csr(u32 csr);

// The micro-op at a PC, translated at need; never null (an illegal address or
// encoding gives a micro-op that faults).
const MicroOp* micro_op_at(Wave& w, u64 pc);

// Nanoseconds of a steady clock, for s_memtime and s_memrealtime.
u64 clock_nanoseconds();

u32 hardware_register(Wave& w, u32 id);  // whole register, before s_getreg's field
void set_hardware_register(Wave& w, u32 id, u32 value, u32 mask);

}  // namespace vgpu::core
