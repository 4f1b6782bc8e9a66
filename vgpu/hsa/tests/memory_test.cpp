// Memory: pools, limits, access, pins, copies, sharing, virtual memory management.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "api.h"
#include "vgpu/hsa/runtime.h"

namespace {

using vgpu::hsa::DeviceHeap;
using vgpu::hsa::PinnedPages;
using vgpu::hsa::Runtime;

constexpr std::size_t kGiB = 1ULL << 30;
constexpr std::size_t kMiB = 1ULL << 20;

std::uint64_t available(Agent gpu) {
    std::uint64_t bytes = 0;
    CHECK(hsa_agent_get_info(gpu, AMD_AGENT_INFO_MEMORY_AVAIL, &bytes) == STATUS_SUCCESS);
    return bytes;
}

// May card `index` read and write all these bytes?
bool visible(unsigned index, const void* ptr, std::size_t size) {
    const auto* device = Runtime::current()->memory().devices().at(index);
    return device->space.contains(reinterpret_cast<std::uint64_t>(ptr), size, true);
}

TEST(the_card_runs_out_of_memory) {
    const Layer layer;
    const std::uint64_t all = available(layer.gpu);
    CHECK(all == 6128 * kMiB);
    void* too_much = nullptr;
    CHECK(hsa_amd_memory_pool_allocate(layer.device_pool, 6 * kGiB, 0, &too_much) == STATUS_ERROR_INVALID_ALLOCATION);
    void* most = layer.device(5 * kGiB);
    CHECK(available(layer.gpu) == all - 5 * kGiB);
    CHECK(hsa_amd_memory_pool_allocate(layer.device_pool, kGiB, 0, &too_much) == STATUS_ERROR_OUT_OF_RESOURCES);
    CHECK(hsa_amd_memory_pool_free(most) == STATUS_SUCCESS);
    CHECK(available(layer.gpu) == all);
    CHECK(hsa_amd_memory_pool_free(layer.device(6000 * kMiB)) == STATUS_SUCCESS);
    CHECK(hsa_amd_memory_pool_free(most) == STATUS_ERROR_INVALID_ALLOCATION);
}

TEST(heap_reuses_everything_after_many_rounds) {
    DeviceHeap heap(64 * kMiB);
    CHECK(heap.valid());
    for (int round = 0; round < 200; ++round) {
        const auto first = heap.take(24 * kMiB + 5, 4096, true);
        const auto second = heap.take(30 * kMiB, 0, true);
        CHECK(first && second && *first != *second);
        if (!first || !second) {
            return;
        }
        auto* bytes = reinterpret_cast<char*>(heap.base() + *first);
        CHECK(bytes[0] == 0 && bytes[24 * kMiB] == 0);  // fresh, whatever was here before
        bytes[0] = bytes[24 * kMiB] = 1;
        CHECK(!heap.take(16 * kMiB, 0, true));
        heap.give(*first);
        heap.give(*second);
        CHECK(heap.used() == 0);
    }
}

TEST(freed_addresses_come_back_late) {
    DeviceHeap heap(64 * kMiB);
    const auto first = heap.take(kMiB, 0, true);
    heap.give(first.value());
    for (int i = 0; i < 500; ++i) {
        const auto next = heap.take(kMiB, 0, true);
        CHECK(next && *next != *first);
        heap.give(next.value());
    }
}

TEST(access_follows_allow) {
    const Layer layer("2");
    void* memory = layer.device(kMiB);
    CHECK(visible(0, memory, kMiB) && !visible(1, memory, 1));
    const Agent second = layer.agents.at(2);
    CHECK(hsa_amd_agents_allow_access(1, &second, nullptr, memory) == STATUS_SUCCESS);
    CHECK(visible(0, memory, kMiB) && visible(1, memory, kMiB));
    CHECK(hsa_amd_agents_allow_access(1, &layer.gpu, nullptr, memory) == STATUS_SUCCESS);
    CHECK(visible(0, memory, kMiB) && !visible(1, memory, 1));
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
    CHECK(!visible(0, memory, 1));
    void* host = layer.host(100);
    CHECK(visible(0, host, 100) && visible(1, host, 100));
    CHECK(hsa_amd_memory_pool_free(host) == STATUS_SUCCESS);
    CHECK(!visible(0, host, 1));
}

TEST(strict_ends_at_the_last_byte_and_remembers_frees) {
    const Layer layer("1", "1");
    auto* memory = static_cast<char*>(layer.device(1000));
    CHECK(visible(0, memory, 1000));
    CHECK(!visible(0, memory + 1000, 1));
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
    CHECK(!visible(0, memory, 1));
    const auto* device = Runtime::current()->memory().devices().at(0);
    const auto range = device->space.find(reinterpret_cast<std::uint64_t>(memory));
    CHECK(range && (range->flags & vgpu::core::AddressSpace::Freed) != 0 && range->label == "freed device allocation");
}

// May card 0 read these bytes?
bool readable(const void* ptr, std::size_t size) {
    const auto* device = Runtime::current()->memory().devices().at(0);
    return device->space.contains(reinterpret_cast<std::uint64_t>(ptr), size, false);
}

TEST(strict_lets_loads_alone_reach_the_end_of_the_last_dword) {
    const Layer layer("1", "1");
    for (auto* memory : {static_cast<char*>(layer.device(1001)), static_cast<char*>(layer.host(1001))}) {
        CHECK(visible(0, memory, 1001));
        CHECK(!visible(0, memory + 1001, 1) && !visible(0, memory + 1000, 2));
        CHECK(readable(memory + 1000, 4) && !readable(memory + 1000, 5));
        CHECK(!readable(memory - 1, 1));
    }
}

TEST(strict_sets_allocations_apart) {
    const Layer layer("1", "1");
    const auto distance = [](const void* a, const void* b) {
        return static_cast<const char*>(b) - static_cast<const char*>(a);
    };
    const void* first = layer.device(16);
    const void* second = layer.device(8 * kMiB);
    const void* third = layer.device(16);
    CHECK(distance(first, second) >= 2 * 4096);
    CHECK(distance(second, third) >= static_cast<std::ptrdiff_t>(9 * kMiB));
    auto* host = static_cast<char*>(layer.host(100));
    CHECK(!readable(host - 4096, 4096) && !readable(host + 4096, 1));
}

TEST(strict_tells_the_story_of_an_allocation) {
    const Layer layer("1", "1");
    const auto& space = Runtime::current()->memory().devices().at(0)->space;
    for (void* memory : {layer.device(5), layer.host(5)}) {
        const auto base = reinterpret_cast<std::uint64_t>(memory);
        const auto behind = space.nearest(base + 6);
        CHECK(behind && behind->base == base && behind->size == 5 && behind->story.starts_with("allocated by "));
        CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
        const auto gone = space.nearest(base + 6);
        CHECK(gone && gone->base == base && gone->size == 5 && gone->label.starts_with("freed "));
        CHECK(gone && gone->story.find("; freed by ") != std::string::npos);
        CHECK(gone && gone->story.ends_with(" after 0 dispatches"));
    }
}

TEST(strict_keeps_freed_host_addresses_out_of_use) {
    const Layer layer("1", "1");
    void* gone = layer.host(kMiB);
    CHECK(hsa_amd_memory_pool_free(gone) == STATUS_SUCCESS);
    for (int i = 0; i < 20; ++i) {
        CHECK(layer.host(kMiB) != gone);
    }
    CHECK(!readable(gone, 1));
}

struct Released {
    std::vector<void*> seen;
};

void note_release(void* ptr, void* data) { static_cast<Released*>(data)->seen.push_back(ptr); }

TEST(release_is_announced_with_the_pointer_that_was_registered) {
    const Layer layer;
    auto* memory = static_cast<char*>(layer.device(4096));
    Released released;
    CHECK(hsa_amd_register_deallocation_callback(memory + 8, note_release, &released) == STATUS_SUCCESS);
    CHECK(hsa_amd_register_deallocation_callback(memory + 16, note_release, &released) == STATUS_SUCCESS);
    CHECK(hsa_amd_deregister_deallocation_callback(memory + 16, note_release) == STATUS_SUCCESS);
    CHECK(hsa_amd_deregister_deallocation_callback(memory + 16, note_release) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
    CHECK(released.seen == std::vector<void*>{memory + 8});
}

TEST(pins_may_overlap) {
    std::string log;
    auto note = [&](std::uint64_t base, std::uint64_t size, bool on) {
        log += (on ? "+" : "-") + std::to_string(base / 4096) + "," + std::to_string(size / 4096) + " ";
    };
    PinnedPages pages;
    pages.pin(0x1000, 0x3000, note);  // pages 1..3
    pages.pin(0x2800, 0x3000, note);  // pages 2..5
    CHECK(log == "+1,3 +4,2 ");
    log.clear();
    pages.unpin(0x1000, 0x3000, note);
    CHECK(log == "-1,1 ");
    log.clear();
    pages.pin(0x0, 0x8000, note);
    CHECK(log == "+0,2 +6,2 ");
    log.clear();
    pages.unpin(0x2800, 0x3000, note);
    CHECK(log.empty());
    pages.unpin(0x0, 0x8000, note);
    CHECK(log == "-0,8 ");
}

TEST(pinned_memory_is_visible_until_unpinned) {
    const Layer layer;
    std::vector<char> bytes(3 * 4096);
    void* seen = nullptr;
    CHECK(!visible(0, bytes.data(), bytes.size()));
    CHECK(hsa_amd_memory_lock_to_pool(bytes.data(), bytes.size(), nullptr, 0, layer.host_pool, 0, &seen) ==
          STATUS_SUCCESS);
    CHECK(seen == bytes.data() && visible(0, bytes.data(), bytes.size()));
    PointerInfo info{};
    info.size = sizeof(info);
    CHECK(hsa_amd_pointer_info(bytes.data() + 5, &info, nullptr, nullptr, nullptr) == STATUS_SUCCESS);
    CHECK(info.type == POINTER_TYPE_LOCKED && info.agent_base_address == bytes.data());
    CHECK(hsa_amd_memory_unlock(bytes.data()) == STATUS_SUCCESS);
    CHECK(!visible(0, bytes.data(), 1));
    CHECK(hsa_amd_memory_unlock(bytes.data()) == STATUS_SUCCESS);  // as the real runtime
}

TEST(pointer_info_names_owner_and_viewers) {
    const Layer layer("2");
    auto* memory = static_cast<char*>(layer.device(5000));
    int mark = 0;
    CHECK(hsa_amd_pointer_info_set_userdata(memory, &mark) == STATUS_SUCCESS);
    PointerInfo info{};
    info.size = sizeof(info);
    std::uint32_t count = 0;
    Agent* agents = nullptr;
    CHECK(hsa_amd_pointer_info(memory + 4999, &info, std::malloc, &count, &agents) == STATUS_SUCCESS);
    CHECK(info.type == POINTER_TYPE_HSA && info.agent_base_address == memory && info.size_in_bytes == 5000);
    CHECK(info.user_data == &mark && info.agent_owner.handle == layer.gpu.handle);
    CHECK(info.global_flags == POOL_FLAG_COARSE_GRAINED);
    CHECK(count == 1 && agents[0].handle == layer.gpu.handle);
    std::free(agents);
    CHECK(hsa_amd_pointer_info(&mark, &info, nullptr, nullptr, nullptr) == STATUS_SUCCESS);
    CHECK(info.type == POINTER_TYPE_UNKNOWN);
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
}

TEST(copies_wait_for_their_signals) {
    const Layer layer;
    constexpr std::size_t kSize = 3 * kMiB;
    auto* from = static_cast<char*>(layer.host(kSize));
    auto* to = static_cast<char*>(layer.device(kSize));
    std::memset(from, 7, kSize);
    const NewSignal before(1);
    const NewSignal done(1);
    CHECK(hsa_amd_memory_async_copy(to, layer.gpu, from, layer.cpu, kSize, 1, &before.handle, done.handle) ==
          STATUS_SUCCESS);
    CHECK(hsa_signal_wait_scacquire(done.handle, SIGNAL_CONDITION_EQ, 0, 10'000'000, 0) == 1);
    CHECK(to[0] == 0);
    hsa_signal_store_relaxed(before.handle, 0);
    CHECK(done.reaches(0));
    CHECK(to[0] == 7 && to[kSize - 1] == 7);
    CHECK(hsa_amd_memory_pool_free(from) == STATUS_SUCCESS);
    CHECK(hsa_amd_memory_pool_free(to) == STATUS_SUCCESS);
}

TEST(rectangles_keep_their_pitches) {
    const Layer layer;
    auto* from = static_cast<unsigned char*>(layer.host(4096));
    auto* to = static_cast<unsigned char*>(layer.device(4096));
    for (int i = 0; i < 4096; ++i) {
        from[i] = static_cast<unsigned char>(i % 251);
    }
    const PitchedPtr source{from, 64, 640};
    const PitchedPtr target{to, 32, 320};
    const Dim3 from_offset{3, 2, 1};
    const Dim3 to_offset{1, 1, 0};
    const Dim3 range{10, 5, 2};
    const NewSignal done(1);
    CHECK(hsa_amd_memory_async_copy_rect(&target, &to_offset, &source, &from_offset, &range, layer.gpu, HOST_TO_DEVICE,
                                         0, nullptr, done.handle) == STATUS_SUCCESS);
    CHECK(done.reaches(0));
    int wrong = 0;
    for (unsigned z = 0; z < 2; ++z) {
        for (unsigned y = 0; y < 5; ++y) {
            for (unsigned x = 0; x < 10; ++x) {
                wrong += to[z * 320 + (y + 1) * 32 + x + 1] != from[(z + 1) * 640 + (y + 2) * 64 + x + 3];
            }
        }
    }
    CHECK(wrong == 0 && to[0] == 0 && to[32 + 11] == 0);
    CHECK(hsa_amd_memory_pool_free(from) == STATUS_SUCCESS);
    CHECK(hsa_amd_memory_pool_free(to) == STATUS_SUCCESS);
}

TEST(memory_copy_refuses_freed_addresses) {
    const Layer layer;
    void* memory = layer.device(4096);
    char bytes[16] = "hello";
    CHECK(hsa_memory_copy(memory, bytes, sizeof(bytes)) == STATUS_SUCCESS);
    CHECK(std::strcmp(static_cast<char*>(memory), "hello") == 0);
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
    CHECK(hsa_memory_copy(memory, bytes, sizeof(bytes)) == STATUS_ERROR_INVALID_ALLOCATION);
}

// In the child of a fork, as an importing process would do; 0 where all is right.
int import_in_child(const IpcMemory& handle) {
    void* seen = nullptr;
    if (hsa_amd_ipc_memory_attach(&handle, 8192, 0, nullptr, &seen) != STATUS_SUCCESS) {
        return 1;
    }
    auto* text = static_cast<char*>(seen);
    if (std::strcmp(text, "from the parent") != 0) {
        return 2;
    }
    std::strcpy(text + 4096, "from the child");
    return hsa_amd_ipc_memory_detach(seen) == STATUS_SUCCESS ? 0 : 3;
}

TEST(another_process_shares_device_memory) {
    const Layer layer;
    auto* memory = static_cast<char*>(layer.device(3 * 4096));
    std::strcpy(memory + 4096, "from the parent");
    IpcMemory handle{};
    CHECK(hsa_amd_ipc_memory_create(memory + 4096, 8192, &handle) == STATUS_SUCCESS);
    CHECK(hsa_amd_ipc_memory_create(memory + 1, 8192, &handle) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_amd_ipc_memory_create(memory, 4 * 4096, &handle) == STATUS_ERROR_INVALID_ARGUMENT);
    const pid_t child = fork();
    if (child == 0) {
        _exit(import_in_child(handle));
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(std::strcmp(memory + 8192, "from the child") == 0);
    handle.handle[0] ^= 1;
    void* seen = nullptr;
    CHECK(hsa_amd_ipc_memory_attach(&handle, 8192, 0, nullptr, &seen) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_amd_memory_pool_free(memory) == STATUS_SUCCESS);
}

// What a forked worker does when it ends through exit(): the layer's threads are not there.
TEST(a_forked_child_can_shut_down) {
    const Layer layer;
    Queue* queue = nullptr;
    CHECK(hsa_queue_create(layer.gpu, 64, 0, nullptr, nullptr, 0, 0, &queue) == STATUS_SUCCESS);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(hsa_shut_down() == STATUS_SUCCESS ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(hsa_queue_destroy(queue) == STATUS_SUCCESS);
}

TEST(one_piece_appears_at_two_addresses) {
    const Layer layer;
    constexpr std::size_t kSize = 2 * kMiB;
    const std::uint64_t all = available(layer.gpu);
    void* range = nullptr;
    CHECK(hsa_amd_vmem_address_reserve_align(&range, 4 * kSize, 0, 8 * kMiB, 0) == STATUS_SUCCESS);
    CHECK(reinterpret_cast<std::uint64_t>(range) % (8 * kMiB) == 0);
    auto* first = static_cast<char*>(range);
    char* second = first + 2 * kSize;
    VmemHandle piece{};
    CHECK(hsa_amd_vmem_handle_create(layer.device_pool, kSize, 1, 0, &piece) == STATUS_SUCCESS);
    CHECK(available(layer.gpu) == all - kSize);
    CHECK(hsa_amd_vmem_map(first, kSize, 0, piece, 0) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_map(first, kSize, 0, piece, 0) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_amd_vmem_map(second, kSize, 0, piece, 0) == STATUS_SUCCESS);
    CHECK(!visible(0, first, 1));
    const MemoryAccessDesc access{ACCESS_PERMISSION_RW, layer.gpu};
    CHECK(hsa_amd_vmem_set_access(range, 4 * kSize, &access, 1) == STATUS_SUCCESS);
    CHECK(visible(0, first, kSize) && visible(0, second, kSize) && !visible(0, first + kSize, 1));
    AccessPermission permission = ACCESS_PERMISSION_NONE;
    CHECK(hsa_amd_vmem_get_access(first, &permission, layer.gpu) == STATUS_SUCCESS);
    CHECK(permission == ACCESS_PERMISSION_RW);
    static_cast<volatile char*>(first)[9] = 't';  // volatile: two addresses, one byte
    CHECK(static_cast<volatile char*>(second)[9] == 't');
    VmemHandle again{};
    CHECK(hsa_amd_vmem_retain_alloc_handle(&again, second) == STATUS_SUCCESS && again.handle == piece.handle);
    CHECK(hsa_amd_vmem_handle_release(piece) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_handle_release(piece) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_handle_release(piece) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_amd_vmem_address_free(range, 4 * kSize) == STATUS_ERROR_RESOURCE_FREE);
    CHECK(hsa_amd_vmem_unmap(first, kSize) == STATUS_SUCCESS);
    CHECK(!visible(0, first, 1));
    CHECK(available(layer.gpu) == all - kSize);  // the other mapping still holds it
    CHECK(hsa_amd_vmem_unmap(second, kSize) == STATUS_SUCCESS);
    CHECK(available(layer.gpu) == all);
    CHECK(hsa_amd_vmem_address_free(range, 4 * kSize) == STATUS_SUCCESS);
}

TEST(exported_pieces_can_be_imported) {
    const Layer layer;
    constexpr std::size_t kSize = 2 * kMiB;
    VmemHandle piece{};
    VmemHandle copy{};
    int file = -1;
    void* range = nullptr;
    CHECK(hsa_amd_vmem_handle_create(layer.device_pool, kSize, 1, 0, &piece) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_export_shareable_handle(&file, piece, 0) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_import_shareable_handle(file, &copy) == STATUS_SUCCESS && copy.handle != piece.handle);
    CHECK(hsa_amd_vmem_address_reserve_align(&range, 2 * kSize, 0, 0, 0) == STATUS_SUCCESS);
    auto* bytes = static_cast<char*>(range);
    CHECK(hsa_amd_vmem_map(bytes, kSize, 0, piece, 0) == STATUS_SUCCESS);
    CHECK(hsa_amd_vmem_map(bytes + kSize, kSize, 0, copy, 0) == STATUS_SUCCESS);
    // Volatile: the compiler may not know that both addresses are one byte.
    static_cast<volatile char*>(bytes)[5] = 42;
    CHECK(static_cast<volatile char*>(bytes)[kSize + 5] == 42);
    CHECK(hsa_amd_vmem_import_shareable_handle(STDERR_FILENO, &copy) == STATUS_ERROR_INVALID_ARGUMENT);
    close(file);
}

}  // namespace

int main(int count, char** names) { return run_tests(count, names); }
