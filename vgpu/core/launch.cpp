// Launch: checks a dispatch and gives its waves their initial state (AMDGPUUsage,
// "Initial Kernel Execution State").
#include "vgpu/core/launch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace vgpu::core {
namespace {

constexpr u32 kLdsGranule = 512;       // bytes, of an allocation
constexpr u32 kScratchGranule = 1024;  // bytes a wave

u32 round_up(u32 value, u32 to) { return (value + to - 1) / to * to; }

// kernel_code_properties
constexpr u16 kSegmentBuffer = 1, kDispatchPtr = 2, kQueuePtr = 4, kKernargPtr = 8, kDispatchId = 16, kFlatScratch = 32,
              kSegmentSize = 64, kWave32 = 1 << 10;

std::optional<Fault> refuse(const LaunchInfo& info, std::string why) {
    Fault f;
    f.kind = Fault::Kind::BadLaunch;
    f.kernel = info.kernel_name;
    f.lines = {"kernel " + info.kernel_name + " cannot be launched: " + std::move(why)};
    return f;
}

}  // namespace

GroupStorage::GroupStorage(unsigned wave_count, unsigned lane_count, AddressSpace& memory)
    : waves(wave_count), lanes(lane_count), memory_(memory) {
    // VGPR files and LDS in one mapping: pages that no kernel touches cost nothing.
    const std::size_t file = std::size_t{kFileVgprs} * lanes * sizeof(u32);
    const std::size_t lds_room = 65536 + 4096;
    vgpr_bytes_ = file * wave_count + lds_room;
    void* p = mmap(nullptr, vgpr_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return;
    vgprs_ = static_cast<u32*>(p);
    for (unsigned i = 0; i < wave_count; ++i) {
        waves[i].v = vgprs_ + i * (file / sizeof(u32));
        waves[i].lanes = lanes;
        waves[i].halves = lanes / 32;
    }
    lds = reinterpret_cast<u8*>(vgprs_) + file * wave_count;
}

GroupStorage::~GroupStorage() {
    if (vgprs_ != nullptr) munmap(vgprs_, vgpr_bytes_);
    if (scratch != 0) {
        memory_.remove(scratch);
        munmap(reinterpret_cast<void*>(scratch), scratch_bytes_);
    }
}

bool GroupStorage::reserve_scratch(std::size_t bytes) {
    if (lds == nullptr) return false;
    if (bytes <= scratch_bytes_) return true;
    if (scratch != 0) {
        memory_.remove(scratch);
        munmap(reinterpret_cast<void*>(scratch), scratch_bytes_);
        scratch = 0;
        scratch_bytes_ = 0;
    }
    bytes = (bytes + 4095) / 4096 * 4096;
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    scratch = reinterpret_cast<u64>(p);
    scratch_bytes_ = bytes;
    memory_.add(scratch, bytes, AddressSpace::Device, "scratch of a workgroup");
    return true;
}

Launch::Launch(const LaunchInfo& what, const DeviceProfile& device, const Options& opts, CodeCache& cache,
               AddressSpace& space, Gws& sync, unsigned number)
    : info(what), profile(device), options(opts), code(cache), memory(space), gws(sync), serial(number) {}

std::optional<Fault> Launch::prepare() {
    if (!memory.contains(info.descriptor_address, sizeof kd))
        return refuse(info, "its descriptor is not in memory of the GPU");
    std::memcpy(&kd, reinterpret_cast<const void*>(info.descriptor_address), sizeof kd);
    lanes = (kd.kernel_code_properties & kWave32) ? 32 : 64;
    entry = info.descriptor_address + static_cast<u64>(kd.kernel_code_entry_byte_offset);
    u64 items = 1;
    group_count = 1;
    for (int i = 0; i < 3; ++i) {
        if (info.workgroup[i] == 0 || info.grid[i] == 0) return refuse(info, "a dimension is zero");
        items *= info.workgroup[i];
        groups[static_cast<unsigned>(i)] =
            static_cast<u32>((u64{info.grid[i]} + info.workgroup[i] - 1) / info.workgroup[i]);
        group_count *= groups[static_cast<unsigned>(i)];
    }
    if (items > 1024)
        return refuse(info, "a workgroup of " + std::to_string(items) + " work-items; the card takes 1024");
    const u32 lds = std::max(info.group_segment_bytes, kd.group_segment_fixed_size);
    if (lds > profile.lds_per_workgroup)
        return refuse(info,
                      std::to_string(lds) + " bytes of LDS; the card has " + std::to_string(profile.lds_per_workgroup));
    lds_bytes = round_up(lds, kLdsGranule);
    waves_per_group = static_cast<unsigned>((items + lanes - 1) / lanes);
    // rsrc1[5:0] counts blocks of 8 registers in wave32 and of 4 in wave64.
    vgprs = ((kd.compute_pgm_rsrc1 & 63) + 1) * (lanes == 32 ? 8 : 4);
    scratch_lane_bytes = std::max(info.private_segment_bytes, kd.private_segment_fixed_size);
    scratch_limit = round_up(scratch_lane_bytes, 4);
    scratch_lane_bytes = round_up(scratch_lane_bytes * lanes, kScratchGranule) / lanes;
    lds_limit = round_up(lds, 4);
    if (!options.strict) {
        lds_limit = lds_bytes;
        scratch_limit = scratch_lane_bytes;
    }

    // A wave64 register takes two of the SIMD's.
    const unsigned per_wave = vgprs * (lanes / 32);
    occupancy = std::max(1u, std::min(profile.waves_per_simd, profile.vgprs_per_simd / per_wave));
    const bool wgp_mode = kd.compute_pgm_rsrc1 >> 29 & 1;
    const unsigned simds = profile.simds_per_cu * (wgp_mode ? 2 : 1);
    const u32 lds_pool = wgp_mode ? profile.lds_per_wgp : profile.lds_per_wgp / 2;
    u64 fit = std::max<u64>(1, u64{occupancy} * simds / waves_per_group);
    if (lds_bytes != 0) fit = std::max<u64>(1, std::min<u64>(fit, lds_pool / lds_bytes));
    occupancy = static_cast<unsigned>(std::min<u64>(occupancy, (fit * waves_per_group + simds - 1) / simds));
    max_resident = fit * (wgp_mode ? profile.wgps() : profile.cus);
    progress();
    return std::nullopt;
}

bool Launch::begin_group(GroupStorage& storage, u64 number) {
    Workgroup& g = storage.group;
    g.launch = this;
    g.id[0] = static_cast<u32>(number % groups[0]);
    g.id[1] = static_cast<u32>(number / groups[0] % groups[1]);
    g.id[2] = static_cast<u32>(number / groups[0] / groups[1]);
    u32 items = 1;
    for (int i = 0; i < 3; ++i) {
        const u64 left = info.grid[i] - u64{g.id[i]} * info.workgroup[i];
        g.size[i] = static_cast<u32>(std::min<u64>(info.workgroup[i], left));
        items *= g.size[i];
    }
    g.waves = (items + lanes - 1) / lanes;
    g.wave = storage.waves.data();
    g.lds = storage.lds;
    g.lds_size = lds_limit;
    storage.parked = 0;
    const u64 wave_scratch = u64{scratch_lane_bytes} * lanes;
    if (!storage.reserve_scratch(wave_scratch * waves_per_group)) return false;
    waves_run.fetch_add(g.waves, std::memory_order_relaxed);

    if (options.strict) {
        storage.strict.resize(storage.waves.size());
        if (!storage.strict_group) storage.strict_group = std::make_unique<StrictGroup>();
        storage.strict_group->begin(g.waves, g.lds_size);
    }
    const u32 rsrc1 = kd.compute_pgm_rsrc1, rsrc2 = kd.compute_pgm_rsrc2;
    const u32 mode = (rsrc1 >> 12 & 0xff) | (rsrc1 >> 21 & 1) << 8 | (rsrc1 >> 23 & 1) << 9;
    const MicroOp* first = code.at(entry, lanes);
    for (unsigned i = 0; i < g.waves; ++i) {
        Wave& w = storage.waves[i];
        std::memset(w.s, 0, sizeof w.s);
        w.consts = code.constants();
        w.bases[0] = w.v;
        w.bases[1] = w.consts;
        w.memory = &memory;
        w.next = first;
        w.group = &g;
        w.lds = g.lds;
        w.lds_size = g.lds_size;
        w.lds_strict = options.strict;
        w.state = State::Ready;
        w.index = i;
        w.slot = i;
        w.trapsts = 0;
        w.gws_ticket = 0;
        w.exec_count = 0;
        w.class_counts = nullptr;
        w.scratch_base = scratch_lane_bytes == 0 ? 0 : storage.scratch + i * wave_scratch;
        w.scratch_lane_bytes = scratch_limit;
        w.flat_scratch = 0;
        w.mode = mode;

        u32 at = 0;
        const auto put = [&](u32 value) {
            if (at < 104) w.s[at++] = value;
        };
        const auto put64 = [&](u64 value) {
            put(static_cast<u32>(value));
            put(static_cast<u32>(value >> 32));
        };
        const u16 p = kd.kernel_code_properties;
        if (p & kSegmentBuffer) {
            // Swizzled by lane, no bounds but "not empty"; see Resource in mem_buffer.cpp.
            put(static_cast<u32>(storage.scratch));
            put((static_cast<u32>(storage.scratch >> 32) & 0xffff) | 1u << 31);
            put(0xffffffff);
            put(20u << 12 | (lanes == 64 ? 3u : 2u) << 21 | 1u << 23 | 1u << 24 | 2u << 28);
        }
        if (p & kDispatchPtr) put64(info.dispatch_packet);
        if (p & kQueuePtr) put64(info.queue);
        if (p & kKernargPtr) put64(info.kernarg);
        if (p & kDispatchId) put64(info.dispatch_id);
        if (p & kFlatScratch) put64(storage.scratch);
        if (p & kSegmentSize) put(scratch_lane_bytes);
        at = rsrc2 >> 1 & 31;
        if (rsrc2 >> 7 & 1) put(g.id[0]);
        if (rsrc2 >> 8 & 1) put(g.id[1]);
        if (rsrc2 >> 9 & 1) put(g.id[2]);
        if (rsrc2 >> 10 & 1) put((i == 0 ? 1u << 31 : 0) | g.waves);
        if (rsrc2 & 1) put(static_cast<u32>(i * wave_scratch));

        if (options.strict) {
            w.strict = &storage.strict[i];
            w.strict->begin(at, 1 + (rsrc2 >> 11 & 3), storage.strict_group.get());
        }

        u64 exec = 0;
        for (u32 lane = 0; lane < lanes; ++lane) {
            const u32 item = i * lanes + lane;
            if (item >= items) break;
            exec |= u64{1} << lane;
            u32* v = w.v + kHidden * lanes + lane;
            v[0] = item % g.size[0];
            if ((rsrc2 >> 11 & 3) >= 1) v[lanes] = item / g.size[0] % g.size[1];
            if ((rsrc2 >> 11 & 3) >= 2) v[2 * lanes] = item / g.size[0] / g.size[1];
        }
        w.s[kExecLo] = static_cast<u32>(exec);
        w.s[kExecHi] = static_cast<u32>(exec >> 32);
    }
    return true;
}

void Launch::fail(Fault f) {
    const std::lock_guard lock(fault_mutex);
    if (!fault) fault = std::move(f);
    stop.store(true, std::memory_order_release);
}

}  // namespace vgpu::core
