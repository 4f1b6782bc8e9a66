// Exported: queues and their indices.
#include <algorithm>

#include "vgpu/hsa/api.h"
#include "vgpu/hsa/queue.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

// A queue's handle is the first member of its AmdQueue.
AmdQueue& amd_of(const Queue* queue) { return *reinterpret_cast<AmdQueue*>(const_cast<Queue*>(queue)); }

}  // namespace

VGPU_API Status hsa_queue_create(Agent handle, std::uint32_t size, std::uint32_t type, QueueCallback callback,
                                 void* data, std::uint32_t, std::uint32_t, Queue** queue) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (queue == nullptr || type > QUEUE_TYPE_COOPERATIVE) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        return runtime.create_queue(*agent, size, static_cast<QueueType>(type), callback, data, queue);
    });
}

VGPU_API Status hsa_queue_destroy(Queue* queue) {
    return with_runtime([&](Runtime& runtime) { return runtime.destroy_queue(queue); });
}

VGPU_API Status hsa_queue_inactivate(Queue* queue) {
    return with_runtime([&](Runtime& runtime) {
        QueueObject* object = runtime.find_queue(queue);
        if (object == nullptr) {
            return STATUS_ERROR_INVALID_QUEUE;
        }
        object->halt();
        return STATUS_SUCCESS;
    });
}

#define LOAD(order, memory_order)                                                   \
    VGPU_API std::uint64_t hsa_queue_load_read_index_##order(const Queue* queue) {  \
        return read_index(amd_of(queue)).load(memory_order);                        \
    }                                                                               \
    VGPU_API std::uint64_t hsa_queue_load_write_index_##order(const Queue* queue) { \
        return write_index(amd_of(queue)).load(memory_order);                       \
    }
#define STORE(order, memory_order)                                                               \
    VGPU_API void hsa_queue_store_write_index_##order(const Queue* queue, std::uint64_t value) { \
        write_index(amd_of(queue)).store(value, memory_order);                                   \
    }
#define MODIFY(order, memory_order)                                                                      \
    VGPU_API std::uint64_t hsa_queue_add_write_index_##order(const Queue* queue, std::uint64_t value) {  \
        return write_index(amd_of(queue)).fetch_add(value, memory_order);                                \
    }                                                                                                    \
    VGPU_API std::uint64_t hsa_queue_cas_write_index_##order(const Queue* queue, std::uint64_t expected, \
                                                             std::uint64_t value) {                      \
        write_index(amd_of(queue)).compare_exchange_strong(expected, value, memory_order);               \
        return expected;                                                                                 \
    }

LOAD(relaxed, std::memory_order_relaxed)
LOAD(scacquire, std::memory_order_acquire)
LOAD(acquire, std::memory_order_acquire)
STORE(relaxed, std::memory_order_relaxed)
STORE(screlease, std::memory_order_release)
STORE(release, std::memory_order_release)
MODIFY(relaxed, std::memory_order_relaxed)
MODIFY(scacquire, std::memory_order_acquire)
MODIFY(acquire, std::memory_order_acquire)
MODIFY(screlease, std::memory_order_release)
MODIFY(release, std::memory_order_release)
MODIFY(scacq_screl, std::memory_order_acq_rel)
MODIFY(acq_rel, std::memory_order_acq_rel)

#undef LOAD
#undef STORE
#undef MODIFY

VGPU_API Status hsa_amd_queue_set_priority(Queue* queue, std::uint32_t priority) {
    return with_runtime([&](Runtime& runtime) {
        QueueObject* object = runtime.find_queue(queue);
        if (object == nullptr) {
            return STATUS_ERROR_INVALID_QUEUE;
        }
        if (priority > QUEUE_PRIORITY_HIGH) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        object->priority = static_cast<QueuePriority>(priority);  // all queues have threads of their own
        return STATUS_SUCCESS;
    });
}

// A mask only narrows where waves run, never what they compute: it is kept and not used.
VGPU_API Status hsa_amd_queue_cu_set_mask(const Queue* queue, std::uint32_t bits, const std::uint32_t* mask) {
    return with_runtime([&](Runtime& runtime) {
        QueueObject* object = runtime.find_queue(queue);
        if (object == nullptr) {
            return STATUS_ERROR_INVALID_QUEUE;
        }
        if (bits % 32 != 0 || (bits != 0 && mask == nullptr)) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        object->cu_mask.assign(mask, mask + bits / 32);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_queue_cu_get_mask(const Queue* queue, std::uint32_t bits, std::uint32_t* mask) {
    return with_runtime([&](Runtime& runtime) {
        const QueueObject* object = runtime.find_queue(queue);
        if (object == nullptr) {
            return STATUS_ERROR_INVALID_QUEUE;
        }
        if (bits == 0 || bits % 32 != 0 || mask == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        const unsigned cus = object->agent().device->card.cus;
        for (std::uint32_t word = 0; word < bits / 32; ++word) {
            const unsigned left = cus > word * 32 ? std::min(cus - word * 32, 32U) : 0;
            const std::uint32_t whole = left == 32 ? 0xFFFFFFFF : (1U << left) - 1;
            mask[word] = object->cu_mask.empty()         ? whole
                         : word < object->cu_mask.size() ? object->cu_mask[word] & whole
                                                         : 0;
        }
        return STATUS_SUCCESS;
    });
}
