#include "vgpu/hsa/info.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "vgpu/hsa/log.h"
#include "vgpu/hsa/runtime.h"
#include "vgpu/hsa/signal.h"

namespace vgpu::hsa {
namespace {

using namespace abi;

template <typename T>
void put(void* out, T value) {
    std::memcpy(out, &value, sizeof(T));
}

// Text fields have a fixed width and end with zeros.
void put_text(void* out, std::string_view text, std::size_t width) {
    std::memset(out, 0, width);
    std::memcpy(out, text.data(), std::min(text.size(), width - 1));
}

std::string host_name() {
    std::ifstream facts("/proc/cpuinfo");
    for (std::string line; std::getline(facts, line);) {
        if (line.starts_with("model name")) {
            const auto colon = line.find(": ");
            return colon == std::string::npos ? "CPU" : line.substr(colon + 2);
        }
    }
    return "CPU";
}

std::string_view marketing_name(const AgentObject& agent) {
    static const std::string& host = *new std::string(host_name());
    return agent.is_gpu() ? agent.device->card.name : std::string_view(host);
}

std::string uuid(const AgentObject& agent) {
    char text[21];
    if (!agent.is_gpu()) {
        return "CPU-XX";
    }
    // "vgpu" in hex, then the card: 16 digits, as cards with a serial number have.
    std::snprintf(text, sizeof(text), "GPU-76677075%08x", agent.device->index);
    return text;
}

std::uint32_t host_processors() { return static_cast<std::uint32_t>(get_nprocs()); }

constexpr std::uint32_t kMaxGroup = 1024;
constexpr std::uint32_t kMaxGrid = 0xFFFFFFFF;
constexpr std::uint32_t kFamilyNavi = 143;  // AMDGPU_FAMILY_NV of the kernel's amdgpu_drm.h
constexpr std::uint64_t kScratchLimit = 1ULL << 30;

// Registers that a program writes to flush the bus interface; here they do nothing.
std::uint32_t flush_registers[2];

#define GPU(value) (agent.is_gpu() ? (value) : 0)
#define ITEM(id) \
    id, #id, []([[maybe_unused]] const AgentObject& agent, [[maybe_unused]] const Runtime& runtime, void* out)

constexpr AgentItem kAgentItems[] = {
    {ITEM(AGENT_INFO_NAME){put_text(out, agent.is_gpu() ? kGfxName : marketing_name(agent), 64);
}  // namespace
}  // namespace vgpu::hsa
, {ITEM(AGENT_INFO_VENDOR_NAME){put_text(out, agent.is_gpu() ? "AMD" : "CPU", 64);
}
}
, {ITEM(AGENT_INFO_FEATURE){put<std::uint32_t>(out, GPU(std::uint32_t{AGENT_FEATURE_KERNEL_DISPATCH}));
}
}
, {ITEM(AGENT_INFO_MACHINE_MODEL){put<std::uint32_t>(out, 1);
}
}
, {ITEM(AGENT_INFO_PROFILE){put<std::uint32_t>(out, agent.is_gpu() ? PROFILE_BASE : PROFILE_FULL);
}
}
, {ITEM(AGENT_INFO_DEFAULT_FLOAT_ROUNDING_MODE){put<std::uint32_t>(out, ROUNDING_NEAR);
}
}
, {ITEM(AGENT_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES){put<std::uint32_t>(out, GPU(1U << ROUNDING_NEAR));
}
}
, {ITEM(AGENT_INFO_FAST_F16_OPERATION){put<bool>(out, agent.is_gpu());
}
}
, {ITEM(AGENT_INFO_WAVEFRONT_SIZE){put<std::uint32_t>(out, GPU(kWaveSize));
}
}
, {ITEM(AGENT_INFO_WORKGROUP_MAX_DIM){const auto limit = static_cast<std::uint16_t>(GPU(kMaxGroup));
const std::uint16_t limits[3] = {limit, limit, limit};
std::memcpy(out, limits, sizeof(limits));
}
}
, {ITEM(AGENT_INFO_WORKGROUP_MAX_SIZE){put<std::uint32_t>(out, GPU(kMaxGroup));
}
}
, {ITEM(AGENT_INFO_GRID_MAX_DIM){put(out, Dim3{GPU(kMaxGrid), GPU(kMaxGrid), GPU(kMaxGrid)});
}
}
, {ITEM(AGENT_INFO_GRID_MAX_SIZE){put<std::uint32_t>(out, GPU(kMaxGrid));
}
}
, {ITEM(AGENT_INFO_FBARRIER_MAX_SIZE){put<std::uint32_t>(out, GPU(32U));
}
}
, {ITEM(AGENT_INFO_QUEUES_MAX){put<std::uint32_t>(out, GPU(128U));
}
}
, {ITEM(AGENT_INFO_QUEUE_MIN_SIZE){put<std::uint32_t>(out, GPU(64U));
}
}
, {ITEM(AGENT_INFO_QUEUE_MAX_SIZE){put<std::uint32_t>(out, GPU(131072U));
}
}
, {ITEM(AGENT_INFO_QUEUE_TYPE){put<std::uint32_t>(out, QUEUE_TYPE_MULTI);
}
}
, {ITEM(AGENT_INFO_NODE){put<std::uint32_t>(out, agent.node);
}
}
, {ITEM(AGENT_INFO_DEVICE){put<std::uint32_t>(out, agent.is_gpu() ? DEVICE_TYPE_GPU : DEVICE_TYPE_CPU);
}
}
, {ITEM(AGENT_INFO_CACHE_SIZE){const std::uint32_t sizes[4] = {agent.is_gpu() ? agent.device->card.l1_bytes : 32768,
                                                               agent.is_gpu() ? agent.device->card.l2_bytes : 0, 0, 0};
std::memcpy(out, sizes, sizeof(sizes));
}
}
, {ITEM(AGENT_INFO_ISA){put<Isa>(out, agent.is_gpu() ? gfx1010_isa() : Isa{0});
}
}
, {ITEM(AGENT_INFO_EXTENSIONS){std::uint8_t bits[128] = {};
if (agent.is_gpu()) {
    bits[EXTENSION_IMAGES / 8] |= static_cast<std::uint8_t>(1U << EXTENSION_IMAGES % 8);
    bits[EXTENSION_AMD_LOADER / 8] |= static_cast<std::uint8_t>(1U << EXTENSION_AMD_LOADER % 8);
}
std::memcpy(out, bits, sizeof(bits));
}
}
, {ITEM(AGENT_INFO_VERSION_MAJOR){put<std::uint16_t>(out, 1);
}
}
, {ITEM(AGENT_INFO_VERSION_MINOR){put<std::uint16_t>(out, 1);
}
}
, {ITEM(AMD_AGENT_INFO_CHIP_ID){put<std::uint32_t>(out, GPU(agent.device->card.chip_id));
}
}
, {ITEM(AMD_AGENT_INFO_CACHELINE_SIZE){put<std::uint32_t>(out, agent.is_gpu() ? kCachelineBytes : 64);
}
}
, {ITEM(AMD_AGENT_INFO_COMPUTE_UNIT_COUNT){
      put<std::uint32_t>(out, agent.is_gpu() ? agent.device->card.cus : host_processors());
}
}
, {ITEM(AMD_AGENT_INFO_MAX_CLOCK_FREQUENCY){put<std::uint32_t>(out, GPU(agent.device->card.engine_mhz));
}
}
, {ITEM(AMD_AGENT_INFO_DRIVER_NODE_ID){put<std::uint32_t>(out, agent.node);
}
}
, {ITEM(AMD_AGENT_INFO_MAX_ADDRESS_WATCH_POINTS){put<std::uint32_t>(out, GPU(4U));
}
}
, {ITEM(AMD_AGENT_INFO_BDFID){put<std::uint32_t>(out, agent.is_gpu() ? (agent.node + 2) << 8 : 0);
}
}
, {ITEM(AMD_AGENT_INFO_MEMORY_WIDTH){put<std::uint32_t>(out, GPU(agent.device->card.memory_bits));
}
}
, {ITEM(AMD_AGENT_INFO_MEMORY_MAX_FREQUENCY){put<std::uint32_t>(out, GPU(agent.device->card.memory_mhz));
}
}
, {ITEM(AMD_AGENT_INFO_PRODUCT_NAME){put_text(out, marketing_name(agent), 64);
}
}
, {ITEM(AMD_AGENT_INFO_MAX_WAVES_PER_CU){put<std::uint32_t>(out, GPU(kWavesPerCu));
}
}
, {ITEM(AMD_AGENT_INFO_NUM_SIMDS_PER_CU){put<std::uint32_t>(out, GPU(kSimdsPerCu));
}
}
, {ITEM(AMD_AGENT_INFO_NUM_SHADER_ENGINES){put<std::uint32_t>(out, GPU(agent.device->card.shader_engines));
}
}
, {ITEM(AMD_AGENT_INFO_NUM_SHADER_ARRAYS_PER_SE){put<std::uint32_t>(out, GPU(agent.device->card.arrays_per_engine));
}
}
, {ITEM(AMD_AGENT_INFO_HDP_FLUSH){
      put(out, agent.is_gpu() ? HdpFlush{&flush_registers[0], &flush_registers[1]} : HdpFlush{});
}
}
, {ITEM(AMD_AGENT_INFO_DOMAIN){put<std::uint32_t>(out, 0);
}
}
, {ITEM(AMD_AGENT_INFO_COOPERATIVE_QUEUES){put<bool>(out, agent.is_gpu());
}
}
, {ITEM(AMD_AGENT_INFO_UUID){put_text(out, uuid(agent), 21);
}
}
, {ITEM(AMD_AGENT_INFO_ASIC_REVISION){put<std::uint32_t>(out, GPU(2U));
}
}
, {ITEM(AMD_AGENT_INFO_SVM_DIRECT_HOST_ACCESS){put<bool>(out, !agent.is_gpu());
}
}
, {ITEM(AMD_AGENT_INFO_COOPERATIVE_COMPUTE_UNIT_COUNT){put<std::uint32_t>(out, GPU(agent.device->card.cus));
}
}
, {ITEM(AMD_AGENT_INFO_MEMORY_AVAIL){
      put<std::uint64_t>(out, GPU(agent.device->heap.capacity() - agent.device->heap.used()));
}
}
, {ITEM(AMD_AGENT_INFO_TIMESTAMP_FREQUENCY){put<std::uint64_t>(out, agent.is_gpu() ? kGpuClockHz : kTimestampHz);
}
}
, {ITEM(AMD_AGENT_INFO_ASIC_FAMILY_ID){put<std::uint32_t>(out, GPU(kFamilyNavi));
}
}
, {ITEM(AMD_AGENT_INFO_UCODE_VERSION){put<std::uint32_t>(out, GPU(144U));
}
}
, {ITEM(AMD_AGENT_INFO_SDMA_UCODE_VERSION){put<std::uint32_t>(out, GPU(35U));
}
}
, {ITEM(AMD_AGENT_INFO_NUM_SDMA_ENG){put<std::uint32_t>(out, GPU(2U));
}
}
, {ITEM(AMD_AGENT_INFO_NUM_SDMA_XGMI_ENG){put<std::uint32_t>(out, 0);
}
}
, {ITEM(AMD_AGENT_INFO_IOMMU_SUPPORT){put<std::uint32_t>(out, 0);
}
}
, {ITEM(AMD_AGENT_INFO_NUM_XCC){put<std::uint32_t>(out, GPU(1U));
}
}
, {ITEM(AMD_AGENT_INFO_DRIVER_UID){put<std::uint32_t>(out, agent.is_gpu() ? 128 + agent.device->index : 0);
}
}
, {ITEM(AMD_AGENT_INFO_NEAREST_CPU){put<Agent>(out, agent.is_gpu() ? runtime.host().handle() : agent.handle());
}
}
, {ITEM(AMD_AGENT_INFO_MEMORY_PROPERTIES){put<std::uint64_t>(out, 0);
}
}
, {ITEM(AMD_AGENT_INFO_AQL_EXTENSIONS){put<std::uint64_t>(out, 0);
}
}
, {ITEM(AMD_AGENT_INFO_SCRATCH_LIMIT_MAX){put<std::uint64_t>(out, GPU(kScratchLimit));
}
}
, {ITEM(AMD_AGENT_INFO_SCRATCH_LIMIT_CURRENT){put<std::uint64_t>(out, GPU(kScratchLimit));
}
}
, {ITEM(AMD_AGENT_INFO_CLOCK_COUNTERS){const std::uint64_t now = now_ns();
put(out, ClockCounters{now / (kTimestampHz / kGpuClockHz), now, now, kTimestampHz});
}
}
,
}
;

#undef ITEM
#undef GPU

struct StatusItem {
    Status status;
    const char* text;
};
#define STATUS(name, meaning) \
    StatusItem { STATUS_##name, "HSA_STATUS_" #name ": " meaning }
constexpr StatusItem kStatusItems[] = {
    STATUS(SUCCESS, "done."),
    STATUS(INFO_BREAK, "a traversal was ended by its callback."),
    STATUS(ERROR, "an error without a class of its own."),
    STATUS(ERROR_INVALID_ARGUMENT, "an argument does not meet its conditions."),
    STATUS(ERROR_INVALID_QUEUE_CREATION, "the agent has no queue of that kind."),
    STATUS(ERROR_INVALID_ALLOCATION, "the allocation is not valid."),
    STATUS(ERROR_INVALID_AGENT, "the agent is not valid."),
    STATUS(ERROR_INVALID_REGION, "the memory region is not valid."),
    STATUS(ERROR_INVALID_SIGNAL, "the signal is not valid."),
    STATUS(ERROR_INVALID_QUEUE, "the queue is not valid."),
    STATUS(ERROR_OUT_OF_RESOURCES, "not enough memory or another resource."),
    STATUS(ERROR_INVALID_PACKET_FORMAT, "an AQL packet is malformed."),
    STATUS(ERROR_RESOURCE_FREE, "a resource in use cannot be released."),
    STATUS(ERROR_NOT_INITIALIZED, "hsa_init has not been called."),
    STATUS(ERROR_REFCOUNT_OVERFLOW, "a reference count is at its limit."),
    STATUS(ERROR_INCOMPATIBLE_ARGUMENTS, "the arguments do not go together."),
    STATUS(ERROR_INVALID_INDEX, "the index is not valid."),
    STATUS(ERROR_INVALID_ISA, "the instruction set is not valid."),
    STATUS(ERROR_INVALID_ISA_NAME, "the name of the instruction set is not valid."),
    STATUS(ERROR_INVALID_CODE_OBJECT, "the code object is not valid."),
    STATUS(ERROR_INVALID_EXECUTABLE, "the executable is not valid."),
    STATUS(ERROR_FROZEN_EXECUTABLE, "the executable is frozen."),
    STATUS(ERROR_INVALID_SYMBOL_NAME, "there is no symbol of that name."),
    STATUS(ERROR_VARIABLE_ALREADY_DEFINED, "the variable is defined already."),
    STATUS(ERROR_VARIABLE_UNDEFINED, "a variable is not defined."),
    STATUS(ERROR_EXCEPTION, "a kernel raised a hardware exception."),
    STATUS(ERROR_INVALID_CODE_SYMBOL, "the code object symbol is not valid."),
    STATUS(ERROR_INVALID_EXECUTABLE_SYMBOL, "the executable symbol is not valid."),
    STATUS(ERROR_INVALID_FILE, "the file is not valid."),
    STATUS(ERROR_INVALID_CODE_OBJECT_READER, "the code object reader is not valid."),
    STATUS(ERROR_INVALID_CACHE, "the cache is not valid."),
    STATUS(ERROR_INVALID_WAVEFRONT, "the wavefront is not valid."),
    STATUS(ERROR_INVALID_SIGNAL_GROUP, "the signal group is not valid."),
    STATUS(ERROR_INVALID_RUNTIME_STATE, "the runtime is not in the state that the call needs."),
    STATUS(ERROR_FATAL, "the queue cannot go on."),
    STATUS(ERROR_INVALID_MEMORY_POOL, "the memory pool is not valid."),
    STATUS(ERROR_MEMORY_APERTURE_VIOLATION, "a kernel broke the bounds or alignment of a memory aperture."),
    STATUS(ERROR_ILLEGAL_INSTRUCTION, "a kernel executed an instruction that the card does not have."),
    STATUS(ERROR_MEMORY_FAULT, "a kernel touched memory that it may not touch."),
    STATUS(CU_MASK_REDUCED, "the mask of compute units was narrowed."),
    STATUS(ERROR_OUT_OF_REGISTERS, "a kernel asks for more registers than a compute unit has."),
    STATUS(ERROR_RESOURCE_BUSY, "the resource is in use."),
};
#undef STATUS

// The card's limits, one to three dwords each. HIP takes its row pitch from here, so they
// are told although images themselves are declined (api_declined.cpp).
struct ImageLimit {
    std::uint32_t id;
    std::uint32_t count;
    std::uint32_t values[3];
};
constexpr ImageLimit kImageLimits[] = {
    {EXT_AGENT_INFO_IMAGE_1D_MAX_ELEMENTS, 1, {16384}},
    {EXT_AGENT_INFO_IMAGE_1DA_MAX_ELEMENTS, 1, {16384}},
    {EXT_AGENT_INFO_IMAGE_1DB_MAX_ELEMENTS, 1, {0xFFFFFFFF}},
    {EXT_AGENT_INFO_IMAGE_2D_MAX_ELEMENTS, 2, {16384, 16384}},
    {EXT_AGENT_INFO_IMAGE_2DA_MAX_ELEMENTS, 2, {16384, 16384}},
    {EXT_AGENT_INFO_IMAGE_2DDEPTH_MAX_ELEMENTS, 2, {16384, 16384}},
    {EXT_AGENT_INFO_IMAGE_2DADEPTH_MAX_ELEMENTS, 2, {16384, 16384}},
    {EXT_AGENT_INFO_IMAGE_3D_MAX_ELEMENTS, 3, {16384, 16384, 8192}},
    {EXT_AGENT_INFO_IMAGE_ARRAY_MAX_LAYERS, 1, {8192}},
    {EXT_AGENT_INFO_MAX_IMAGE_RD_HANDLES, 1, {128}},
    {EXT_AGENT_INFO_MAX_IMAGE_RORW_HANDLES, 1, {64}},
    {EXT_AGENT_INFO_MAX_SAMPLER_HANDLERS, 1, {16}},
    {EXT_AGENT_INFO_IMAGE_LINEAR_ROW_PITCH_ALIGNMENT, 1, {256}},
};

Status unknown(const char* function, std::uint32_t id) {
    log_line("%s: attribute 0x%x is not known", function, id);
    return STATUS_ERROR_INVALID_ARGUMENT;
}

struct IsaObject {
    std::string_view name;
};
constexpr IsaObject kIsa{kIsaName};

}  // namespace

std::span<const AgentItem> agent_items() noexcept { return kAgentItems; }

abi::Isa gfx1010_isa() noexcept { return {reinterpret_cast<std::uint64_t>(&kIsa)}; }

const char* status_text(abi::Status status) noexcept {
    for (const StatusItem& item : kStatusItems) {
        if (item.status == status) {
            return item.text;
        }
    }
    return nullptr;
}

abi::Status agent_info(const Runtime& runtime, const AgentObject& agent, std::uint32_t id, void* out) {
    for (const AgentItem& item : kAgentItems) {
        if (item.id == id) {
            item.put(agent, runtime, out);
            return STATUS_SUCCESS;
        }
    }
    for (const ImageLimit& limit : kImageLimits) {
        if (limit.id == id) {
            const std::uint32_t none[3] = {};
            std::memcpy(out, agent.is_gpu() ? limit.values : none, limit.count * sizeof(std::uint32_t));
            return STATUS_SUCCESS;
        }
    }
    return unknown("hsa_agent_get_info", id);
}

abi::Status system_info(const Runtime& runtime, std::uint32_t id, void* out) {
    (void)runtime;
    switch (id) {
        case SYSTEM_INFO_VERSION_MAJOR:
        case SYSTEM_INFO_VERSION_MINOR: put<std::uint16_t>(out, 1); return STATUS_SUCCESS;
        case SYSTEM_INFO_TIMESTAMP: put<std::uint64_t>(out, now_ns()); return STATUS_SUCCESS;
        case SYSTEM_INFO_TIMESTAMP_FREQUENCY: put<std::uint64_t>(out, kTimestampHz); return STATUS_SUCCESS;
        case SYSTEM_INFO_SIGNAL_MAX_WAIT: put<std::uint64_t>(out, ~0ULL); return STATUS_SUCCESS;
        case SYSTEM_INFO_ENDIANNESS: put<std::uint32_t>(out, 0); return STATUS_SUCCESS;
        case SYSTEM_INFO_MACHINE_MODEL: put<std::uint32_t>(out, 1); return STATUS_SUCCESS;
        case SYSTEM_INFO_EXTENSIONS: {
            std::uint8_t bits[128] = {};
            bits[EXTENSION_AMD_LOADER / 8] |= static_cast<std::uint8_t>(1U << EXTENSION_AMD_LOADER % 8);
            std::memcpy(out, bits, sizeof(bits));
            return STATUS_SUCCESS;
        }
        case AMD_SYSTEM_INFO_BUILD_VERSION: put<const char*>(out, "vgpu (virtual gfx1010)"); return STATUS_SUCCESS;
        case AMD_SYSTEM_INFO_SVM_SUPPORTED:
        case AMD_SYSTEM_INFO_SVM_ACCESSIBLE_BY_DEFAULT:
        case AMD_SYSTEM_INFO_MWAITX_ENABLED:
        case AMD_SYSTEM_INFO_DMABUF_SUPPORTED:
        case AMD_SYSTEM_INFO_XNACK_ENABLED: put<bool>(out, false); return STATUS_SUCCESS;
        case AMD_SYSTEM_INFO_VIRTUAL_MEM_API_SUPPORTED: put<bool>(out, true); return STATUS_SUCCESS;
        case AMD_SYSTEM_INFO_EXT_VERSION_MAJOR: put<std::uint16_t>(out, 1); return STATUS_SUCCESS;
        case AMD_SYSTEM_INFO_EXT_VERSION_MINOR: put<std::uint16_t>(out, 7); return STATUS_SUCCESS;
        default: return unknown("hsa_system_get_info", id);
    }
}

abi::Status isa_info(abi::Isa isa, std::uint32_t id, void* out) {
    if (isa.handle != gfx1010_isa().handle) {
        return STATUS_ERROR_INVALID_ISA;
    }
    switch (id) {
        case ISA_INFO_NAME_LENGTH:
            put<std::uint32_t>(out, static_cast<std::uint32_t>(kIsa.name.size() + 1));
            return STATUS_SUCCESS;
        case ISA_INFO_NAME: put_text(out, kIsa.name, kIsa.name.size() + 1); return STATUS_SUCCESS;
        case ISA_INFO_CALL_CONVENTION_COUNT: put<std::uint32_t>(out, 1); return STATUS_SUCCESS;
        case ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONT_SIZE: put<std::uint32_t>(out, kWaveSize); return STATUS_SUCCESS;
        case ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONTS_PER_COMPUTE_UNIT:
            put<std::uint32_t>(out, kWavesPerCu);
            return STATUS_SUCCESS;
        case ISA_INFO_MACHINE_MODELS: {
            const bool models[2] = {false, true};
            std::memcpy(out, models, sizeof(models));
            return STATUS_SUCCESS;
        }
        case ISA_INFO_PROFILES: {
            const bool profiles[2] = {true, false};
            std::memcpy(out, profiles, sizeof(profiles));
            return STATUS_SUCCESS;
        }
        case ISA_INFO_DEFAULT_FLOAT_ROUNDING_MODES:
        case ISA_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES: {
            const bool modes[3] = {false, false, true};
            std::memcpy(out, modes, sizeof(modes));
            return STATUS_SUCCESS;
        }
        case ISA_INFO_FAST_F16_OPERATION: put<bool>(out, true); return STATUS_SUCCESS;
        case ISA_INFO_WORKGROUP_MAX_DIM: {
            const std::uint16_t limits[3] = {kMaxGroup, kMaxGroup, kMaxGroup};
            std::memcpy(out, limits, sizeof(limits));
            return STATUS_SUCCESS;
        }
        case ISA_INFO_WORKGROUP_MAX_SIZE: put<std::uint32_t>(out, kMaxGroup); return STATUS_SUCCESS;
        case ISA_INFO_GRID_MAX_DIM: put(out, Dim3{kMaxGrid, kMaxGrid, kMaxGrid}); return STATUS_SUCCESS;
        case ISA_INFO_GRID_MAX_SIZE: put<std::uint64_t>(out, kMaxGrid); return STATUS_SUCCESS;
        case ISA_INFO_FBARRIER_MAX_SIZE: put<std::uint32_t>(out, 32); return STATUS_SUCCESS;
        default: return unknown("hsa_isa_get_info_alt", id);
    }
}

abi::Status pool_info(const Pool& pool, std::uint32_t id, void* out) {
    switch (id) {
        case POOL_INFO_SEGMENT: put<std::uint32_t>(out, pool.segment); return STATUS_SUCCESS;
        case POOL_INFO_GLOBAL_FLAGS: put<std::uint32_t>(out, pool.flags); return STATUS_SUCCESS;
        case POOL_INFO_SIZE: put<std::uint64_t>(out, pool.size); return STATUS_SUCCESS;
        case POOL_INFO_RUNTIME_ALLOC_ALLOWED: put<bool>(out, pool.allocatable); return STATUS_SUCCESS;
        case POOL_INFO_RUNTIME_ALLOC_GRANULE:
        case POOL_INFO_RUNTIME_ALLOC_ALIGNMENT:
            put<std::uint64_t>(out, pool.allocatable ? kPageBytes : 0);
            return STATUS_SUCCESS;
        case POOL_INFO_RUNTIME_ALLOC_REC_GRANULE:
            put<std::uint64_t>(out, !pool.allocatable ? 0 : pool.agent->is_gpu() ? kLargePageBytes : kPageBytes);
            return STATUS_SUCCESS;
        case POOL_INFO_ACCESSIBLE_BY_ALL: put<bool>(out, !pool.agent->is_gpu()); return STATUS_SUCCESS;
        case POOL_INFO_ALLOC_MAX_SIZE: put<std::uint64_t>(out, pool.size); return STATUS_SUCCESS;
        case POOL_INFO_LOCATION:
            put<std::uint32_t>(out, pool.agent->is_gpu() ? POOL_LOCATION_GPU : POOL_LOCATION_CPU);
            return STATUS_SUCCESS;
        default: return unknown("hsa_amd_memory_pool_get_info", id);
    }
}

abi::Status agent_pool_info(const AgentObject& agent, const Pool& pool, std::uint32_t id, void* out) {
    const bool own = pool.agent == &agent;
    switch (id) {
        case AGENT_POOL_INFO_ACCESS: {
            PoolAccess access = POOL_ACCESS_DISALLOWED_BY_DEFAULT;
            if (pool.segment != SEGMENT_GLOBAL) {
                access = own ? POOL_ACCESS_ALLOWED_BY_DEFAULT : POOL_ACCESS_NEVER_ALLOWED;
            } else if (own) {
                access = POOL_ACCESS_ALLOWED_BY_DEFAULT;
            } else if (!agent.is_gpu()) {
                access = POOL_ACCESS_NEVER_ALLOWED;  // no large BAR: the host does not see the card's memory
            }
            put<std::uint32_t>(out, access);
            return STATUS_SUCCESS;
        }
        case AGENT_POOL_INFO_NUM_LINK_HOPS: put<std::uint32_t>(out, own ? 0 : 1); return STATUS_SUCCESS;
        case AGENT_POOL_INFO_LINK_INFO:
            if (!own) {
                LinkInfo link{};
                link.max_bandwidth = 32000;        // MB/s: PCIe 4.0 x16
                link.atomic_support_32bit = true;  // without them hostcall (device printf) is refused
                link.atomic_support_64bit = true;
                link.coherent_support = true;
                link.link_type = LINK_TYPE_PCIE;
                link.numa_distance = 20;
                put(out, link);
            }
            return STATUS_SUCCESS;
        default: return unknown("hsa_amd_agent_memory_pool_get_info", id);
    }
}

}  // namespace vgpu::hsa
