// Exported: signals and their time stamps. Signal operations need no running layer, so
// that programs may still use them while they end.
#include "vgpu/hsa/api.h"
#include "vgpu/hsa/signal.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

SignalCondition condition_of(std::uint32_t condition) { return static_cast<SignalCondition>(condition); }

// Operations on a signal that does not exist are undefined; here they do nothing.
template <typename Operation>
SignalValue with_signal(Signal signal, Operation&& operation) {
    SignalSlot* slot = find_signal(signal);
    return slot == nullptr ? 0 : operation(*slot);
}

SignalValue wait(Signal signal, std::uint32_t condition, SignalValue compare, std::uint64_t timeout) {
    return with_signal(signal,
                       [&](SignalSlot& slot) { return wait_signal(slot, condition_of(condition), compare, timeout); });
}

constexpr std::uint64_t kSharedAttribute = 2;  // HSA_AMD_SIGNAL_IPC

Status create(SignalValue initial, Signal* signal, bool shared = false) {
    return with_runtime([&](Runtime&) {
        if (signal == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        SignalSlot* slot = create_signal(initial, SIGNAL_KIND_USER, shared);
        if (slot == nullptr) {
            return STATUS_ERROR_OUT_OF_RESOURCES;
        }
        signal->handle = reinterpret_cast<std::uint64_t>(slot);
        return STATUS_SUCCESS;
    });
}

}  // namespace

VGPU_API Status hsa_signal_create(SignalValue initial, std::uint32_t, const Agent*, Signal* signal) {
    return create(initial, signal);
}

VGPU_API Status hsa_amd_signal_create(SignalValue initial, std::uint32_t, const Agent*, std::uint64_t attributes,
                                      Signal* signal) {
    return create(initial, signal, (attributes & kSharedAttribute) != 0);
}

VGPU_API Status hsa_amd_ipc_signal_create(Signal signal, IpcMemory* handle) {
    return with_runtime([&](Runtime&) {
        const SignalSlot* slot = find_signal(signal);
        if (slot == nullptr) {
            return STATUS_ERROR_INVALID_SIGNAL;
        }
        // Only a signal made for it can be shared.
        return handle != nullptr && export_signal(*slot, *handle) ? STATUS_SUCCESS : STATUS_ERROR_INVALID_ARGUMENT;
    });
}

VGPU_API Status hsa_amd_ipc_signal_attach(const IpcMemory* handle, Signal* signal) {
    return with_runtime([&](Runtime&) {
        SignalSlot* slot = handle == nullptr || signal == nullptr ? nullptr : attach_signal(*handle);
        if (slot == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        signal->handle = reinterpret_cast<std::uint64_t>(slot);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_signal_destroy(Signal signal) {
    SignalSlot* slot = find_signal(signal);
    if (slot == nullptr) {
        return STATUS_ERROR_INVALID_SIGNAL;
    }
    destroy_signal(slot);
    return STATUS_SUCCESS;
}

// The memory orders of the API differ in what they promise at least; all are met by
// sequentially consistent operations.
#define LOAD(order) \
    VGPU_API SignalValue hsa_signal_load_##order(Signal s) { return with_signal(s, load_signal); }
#define STORE(order)                                                      \
    VGPU_API void hsa_signal_store_##order(Signal s, SignalValue value) { \
        with_signal(s, [=](SignalSlot& slot) {                            \
            store_signal(slot, value);                                    \
            return value;                                                 \
        });                                                               \
    }
#define SILENT_STORE(order)                                                      \
    VGPU_API void hsa_signal_silent_store_##order(Signal s, SignalValue value) { \
        with_signal(s, [=](SignalSlot& slot) {                                   \
            store_signal_silently(slot, value);                                  \
            return value;                                                        \
        });                                                                      \
    }
#define EXCHANGE(order)                                                                        \
    VGPU_API SignalValue hsa_signal_exchange_##order(Signal s, SignalValue value) {            \
        return with_signal(s, [=](SignalSlot& slot) { return exchange_signal(slot, value); }); \
    }
#define CAS(order)                                                                                   \
    VGPU_API SignalValue hsa_signal_cas_##order(Signal s, SignalValue expected, SignalValue value) { \
        return with_signal(s, [=](SignalSlot& slot) { return cas_signal(slot, expected, value); });  \
    }
#define CHANGE(name, call, order)                                            \
    VGPU_API void hsa_signal_##name##_##order(Signal s, SignalValue value) { \
        with_signal(s, [=](SignalSlot& slot) { return call; });              \
    }
#define CHANGES(order)                                \
    CHANGE(add, add_signal(slot, value), order)       \
    CHANGE(subtract, add_signal(slot, -value), order) \
    CHANGE(and, and_signal(slot, value), order)       \
    CHANGE(or, or_signal(slot, value), order)         \
    CHANGE(xor, xor_signal(slot, value), order)
#define WAIT(order)                                                                                      \
    VGPU_API SignalValue hsa_signal_wait_##order(Signal s, std::uint32_t condition, SignalValue compare, \
                                                 std::uint64_t timeout, std::uint32_t) {                 \
        return wait(s, condition, compare, timeout);                                                     \
    }

LOAD(relaxed)
LOAD(scacquire)
LOAD(acquire)
STORE(relaxed)
STORE(screlease)
STORE(release)
SILENT_STORE(relaxed)
SILENT_STORE(screlease)
EXCHANGE(relaxed)
EXCHANGE(scacquire)
EXCHANGE(acquire)
EXCHANGE(screlease)
EXCHANGE(release)
EXCHANGE(scacq_screl)
EXCHANGE(acq_rel)
CAS(relaxed)
CAS(scacquire)
CAS(acquire)
CAS(screlease)
CAS(release)
CAS(scacq_screl)
CAS(acq_rel)
CHANGES(relaxed)
CHANGES(scacquire)
CHANGES(acquire)
CHANGES(screlease)
CHANGES(release)
CHANGES(scacq_screl)
CHANGES(acq_rel)
WAIT(relaxed)
WAIT(scacquire)
WAIT(acquire)

#undef LOAD
#undef STORE
#undef SILENT_STORE
#undef EXCHANGE
#undef CAS
#undef CHANGE
#undef CHANGES
#undef WAIT

VGPU_API Status hsa_amd_signal_value_pointer(Signal signal, volatile SignalValue** out) {
    SignalSlot* slot = find_signal(signal);
    if (slot == nullptr) {
        return STATUS_ERROR_INVALID_SIGNAL;
    }
    if (out == nullptr) {
        return STATUS_ERROR_INVALID_ARGUMENT;
    }
    *out = &slot->amd.value;
    return STATUS_SUCCESS;
}

VGPU_API Status hsa_amd_signal_async_handler(Signal signal, std::uint32_t condition, SignalValue value,
                                             SignalHandler handler, void* argument) {
    return with_runtime([&](Runtime& runtime) {
        SignalSlot* slot = find_signal(signal);
        if (slot == nullptr) {
            return STATUS_ERROR_INVALID_SIGNAL;
        }
        if (handler == nullptr || condition > SIGNAL_CONDITION_GTE) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        runtime.events().watch(*slot, condition_of(condition), value, handler, argument);
        return STATUS_SUCCESS;
    });
}

VGPU_API std::uint32_t hsa_amd_signal_wait_any(std::uint32_t count, Signal* signals, std::uint32_t* conditions,
                                               SignalValue* values, std::uint64_t timeout, std::uint32_t,
                                               SignalValue* satisfying) {
    const std::uint64_t start = now_ns();
    for (std::uint32_t i = 0; i < count; ++i) {
        if (SignalSlot* slot = find_signal(signals[i]); slot != nullptr) {
            slot->watchers.fetch_add(1);
        }
    }
    std::uint32_t found = count;
    for (bool late = false; found == count && !late;) {
        const std::uint32_t key = signal_events().key();
        for (std::uint32_t i = 0; i < count && found == count; ++i) {
            SignalSlot* slot = find_signal(signals[i]);
            const SignalValue seen = slot == nullptr ? 0 : load_signal(*slot);
            if (slot != nullptr && holds(seen, condition_of(conditions[i]), values[i])) {
                found = i;
                if (satisfying != nullptr) {
                    *satisfying = seen;
                }
            }
        }
        late = now_ns() - start >= timeout;
        if (found == count && !late) {
            signal_events().wait(key, kDevicePollNs);
        }
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (SignalSlot* slot = find_signal(signals[i]); slot != nullptr) {
            slot->watchers.fetch_sub(1);
        }
    }
    return found == count ? UINT32_MAX : found;
}

VGPU_API Status hsa_amd_profiling_set_profiler_enabled(Queue* queue, int) {
    return with_runtime([&](Runtime& runtime) {
        // Time stamps are always taken.
        return runtime.find_queue(queue) == nullptr ? STATUS_ERROR_INVALID_QUEUE : STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_profiling_async_copy_enable(bool) {
    return with_runtime([&](Runtime&) { return STATUS_SUCCESS; });
}

VGPU_API Status hsa_amd_profiling_get_dispatch_time(Agent agent, Signal signal, ProfilingTime* time) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.find(agent) == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        const SignalSlot* slot = find_signal(signal);
        if (slot == nullptr) {
            return STATUS_ERROR_INVALID_SIGNAL;
        }
        if (time == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *time = {slot->amd.start_ts, slot->amd.end_ts};
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_profiling_get_async_copy_time(Signal signal, ProfilingTime* time) {
    return with_runtime([&](Runtime&) {
        const SignalSlot* slot = find_signal(signal);
        if (slot == nullptr || time == nullptr) {
            return slot == nullptr ? STATUS_ERROR_INVALID_SIGNAL : STATUS_ERROR_INVALID_ARGUMENT;
        }
        *time = {slot->amd.start_ts, slot->amd.end_ts};
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_profiling_convert_tick_to_system_domain(Agent agent, std::uint64_t tick, std::uint64_t* out) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.find(agent) == nullptr || out == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *out = tick;  // time stamps are in the system's clock already
        return STATUS_SUCCESS;
    });
}
