// The seam between the HSA layer and the execution core: run one kernel dispatch.
// Everything the HSA layer needs of vgpu::core is in this header and address_space.h.
// Knows nothing of queues, signals or AQL; the caller unpacks those.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vgpu/core/address_space.h"
#include "vgpu/core/options.h"

namespace vgpu::core {

// What a kernel can learn of the card, and what bounds how many waves are resident.
struct DeviceProfile {
    std::string name = "AMD Radeon RX 5600 XT (virtual)";
    unsigned cus = 36;
    unsigned simds_per_cu = 2;
    unsigned waves_per_simd = 20;             // wave slots per SIMD on gfx1010
    unsigned vgprs_per_simd = 1024;           // of 32 lanes each; wave64 takes two
    std::uint32_t lds_per_workgroup = 65536;  // bytes one workgroup may have
    std::uint32_t lds_per_wgp = 131072;       // bytes shared by the two CUs of a WGP
    std::uint64_t clock_hz = 100'000'000;     // of s_memrealtime

    unsigned wgps() const { return cus / 2; }
};

// The 64-byte amdhsa kernel descriptor (AMDGPUUsage, "Kernel Descriptor").
struct KernelDescriptor {
    std::uint32_t group_segment_fixed_size;
    std::uint32_t private_segment_fixed_size;
    std::uint32_t kernarg_size;
    std::uint32_t reserved0;
    std::int64_t kernel_code_entry_byte_offset;
    std::uint8_t reserved1[20];
    std::uint32_t compute_pgm_rsrc3;
    std::uint32_t compute_pgm_rsrc1;
    std::uint32_t compute_pgm_rsrc2;
    std::uint16_t kernel_code_properties;
    std::uint16_t kernarg_preload;
    std::uint8_t reserved2[4];
};
static_assert(sizeof(KernelDescriptor) == 64);

// Addresses where generic pointers mean LDS and scratch: bits 63:48 pick the aperture.
// The HSA layer must write the high words of these into amd_queue_t.
inline constexpr std::uint64_t kSharedAperture = 0x0001'0000'0000'0000;
inline constexpr std::uint64_t kPrivateAperture = 0x0002'0000'0000'0000;

// One dispatch. Work-item counts, as in the AQL packet: grid need not be a multiple
// of workgroup. All addresses are host addresses.
struct LaunchInfo {
    std::uint32_t grid[3] = {1, 1, 1};
    std::uint32_t workgroup[3] = {1, 1, 1};
    std::uint64_t kernarg = 0;                // kernarg segment
    std::uint32_t private_segment_bytes = 0;  // per lane; 0: the descriptor's
    std::uint32_t group_segment_bytes = 0;    // whole LDS of a workgroup, dynamic included
    std::uint64_t descriptor_address = 0;     // of the KernelDescriptor (the kernel object)
    std::uint64_t dispatch_packet = 0;        // AQL packet, for dispatch_ptr
    std::uint64_t queue = 0;                  // amd_queue_t, for queue_ptr
    std::uint64_t dispatch_id = 0;
    std::string kernel_name;   // for texts and statistics
    bool cooperative = false;  // every workgroup must be resident at once
};

struct Fault {
    enum class Kind {
        Memory,         // outside any allocation, or a store to read-only memory
        Misaligned,     // atomic or LDS access not aligned to its size
        LdsOutOfRange,  // a store; the card drops it. A load, which reads zero: strict only
        ScratchOutOfRange,
        IllegalInstruction,
        Trap,        // s_trap 2: llvm.trap, assert, abort
        NoProgress,  // the watchdog; text lists the waves
        BadLaunch,   // descriptor or geometry that the card would refuse
        Strict,      // a finding of --strict
    };
    Kind kind = Kind::Memory;
    std::uint64_t address = 0;  // of the memory access, page for HSA: & ~0xfff
    std::uint64_t pc = 0;
    bool write = false;
    std::uint32_t workgroup[3] = {0, 0, 0};
    unsigned wave = 0;  // within the workgroup
    unsigned lane = 0;
    std::string kernel;
    std::string instruction;         // disassembly
    std::vector<std::string> lines;  // ready to print; first line first
};

const char* to_string(Fault::Kind kind);

// Counts of one kernel over all its launches, with Options::stats.
struct KernelStats {
    std::string name;
    std::uint64_t launches = 0;
    std::uint64_t workgroups = 0;
    std::uint64_t waves = 0;
    std::uint64_t nanoseconds = 0;  // wall time inside run()
    std::uint64_t salu = 0, smem = 0, valu = 0, vmem = 0, lds = 0, branch = 0, other = 0;
    std::uint64_t fma = 0;                 // of valu: fused multiply-adds
    std::uint64_t trans = 0;               // of valu: rcp, exp, sin ...
    std::uint64_t lds_bank_conflicts = 0;  // extra passes over 32 banks
    std::uint64_t global_read_bytes = 0, global_write_bytes = 0;
    unsigned vgprs = 0, sgprs = 0, wave_size = 0;
    std::uint32_t lds_bytes = 0, scratch_bytes = 0;
    unsigned occupancy_waves_per_simd = 0;  // bounded by registers and LDS

    std::uint64_t instructions() const { return salu + smem + valu + vmem + lds + branch + other; }
};

struct Stats {
    std::vector<KernelStats> kernels;  // in order of first launch
    std::uint64_t instructions = 0;    // wave instructions, all kernels; always counted
    std::uint64_t launches = 0;

    std::string json() const;
    std::string table() const;
};

class Engine {
public:
    Engine(DeviceProfile profile, AddressSpace& memory, Options options = Options::from_environment());
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Runs one dispatch to its end; blocks. May be called from several threads at
    // once (one per queue): launches share the pool and all make progress.
    // Empty on success. Never throws.
    std::optional<Fault> run(const LaunchInfo& launch) noexcept;

    // Must be called before memory that held code is freed or rewritten.
    void invalidate_code(std::uint64_t base, std::uint64_t size);

    // For the end of the layer: launches end soon with a NoProgress fault ("stopped"), those that run now and those
    // that a queue's thread is about to begin.
    void stop_running();

    Stats stats() const;
    std::uint64_t launches() const;  // begun so far
    const DeviceProfile& profile() const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace vgpu::core
