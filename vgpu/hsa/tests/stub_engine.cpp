#include "stub_engine.h"

#include <atomic>
#include <mutex>

namespace vgpu::test {
namespace {

std::mutex mutex;
Launch current;
std::atomic<bool> stopped{false};

}  // namespace

void set_launch(Launch launch) {
    const std::lock_guard lock(mutex);
    current = std::move(launch);
    stopped = false;
}

bool stop_asked() { return stopped; }

static std::optional<core::Fault> call(const core::LaunchInfo& launch) {
    Launch body;
    {
        const std::lock_guard lock(mutex);
        body = current;
    }
    return body ? body(launch) : std::nullopt;
}

}  // namespace vgpu::test

namespace vgpu::core {

struct Engine::Impl {
    DeviceProfile profile;
};

Engine::Engine(DeviceProfile profile, AddressSpace&, Options) : impl_(new Impl{std::move(profile)}) {}
Engine::~Engine() = default;
std::optional<Fault> Engine::run(const LaunchInfo& launch) noexcept { return test::call(launch); }
void Engine::invalidate_code(std::uint64_t, std::uint64_t) {}
void Engine::stop_running() { test::stopped = true; }
Stats Engine::stats() const { return {}; }
std::uint64_t Engine::launches() const { return 0; }
const DeviceProfile& Engine::profile() const { return impl_->profile; }
const char* to_string(Fault::Kind) { return "stub fault"; }
std::string Stats::json() const { return "{}"; }
std::string Stats::table() const { return "stub statistics\n"; }

}  // namespace vgpu::core
