#include "vgpu/hsa/events.h"

#include <pthread.h>

#include <utility>

namespace vgpu::hsa {

void EventThread::watch(SignalSlot& signal, abi::SignalCondition condition, abi::SignalValue compare,
                        abi::SignalHandler handler, void* argument) {
    signal.watchers.fetch_add(1);
    {
        const std::lock_guard lock(mutex_);
        watches_.push_back({&signal, condition, compare, handler, argument});
        if (!thread_.joinable()) {
            stopping_ = false;
            thread_ = std::thread([this] { run(); });
        }
    }
    signal_events().notify();
}

void EventThread::stop() {
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
    for (const Watch& watch : watches_) {
        watch.signal->watchers.fetch_sub(1);
    }
    watches_.clear();
}

void EventThread::run() {
    pthread_setname_np(pthread_self(), "vgpu-events");
    std::vector<std::pair<Watch, abi::SignalValue>> ready;
    while (!stopping_) {
        const std::uint32_t key = signal_events().key();
        bool waiting = false;
        {
            const std::lock_guard lock(mutex_);
            for (std::size_t i = 0; i < watches_.size();) {
                const abi::SignalValue value = load_signal(*watches_[i].signal);
                if (!holds(value, watches_[i].condition, watches_[i].compare)) {
                    ++i;
                    continue;
                }
                ready.emplace_back(watches_[i], value);
                watches_.erase(watches_.begin() + static_cast<std::ptrdiff_t>(i));
            }
            waiting = !watches_.empty();
        }
        if (ready.empty()) {
            // Device code may write a watched signal without telling anybody.
            signal_events().wait(key, waiting ? kDevicePollNs : 1'000'000'000);
            continue;
        }
        for (const auto& [watch, value] : ready) {
            // Not after the handler: it may destroy the signal, and the slot may be another signal's when it returns.
            watch.signal->watchers.fetch_sub(1);
            if (watch.handler(value, watch.argument)) {
                watch.signal->watchers.fetch_add(1);
                const std::lock_guard lock(mutex_);
                watches_.push_back(watch);
            }
        }
        ready.clear();
    }
}

}  // namespace vgpu::hsa
