// Queues: packets in order, barriers, several queues, faults.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "api.h"

namespace {

using vgpu::core::Fault;
using vgpu::core::LaunchInfo;

constexpr std::uint16_t kBarrierBit = 1 << 8;

struct Errors {
    std::atomic<int> count{0};
    std::atomic<std::uint32_t> status{0};
};

void note_error(Status status, Queue*, void* data) {
    auto* errors = static_cast<Errors*>(data);
    errors->status = status;
    ++errors->count;
}

class TestQueue {
public:
    explicit TestQueue(Agent agent, std::uint32_t size = 64, std::uint32_t type = QUEUE_TYPE_MULTI) {
        CHECK(hsa_queue_create(agent, size, type, note_error, &errors, 0, 0, &queue) == STATUS_SUCCESS);
    }
    ~TestQueue() { CHECK(hsa_queue_destroy(queue) == STATUS_SUCCESS); }
    TestQueue(const TestQueue&) = delete;
    TestQueue& operator=(const TestQueue&) = delete;

    // Writes a packet as HIP does: index, body, header, doorbell.
    template <typename Packet>
    void submit(const Packet& packet) {
        const std::uint64_t index = hsa_queue_add_write_index_screlease(queue, 1);
        while (index - hsa_queue_load_read_index_scacquire(queue) >= queue->size) {
            std::this_thread::yield();
        }
        auto* slot = static_cast<std::byte*>(queue->base_address) + index % queue->size * 64;
        std::memcpy(slot + 2, reinterpret_cast<const std::byte*>(&packet) + 2, sizeof(packet) - 2);
        std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(slot)).store(packet.header);
        hsa_signal_store_screlease(queue->doorbell_signal, static_cast<SignalValue>(index));
    }
    void dispatch(std::uint64_t kernarg, Signal done = {0}, std::uint32_t grid = 64) {
        KernelDispatchPacket packet{};
        packet.header = PACKET_TYPE_KERNEL_DISPATCH | kBarrierBit;
        packet.setup = 1;
        packet.workgroup_size[0] = 64;
        packet.workgroup_size[1] = packet.workgroup_size[2] = 7;  // unused: one dimension
        packet.grid_size[0] = grid;
        packet.kernarg_address = reinterpret_cast<void*>(kernarg);
        packet.completion_signal = done;
        submit(packet);
    }
    void barrier(PacketType type, std::vector<Signal> after, Signal done) {
        BarrierPacket packet{};
        packet.header = type | kBarrierBit;
        for (std::size_t i = 0; i < after.size(); ++i) {
            packet.dep_signal[i] = after[i];
        }
        packet.completion_signal = done;
        submit(packet);
    }

    Errors errors;
    Queue* queue = nullptr;
};

TEST(packets_run_in_order_and_more_than_fit) {
    const Layer layer;
    std::vector<std::uint64_t> seen;
    std::uint64_t grid = 0;
    std::uint32_t unused_dimension = 0;
    vgpu::test::set_launch([&](const LaunchInfo& launch) -> std::optional<Fault> {
        seen.push_back(launch.kernarg);
        grid += launch.grid[0];
        unused_dimension = launch.workgroup[1];
        return std::nullopt;
    });
    TestQueue queue(layer.gpu, 64);
    const NewSignal done(1);
    for (std::uint64_t i = 1; i <= 500; ++i) {
        queue.dispatch(i);
    }
    queue.barrier(PACKET_TYPE_BARRIER_AND, {}, done.handle);
    CHECK(done.reaches(0));
    CHECK(seen.size() == 500 && seen.front() == 1 && seen.back() == 500);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK(grid == 500 * 64 && unused_dimension == 1);
    CHECK(hsa_queue_load_read_index_scacquire(queue.queue) == 501);
}

// Data loaders fork, and their children run destructors of what they inherited.
TEST(the_child_of_a_fork_may_destroy_a_queue) {
    const Layer layer;
    const TestQueue queue(layer.gpu);
    const pid_t child = fork();
    if (child == 0) {
        alarm(10);  // ends a child that waits for the parent's thread
        _exit(hsa_queue_destroy(queue.queue) == STATUS_SUCCESS ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(an_idle_queue_hears_the_first_ring) {
    const Layer layer;
    TestQueue queue(layer.gpu);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the thread waits by now
    const NewSignal done(1);
    queue.dispatch(1, done.handle);  // rings with index 0
    CHECK(hsa_signal_wait_scacquire(done.handle, SIGNAL_CONDITION_EQ, 0, 100'000'000, 0) == 0);
}

TEST(completion_has_its_times) {
    const Layer layer;
    vgpu::test::set_launch([](const LaunchInfo&) -> std::optional<Fault> {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        return std::nullopt;
    });
    TestQueue queue(layer.gpu);
    const NewSignal done(1);
    queue.dispatch(1, done.handle);
    CHECK(done.reaches(0));
    ProfilingTime time{};
    CHECK(hsa_amd_profiling_get_dispatch_time(layer.gpu, done.handle, &time) == STATUS_SUCCESS);
    CHECK(time.end - time.start >= 3'000'000);
}

TEST(an_unwritten_packet_holds_the_queue) {
    const Layer layer;
    std::atomic<int> launches{0};
    vgpu::test::set_launch([&](const LaunchInfo&) -> std::optional<Fault> {
        ++launches;
        return std::nullopt;
    });
    TestQueue queue(layer.gpu);
    const std::uint64_t index = hsa_queue_add_write_index_screlease(queue.queue, 1);  // reserved, not written
    const NewSignal done(1);
    queue.dispatch(2, done.handle);
    CHECK(hsa_signal_wait_scacquire(done.handle, SIGNAL_CONDITION_EQ, 0, 20'000'000, 0) == 1);
    CHECK(launches == 0);
    BarrierPacket late{};
    late.header = PACKET_TYPE_BARRIER_AND;
    auto* slot = static_cast<std::byte*>(queue.queue->base_address) + index * 64;
    std::memcpy(slot + 2, reinterpret_cast<std::byte*>(&late) + 2, sizeof(late) - 2);
    std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(slot)).store(late.header);
    CHECK(done.reaches(0));
    CHECK(launches == 1);
}

TEST(barriers_wait_for_all_or_any) {
    const Layer layer;
    TestQueue queue(layer.gpu);
    const NewSignal first(1);
    const NewSignal second(1);
    const NewSignal all(1);
    const NewSignal any(1);
    queue.barrier(PACKET_TYPE_BARRIER_OR, {first.handle, second.handle}, any.handle);
    queue.barrier(PACKET_TYPE_BARRIER_AND, {first.handle, second.handle}, all.handle);
    CHECK(hsa_signal_wait_scacquire(any.handle, SIGNAL_CONDITION_EQ, 0, 10'000'000, 0) == 1);
    hsa_signal_store_relaxed(second.handle, 0);
    CHECK(any.reaches(0));
    CHECK(hsa_signal_wait_scacquire(all.handle, SIGNAL_CONDITION_EQ, 0, 10'000'000, 0) == 1);
    hsa_signal_store_relaxed(first.handle, 0);
    CHECK(all.reaches(0));
}

TEST(barrier_value_masks_and_compares) {
    const Layer layer;
    TestQueue queue(layer.gpu);
    const NewSignal watched(0x10);
    const NewSignal done(1);
    BarrierValuePacket packet{};
    packet.header = PACKET_TYPE_VENDOR_SPECIFIC;
    packet.amd_format = AMD_PACKET_TYPE_BARRIER_VALUE;
    packet.signal = watched.handle;
    packet.mask = 0x0F;
    packet.value = 3;
    packet.cond = SIGNAL_CONDITION_GTE;
    packet.completion_signal = done.handle;
    queue.submit(packet);
    CHECK(hsa_signal_wait_scacquire(done.handle, SIGNAL_CONDITION_EQ, 0, 10'000'000, 0) == 1);
    hsa_signal_store_relaxed(watched.handle, 0x13);
    CHECK(done.reaches(0));
}

TEST(queues_run_side_by_side) {
    const Layer layer;
    std::atomic<bool> released{false};
    vgpu::test::set_launch([&](const LaunchInfo& launch) -> std::optional<Fault> {
        if (launch.kernarg == 1) {  // spins until the other queue's kernel has run
            while (!released) {
                std::this_thread::yield();
            }
        } else {
            released = true;
        }
        return std::nullopt;
    });
    TestQueue first(layer.gpu);
    TestQueue second(layer.gpu);
    const NewSignal first_done(1);
    const NewSignal second_done(1);
    first.dispatch(1, first_done.handle);
    second.dispatch(2, second_done.handle);
    CHECK(second_done.reaches(0));
    CHECK(first_done.reaches(0));
}

TEST(several_producers_share_a_queue) {
    const Layer layer;
    std::atomic<int> launches{0};
    vgpu::test::set_launch([&](const LaunchInfo&) -> std::optional<Fault> {
        ++launches;
        return std::nullopt;
    });
    TestQueue queue(layer.gpu, 64);
    const NewSignal done(400);
    std::vector<std::thread> producers;
    for (int i = 0; i < 4; ++i) {
        producers.emplace_back([&] {
            for (int j = 0; j < 100; ++j) {
                queue.dispatch(1, done.handle);
            }
        });
    }
    for (auto& producer : producers) {
        producer.join();
    }
    CHECK(done.reaches(0));
    CHECK(launches == 400);
}

TEST(a_fault_reaches_the_callback_and_never_counts_as_done) {
    const Layer layer;
    std::atomic<int> launches{0};
    vgpu::test::set_launch([&](const LaunchInfo&) -> std::optional<Fault> {
        ++launches;
        Fault fault;
        fault.kind = Fault::Kind::IllegalInstruction;
        fault.lines = {"planted by the test"};
        return fault;
    });
    TestQueue queue(layer.gpu);
    const NewSignal done(2);
    queue.dispatch(1, done.handle);
    queue.dispatch(2, done.handle);
    for (int i = 0; i < 2000 && queue.errors.count == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(queue.errors.count == 1 && queue.errors.status == STATUS_ERROR_ILLEGAL_INSTRUCTION);
    CHECK(hsa_signal_wait_scacquire(done.handle, SIGNAL_CONDITION_LT, 2, 20'000'000, 0) == 2);
    CHECK(launches == 1);
}

TEST(a_refused_launch_says_why) {
    const Layer layer;
    vgpu::test::set_launch([](const LaunchInfo&) -> std::optional<Fault> {
        Fault fault;
        fault.kind = Fault::Kind::BadLaunch;
        return fault;
    });
    void* code = layer.device(4096);
    struct Case {
        std::uint16_t setup;
        std::uint32_t group;
        void* object;
        std::uint16_t lanes;
        Status status;
    };
    const Case cases[] = {
        {0, 0, code, 64, STATUS_ERROR_INCOMPATIBLE_ARGUMENTS}, {1, 65537, code, 64, STATUS_ERROR_INVALID_ALLOCATION},
        {1, 0, nullptr, 64, STATUS_ERROR_INVALID_CODE_OBJECT}, {1, 0, code, 1025, STATUS_ERROR_INVALID_ARGUMENT},
        {1, 0, code, 64, STATUS_ERROR_INVALID_PACKET_FORMAT},
    };
    for (const Case& one : cases) {
        TestQueue queue(layer.gpu);
        KernelDispatchPacket packet{};
        packet.header = PACKET_TYPE_KERNEL_DISPATCH;
        packet.setup = one.setup;
        packet.workgroup_size[0] = one.lanes;
        packet.grid_size[0] = 64;
        packet.group_segment_size = one.group;
        packet.kernel_object = reinterpret_cast<std::uint64_t>(one.object);
        queue.submit(packet);
        for (int i = 0; i < 2000 && queue.errors.count == 0; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        CHECK(queue.errors.count == 1 && queue.errors.status == one.status);
    }
    CHECK(hsa_amd_memory_pool_free(code) == STATUS_SUCCESS);
}

std::atomic<std::uint64_t> fault_page{0};

Status note_event(const Event* event, void*) {
    if (event->event_type == GPU_MEMORY_FAULT_EVENT) {
        fault_page = event->memory_fault.virtual_address;
    }
    return STATUS_SUCCESS;
}

TEST(a_memory_fault_goes_to_the_event_handler) {
    const Layer layer;
    CHECK(hsa_amd_register_system_event_handler(note_event, nullptr) == STATUS_SUCCESS);
    vgpu::test::set_launch([](const LaunchInfo&) -> std::optional<Fault> {
        Fault fault;
        fault.address = 0x12345678;
        return fault;
    });
    TestQueue queue(layer.gpu);
    const NewSignal done(1);
    queue.dispatch(1, done.handle);
    for (int i = 0; i < 2000 && fault_page == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(fault_page == 0x12345000);
    CHECK(queue.errors.count == 0);  // the handler took charge
    CHECK(hsa_signal_load_relaxed(done.handle) == 1);
}

TEST(unknown_packets_are_errors) {
    const Layer layer;
    TestQueue queue(layer.gpu);
    BarrierValuePacket packet{};
    packet.header = PACKET_TYPE_VENDOR_SPECIFIC;
    packet.amd_format = 99;
    queue.submit(packet);
    for (int i = 0; i < 2000 && queue.errors.count == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(queue.errors.status == STATUS_ERROR_INVALID_PACKET_FORMAT);
}

TEST(wrong_sizes_and_agents_are_refused) {
    const Layer layer;
    Queue* queue = nullptr;
    CHECK(hsa_queue_create(layer.gpu, 100, 0, nullptr, nullptr, 0, 0, &queue) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_queue_create(layer.cpu, 64, 0, nullptr, nullptr, 0, 0, &queue) == STATUS_ERROR_INVALID_QUEUE_CREATION);
    CHECK(hsa_queue_create({1}, 64, 0, nullptr, nullptr, 0, 0, &queue) == STATUS_ERROR_INVALID_AGENT);
    CHECK(hsa_queue_destroy(nullptr) == STATUS_ERROR_INVALID_QUEUE);
}

TEST(cu_mask_is_kept_within_the_card) {
    const Layer layer;
    TestQueue queue(layer.gpu);
    std::uint32_t mask[2] = {0, 0};
    CHECK(hsa_amd_queue_cu_get_mask(queue.queue, 64, mask) == STATUS_SUCCESS);
    CHECK(mask[0] == 0xFFFFFFFF && mask[1] == 0xF);  // 36 units
    const std::uint32_t narrow[2] = {0xFF, 0xFF};
    CHECK(hsa_amd_queue_cu_set_mask(queue.queue, 64, narrow) == STATUS_SUCCESS);
    CHECK(hsa_amd_queue_cu_get_mask(queue.queue, 64, mask) == STATUS_SUCCESS);
    CHECK(mask[0] == 0xFF && mask[1] == 0xF);
}

TEST(shutting_down_ends_a_running_kernel) {
    std::atomic<bool> began{false};
    Queue* queue = nullptr;
    Errors errors;
    {
        const Layer layer;
        vgpu::test::set_launch([&](const LaunchInfo&) -> std::optional<Fault> {
            began = true;
            while (!vgpu::test::stop_asked()) {
                std::this_thread::yield();
            }
            return Fault{};
        });
        CHECK(hsa_queue_create(layer.gpu, 64, 0, note_error, &errors, 0, 0, &queue) == STATUS_SUCCESS);
        KernelDispatchPacket packet{};
        packet.setup = 1;
        auto* slot = static_cast<std::byte*>(queue->base_address);
        std::memcpy(slot + 2, reinterpret_cast<std::byte*>(&packet) + 2, sizeof(packet) - 2);
        hsa_queue_add_write_index_screlease(queue, 1);
        std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(slot)).store(PACKET_TYPE_KERNEL_DISPATCH);
        hsa_signal_store_screlease(queue->doorbell_signal, 0);
        while (!began) {
            std::this_thread::yield();
        }
    }
    CHECK(errors.count == 0);
}

}  // namespace

int main(int count, char** names) { return run_tests(count, names); }
