#include "vgpu/hsa/runtime.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "vgpu/hsa/log.h"

namespace vgpu::hsa {
namespace {

constexpr std::uint32_t kMaxQueuePackets = 131072;

struct State {
    std::mutex mutex;
    unsigned references = 0;
    std::unique_ptr<Runtime> runtime;
    std::atomic<Runtime*> current{nullptr};
    std::atomic<bool> statistics_written{false};
    bool exit_hook = false;
    pid_t owner = 0;  // the process whose threads the runtime has
};

// Never destroyed: programs call into the layer from their own destructors.
State& state() {
    static State& instance = *new State;
    return instance;
}

std::uint64_t host_memory_bytes() {
    struct sysinfo facts{};
    return sysinfo(&facts) == 0 ? std::uint64_t{facts.totalram} * facts.mem_unit : 1ULL << 32;
}

void at_exit() {
    if (Runtime* runtime = Runtime::current(); runtime != nullptr && state().owner == getpid()) {
        runtime->write_statistics();
    }
}

}  // namespace

Config Config::from_environment() {
    Config config;
    config.engine = core::Options::from_environment();
    config.problem = config.engine.problem;
    const char* profile = std::getenv("VGPU_PROFILE");
    const char* key = profile != nullptr && *profile != '\0' ? profile : "rx5600xt";
    config.card = find_card(key);
    if (config.card == nullptr) {
        config.problem = "VGPU_PROFILE=" + std::string(key) + " is no card; known are";
        for (const Card& card : cards()) {
            config.problem += " " + std::string(card.key);
        }
    }
    if (const char* count = std::getenv("VGPU_DEVICES"); count != nullptr && *count != '\0') {
        char* end = nullptr;
        const unsigned long value = std::strtoul(count, &end, 10);
        if (*end != '\0' || value < 1 || value > kMaxDevices) {
            config.problem =
                "VGPU_DEVICES=" + std::string(count) + " is not a number from 1 to " + std::to_string(kMaxDevices);
        } else {
            config.devices = static_cast<unsigned>(value);
        }
    }
    return config;
}

Runtime* Runtime::current() noexcept { return state().current.load(std::memory_order_acquire); }

abi::Status Runtime::start() {
    State& all = state();
    const std::lock_guard lock(all.mutex);
    if (all.references == 0) {
        Config config = Config::from_environment();
        if (!config.problem.empty()) {
            print_stderr("vgpu: " + config.problem + "\n");
            return abi::STATUS_ERROR;
        }
        all.runtime = std::make_unique<Runtime>(std::move(config));
        all.owner = getpid();
        for (const auto& agent : all.runtime->agents()) {
            if (agent->is_gpu() && !agent->device->heap.valid()) {
                print_stderr("vgpu: the system gives no address space for the card's memory (see ulimit -v)\n");
                all.runtime.reset();
                return abi::STATUS_ERROR_OUT_OF_RESOURCES;
            }
        }
        all.current.store(all.runtime.get(), std::memory_order_release);
        if (!all.exit_hook) {
            all.exit_hook = true;
            std::atexit(at_exit);
        }
    }
    ++all.references;
    return abi::STATUS_SUCCESS;
}

abi::Status Runtime::stop() {
    State& all = state();
    const std::lock_guard lock(all.mutex);
    if (all.references == 0) {
        return abi::STATUS_ERROR_NOT_INITIALIZED;
    }
    if (--all.references == 0) {
        all.current.store(nullptr, std::memory_order_release);
        if (all.owner != getpid()) {
            // The child of a fork has none of the threads: there is nothing to end, and
            // waiting for them would never end.
            static_cast<void>(all.runtime.release());
            return abi::STATUS_SUCCESS;
        }
        all.runtime->write_statistics();
        all.runtime.reset();
    }
    return abi::STATUS_SUCCESS;
}

Runtime::Runtime(Config config) : config_(std::move(config)) {
    add_host();
    std::vector<Device*> devices;
    for (unsigned i = 0; i < config_.devices; ++i) {
        add_card(i);
        devices.push_back(devices_.back().get());
    }
    memory_ = std::make_unique<Memory>(devices, config_.engine.strict);
    virtual_memory_ = std::make_unique<VirtualMemory>(*memory_, *host().pools.front());
    executables_ = std::make_unique<Executables>(*memory_);
    copies_ = std::make_unique<CopyEngine>(*memory_, faults_);
    set_signal_memory_hook([this](void* base, std::size_t size) { memory_->expose(base, size, "signals"); });
}

Runtime::~Runtime() {
    for (const auto& [handle, queue] : queues_) {
        queue->halt();
    }
    for (const auto& device : devices_) {
        device->engine.stop_running();
    }
    std::vector<abi::Queue*> open;
    for (const auto& [handle, queue] : queues_) {
        open.push_back(&queue->amd()->hsa_queue);
    }
    for (abi::Queue* queue : open) {
        destroy_queue(queue);
    }
    copies_->stop();
    events_.stop();
    set_signal_memory_hook(nullptr);
    executables_.reset();
    virtual_memory_.reset();
    memory_.reset();
}

void Runtime::add_host() {
    auto agent = std::make_unique<AgentObject>();
    const std::uint64_t bytes = host_memory_bytes();
    const std::uint32_t kinds[] = {
        abi::POOL_FLAG_FINE_GRAINED,
        abi::POOL_FLAG_EXTENDED_SCOPE_FINE_GRAINED,
        abi::POOL_FLAG_KERNARG_INIT | abi::POOL_FLAG_FINE_GRAINED,
        abi::POOL_FLAG_COARSE_GRAINED,
    };
    for (const std::uint32_t flags : kinds) {
        agent->pools.push_back(std::make_unique<Pool>(Pool{agent.get(), abi::SEGMENT_GLOBAL, flags, bytes, true}));
    }
    agents_.push_back(std::move(agent));
}

void Runtime::add_card(unsigned index) {
    devices_.push_back(std::make_unique<Device>(index, *config_.card, config_.engine));
    Device& device = *devices_.back();
    auto agent = std::make_unique<AgentObject>();
    agent->device = &device;
    agent->node = index + 1;
    const std::uint64_t bytes = device.card.memory_bytes;
    agent->pools.push_back(
        std::make_unique<Pool>(Pool{agent.get(), abi::SEGMENT_GLOBAL, abi::POOL_FLAG_COARSE_GRAINED, bytes, true}));
    agent->pools.push_back(std::make_unique<Pool>(
        Pool{agent.get(), abi::SEGMENT_GLOBAL, abi::POOL_FLAG_EXTENDED_SCOPE_FINE_GRAINED, bytes, true}));
    agent->pools.push_back(std::make_unique<Pool>(Pool{agent.get(), abi::SEGMENT_GROUP, 0, kLdsBytes, false}));
    device.pool = agent->pools.front().get();
    agents_.push_back(std::move(agent));
}

const AgentObject* Runtime::find(abi::Agent handle) const noexcept {
    for (const auto& agent : agents_) {
        if (agent->handle().handle == handle.handle) {
            return agent.get();
        }
    }
    return nullptr;
}

const Pool* Runtime::find(abi::MemoryPool handle) const noexcept {
    for (const auto& agent : agents_) {
        for (const auto& pool : agent->pools) {
            if (pool->handle().handle == handle.handle) {
                return pool.get();
            }
        }
    }
    return nullptr;
}

const AgentObject& Runtime::agent_of(const Device* device) const {
    return *agents_[device == nullptr ? 0 : device->index + 1];
}

bool Runtime::mask_of(const abi::Agent* agents, std::uint64_t count, DeviceMask& mask) const noexcept {
    mask = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const AgentObject* agent = find(agents[i]);
        if (agent == nullptr) {
            return false;
        }
        if (agent->is_gpu()) {
            mask |= DeviceMask{1} << agent->device->index;
        }
    }
    return true;
}

abi::Status Runtime::create_queue(const AgentObject& agent, std::uint32_t size, abi::QueueType type,
                                  abi::QueueCallback callback, void* data, abi::Queue** out) {
    if (!agent.is_gpu()) {
        return abi::STATUS_ERROR_INVALID_QUEUE_CREATION;
    }
    if (size == 0 || size > kMaxQueuePackets || (size & (size - 1)) != 0) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    void* ring = nullptr;
    void* amd = nullptr;
    const Pool& pool = *host().pools.front();
    if (memory_->allocate(pool, std::uint64_t{size} * 64, "queue packets", &ring) != abi::STATUS_SUCCESS) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    // The first ring writes 0, the first packet's index: it must be a change.
    SignalSlot* doorbell = create_signal(-1, abi::SIGNAL_KIND_DOORBELL);
    if (doorbell == nullptr ||
        memory_->allocate(pool, sizeof(abi::AmdQueue), "queue descriptor", &amd) != abi::STATUS_SUCCESS) {
        memory_->release(ring);
        if (doorbell != nullptr) {
            destroy_signal(doorbell);
        }
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    QueueServices services;
    services.desk = &faults_;
    services.kernel_name = [this](std::uint64_t descriptor) { return executables_->kernel_name(descriptor); };
    services.before_callback = [this] { write_statistics(); };
    const std::lock_guard lock(queues_mutex_);
    auto queue = std::make_unique<QueueObject>(agent, static_cast<abi::AmdQueue*>(amd), ring, size, type, callback,
                                               data, doorbell, next_queue_++, std::move(services));
    *out = &queue->amd()->hsa_queue;
    queues_[*out] = std::move(queue);
    return abi::STATUS_SUCCESS;
}

QueueObject* Runtime::find_queue(const abi::Queue* queue) {
    const std::lock_guard lock(queues_mutex_);
    const auto found = queues_.find(queue);
    return found == queues_.end() ? nullptr : found->second.get();
}

abi::Status Runtime::destroy_queue(abi::Queue* queue) {
    std::unique_ptr<QueueObject> gone;
    {
        const std::lock_guard lock(queues_mutex_);
        const auto found = queues_.find(queue);
        if (found == queues_.end()) {
            return abi::STATUS_ERROR_INVALID_QUEUE;
        }
        if (found->second->on_own_thread()) {
            // Called from the queue's error callback: it is halted now and ends with the layer.
            found->second->halt();
            return abi::STATUS_SUCCESS;
        }
        gone = std::move(found->second);
        queues_.erase(found);
    }
    if (state().owner != getpid()) {
        // The child of a fork has the queue but not its thread. Whether joining that returns is the
        // thread library's: glibc's does, ThreadSanitizer's now and then never does.
        static_cast<void>(gone.release());
        return abi::STATUS_SUCCESS;
    }
    abi::AmdQueue* amd = gone->amd();
    void* ring = gone->ring();
    SignalSlot* doorbell = gone->doorbell();
    gone.reset();
    memory_->release(amd);
    memory_->release(ring);
    destroy_signal(doorbell);
    return abi::STATUS_SUCCESS;
}

void Runtime::write_statistics() {
    if (!config_.engine.stats || state().statistics_written.exchange(true)) {
        return;
    }
    if (config_.engine.stats_path.empty()) {
        for (const auto& device : devices_) {
            print_stderr(device->engine.stats().table());
        }
        return;
    }
    std::string text = "{\"devices\": [";
    for (const auto& device : devices_) {
        text += (device->index == 0 ? "" : ",\n") + device->engine.stats().json();
    }
    text += "]}\n";
    std::FILE* file = std::fopen(config_.engine.stats_path.c_str(), "w");
    if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size()) {
        print_stderr("vgpu: cannot write the statistics to " + config_.engine.stats_path + "\n");
    }
    if (file != nullptr) {
        std::fclose(file);
    }
}

}  // namespace vgpu::hsa
