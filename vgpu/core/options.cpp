// Options: reads VGPU_* and says in `problem` what it could not read.
#include "vgpu/core/options.h"

#include <cstdlib>

namespace vgpu::core {
namespace {

std::string variable(const char* name) {
    const char* text = std::getenv(name);
    return text ? text : "";
}

bool truth(const std::string& text) { return !text.empty() && text != "0" && text != "no" && text != "off"; }

void number(const char* name, unsigned& into, std::string& problem) {
    const std::string text = variable(name);
    if (text.empty()) return;
    char* end = nullptr;
    const unsigned long value = std::strtoul(text.c_str(), &end, 10);
    if (*end != '\0' || value > 1'000'000)
        problem = std::string(name) + "=" + text + " is not a number from 0 to 1000000";
    else into = static_cast<unsigned>(value);
}

}  // namespace

Options Options::from_environment() {
    Options o;
    number("VGPU_THREADS", o.threads, o.problem);
    number("VGPU_STALL_SECONDS", o.stall_seconds, o.problem);
    o.strict = truth(variable("VGPU_STRICT"));
    const std::string stats = variable("VGPU_STATS");
    o.stats = truth(stats);
    if (o.stats && stats != "1") o.stats_path = stats;
    o.trace_path = variable("VGPU_TRACE");
    o.isa_path = variable("VGPU_HOST_ISA");
    const std::string inject = variable("VGPU_INJECT");
    const auto colon = inject.find(':');
    const std::string what = inject.substr(0, colon);
    if (colon != std::string::npos) o.inject_argument = inject.substr(colon + 1);
    if (what == "lane-stuck") o.inject = Inject::LaneStuck;
    else if (what == "dpp-row") o.inject = Inject::DppRow;
    else if (what == "fma-rounding") o.inject = Inject::FmaRounding;
    else if (what == "missing-kernel") o.inject = Inject::MissingKernel;
    else if (!what.empty())
        o.problem = "VGPU_INJECT=" + inject + " is none of lane-stuck, dpp-row, fma-rounding, missing-kernel[:NAME]";
    return o;
}

}  // namespace vgpu::core
