// One dispatch in flight: its geometry, its workgroups' storage, its progress.
// Knows how a wave begins; nothing of threads.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vgpu/core/code_cache.h"
#include "vgpu/core/gws.h"
#include "vgpu/core/strict.h"
#include "vgpu/core/wave.h"

namespace vgpu::core {

using Clock = std::chrono::steady_clock;

// Memory of one resident workgroup: waves, VGPR files, LDS, scratch. Reused.
class GroupStorage {
public:
    GroupStorage(unsigned waves, unsigned lanes, AddressSpace& memory);
    ~GroupStorage();
    GroupStorage(const GroupStorage&) = delete;
    GroupStorage& operator=(const GroupStorage&) = delete;

    // Grows scratch to `bytes` for the whole group.
    bool reserve_scratch(std::size_t bytes);

    Workgroup group;
    std::vector<Wave> waves;
    const unsigned lanes;
    u8* lds = nullptr;
    u64 scratch = 0;
    unsigned parked = 0;             // how often its time slice ran out
    std::vector<StrictWave> strict;  // one a wave, in strict mode
    std::unique_ptr<StrictGroup> strict_group;

private:
    AddressSpace& memory_;
    u32* vgprs_ = nullptr;
    std::size_t vgpr_bytes_ = 0;
    std::size_t scratch_bytes_ = 0;
};

struct Launch {
    Launch(const LaunchInfo& info, const DeviceProfile& profile, const Options& options, CodeCache& code,
           AddressSpace& memory, Gws& gws, unsigned serial);

    // What the card would refuse; empty when fine. Fills the derived numbers.
    std::optional<Fault> prepare();
    // Sets up the next workgroup in `storage`; false where its scratch cannot be had.
    bool begin_group(GroupStorage& storage, u64 number);

    LaunchInfo info;
    const DeviceProfile& profile;
    const Options& options;
    CodeCache& code;
    AddressSpace& memory;
    Gws& gws;
    unsigned serial;

    KernelDescriptor kd{};
    u64 entry = 0;
    unsigned lanes = 32;
    unsigned waves_per_group = 1;
    unsigned vgprs = 0;
    u32 lds_bytes = 0;  // rounded up to what the card gives
    u32 scratch_lane_bytes = 0;
    u32 lds_limit = 0, scratch_limit = 0;  // what a wave may touch: in strict mode what was asked for
    std::array<u32, 3> groups{};
    u64 group_count = 0;
    unsigned occupancy = 0;  // waves per SIMD
    u64 max_resident = 1;    // workgroups

    // Scheduling; guarded by the scheduler's mutex.
    u64 next_group = 0;
    u64 done_groups = 0;
    u64 running = 0;  // groups on a thread right now
    std::deque<std::unique_ptr<GroupStorage>> parked;
    bool prefer_new = false;  // a group was just parked: others may be what it waits for

    std::atomic<bool> stop{false};
    std::atomic<u64> stalled_ns{0};  // processor time that threads have put into it since a wave last ended
    std::mutex fault_mutex;
    std::optional<Fault> fault;

    std::array<std::atomic<u64>, kStatCount> counts{};
    std::atomic<u64> instructions{0};
    std::atomic<u64> waves_run{0};

    void progress() { stalled_ns.store(0, std::memory_order_relaxed); }
    void fail(Fault f);
};

// Where these bytes lie, in words: the nearest allocation, and what is remembered of it.
std::string nearest_text(const AddressSpace& memory, u64 address, unsigned size);
// The whole text of a fault that a wave raised.
Fault describe(const Launch& launch, const Wave& w);
// Where every wave of these groups stands.
Fault no_progress(const Launch& launch, const std::vector<const GroupStorage*>& groups, const std::string& why);

}  // namespace vgpu::core
