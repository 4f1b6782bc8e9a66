// Hardware registers, floating-point mode, clocks: the state of a wave that is not in its
// register files.
#include <chrono>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "vgpu/core/launch.h"

namespace vgpu::core {
namespace {

// MXCSR for a rounding mode (0 even, 1 up, 2 down, 3 zero) and a denormal mode (bit 0:
// inputs kept, bit 1: results kept). Exceptions stay masked.
u32 host_csr(u32 round, u32 denormals) {
    static constexpr u32 rounding[4] = {0, 2, 1, 3};
    u32 csr = 0x1f80 | rounding[round & 3] << 13;
    if (!(denormals & 1)) csr |= 0x0040;
    if (!(denormals & 2)) csr |= 0x8000;
    return csr;
}

enum HwReg : u32 {
    kMode = 1,
    kStatus = 2,
    kTrapSts = 3,
    kGprAlloc = 5,
    kLdsAlloc = 6,
    kShMemBases = 15,
    kFlatScrLo = 20,
    kFlatScrHi = 21,
    kHwId1 = 23,
    kHwId2 = 24,
};

}  // namespace

void load_host_csr(u32 csr) {
#if defined(__x86_64__)
    _mm_setcsr(csr);
#else
    (void)csr;
#endif
}

void set_mode(Wave& w, u32 mode) {
    w.mode = mode;
    w.dx10_clamp = mode >> 8 & 1;
    w.ieee = mode >> 9 & 1;
    w.host_csr = host_csr(mode & 3, mode >> 4 & 3);
    w.host_csr64 = host_csr(mode >> 2 & 3, mode >> 6 & 3);
    w.split_fp = w.host_csr != w.host_csr64;
    w.fp_default = (mode & 0xff) == 0xf0;
    load_host_csr(w.host_csr);
}

u64 clock_nanoseconds() {
    return static_cast<u64>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

u32 hardware_register(Wave& w, u32 id) {
    switch (id) {
        case kMode: return w.mode;
        case kStatus:
            return w.s[kScc] | static_cast<u32>(w.exec() == 0) << 9 | static_cast<u32>(w.vcc() == 0) << 10 | 1u << 16;
        case kTrapSts: return w.trapsts;
        case kGprAlloc: return (w.group->launch->vgprs / 8 - 1) << 8;
        case kLdsAlloc: return ((w.lds_size + 511) / 512) << 12;
        case kShMemBases:
            return static_cast<u32>(kSharedAperture >> 48) << 16 | static_cast<u32>(kPrivateAperture >> 48);
        case kFlatScrLo: return static_cast<u32>(w.flat_scratch);
        case kFlatScrHi: return static_cast<u32>(w.flat_scratch >> 32);
        case kHwId1: return (w.slot & 31) | (w.group->id[0] & 3) << 8;
        case kHwId2: return 0;
        default: return 0;
    }
}

void set_hardware_register(Wave& w, u32 id, u32 value, u32 mask) {
    const auto mixed = [&](u32 old) { return (old & ~mask) | (value & mask); };
    switch (id) {
        case kMode: set_mode(w, mixed(w.mode)); break;
        case kTrapSts: w.trapsts = mixed(w.trapsts); break;
        case kFlatScrLo:
            w.flat_scratch = (w.flat_scratch & ~u64{0xffffffff}) | mixed(static_cast<u32>(w.flat_scratch));
            break;
        case kFlatScrHi:
            w.flat_scratch = (w.flat_scratch & 0xffffffff) | u64{mixed(static_cast<u32>(w.flat_scratch >> 32))} << 32;
            break;
        default: break;  // the others are read-only to a kernel
    }
}

const MicroOp* micro_op_at(Wave& w, u64 pc) { return w.group->launch->code.at(pc, w.lanes); }

const MicroOp* raise(Wave& w, const MicroOp* u, Fault::Kind kind, u64 address, unsigned lane, bool write, unsigned size,
                     const char* note) {
    w.state = State::Faulted;
    w.next = u;
    w.fault = {kind, address, lane, write, size, note};
    return nullptr;
}

}  // namespace vgpu::core
