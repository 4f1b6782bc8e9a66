// Signals: operations, waits, handlers.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "api.h"
#include "vgpu/hsa/signal.h"

namespace {

using Clock = std::chrono::steady_clock;

TEST(operations_change_the_value) {
    const Layer layer;
    const NewSignal signal(5);
    CHECK(hsa_signal_load_relaxed(signal.handle) == 5);
    hsa_signal_add_relaxed(signal.handle, 3);
    hsa_signal_subtract_relaxed(signal.handle, 1);
    CHECK(hsa_signal_load_relaxed(signal.handle) == 7);
    CHECK(hsa_signal_cas_relaxed(signal.handle, 1, 9) == 7);
    CHECK(hsa_signal_load_relaxed(signal.handle) == 7);
    CHECK(hsa_signal_cas_relaxed(signal.handle, 7, 9) == 7);
    CHECK(hsa_signal_exchange_relaxed(signal.handle, -1) == 9);
    volatile SignalValue* value = nullptr;
    CHECK(hsa_amd_signal_value_pointer(signal.handle, &value) == STATUS_SUCCESS);
    CHECK(*value == -1 && reinterpret_cast<std::uint64_t>(value) == signal.handle.handle + 8);
}

TEST(wrong_handles_are_refused) {
    const Layer layer;
    int other = 0;
    CHECK(hsa_signal_destroy({0}) == STATUS_ERROR_INVALID_SIGNAL);
    CHECK(hsa_signal_destroy({reinterpret_cast<std::uint64_t>(&other)}) == STATUS_ERROR_INVALID_SIGNAL);
    Signal gone{};
    CHECK(hsa_signal_create(0, 0, nullptr, &gone) == STATUS_SUCCESS);
    CHECK(hsa_signal_destroy(gone) == STATUS_SUCCESS);
    CHECK(hsa_signal_destroy(gone) == STATUS_ERROR_INVALID_SIGNAL);
}

TEST(wait_ends_at_its_timeout) {
    const Layer layer;
    const NewSignal signal(1);
    const auto start = Clock::now();
    CHECK(hsa_signal_wait_scacquire(signal.handle, SIGNAL_CONDITION_LT, 1, 20'000'000, 0) == 1);
    CHECK(Clock::now() - start >= std::chrono::milliseconds(20));
}

TEST(store_wakes_a_waiter) {
    const Layer layer;
    const NewSignal signal(1);
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        hsa_signal_store_screlease(signal.handle, 0);
    });
    CHECK(signal.reaches(0));
    other.join();
}

TEST(waiter_sees_what_device_code_writes) {
    const Layer layer;
    const NewSignal signal(1);
    volatile SignalValue* value = nullptr;
    CHECK(hsa_amd_signal_value_pointer(signal.handle, &value) == STATUS_SUCCESS);
    std::thread device([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::atomic_ref<SignalValue>(const_cast<SignalValue&>(*value)).store(0);  // no wake-up
    });
    CHECK(signal.reaches(0));
    device.join();
}

TEST(many_threads_hand_a_value_on) {
    const Layer layer;
    const NewSignal signal(0);
    constexpr int kRounds = 300;
    constexpr int kThreads = 4;
    std::vector<std::thread> threads;
    for (int me = 0; me < kThreads; ++me) {
        threads.emplace_back([&, me] {
            for (int round = 0; round < kRounds; ++round) {
                const SignalValue turn = round * kThreads + me;
                if (!signal.reaches(turn)) {
                    return;
                }
                hsa_signal_store_relaxed(signal.handle, turn + 1);
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(hsa_signal_load_relaxed(signal.handle) == kRounds * kThreads);
}

TEST(wait_any_names_the_one_that_holds) {
    const Layer layer;
    const NewSignal first(1);
    const NewSignal second(1);
    Signal signals[2] = {first.handle, second.handle};
    std::uint32_t conditions[2] = {SIGNAL_CONDITION_EQ, SIGNAL_CONDITION_EQ};
    SignalValue values[2] = {0, 0};
    std::thread other([&] { hsa_signal_store_relaxed(second.handle, 0); });
    SignalValue seen = -1;
    CHECK(hsa_amd_signal_wait_any(2, signals, conditions, values, 10'000'000'000, 0, &seen) == 1);
    CHECK(seen == 0);
    other.join();
    values[1] = 5;
    CHECK(hsa_amd_signal_wait_any(2, signals, conditions, values, 1'000'000, 0, &seen) == UINT32_MAX);
}

struct Counted {
    std::atomic<int> calls{0};
    std::atomic<SignalValue> last{0};
    int until = 1;
};

bool count_call(SignalValue value, void* data) {
    auto* counted = static_cast<Counted*>(data);
    counted->last = value;
    return ++counted->calls < counted->until;
}

TEST(handler_runs_once_or_as_often_as_it_asks) {
    const Layer layer;
    const NewSignal signal(2);
    Counted once;
    Counted thrice;
    thrice.until = 3;
    CHECK(hsa_amd_signal_async_handler(signal.handle, SIGNAL_CONDITION_LT, 1, count_call, &once) == STATUS_SUCCESS);
    CHECK(hsa_amd_signal_async_handler(signal.handle, SIGNAL_CONDITION_LT, 1, count_call, &thrice) == STATUS_SUCCESS);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(once.calls == 0);
    hsa_signal_subtract_relaxed(signal.handle, 2);
    for (int i = 0; i < 2000 && (once.calls < 1 || thrice.calls < 3); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(once.calls == 1 && once.last == 0);
    CHECK(thrice.calls == 3);
}

struct Successor {
    Signal old{};
    Signal next{};
};

bool replace_signal(SignalValue, void* data) {
    auto* successor = static_cast<Successor*>(data);
    CHECK(hsa_signal_destroy(successor->old) == STATUS_SUCCESS);
    CHECK(hsa_signal_create(1, 0, nullptr, &successor->next) == STATUS_SUCCESS);
    return false;
}

TEST(a_handler_may_destroy_its_signal) {
    const Layer layer;
    Successor successor;
    CHECK(hsa_signal_create(1, 0, nullptr, &successor.old) == STATUS_SUCCESS);
    CHECK(hsa_amd_signal_async_handler(successor.old, SIGNAL_CONDITION_EQ, 0, replace_signal, &successor) ==
          STATUS_SUCCESS);
    hsa_signal_store_relaxed(successor.old, 0);
    // A handler that ran after it tells that the thread is done with it.
    const NewSignal later(0);
    Counted counted;
    for (int i = 0; i < 2; ++i) {
        CHECK(hsa_amd_signal_async_handler(later.handle, SIGNAL_CONDITION_EQ, 0, count_call, &counted) ==
              STATUS_SUCCESS);
        for (int ms = 0; ms < 2000 && counted.calls <= i; ++ms) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    CHECK(counted.calls == 2);
    CHECK(successor.next.handle == successor.old.handle);  // else the test shows nothing
    CHECK(vgpu::hsa::find_signal(successor.next)->watchers == 0);
    CHECK(hsa_signal_destroy(successor.next) == STATUS_SUCCESS);
}

// A barrier or a wait for any of several signals may look at one once more after it is destroyed and made anew.
TEST(a_late_watcher_does_not_upset_the_next_signal) {
    const Layer layer;
    vgpu::hsa::SignalSlot* const old = vgpu::hsa::create_signal(1);
    old->watchers.fetch_add(1);
    vgpu::hsa::destroy_signal(old);
    vgpu::hsa::SignalSlot* const next = vgpu::hsa::create_signal(1);
    CHECK(next == old);  // else the test shows nothing
    next->watchers.fetch_add(1);
    old->watchers.fetch_sub(1);
    CHECK(next->watchers == 1);  // the new one's watcher still hears of changes
    next->watchers.fetch_sub(1);
    vgpu::hsa::destroy_signal(next);
}

// In the child of a fork, as another process would do; 0 where all is right.
int answer_in_child(const IpcMemory& handle) {
    Signal signal{};
    if (hsa_amd_ipc_signal_attach(&handle, &signal) != STATUS_SUCCESS) {
        return 1;
    }
    if (hsa_signal_wait_scacquire(signal, SIGNAL_CONDITION_EQ, 7, 10'000'000'000, 0) != 7) {
        return 2;
    }
    hsa_signal_store_screlease(signal, 8);
    return hsa_signal_destroy(signal) == STATUS_SUCCESS ? 0 : 3;
}

TEST(another_process_answers_through_a_shared_signal) {
    const Layer layer;
    Signal shared{};
    IpcMemory handle{};
    CHECK(hsa_amd_signal_create(1, 0, nullptr, 2, &shared) == STATUS_SUCCESS);
    CHECK(hsa_amd_ipc_signal_create(shared, &handle) == STATUS_SUCCESS);
    const NewSignal own(1);
    IpcMemory none{};
    CHECK(hsa_amd_ipc_signal_create(own.handle, &none) == STATUS_ERROR_INVALID_ARGUMENT);
    const pid_t child = fork();
    if (child == 0) {
        _exit(answer_in_child(handle));
    }
    hsa_signal_store_screlease(shared, 7);
    CHECK(hsa_signal_wait_scacquire(shared, SIGNAL_CONDITION_EQ, 8, 10'000'000'000, 0) == 8);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(hsa_signal_destroy(shared) == STATUS_SUCCESS);
    handle.handle[0] = 0;
    CHECK(hsa_amd_ipc_signal_attach(&handle, &shared) == STATUS_ERROR_INVALID_ARGUMENT);
}

TEST(pending_handlers_do_not_hold_up_the_end) {
    Counted never;
    const auto start = Clock::now();
    Signal signal{};
    {
        const Layer layer;
        CHECK(hsa_signal_create(1, 0, nullptr, &signal) == STATUS_SUCCESS);
        CHECK(hsa_amd_signal_async_handler(signal, SIGNAL_CONDITION_EQ, 0, count_call, &never) == STATUS_SUCCESS);
    }
    CHECK(Clock::now() - start < std::chrono::seconds(5));
    CHECK(never.calls == 0);
    CHECK(hsa_signal_destroy(signal) == STATUS_SUCCESS);
}

}  // namespace

int main(int count, char** names) { return run_tests(count, names); }
