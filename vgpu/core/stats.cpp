// Stats as JSON and as a table.
#include <cinttypes>
#include <cstdio>

#include "vgpu/core/engine.h"

namespace vgpu::core {
namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string Stats::json() const {
    std::string out = "{\"launches\": " + std::to_string(launches) +
                      ", \"instructions\": " + std::to_string(instructions) + ", \"kernels\": [";
    bool first = true;
    for (const KernelStats& k : kernels) {
        out += first ? "\n" : ",\n";
        first = false;
        out += "  {\"name\": " + quoted(k.name);
        const auto field = [&](const char* name, std::uint64_t value) {
            out += std::string(", \"") + name + "\": " + std::to_string(value);
        };
        field("launches", k.launches);
        field("workgroups", k.workgroups);
        field("waves", k.waves);
        field("nanoseconds", k.nanoseconds);
        field("instructions", k.instructions());
        field("salu", k.salu);
        field("smem", k.smem);
        field("valu", k.valu);
        field("vmem", k.vmem);
        field("lds", k.lds);
        field("branch", k.branch);
        field("other", k.other);
        field("fma", k.fma);
        field("trans", k.trans);
        field("lds_bank_conflicts", k.lds_bank_conflicts);
        field("global_read_bytes", k.global_read_bytes);
        field("global_write_bytes", k.global_write_bytes);
        field("vgprs", k.vgprs);
        field("wave_size", k.wave_size);
        field("lds_bytes", k.lds_bytes);
        field("scratch_bytes_per_lane", k.scratch_bytes);
        field("occupancy_waves_per_simd", k.occupancy_waves_per_simd);
        char text[32];
        std::snprintf(text, sizeof text, "%.4f", share(k.fma, k.valu));
        out += std::string(", \"fma_share\": ") + text + "}";
    }
    return out + "\n]}\n";
}

std::string Stats::table() const {
    std::string out =
        "  launches   waves  instructions  VALU%  FMA%  LDS%  VMEM%  conflicts   read MiB  write MiB  occ  kernel\n";
    for (const KernelStats& k : kernels) {
        char line[256];
        const auto all = k.instructions();
        std::snprintf(
            line, sizeof line,
            "%10" PRIu64 " %7" PRIu64 " %13" PRIu64 "  %5.1f %5.1f %5.1f  %5.1f %10" PRIu64 " %10.2f %10.2f  %3u  ",
            k.launches, k.waves, all, 100 * share(k.valu, all), 100 * share(k.fma, k.valu), 100 * share(k.lds, all),
            100 * share(k.vmem, all), k.lds_bank_conflicts, static_cast<double>(k.global_read_bytes) / 1048576.0,
            static_cast<double>(k.global_write_bytes) / 1048576.0, k.occupancy_waves_per_simd);
        out += line + k.name + "\n";
    }
    return out;
}

}  // namespace vgpu::core
