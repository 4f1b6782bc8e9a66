// Engine: what the HSA layer calls. Owns the code cache, the threads and the statistics.
#include "vgpu/core/engine.h"

#include <algorithm>
#include <unordered_map>

#include "vgpu/core/scheduler.h"

namespace vgpu::core {

struct Engine::Impl {
    Impl(DeviceProfile device, AddressSpace& space, Options opts)
        : profile(std::move(device)),
          memory(space),
          options(std::move(opts)),
          code(choose_handlers(options.isa_path), space, options.inject, options.strict),
          scheduler(options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency()), options,
                    space) {}

    void record(const Launch& launch, u64 nanoseconds);

    DeviceProfile profile;
    AddressSpace& memory;
    Options options;
    CodeCache code;
    Gws gws;
    Scheduler scheduler;
    std::atomic<unsigned> serial{0};
    mutable std::mutex stats_mutex;
    Stats stats;
    std::unordered_map<std::string, std::size_t> stats_index;
};

void Engine::Impl::record(const Launch& launch, u64 nanoseconds) {
    const std::lock_guard lock(stats_mutex);
    ++stats.launches;
    stats.instructions += launch.instructions;
    if (!options.stats) return;
    const auto [it, fresh] = stats_index.try_emplace(launch.info.kernel_name, stats.kernels.size());
    if (fresh) stats.kernels.emplace_back().name = launch.info.kernel_name;
    KernelStats& k = stats.kernels[it->second];
    const auto count = [&](auto which) { return launch.counts[static_cast<unsigned>(which)].load(); };
    ++k.launches;
    k.workgroups += launch.group_count;
    k.waves += launch.waves_run;
    k.nanoseconds += nanoseconds;
    k.salu += count(Class::Salu);
    k.smem += count(Class::Smem);
    k.valu += count(Class::Valu);
    k.vmem += count(Class::Vmem);
    k.lds += count(Class::Lds);
    k.branch += count(Class::Branch);
    k.other += count(Class::Other);
    k.fma += count(kStatFma);
    k.trans += count(kStatTrans);
    k.lds_bank_conflicts += count(kStatLdsConflicts);
    k.global_read_bytes += count(kStatReadBytes);
    k.global_write_bytes += count(kStatWriteBytes);
    k.vgprs = launch.vgprs;
    k.sgprs = 106;
    k.wave_size = launch.lanes;
    k.lds_bytes = std::max(k.lds_bytes, launch.lds_bytes);
    k.scratch_bytes = std::max(k.scratch_bytes, launch.scratch_lane_bytes);
    k.occupancy_waves_per_simd = launch.occupancy;
}

Engine::Engine(DeviceProfile profile, AddressSpace& memory, Options options)
    : impl_(std::make_unique<Impl>(std::move(profile), memory, std::move(options))) {}

Engine::~Engine() = default;

std::optional<Fault> Engine::run(const LaunchInfo& info) noexcept {
    Impl& m = *impl_;
    if (m.options.inject == Inject::MissingKernel &&
        info.kernel_name.find(m.options.inject_argument) != std::string::npos)
        return std::nullopt;
    Launch launch(info, m.profile, m.options, m.code, m.memory, m.gws, m.serial.fetch_add(1));
    if (auto refused = launch.prepare()) return refused;
    const auto begin = Clock::now();
    m.code.enter();
    m.scheduler.run(launch);
    m.code.leave();
    m.record(launch,
             static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count()));
    return std::move(launch.fault);
}

void Engine::invalidate_code(std::uint64_t base, std::uint64_t size) { impl_->code.invalidate(base, size); }
void Engine::stop_running() { impl_->scheduler.stop_all(); }

Stats Engine::stats() const {
    const std::lock_guard lock(impl_->stats_mutex);
    return impl_->stats;
}

std::uint64_t Engine::launches() const { return impl_->serial.load(); }

const DeviceProfile& Engine::profile() const { return impl_->profile; }

}  // namespace vgpu::core
