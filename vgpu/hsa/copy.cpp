#include "vgpu/hsa/copy.h"

#include <pthread.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace vgpu::hsa {
namespace {

// Copies this small are made at once by the caller if nothing stands before them: waking
// a thread costs more.
constexpr std::uint64_t kInlineBytes = 256 * 1024;

std::uint64_t span(std::uint64_t width, std::uint64_t rows, std::uint64_t slices, std::uint64_t pitch,
                   std::uint64_t slice) {
    return (slices - 1) * slice + (rows - 1) * pitch + width;
}

core::Fault copy_fault(const void* address, std::uint64_t size, bool write) {
    core::Fault fault;
    fault.kind = core::Fault::Kind::Memory;
    fault.address = reinterpret_cast<std::uint64_t>(address);
    fault.write = write;
    char line[160];
    std::snprintf(line, sizeof(line), "copy engine: %s of %" PRIu64 " bytes at 0x%" PRIx64, write ? "write" : "read",
                  size, fault.address);
    fault.lines.emplace_back(line);
    fault.lines.emplace_back("the bytes are neither device memory nor pinned host memory");
    return fault;
}

}  // namespace

bool CopyEngine::ready(const Job& job) noexcept {
    return std::all_of(job.after.begin(), job.after.end(),
                       [](const SignalSlot* signal) { return load_signal(*signal) == 0; });
}

void CopyEngine::perform(const Job& job) {
    const CopyShape& shape = job.shape;
    const std::uint64_t to_bytes = span(shape.width, shape.rows, shape.slices, shape.to_pitch, shape.to_slice);
    const std::uint64_t from_bytes = span(shape.width, shape.rows, shape.slices, shape.from_pitch, shape.from_slice);
    const bool from_bad = from_bytes != 0 && !memory_.reachable(shape.from, from_bytes, false);
    if (from_bad || (to_bytes != 0 && !memory_.reachable(shape.to, to_bytes, true))) {
        const core::Fault fault =
            from_bad ? copy_fault(shape.from, from_bytes, false) : copy_fault(shape.to, to_bytes, true);
        if (!desk_.report(*job.agent, fault)) {
            std::abort();  // as the real runtime does when nobody listens; the text is out
        }
        return;  // never counted as done
    }
    const std::uint64_t start = now_ns();
    for (std::uint64_t z = 0; z < shape.slices; ++z) {
        for (std::uint64_t y = 0; y < shape.rows; ++y) {
            std::memmove(shape.to + z * shape.to_slice + y * shape.to_pitch,
                         shape.from + z * shape.from_slice + y * shape.from_pitch, shape.width);
        }
    }
    if (job.done != nullptr) {
        if (profile_) {
            job.done->amd.start_ts = start;
            job.done->amd.end_ts = now_ns();
        }
        add_signal(*job.done, -1);
    }
}

abi::Status CopyEngine::copy(const CopyShape& shape, std::vector<SignalSlot*> after, SignalSlot* done,
                             const AgentObject& agent) {
    Job job{shape, std::move(after), done, &agent};
    if (shape.width == 0 || shape.rows == 0 || shape.slices == 0) {
        job.shape.width = 0;
        job.shape.rows = job.shape.slices = 1;
    }
    if (job.shape.width * job.shape.rows * job.shape.slices <= kInlineBytes && ready(job)) {
        perform(job);
        return abi::STATUS_SUCCESS;
    }
    for (SignalSlot* signal : job.after) {
        signal->watchers.fetch_add(1);
    }
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        if (!thread_.joinable()) {
            stopping_ = false;
            thread_ = std::thread([this] { run(); });
        }
    }
    signal_events().notify();
    return abi::STATUS_SUCCESS;
}

void CopyEngine::stop() {
    std::thread ending;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        ending = std::move(thread_);
    }
    signal_events().notify();
    if (ending.joinable()) {
        ending.join();
    }
    const std::lock_guard lock(mutex_);
    for (const Job& job : jobs_) {
        for (SignalSlot* signal : job.after) {
            signal->watchers.fetch_sub(1);
        }
    }
    jobs_.clear();
}

void CopyEngine::run() {
    pthread_setname_np(pthread_self(), "vgpu-copy");
    while (!stopping_) {
        const std::uint32_t key = signal_events().key();
        Job next{};
        bool found = false;
        bool waiting = false;
        {
            const std::lock_guard lock(mutex_);
            const auto job = std::find_if(jobs_.begin(), jobs_.end(), ready);
            waiting = !jobs_.empty();
            if (job != jobs_.end()) {
                next = std::move(*job);
                jobs_.erase(job);
                found = true;
            }
        }
        if (!found) {
            signal_events().wait(key, waiting ? kDevicePollNs : 1'000'000'000);
            continue;
        }
        for (SignalSlot* signal : next.after) {
            signal->watchers.fetch_sub(1);
        }
        perform(next);
    }
}

}  // namespace vgpu::hsa
