#include "vgpu/hsa/queue.h"

#include <pthread.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "vgpu/hsa/card.h"
#include "vgpu/hsa/log.h"

namespace vgpu::hsa {
namespace {

constexpr std::uint64_t kForever = ~0ULL;
constexpr std::uint64_t kIdlePollNs = 200'000'000;  // doorbells are rung through this layer
constexpr std::uint64_t kPacketPollNs = 50'000;     // a packet that is being written
constexpr std::uint64_t kPacketBytes = 64;
constexpr std::uint32_t kMaxGroup = 1024;

// What the card's packet processor reports of a dispatch that it refuses.
abi::Status refusal(const abi::KernelDispatchPacket& packet, const core::LaunchInfo& launch,
                    const core::AddressSpace& space) {
    if ((packet.setup & 3) == 0) {
        return abi::STATUS_ERROR_INCOMPATIBLE_ARGUMENTS;
    }
    if (packet.group_segment_size > kLdsBytes) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    if (!space.contains(packet.kernel_object, sizeof(abi::KernelDescriptor))) {
        return abi::STATUS_ERROR_INVALID_CODE_OBJECT;
    }
    const std::uint64_t lanes = std::uint64_t{launch.workgroup[0]} * launch.workgroup[1] * launch.workgroup[2];
    return lanes == 0 || lanes > kMaxGroup ? abi::STATUS_ERROR_INVALID_ARGUMENT
                                           : abi::STATUS_ERROR_INVALID_PACKET_FORMAT;
}

}  // namespace

QueueObject::QueueObject(const AgentObject& agent, abi::AmdQueue* amd, void* ring, std::uint32_t size,
                         abi::QueueType type, abi::QueueCallback callback, void* data, SignalSlot* doorbell,
                         std::uint64_t id, QueueServices services)
    : agent_(agent),
      amd_(amd),
      ring_(ring),
      callback_(callback),
      data_(data),
      doorbell_(doorbell),
      services_(std::move(services)) {
    amd->hsa_queue.type = type;
    amd->hsa_queue.features = abi::AGENT_FEATURE_KERNEL_DISPATCH;
    amd->hsa_queue.base_address = ring;
    amd->hsa_queue.doorbell_signal = {reinterpret_cast<std::uint64_t>(doorbell)};
    amd->hsa_queue.size = size;
    amd->hsa_queue.id = id;
    amd->group_segment_aperture_base_hi = static_cast<std::uint32_t>(core::kSharedAperture >> 32);
    amd->private_segment_aperture_base_hi = static_cast<std::uint32_t>(core::kPrivateAperture >> 32);
    amd->max_cu_id = agent.device->card.cus - 1;
    amd->max_wave_id = kWavesPerCu - 1;
    amd->read_dispatch_id_field_base_byte_offset = offsetof(abi::AmdQueue, read_dispatch_id);
    amd->queue_properties = abi::QUEUE_PROPERTIES_IS_PTR64 | abi::QUEUE_PROPERTIES_ENABLE_PROFILING;
    doorbell->amd.queue_ptr = reinterpret_cast<std::uint64_t>(amd);
    for (std::uint32_t i = 0; i < size; ++i) {
        const std::uint16_t invalid = abi::PACKET_TYPE_INVALID;
        std::memcpy(static_cast<std::byte*>(ring) + i * kPacketBytes, &invalid, sizeof(invalid));
    }
    thread_ = std::thread([this] { run(); });
}

QueueObject::~QueueObject() {
    halt();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void QueueObject::halt() {
    stopping_ = true;
    store_signal(*doorbell_, load_signal(*doorbell_) + 1);  // wakes the thread
}

void QueueObject::run() {
    pthread_setname_np(pthread_self(), "vgpu-queue");
    std::uint64_t next = 0;
    while (!stopping_) {
        const abi::SignalValue rung = load_signal(*doorbell_);
        if (next >= write_index(*amd_).load(std::memory_order_acquire)) {
            // Ends at times without a ring: who rings the same value again is still heard.
            wait_signal(*doorbell_, abi::SIGNAL_CONDITION_NE, rung, kIdlePollNs, &stopping_, kIdlePollNs);
            continue;
        }
        auto* slot = static_cast<std::byte*>(ring_) + next % amd_->hsa_queue.size * kPacketBytes;
        std::atomic_ref<std::uint16_t> header(*reinterpret_cast<std::uint16_t*>(slot));
        if ((header.load(std::memory_order_acquire) & 0xFF) == abi::PACKET_TYPE_INVALID) {
            wait_signal(*doorbell_, abi::SIGNAL_CONDITION_NE, rung, kPacketPollNs, &stopping_, kPacketPollNs);
            continue;
        }
        if (process(next) != Outcome::Done) {
            return;  // the packet stays where it is: neither done nor gone
        }
        ++next;
    }
}

// The completion signal is counted down last: who waits for it may reuse the slot.
void QueueObject::complete(abi::Signal signal, std::uint64_t start) {
    const std::uint64_t index = read_index(*amd_).load(std::memory_order_relaxed);
    auto* slot = static_cast<std::byte*>(ring_) + index % amd_->hsa_queue.size * kPacketBytes;
    std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(slot))
        .store(abi::PACKET_TYPE_INVALID, std::memory_order_release);
    read_index(*amd_).store(index + 1, std::memory_order_release);
    if (SignalSlot* done = find_signal(signal); done != nullptr) {
        done->amd.start_ts = start;
        done->amd.end_ts = now_ns();
        add_signal(*done, -1);
    }
}

QueueObject::Outcome QueueObject::refuse(abi::Status status, const char* why) {
    log_line("queue %llu: %s", static_cast<unsigned long long>(amd_->hsa_queue.id), why);
    if (callback_ != nullptr) {
        callback_(status, &amd_->hsa_queue, data_);
    }
    return Outcome::Failed;
}

QueueObject::Outcome QueueObject::process(std::uint64_t index) {
    const std::byte* slot = static_cast<const std::byte*>(ring_) + index % amd_->hsa_queue.size * kPacketBytes;
    abi::KernelDispatchPacket packet{};
    abi::BarrierPacket barrier_packet{};
    abi::BarrierValuePacket value_packet{};
    std::memcpy(&packet, slot, sizeof(packet));
    std::memcpy(&barrier_packet, slot, sizeof(barrier_packet));
    std::memcpy(&value_packet, slot, sizeof(value_packet));
    switch (packet.header & 0xFF) {
        case abi::PACKET_TYPE_KERNEL_DISPATCH: return dispatch(packet, reinterpret_cast<std::uint64_t>(slot), index);
        case abi::PACKET_TYPE_BARRIER_AND: return barrier(barrier_packet, true);
        case abi::PACKET_TYPE_BARRIER_OR: return barrier(barrier_packet, false);
        case abi::PACKET_TYPE_VENDOR_SPECIFIC:
            if (value_packet.amd_format == abi::AMD_PACKET_TYPE_BARRIER_VALUE) {
                return barrier_value(value_packet);
            }
            return refuse(abi::STATUS_ERROR_INVALID_PACKET_FORMAT, "a vendor packet of an unknown kind");
        default: return refuse(abi::STATUS_ERROR_INVALID_PACKET_FORMAT, "a packet of an unknown type");
    }
}

QueueObject::Outcome QueueObject::dispatch(const abi::KernelDispatchPacket& packet, std::uint64_t address,
                                           std::uint64_t index) {
    core::LaunchInfo launch;
    const unsigned dimensions = packet.setup & 3;
    for (unsigned i = 0; i < 3; ++i) {
        const bool used = i < dimensions;
        launch.grid[i] = used ? packet.grid_size[i] : 1;
        launch.workgroup[i] = used ? packet.workgroup_size[i] : 1;
    }
    launch.kernarg = reinterpret_cast<std::uint64_t>(packet.kernarg_address);
    launch.private_segment_bytes = packet.private_segment_size;
    launch.group_segment_bytes = packet.group_segment_size;
    launch.descriptor_address = packet.kernel_object;
    launch.dispatch_packet = address;
    launch.queue = reinterpret_cast<std::uint64_t>(amd_);
    launch.dispatch_id = index;
    launch.kernel_name = services_.kernel_name(packet.kernel_object);
    launch.cooperative = amd_->hsa_queue.type == abi::QUEUE_TYPE_COOPERATIVE;
    if (log_enabled()) {
        log_line("queue %llu: %s grid %ux%ux%u workgroup %ux%ux%u", static_cast<unsigned long long>(amd_->hsa_queue.id),
                 launch.kernel_name.c_str(), launch.grid[0], launch.grid[1], launch.grid[2], launch.workgroup[0],
                 launch.workgroup[1], launch.workgroup[2]);
    }
    const std::uint64_t start = now_ns();
    std::optional<core::Fault> fault;
    if (dimensions != 0) {
        fault = agent_.device->engine.run(launch);
    } else {
        fault.emplace();
        fault->kind = core::Fault::Kind::BadLaunch;
        fault->lines = {"kernel " + launch.kernel_name + " cannot be launched: its packet has no dimension"};
    }
    if (!fault) {
        complete(packet.completion_signal, start);
        return Outcome::Done;
    }
    if (stopping_) {
        return Outcome::Stopped;  // the layer is shutting down and ended the kernel itself
    }
    services_.before_callback();
    if (services_.desk->report(agent_, *fault)) {
        return Outcome::Failed;
    }
    if (callback_ == nullptr) {
        std::abort();  // nobody listens, as in the real runtime; the text is out
    }
    const bool refused = fault->kind == core::Fault::Kind::BadLaunch;
    callback_(refused ? refusal(packet, launch, agent_.device->space) : queue_status(fault->kind), &amd_->hsa_queue,
              data_);
    return Outcome::Failed;
}

QueueObject::Outcome QueueObject::barrier(const abi::BarrierPacket& packet, bool all) {
    const std::uint64_t start = now_ns();
    std::vector<SignalSlot*> signals;
    for (const abi::Signal signal : packet.dep_signal) {
        if (signal.handle == 0) {
            continue;
        }
        SignalSlot* slot = find_signal(signal);
        if (slot == nullptr) {
            return refuse(abi::STATUS_ERROR_INVALID_SIGNAL, "a barrier waits for a signal that does not exist");
        }
        signals.push_back(slot);
    }
    if (all) {
        for (SignalSlot* signal : signals) {
            wait_signal(*signal, abi::SIGNAL_CONDITION_EQ, 0, kForever, &stopping_);
        }
    } else {
        for (SignalSlot* signal : signals) {
            signal->watchers.fetch_add(1);
        }
        for (bool met = signals.empty(); !met && !stopping_;) {
            const std::uint32_t key = signal_events().key();
            for (SignalSlot* signal : signals) {
                met = met || load_signal(*signal) == 0;
            }
            if (!met) {
                signal_events().wait(key, kDevicePollNs);
            }
        }
        for (SignalSlot* signal : signals) {
            signal->watchers.fetch_sub(1);
        }
    }
    if (stopping_) {
        return Outcome::Stopped;
    }
    complete(packet.completion_signal, start);
    return Outcome::Done;
}

QueueObject::Outcome QueueObject::barrier_value(const abi::BarrierValuePacket& packet) {
    const std::uint64_t start = now_ns();
    SignalSlot* signal = find_signal(packet.signal);
    if (signal == nullptr) {
        return refuse(abi::STATUS_ERROR_INVALID_SIGNAL, "a barrier waits for a signal that does not exist");
    }
    const auto condition = static_cast<abi::SignalCondition>(packet.cond);
    signal->watchers.fetch_add(1);
    while (!stopping_) {
        const std::uint32_t key = signal_events().key();
        if (holds(load_signal(*signal) & packet.mask, condition, packet.value)) {
            break;
        }
        signal_events().wait(key, kDevicePollNs);
    }
    signal->watchers.fetch_sub(1);
    if (stopping_) {
        return Outcome::Stopped;
    }
    complete(packet.completion_signal, start);
    return Outcome::Done;
}

}  // namespace vgpu::hsa
