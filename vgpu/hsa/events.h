// The thread that calls programs back when a signal reaches a value.
// Knows signals only.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "vgpu/hsa/signal.h"

namespace vgpu::hsa {

class EventThread {
public:
    EventThread() = default;
    ~EventThread() { stop(); }
    EventThread(const EventThread&) = delete;
    EventThread& operator=(const EventThread&) = delete;

    // Calls `handler` on this thread each time the condition holds, until it returns false.
    void watch(SignalSlot& signal, abi::SignalCondition condition, abi::SignalValue compare, abi::SignalHandler handler,
               void* argument);
    // Ends the thread; handlers that have not fired are dropped. A handler may not call it.
    void stop();

private:
    struct Watch {
        SignalSlot* signal;
        abi::SignalCondition condition;
        abi::SignalValue compare;
        abi::SignalHandler handler;
        void* argument;
    };

    void run();

    std::mutex mutex_;
    std::vector<Watch> watches_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace vgpu::hsa
