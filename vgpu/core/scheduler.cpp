// Scheduler: which workgroup runs next, for how long, and when a launch is over.
#include "vgpu/core/scheduler.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "vgpu/isa/print.h"

namespace vgpu::core {
namespace {

constexpr u64 kWaveSlice = 100'000;   // instructions of one wave before its neighbour runs
constexpr u64 kGroupSlice = 200'000;  // of one workgroup before another may take the thread; doubles each time, 5 times
constexpr std::size_t kSpareGroups = 64;

u32 save_host_csr() {
#if defined(__x86_64__)
    return _mm_getcsr();
#else
    return 0;
#endif
}

// Processor time of this thread.
u64 thread_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec);
}

// The inner loop. Returns how many instructions ran; a wave that used up its slice stays
// Ready.
u64 run_plain(Wave& w, u64 slice) {
    const MicroOp* u = w.next;
    u64 left = slice;
    do {
        u = u->fn(w, u);
        --left;
    } while (u != nullptr && left != 0);
    if (u != nullptr) w.next = u;
    return slice - left;
}

void count_step(u64* counts, const MicroOp* u) {
    ++counts[static_cast<unsigned>(u->cls)];
    counts[kStatFma] += u->fma;
    counts[kStatTrans] += u->trans;
}

u64 run_counted(Wave& w, u64 slice) {
    const MicroOp* u = w.next;
    u64 left = slice;
    u64* counts = w.class_counts;
    do {
        count_step(counts, u);
        u = u->fn(w, u);
        --left;
    } while (u != nullptr && left != 0);
    if (u != nullptr) w.next = u;
    return slice - left;
}

// One line an instruction: where, exec, text, and what lane 0 or the SGPR got. In one call:
// other threads write to the file too.
void print_step(const Wave& w, const MicroOp* u, std::FILE* to) {
    const isa::Inst& inst = u->extra->inst;
    if (inst.length == 0) return;  // a pseudo-instruction
    char result[16] = "";
    if (inst.dst.is(isa::Kind::vgpr))
        std::snprintf(result, sizeof result, "  ; v %08x", w.v[(kHidden + static_cast<u32>(inst.dst.value)) * w.lanes]);
    else if (inst.dst) std::snprintf(result, sizeof result, "  ; s %08x", w.s[inst.dst.raw & 127]);
    std::fprintf(to, "%u,%u,%u wave %u exec %016llx pc %llx: %s%s\n", w.group->id[0], w.group->id[1], w.group->id[2],
                 w.index, static_cast<unsigned long long>(w.exec()), static_cast<unsigned long long>(u->extra->pc),
                 isa::to_string(inst).c_str(), result);
}

u64 run_traced(Wave& w, u64 slice, std::FILE* to) {
    const MicroOp* u = w.next;
    u64 left = slice;
    do {
        const MicroOp* now = u;
        if (w.class_counts != nullptr) count_step(w.class_counts, u);
        u = u->fn(w, u);
        print_step(w, now, to);
        --left;
    } while (u != nullptr && left != 0);
    if (u != nullptr) w.next = u;
    if (w.state == State::Faulted) std::fflush(to);  // the process may end without closing the file
    return slice - left;
}

std::FILE* open_trace(const std::string& path) {
    if (path == "-") return stderr;
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (file == nullptr)
        std::fprintf(stderr, "vgpu: cannot write the trace to %s: %s\n", path.c_str(), std::strerror(errno));
    return file;
}

std::FILE* trace_file(const Options& options) {
    if (options.trace_path.empty()) return nullptr;
    static std::FILE* const file = open_trace(options.trace_path);
    return file;
}

}  // namespace

Scheduler::Scheduler(unsigned threads, const Options& options, AddressSpace& memory)
    : options_(options), memory_(memory) {
    // The thread that launches works too.
    for (unsigned i = 1; i < threads; ++i) threads_.emplace_back([this] { worker(); });
}

Scheduler::~Scheduler() {
    {
        const std::lock_guard lock(mutex_);
        quit_ = true;
    }
    work_.notify_all();
    for (std::thread& t : threads_) t.join();
}

bool Scheduler::finished(const Launch& launch) const {
    return launch.done_groups == launch.group_count ||
           (launch.stop.load(std::memory_order_acquire) && launch.running == 0);
}

void Scheduler::run(Launch& launch) {
    std::unique_lock lock(mutex_);
    active_.push_back(&launch);
    if (stopped_) stop(launch);
    if (launch.group_count > 1) work_.notify_all();
    while (!finished(launch))
        if (!work_on_one(&launch, lock)) done_.wait_for(lock, std::chrono::milliseconds(20));
    active_.remove(&launch);
    for (auto& storage : launch.parked) keep(std::move(storage));
    launch.parked.clear();
}

void Scheduler::stop(Launch& launch) {
    std::vector<const GroupStorage*> groups;
    for (const auto& storage : launch.parked) groups.push_back(storage.get());
    launch.fail(no_progress(launch, groups, "was stopped"));
}

void Scheduler::stop_all() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (Launch* launch : active_) stop(*launch);
    done_.notify_all();
}

void Scheduler::worker() {
    std::unique_lock lock(mutex_);
    while (!quit_)
        if (!work_on_one(nullptr, lock)) work_.wait(lock);
}

std::unique_ptr<GroupStorage> Scheduler::storage_for(const Launch& launch) {
    // The one used last is the likeliest to be in the caches.
    const auto found = std::find_if(spare_.rbegin(), spare_.rend(), [&](const auto& storage) {
        return storage->lanes == launch.lanes && storage->waves.size() == launch.waves_per_group;
    });
    if (found == spare_.rend()) return std::make_unique<GroupStorage>(launch.waves_per_group, launch.lanes, memory_);
    auto storage = std::move(*found);
    spare_.erase(std::next(found).base());
    return storage;
}

// Storage that is no longer used makes room: otherwise the first kernel with many workgroups would fill the store
// with its shape for good, and every other shape would be mapped and unmapped for each workgroup.
void Scheduler::keep(std::unique_ptr<GroupStorage> storage) {
    if (spare_.size() == kSpareGroups) spare_.pop_front();
    spare_.push_back(std::move(storage));
}

// A workgroup to run: a new one while there is room, unless parked ones have waited longer.
std::unique_ptr<GroupStorage> Scheduler::take(Launch& launch) {
    const u64 resident = launch.running + launch.parked.size();
    const bool can_start = launch.next_group < launch.group_count && resident < launch.max_resident;
    if (can_start && (launch.parked.empty() || launch.prefer_new)) {
        launch.prefer_new = false;
        auto storage = storage_for(launch);
        if (!launch.begin_group(*storage, launch.next_group)) {
            Fault f;
            f.kind = Fault::Kind::BadLaunch;
            f.kernel = launch.info.kernel_name;
            f.lines = {"kernel " + f.kernel + " needs " + std::to_string(launch.scratch_lane_bytes) +
                       " bytes of scratch a lane; the host has no memory for that"};
            launch.fail(std::move(f));
            return nullptr;
        }
        ++launch.next_group;
        return storage;
    }
    if (launch.parked.empty()) return nullptr;
    launch.prefer_new = true;
    auto storage = std::move(launch.parked.front());
    launch.parked.pop_front();
    return storage;
}

bool Scheduler::work_on_one(Launch* only, std::unique_lock<std::mutex>& lock) {
    Launch* launch = nullptr;
    std::unique_ptr<GroupStorage> storage;
    if (only != nullptr) {
        launch = only;
        if (!launch->stop) storage = take(*launch);
    } else {
        for (std::size_t n = active_.size(); n != 0 && !storage; --n) {
            launch = active_.front();  // round robin over launches
            active_.splice(active_.end(), active_, active_.begin());
            if (!launch->stop) storage = take(*launch);
        }
    }
    if (!storage) return false;
    ++launch->running;
    const bool alone = launch->parked.empty() && launch->next_group == launch->group_count;
    lock.unlock();
    const Outcome outcome = run_group(*launch, *storage, alone);
    lock.lock();
    --launch->running;
    if (outcome == Outcome::Parked) {
        ++storage->parked;
        launch->parked.push_back(std::move(storage));
        if (launch->parked.size() + launch->running > 1) work_.notify_one();
        check_stall(*launch);
    } else {
        ++launch->done_groups;
        keep(std::move(storage));
    }
    if (finished(*launch)) done_.notify_all();
    return true;
}

// A launch hangs when no wave ends though the threads work on it: what counts is their processor time. The wall clock
// would blame a kernel for a machine that has better things to do, or that was suspended.
void Scheduler::check_stall(Launch& launch) {
    const u64 workers = std::min<u64>(threads_.size() + 1, launch.parked.size() + launch.running);
    const u64 limit = u64{options_.stall_seconds} * 1'000'000'000 * std::max<u64>(workers, 1);
    if (launch.stalled_ns.load(std::memory_order_relaxed) < limit) return;
    std::vector<const GroupStorage*> groups;
    for (const auto& storage : launch.parked) groups.push_back(storage.get());
    launch.fail(no_progress(
        launch, groups,
        "made no progress in " + std::to_string(options_.stall_seconds) + " s of processor time (VGPU_STALL_SECONDS)"));
}

Scheduler::Outcome Scheduler::run_group(Launch& launch, GroupStorage& storage, bool alone) {
    Workgroup& g = storage.group;
    u64 counts[kStatCount] = {};
    u64 total = 0;
    u64 budget = launch.info.cooperative ? kGroupSlice / 10 : kGroupSlice << std::min(storage.parked, 5u);
    if (alone) budget *= 4;
    std::FILE* const trace = trace_file(options_);
    const u32 csr = save_host_csr();
    // Asking costs a system call: not for the many workgroups that end in their first slice.
    const bool timed = storage.parked != 0;
    const u64 begin = timed ? thread_nanoseconds() : 0;
    Outcome outcome = Outcome::Parked;
    for (bool go = true; go;) {
        unsigned live = 0, at_barrier = 0, yielded = 0;
        for (unsigned i = 0; i < g.waves; ++i) {
            Wave& w = g.wave[i];
            if (w.state == State::Ended) continue;
            ++live;
            if (w.state == State::Barrier) {
                ++at_barrier;
                continue;
            }
            w.state = State::Ready;
            set_mode(w, w.mode);
            w.class_counts = options_.stats ? counts : nullptr;
            const u64 ran = trace != nullptr ? run_traced(w, kWaveSlice, trace)
                            : options_.stats ? run_counted(w, kWaveSlice)
                                             : run_plain(w, kWaveSlice);
            total += ran;
            if (w.state == State::Ended) {
                --live;
                launch.progress();
            } else if (w.state == State::Barrier) {
                ++at_barrier;
            } else if (w.state == State::Yield) {
                ++yielded;
            } else if (w.state == State::Faulted) {
                launch.fail(describe(launch, w));
                outcome = Outcome::Faulted;
                go = false;
                break;
            }
        }
        if (!go) break;
        if (live == 0) {
            outcome = Outcome::Done;
            break;
        }
        if (at_barrier == live) {
            if (storage.strict_group) storage.strict_group->races.barrier();
            for (unsigned i = 0; i < g.waves; ++i)
                if (g.wave[i].state == State::Barrier) g.wave[i].state = State::Ready;
        }
        // All that could run asked to wait: let others go first.
        if (yielded != 0 && yielded + at_barrier == live && at_barrier != live) break;
        if (total >= budget || launch.stop.load(std::memory_order_relaxed)) break;
    }
    load_host_csr(csr);
    if (timed && outcome == Outcome::Parked)
        launch.stalled_ns.fetch_add(thread_nanoseconds() - begin, std::memory_order_relaxed);
    if (outcome == Outcome::Parked && alone) std::this_thread::yield();
    launch.instructions.fetch_add(total, std::memory_order_relaxed);
    if (options_.stats)
        for (unsigned i = 0; i < kStatCount; ++i) launch.counts[i].fetch_add(counts[i], std::memory_order_relaxed);
    return outcome;
}

}  // namespace vgpu::core
