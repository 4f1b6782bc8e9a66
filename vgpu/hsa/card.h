// What the virtual cards are: one table row per card, read by the information queries
// and by the execution core's profile. Data only; knows nothing of HSA.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "vgpu/core/engine.h"

namespace vgpu::hsa {

struct Card {
    std::string_view key;        // what VGPU_PROFILE names
    std::string_view name;       // marketing name; always says that it is virtual
    std::uint32_t chip_id;       // PCI device id
    std::uint32_t revision;      // PCI revision: what tells cards of one id apart
    unsigned cus;                // compute units; two make a workgroup processor
    std::uint64_t memory_bytes;  // what the driver leaves of the card's memory
    unsigned memory_bits;        // bus width
    unsigned memory_mhz;
    unsigned engine_mhz;
    std::uint32_t l1_bytes;
    std::uint32_t l2_bytes;
    unsigned shader_engines;
    unsigned arrays_per_engine;
};

// Facts that all gfx1010 cards share.
inline constexpr unsigned kWaveSize = 32;
inline constexpr unsigned kSimdsPerCu = 2;
inline constexpr unsigned kWavesPerCu = 40;
inline constexpr std::uint32_t kLdsBytes = 65536;
inline constexpr std::uint32_t kCachelineBytes = 128;
inline constexpr std::uint64_t kTimestampHz = 1'000'000'000;  // of signals and hsa_system_get_info
inline constexpr std::uint64_t kGpuClockHz = 100'000'000;     // of s_memrealtime
inline constexpr std::string_view kGfxName = "gfx1010";
inline constexpr std::string_view kIsaName = "amdgcn-amd-amdhsa--gfx1010:xnack-";

std::span<const Card> cards() noexcept;
// The card with this key; nullptr where there is none.
const Card* find_card(std::string_view key) noexcept;

core::DeviceProfile device_profile(const Card& card);

}  // namespace vgpu::hsa
