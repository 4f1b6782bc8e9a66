// Threads that run workgroups. Several launches may be in flight; every one makes
// progress. Knows nothing of instructions beyond "run this wave for a while".
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "vgpu/core/launch.h"

namespace vgpu::core {

class Scheduler {
public:
    Scheduler(unsigned threads, const Options& options, AddressSpace& memory);
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    // Runs a launch to its end; the calling thread helps.
    void run(Launch& launch);
    // Ends all launches, and each that begins from now on.
    void stop_all();

private:
    enum class Outcome { Done, Parked, Faulted };

    void worker();
    // One workgroup of `launch`, or of any launch when it is null. False: nothing to do now.
    bool work_on_one(Launch* only, std::unique_lock<std::mutex>& lock);
    std::unique_ptr<GroupStorage> take(Launch& launch);
    std::unique_ptr<GroupStorage> storage_for(const Launch& launch);
    Outcome run_group(Launch& launch, GroupStorage& storage, bool alone);
    void stop(Launch& launch);
    void keep(std::unique_ptr<GroupStorage> storage);
    void check_stall(Launch& launch);
    bool finished(const Launch& launch) const;

    const Options& options_;
    AddressSpace& memory_;
    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::list<Launch*> active_;
    std::deque<std::unique_ptr<GroupStorage>> spare_;  // the longest unused first
    std::vector<std::thread> threads_;
    bool quit_ = false;
    bool stopped_ = false;
};

}  // namespace vgpu::core
