// The exported functions that the tests call, declared as a program would see them,
// and a fixture that starts and ends the layer.
#pragma once

#include <cstdlib>
#include <vector>

#include "check.h"
#include "stub_engine.h"
#include "vgpu/hsa/abi.h"

using namespace vgpu::hsa::abi;

extern "C" {
Status hsa_init();
Status hsa_shut_down();
Status hsa_status_string(Status, const char**);
Status hsa_system_get_info(std::uint32_t, void*);
Status hsa_system_get_major_extension_table(std::uint16_t, std::uint16_t, std::size_t, void*);
Status hsa_iterate_agents(Status (*)(Agent, void*), void*);
Status hsa_agent_get_info(Agent, std::uint32_t, void*);
Status hsa_agent_iterate_isas(Agent, Status (*)(Isa, void*), void*);
Status hsa_isa_get_info_alt(Isa, std::uint32_t, void*);
Status hsa_signal_create(SignalValue, std::uint32_t, const Agent*, Signal*);
Status hsa_amd_signal_create(SignalValue, std::uint32_t, const Agent*, std::uint64_t, Signal*);
Status hsa_amd_ipc_signal_create(Signal, IpcMemory*);
Status hsa_amd_ipc_signal_attach(const IpcMemory*, Signal*);
Status hsa_signal_destroy(Signal);
SignalValue hsa_signal_load_relaxed(Signal);
void hsa_signal_store_screlease(Signal, SignalValue);
void hsa_signal_store_relaxed(Signal, SignalValue);
void hsa_signal_silent_store_relaxed(Signal, SignalValue);
void hsa_signal_add_relaxed(Signal, SignalValue);
void hsa_signal_subtract_relaxed(Signal, SignalValue);
SignalValue hsa_signal_cas_relaxed(Signal, SignalValue, SignalValue);
SignalValue hsa_signal_exchange_relaxed(Signal, SignalValue);
SignalValue hsa_signal_wait_scacquire(Signal, std::uint32_t, SignalValue, std::uint64_t, std::uint32_t);
std::uint32_t hsa_amd_signal_wait_any(std::uint32_t, Signal*, std::uint32_t*, SignalValue*, std::uint64_t,
                                      std::uint32_t, SignalValue*);
Status hsa_amd_signal_value_pointer(Signal, volatile SignalValue**);
Status hsa_amd_signal_async_handler(Signal, std::uint32_t, SignalValue, SignalHandler, void*);
Status hsa_queue_create(Agent, std::uint32_t, std::uint32_t, QueueCallback, void*, std::uint32_t, std::uint32_t,
                        Queue**);
Status hsa_queue_destroy(Queue*);
std::uint64_t hsa_queue_add_write_index_screlease(const Queue*, std::uint64_t);
std::uint64_t hsa_queue_load_read_index_scacquire(const Queue*);
Status hsa_amd_queue_cu_set_mask(const Queue*, std::uint32_t, const std::uint32_t*);
Status hsa_amd_queue_cu_get_mask(const Queue*, std::uint32_t, std::uint32_t*);
Status hsa_amd_profiling_get_dispatch_time(Agent, Signal, ProfilingTime*);
Status hsa_amd_register_system_event_handler(SystemEventCallback, void*);
Status hsa_amd_agent_iterate_memory_pools(Agent, Status (*)(MemoryPool, void*), void*);
Status hsa_amd_memory_pool_get_info(MemoryPool, std::uint32_t, void*);
Status hsa_amd_agent_memory_pool_get_info(Agent, MemoryPool, std::uint32_t, void*);
Status hsa_amd_memory_pool_allocate(MemoryPool, std::size_t, std::uint32_t, void**);
Status hsa_amd_memory_pool_free(void*);
Status hsa_amd_agents_allow_access(std::uint32_t, const Agent*, const std::uint32_t*, const void*);
Status hsa_memory_copy(void*, const void*, std::size_t);
Status hsa_amd_memory_lock_to_pool(void*, std::size_t, Agent*, int, MemoryPool, std::uint32_t, void**);
Status hsa_amd_memory_unlock(void*);
Status hsa_amd_memory_async_copy(void*, Agent, const void*, Agent, std::size_t, std::uint32_t, const Signal*, Signal);
Status hsa_amd_memory_async_copy_rect(const PitchedPtr*, const Dim3*, const PitchedPtr*, const Dim3*, const Dim3*,
                                      Agent, std::uint32_t, std::uint32_t, const Signal*, Signal);
Status hsa_amd_pointer_info(const void*, PointerInfo*, void* (*)(std::size_t), std::uint32_t*, Agent**);
Status hsa_amd_pointer_info_set_userdata(const void*, void*);
Status hsa_amd_register_deallocation_callback(void*, DeallocationCallback, void*);
Status hsa_amd_deregister_deallocation_callback(void*, DeallocationCallback);
Status hsa_amd_ipc_memory_create(void*, std::size_t, IpcMemory*);
Status hsa_amd_ipc_memory_attach(const IpcMemory*, std::size_t, std::uint32_t, const Agent*, void**);
Status hsa_amd_ipc_memory_detach(void*);
Status hsa_amd_vmem_address_reserve_align(void**, std::size_t, std::uint64_t, std::uint64_t, std::uint64_t);
Status hsa_amd_vmem_address_free(void*, std::size_t);
Status hsa_amd_vmem_handle_create(MemoryPool, std::size_t, std::uint32_t, std::uint64_t, VmemHandle*);
Status hsa_amd_vmem_handle_release(VmemHandle);
Status hsa_amd_vmem_map(void*, std::size_t, std::size_t, VmemHandle, std::uint64_t);
Status hsa_amd_vmem_unmap(void*, std::size_t);
Status hsa_amd_vmem_set_access(void*, std::size_t, const MemoryAccessDesc*, std::size_t);
Status hsa_amd_vmem_get_access(void*, AccessPermission*, Agent);
Status hsa_amd_vmem_export_shareable_handle(int*, VmemHandle, std::uint64_t);
Status hsa_amd_vmem_import_shareable_handle(int, VmemHandle*);
Status hsa_amd_vmem_retain_alloc_handle(VmemHandle*, void*);
Status hsa_code_object_reader_create_from_memory(const void*, std::size_t, CodeObjectReader*);
Status hsa_code_object_reader_destroy(CodeObjectReader);
Status hsa_executable_create_alt(std::uint32_t, std::uint32_t, const char*, Executable*);
Status hsa_executable_destroy(Executable);
Status hsa_executable_load_agent_code_object(Executable, Agent, CodeObjectReader, const char*, LoadedCodeObject*);
Status hsa_executable_agent_global_variable_define(Executable, Agent, const char*, void*);
Status hsa_executable_freeze(Executable, const char*);
Status hsa_executable_get_symbol_by_name(Executable, const char*, const Agent*, ExecutableSymbol*);
Status hsa_executable_symbol_get_info(ExecutableSymbol, std::uint32_t, void*);
Status hsa_executable_iterate_symbols(Executable, Status (*)(Executable, ExecutableSymbol, void*), void*);
Status hsa_ext_image_create(Agent, const void*, const void*, std::uint32_t, Image*);
}

inline Status gather_agent(Agent agent, void* data) {
    static_cast<std::vector<Agent>*>(data)->push_back(agent);
    return STATUS_SUCCESS;
}

inline Status gather_pool(MemoryPool pool, void* data) {
    static_cast<std::vector<MemoryPool>*>(data)->push_back(pool);
    return STATUS_SUCCESS;
}

// A running layer with the host, its cards and their main pools.
struct Layer {
    explicit Layer(const char* devices = "1", const char* strict = "0") {
        setenv("VGPU_DEVICES", devices, 1);
        setenv("VGPU_STRICT", strict, 1);
        vgpu::test::set_launch({});
        CHECK(hsa_init() == STATUS_SUCCESS);
        CHECK(hsa_iterate_agents(gather_agent, &agents) == STATUS_SUCCESS);
        cpu = agents.at(0);
        gpu = agents.at(1);
        host_pool = pools(cpu).at(0);
        device_pool = pools(gpu).at(0);
    }
    ~Layer() { CHECK(hsa_shut_down() == STATUS_SUCCESS); }
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

    static std::vector<MemoryPool> pools(Agent agent) {
        std::vector<MemoryPool> found;
        CHECK(hsa_amd_agent_iterate_memory_pools(agent, gather_pool, &found) == STATUS_SUCCESS);
        return found;
    }
    void* device(std::size_t size) const { return take(device_pool, size); }
    void* host(std::size_t size) const { return take(host_pool, size); }
    static void* take(MemoryPool pool, std::size_t size) {
        void* memory = nullptr;
        CHECK(hsa_amd_memory_pool_allocate(pool, size, 0, &memory) == STATUS_SUCCESS);
        return memory;
    }

    std::vector<Agent> agents;
    Agent cpu{};
    Agent gpu{};
    MemoryPool host_pool{};
    MemoryPool device_pool{};
};

struct NewSignal {
    explicit NewSignal(SignalValue initial) {
        CHECK(hsa_signal_create(initial, 0, nullptr, &handle) == STATUS_SUCCESS);
    }
    ~NewSignal() { CHECK(hsa_signal_destroy(handle) == STATUS_SUCCESS); }
    NewSignal(const NewSignal&) = delete;
    NewSignal& operator=(const NewSignal&) = delete;
    // Waits up to ten seconds.
    bool reaches(SignalValue value) const {
        return hsa_signal_wait_scacquire(handle, SIGNAL_CONDITION_EQ, value, 10'000'000'000, 0) == value;
    }
    Signal handle{};
};
