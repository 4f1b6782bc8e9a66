#include "vgpu/hsa/card.h"

namespace vgpu::hsa {
namespace {

constexpr std::uint64_t MiB = 1024 * 1024;

// Memory: amdgpu keeps 16 MiB of a Navi 10 for itself, so 6 GiB read as 6128 MiB.
constexpr Card kCards[] = {
    {
        .key = "rx5600xt",
        .name = "AMD Radeon RX 5600 XT (virtual)",
        .chip_id = 0x731F,
        .revision = 0xCA,
        .cus = 36,
        .memory_bytes = 6128 * MiB,
        .memory_bits = 192,
        .memory_mhz = 875,
        .engine_mhz = 1780,
        .l1_bytes = 16 * 1024,
        .l2_bytes = 3 * 1024 * 1024,
        .shader_engines = 2,
        .arrays_per_engine = 2,
    },
    {
        .key = "rx5700xt",
        .name = "AMD Radeon RX 5700 XT (virtual)",
        .chip_id = 0x731F,
        .revision = 0xC1,
        .cus = 40,
        .memory_bytes = 8176 * MiB,
        .memory_bits = 256,
        .memory_mhz = 875,
        .engine_mhz = 2100,
        .l1_bytes = 16 * 1024,
        .l2_bytes = 4 * 1024 * 1024,
        .shader_engines = 2,
        .arrays_per_engine = 2,
    },
};

}  // namespace

std::span<const Card> cards() noexcept { return kCards; }

const Card* find_card(std::string_view key) noexcept {
    for (const Card& card : kCards) {
        if (card.key == key) {
            return &card;
        }
    }
    return nullptr;
}

core::DeviceProfile device_profile(const Card& card) {
    core::DeviceProfile profile;
    profile.name = card.name;
    profile.cus = card.cus;
    profile.simds_per_cu = kSimdsPerCu;
    profile.waves_per_simd = kWavesPerCu / kSimdsPerCu;
    profile.lds_per_workgroup = kLdsBytes;
    profile.clock_hz = kGpuClockHz;
    return profile;
}

}  // namespace vgpu::hsa
