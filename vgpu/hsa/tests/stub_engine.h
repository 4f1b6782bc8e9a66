// Stands in for the execution core in tests of the HSA layer: a launch calls a function
// of the test. Never part of the library.
#pragma once

#include <functional>
#include <optional>

#include "vgpu/core/engine.h"

namespace vgpu::test {

using Launch = std::function<std::optional<core::Fault>(const core::LaunchInfo&)>;

// What Engine::run does from now on; empty: nothing, successfully.
void set_launch(Launch launch);
// Has stop_running() been called since the last set_launch?
bool stop_asked();

}  // namespace vgpu::test
