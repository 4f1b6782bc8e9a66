// The binary interface of the HSA runtime: constants and structures, nothing else.
//
// Written from the HSA Runtime 1.2 specification and AMD's published extensions; the
// names are theirs without the HSA_ prefix. tests/integration/vgpu compares every
// value and offset here with the headers of a real ROCm. Knows no other file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vgpu::hsa::abi {

// ---- status -------------------------------------------------------------------

enum Status : std::uint32_t {
    STATUS_SUCCESS = 0x0,
    STATUS_INFO_BREAK = 0x1,
    STATUS_ERROR_INVALID_MEMORY_POOL = 40,
    STATUS_ERROR_MEMORY_APERTURE_VIOLATION = 41,
    STATUS_ERROR_ILLEGAL_INSTRUCTION = 42,
    STATUS_ERROR_MEMORY_FAULT = 43,
    STATUS_CU_MASK_REDUCED = 44,
    STATUS_ERROR_OUT_OF_REGISTERS = 45,
    STATUS_ERROR_RESOURCE_BUSY = 46,
    STATUS_ERROR = 0x1000,
    STATUS_ERROR_INVALID_ARGUMENT = 0x1001,
    STATUS_ERROR_INVALID_QUEUE_CREATION = 0x1002,
    STATUS_ERROR_INVALID_ALLOCATION = 0x1003,
    STATUS_ERROR_INVALID_AGENT = 0x1004,
    STATUS_ERROR_INVALID_REGION = 0x1005,
    STATUS_ERROR_INVALID_SIGNAL = 0x1006,
    STATUS_ERROR_INVALID_QUEUE = 0x1007,
    STATUS_ERROR_OUT_OF_RESOURCES = 0x1008,
    STATUS_ERROR_INVALID_PACKET_FORMAT = 0x1009,
    STATUS_ERROR_RESOURCE_FREE = 0x100A,
    STATUS_ERROR_NOT_INITIALIZED = 0x100B,
    STATUS_ERROR_REFCOUNT_OVERFLOW = 0x100C,
    STATUS_ERROR_INCOMPATIBLE_ARGUMENTS = 0x100D,
    STATUS_ERROR_INVALID_INDEX = 0x100E,
    STATUS_ERROR_INVALID_ISA = 0x100F,
    STATUS_ERROR_INVALID_CODE_OBJECT = 0x1010,
    STATUS_ERROR_INVALID_EXECUTABLE = 0x1011,
    STATUS_ERROR_FROZEN_EXECUTABLE = 0x1012,
    STATUS_ERROR_INVALID_SYMBOL_NAME = 0x1013,
    STATUS_ERROR_VARIABLE_ALREADY_DEFINED = 0x1014,
    STATUS_ERROR_VARIABLE_UNDEFINED = 0x1015,
    STATUS_ERROR_EXCEPTION = 0x1016,
    STATUS_ERROR_INVALID_ISA_NAME = 0x1017,
    STATUS_ERROR_INVALID_CODE_SYMBOL = 0x1018,
    STATUS_ERROR_INVALID_EXECUTABLE_SYMBOL = 0x1019,
    STATUS_ERROR_INVALID_FILE = 0x1020,
    STATUS_ERROR_INVALID_CODE_OBJECT_READER = 0x1021,
    STATUS_ERROR_INVALID_CACHE = 0x1022,
    STATUS_ERROR_INVALID_WAVEFRONT = 0x1023,
    STATUS_ERROR_INVALID_SIGNAL_GROUP = 0x1024,
    STATUS_ERROR_INVALID_RUNTIME_STATE = 0x1025,
    STATUS_ERROR_FATAL = 0x1026,
    EXT_STATUS_ERROR_IMAGE_FORMAT_UNSUPPORTED = 0x3000,
    EXT_STATUS_ERROR_IMAGE_SIZE_UNSUPPORTED = 0x3001,
    EXT_STATUS_ERROR_IMAGE_PITCH_UNSUPPORTED = 0x3002,
    EXT_STATUS_ERROR_SAMPLER_DESCRIPTOR_UNSUPPORTED = 0x3003,
};

// ---- handles ------------------------------------------------------------------

struct Agent {
    std::uint64_t handle;
};
struct Isa {
    std::uint64_t handle;
};
struct Signal {
    std::uint64_t handle;
};
struct MemoryPool {
    std::uint64_t handle;
};
struct Executable {
    std::uint64_t handle;
};
struct ExecutableSymbol {
    std::uint64_t handle;
};
struct CodeObjectReader {
    std::uint64_t handle;
};
struct LoadedCodeObject {
    std::uint64_t handle;
};
struct VmemHandle {
    std::uint64_t handle;
};
struct Image {
    std::uint64_t handle;
};
struct Sampler {
    std::uint64_t handle;
};

struct Dim3 {
    std::uint32_t x, y, z;
};

using SignalValue = std::int64_t;

// ---- system -------------------------------------------------------------------

enum SystemInfo : std::uint32_t {
    SYSTEM_INFO_VERSION_MAJOR = 0,
    SYSTEM_INFO_VERSION_MINOR = 1,
    SYSTEM_INFO_TIMESTAMP = 2,
    SYSTEM_INFO_TIMESTAMP_FREQUENCY = 3,
    SYSTEM_INFO_SIGNAL_MAX_WAIT = 4,
    SYSTEM_INFO_ENDIANNESS = 5,
    SYSTEM_INFO_MACHINE_MODEL = 6,
    SYSTEM_INFO_EXTENSIONS = 7,
    AMD_SYSTEM_INFO_BUILD_VERSION = 0x200,
    AMD_SYSTEM_INFO_SVM_SUPPORTED = 0x201,
    AMD_SYSTEM_INFO_SVM_ACCESSIBLE_BY_DEFAULT = 0x202,
    AMD_SYSTEM_INFO_MWAITX_ENABLED = 0x203,
    AMD_SYSTEM_INFO_DMABUF_SUPPORTED = 0x204,
    AMD_SYSTEM_INFO_VIRTUAL_MEM_API_SUPPORTED = 0x205,
    AMD_SYSTEM_INFO_XNACK_ENABLED = 0x206,
    AMD_SYSTEM_INFO_EXT_VERSION_MAJOR = 0x207,
    AMD_SYSTEM_INFO_EXT_VERSION_MINOR = 0x208,
};

enum Extension : std::uint16_t {
    EXTENSION_IMAGES = 1,
    EXTENSION_AMD_PROFILER = 0x200,
    EXTENSION_AMD_LOADER = 0x201,
    EXTENSION_AMD_AQLPROFILE = 0x202,
};

// ---- agents -------------------------------------------------------------------

enum DeviceType : std::uint32_t { DEVICE_TYPE_CPU = 0, DEVICE_TYPE_GPU = 1 };
enum Profile : std::uint32_t { PROFILE_BASE = 0, PROFILE_FULL = 1 };
enum FloatRounding : std::uint32_t { ROUNDING_DEFAULT = 0, ROUNDING_ZERO = 1, ROUNDING_NEAR = 2 };
enum AgentFeature : std::uint32_t { AGENT_FEATURE_KERNEL_DISPATCH = 1 };

enum AgentInfo : std::uint32_t {
    AGENT_INFO_NAME = 0,
    AGENT_INFO_VENDOR_NAME = 1,
    AGENT_INFO_FEATURE = 2,
    AGENT_INFO_MACHINE_MODEL = 3,
    AGENT_INFO_PROFILE = 4,
    AGENT_INFO_DEFAULT_FLOAT_ROUNDING_MODE = 5,
    AGENT_INFO_WAVEFRONT_SIZE = 6,
    AGENT_INFO_WORKGROUP_MAX_DIM = 7,
    AGENT_INFO_WORKGROUP_MAX_SIZE = 8,
    AGENT_INFO_GRID_MAX_DIM = 9,
    AGENT_INFO_GRID_MAX_SIZE = 10,
    AGENT_INFO_FBARRIER_MAX_SIZE = 11,
    AGENT_INFO_QUEUES_MAX = 12,
    AGENT_INFO_QUEUE_MIN_SIZE = 13,
    AGENT_INFO_QUEUE_MAX_SIZE = 14,
    AGENT_INFO_QUEUE_TYPE = 15,
    AGENT_INFO_NODE = 16,
    AGENT_INFO_DEVICE = 17,
    AGENT_INFO_CACHE_SIZE = 18,
    AGENT_INFO_ISA = 19,
    AGENT_INFO_EXTENSIONS = 20,
    AGENT_INFO_VERSION_MAJOR = 21,
    AGENT_INFO_VERSION_MINOR = 22,
    AGENT_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES = 23,
    AGENT_INFO_FAST_F16_OPERATION = 24,
    EXT_AGENT_INFO_IMAGE_1D_MAX_ELEMENTS = 0x3000,
    EXT_AGENT_INFO_IMAGE_1DA_MAX_ELEMENTS = 0x3001,
    EXT_AGENT_INFO_IMAGE_1DB_MAX_ELEMENTS = 0x3002,
    EXT_AGENT_INFO_IMAGE_2D_MAX_ELEMENTS = 0x3003,
    EXT_AGENT_INFO_IMAGE_2DA_MAX_ELEMENTS = 0x3004,
    EXT_AGENT_INFO_IMAGE_2DDEPTH_MAX_ELEMENTS = 0x3005,
    EXT_AGENT_INFO_IMAGE_2DADEPTH_MAX_ELEMENTS = 0x3006,
    EXT_AGENT_INFO_IMAGE_3D_MAX_ELEMENTS = 0x3007,
    EXT_AGENT_INFO_IMAGE_ARRAY_MAX_LAYERS = 0x3008,
    EXT_AGENT_INFO_MAX_IMAGE_RD_HANDLES = 0x3009,
    EXT_AGENT_INFO_MAX_IMAGE_RORW_HANDLES = 0x300A,
    EXT_AGENT_INFO_MAX_SAMPLER_HANDLERS = 0x300B,
    EXT_AGENT_INFO_IMAGE_LINEAR_ROW_PITCH_ALIGNMENT = 0x300C,
    AMD_AGENT_INFO_CHIP_ID = 0xA000,
    AMD_AGENT_INFO_CACHELINE_SIZE = 0xA001,
    AMD_AGENT_INFO_COMPUTE_UNIT_COUNT = 0xA002,
    AMD_AGENT_INFO_MAX_CLOCK_FREQUENCY = 0xA003,
    AMD_AGENT_INFO_DRIVER_NODE_ID = 0xA004,
    AMD_AGENT_INFO_MAX_ADDRESS_WATCH_POINTS = 0xA005,
    AMD_AGENT_INFO_BDFID = 0xA006,
    AMD_AGENT_INFO_MEMORY_WIDTH = 0xA007,
    AMD_AGENT_INFO_MEMORY_MAX_FREQUENCY = 0xA008,
    AMD_AGENT_INFO_PRODUCT_NAME = 0xA009,
    AMD_AGENT_INFO_MAX_WAVES_PER_CU = 0xA00A,
    AMD_AGENT_INFO_NUM_SIMDS_PER_CU = 0xA00B,
    AMD_AGENT_INFO_NUM_SHADER_ENGINES = 0xA00C,
    AMD_AGENT_INFO_NUM_SHADER_ARRAYS_PER_SE = 0xA00D,
    AMD_AGENT_INFO_HDP_FLUSH = 0xA00E,
    AMD_AGENT_INFO_DOMAIN = 0xA00F,
    AMD_AGENT_INFO_COOPERATIVE_QUEUES = 0xA010,
    AMD_AGENT_INFO_UUID = 0xA011,
    AMD_AGENT_INFO_ASIC_REVISION = 0xA012,
    AMD_AGENT_INFO_SVM_DIRECT_HOST_ACCESS = 0xA013,
    AMD_AGENT_INFO_COOPERATIVE_COMPUTE_UNIT_COUNT = 0xA014,
    AMD_AGENT_INFO_MEMORY_AVAIL = 0xA015,
    AMD_AGENT_INFO_TIMESTAMP_FREQUENCY = 0xA016,
    AMD_AGENT_INFO_ASIC_FAMILY_ID = 0xA107,
    AMD_AGENT_INFO_UCODE_VERSION = 0xA108,
    AMD_AGENT_INFO_SDMA_UCODE_VERSION = 0xA109,
    AMD_AGENT_INFO_NUM_SDMA_ENG = 0xA10A,
    AMD_AGENT_INFO_NUM_SDMA_XGMI_ENG = 0xA10B,
    AMD_AGENT_INFO_IOMMU_SUPPORT = 0xA110,
    AMD_AGENT_INFO_NUM_XCC = 0xA111,
    AMD_AGENT_INFO_DRIVER_UID = 0xA112,
    AMD_AGENT_INFO_NEAREST_CPU = 0xA113,
    AMD_AGENT_INFO_MEMORY_PROPERTIES = 0xA114,
    AMD_AGENT_INFO_AQL_EXTENSIONS = 0xA115,
    AMD_AGENT_INFO_SCRATCH_LIMIT_MAX = 0xA116,
    AMD_AGENT_INFO_SCRATCH_LIMIT_CURRENT = 0xA117,
    AMD_AGENT_INFO_CLOCK_COUNTERS = 0xA118,  // since ROCm 7
};

struct ClockCounters {
    std::uint64_t gpu, cpu, system, system_frequency;
};

struct HdpFlush {
    std::uint32_t* mem_flush;
    std::uint32_t* reg_flush;
};

enum IsaInfo : std::uint32_t {
    ISA_INFO_NAME_LENGTH = 0,
    ISA_INFO_NAME = 1,
    ISA_INFO_CALL_CONVENTION_COUNT = 2,
    ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONT_SIZE = 3,
    ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONTS_PER_COMPUTE_UNIT = 4,
    ISA_INFO_MACHINE_MODELS = 5,
    ISA_INFO_PROFILES = 6,
    ISA_INFO_DEFAULT_FLOAT_ROUNDING_MODES = 7,
    ISA_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES = 8,
    ISA_INFO_FAST_F16_OPERATION = 9,
    ISA_INFO_WORKGROUP_MAX_DIM = 12,
    ISA_INFO_WORKGROUP_MAX_SIZE = 13,
    ISA_INFO_GRID_MAX_DIM = 14,
    ISA_INFO_GRID_MAX_SIZE = 16,
    ISA_INFO_FBARRIER_MAX_SIZE = 17,
};

// ---- signals ------------------------------------------------------------------

enum SignalCondition : std::uint32_t {
    SIGNAL_CONDITION_EQ = 0,
    SIGNAL_CONDITION_NE = 1,
    SIGNAL_CONDITION_LT = 2,
    SIGNAL_CONDITION_GTE = 3,
};
enum WaitState : std::uint32_t { WAIT_STATE_BLOCKED = 0, WAIT_STATE_ACTIVE = 1 };
enum SignalKind : std::int64_t {
    SIGNAL_KIND_INVALID = 0,
    SIGNAL_KIND_USER = 1,
    SIGNAL_KIND_DOORBELL = -1,
};

// What device code reads and writes of a signal (hostcall, device enqueue).
struct alignas(64) AmdSignal {
    std::int64_t kind;
    std::int64_t value;
    std::uint64_t event_mailbox_ptr;
    std::uint32_t event_id;
    std::uint32_t reserved1;
    std::uint64_t start_ts;
    std::uint64_t end_ts;
    std::uint64_t queue_ptr;
    std::uint32_t reserved3[2];
};
static_assert(sizeof(AmdSignal) == 64);
static_assert(offsetof(AmdSignal, value) == 8 && offsetof(AmdSignal, event_mailbox_ptr) == 16);
static_assert(offsetof(AmdSignal, start_ts) == 32 && offsetof(AmdSignal, queue_ptr) == 48);

using SignalHandler = bool (*)(SignalValue value, void* arg);

// ---- queues -------------------------------------------------------------------

enum QueueType : std::uint32_t {
    QUEUE_TYPE_MULTI = 0,
    QUEUE_TYPE_SINGLE = 1,
    QUEUE_TYPE_COOPERATIVE = 2,
};
enum QueuePriority : std::uint32_t {
    QUEUE_PRIORITY_LOW = 0,
    QUEUE_PRIORITY_NORMAL = 1,
    QUEUE_PRIORITY_HIGH = 2,
};

struct Queue {
    std::uint32_t type;
    std::uint32_t features;
    void* base_address;
    Signal doorbell_signal;
    std::uint32_t size;
    std::uint32_t reserved1;
    std::uint64_t id;
};
static_assert(sizeof(Queue) == 40);

using QueueCallback = void (*)(Status status, Queue* source, void* data);

struct ScratchLastUsed {
    std::uint64_t main;
    std::uint64_t alt;
};

// amd_queue_v2_t: kernels reach it through the QUEUE_PTR registers.
struct alignas(64) AmdQueue {
    Queue hsa_queue;
    std::uint32_t caps;
    std::uint32_t reserved1[3];
    std::uint64_t write_dispatch_id;
    std::uint32_t group_segment_aperture_base_hi;
    std::uint32_t private_segment_aperture_base_hi;
    std::uint32_t max_cu_id;
    std::uint32_t max_wave_id;
    std::uint64_t max_legacy_doorbell_dispatch_id_plus_1;
    std::uint32_t legacy_doorbell_lock;
    std::uint32_t reserved2[9];
    std::uint64_t read_dispatch_id;
    std::uint32_t read_dispatch_id_field_base_byte_offset;
    std::uint32_t compute_tmpring_size;
    std::uint32_t scratch_resource_descriptor[4];
    std::uint64_t scratch_backing_memory_location;
    std::uint64_t scratch_backing_memory_byte_size;
    std::uint32_t scratch_wave64_lane_byte_size;
    std::uint32_t queue_properties;
    std::uint64_t scratch_max_use_index;
    Signal queue_inactive_signal;
    std::uint64_t alt_scratch_max_use_index;
    std::uint32_t alt_scratch_resource_descriptor[4];
    std::uint64_t alt_scratch_backing_memory_location;
    std::uint32_t alt_scratch_dispatch_limit_x;
    std::uint32_t alt_scratch_dispatch_limit_y;
    std::uint32_t alt_scratch_dispatch_limit_z;
    std::uint32_t alt_scratch_wave64_lane_byte_size;
    std::uint32_t alt_compute_tmpring_size;
    std::uint32_t reserved5;
    ScratchLastUsed scratch_last_used_index[128];
};
static_assert(offsetof(AmdQueue, write_dispatch_id) == 56);
static_assert(offsetof(AmdQueue, group_segment_aperture_base_hi) == 64);
static_assert(offsetof(AmdQueue, read_dispatch_id) == 128);
static_assert(offsetof(AmdQueue, queue_inactive_signal) == 192);

enum QueueProperties : std::uint32_t {
    QUEUE_PROPERTIES_IS_PTR64 = 1U << 1,
    QUEUE_PROPERTIES_ENABLE_PROFILING = 1U << 3,
};

enum PacketType : std::uint8_t {
    PACKET_TYPE_VENDOR_SPECIFIC = 0,
    PACKET_TYPE_INVALID = 1,
    PACKET_TYPE_KERNEL_DISPATCH = 2,
    PACKET_TYPE_BARRIER_AND = 3,
    PACKET_TYPE_AGENT_DISPATCH = 4,
    PACKET_TYPE_BARRIER_OR = 5,
};
constexpr std::uint8_t AMD_PACKET_TYPE_BARRIER_VALUE = 2;

struct KernelDispatchPacket {
    std::uint16_t header;
    std::uint16_t setup;
    std::uint16_t workgroup_size[3];
    std::uint16_t reserved0;
    std::uint32_t grid_size[3];
    std::uint32_t private_segment_size;
    std::uint32_t group_segment_size;
    std::uint64_t kernel_object;
    void* kernarg_address;
    std::uint64_t reserved2;
    Signal completion_signal;
};
struct BarrierPacket {
    std::uint16_t header;
    std::uint16_t reserved0;
    std::uint32_t reserved1;
    Signal dep_signal[5];
    std::uint64_t reserved2;
    Signal completion_signal;
};
struct BarrierValuePacket {
    std::uint16_t header;
    std::uint8_t amd_format;
    std::uint8_t reserved;
    std::uint32_t reserved0;
    Signal signal;
    SignalValue value;
    SignalValue mask;
    std::uint32_t cond;
    std::uint32_t reserved1;
    std::uint64_t reserved2;
    std::uint64_t reserved3;
    Signal completion_signal;
};
static_assert(sizeof(KernelDispatchPacket) == 64 && sizeof(BarrierPacket) == 64);
static_assert(sizeof(BarrierValuePacket) == 64);
static_assert(offsetof(KernelDispatchPacket, kernel_object) == 32);
static_assert(offsetof(KernelDispatchPacket, completion_signal) == 56);

struct ProfilingTime {
    std::uint64_t start;
    std::uint64_t end;
};

// ---- memory -------------------------------------------------------------------

enum Segment : std::uint32_t { SEGMENT_GLOBAL = 0, SEGMENT_GROUP = 3 };
enum PoolFlags : std::uint32_t {
    POOL_FLAG_KERNARG_INIT = 1,
    POOL_FLAG_FINE_GRAINED = 2,
    POOL_FLAG_COARSE_GRAINED = 4,
    POOL_FLAG_EXTENDED_SCOPE_FINE_GRAINED = 8,
};
enum PoolLocation : std::uint32_t { POOL_LOCATION_CPU = 0, POOL_LOCATION_GPU = 1 };
enum PoolInfo : std::uint32_t {
    POOL_INFO_SEGMENT = 0,
    POOL_INFO_GLOBAL_FLAGS = 1,
    POOL_INFO_SIZE = 2,
    POOL_INFO_RUNTIME_ALLOC_ALLOWED = 5,
    POOL_INFO_RUNTIME_ALLOC_GRANULE = 6,
    POOL_INFO_RUNTIME_ALLOC_ALIGNMENT = 7,
    POOL_INFO_ACCESSIBLE_BY_ALL = 15,
    POOL_INFO_ALLOC_MAX_SIZE = 16,
    POOL_INFO_LOCATION = 17,
    POOL_INFO_RUNTIME_ALLOC_REC_GRANULE = 18,
};
enum PoolAllocFlags : std::uint32_t {
    POOL_ALLOC_STANDARD = 0,
    POOL_ALLOC_PCIE = 1,
    POOL_ALLOC_CONTIGUOUS = 2,
    POOL_ALLOC_EXECUTABLE = 4,
};
enum PoolAccess : std::uint32_t {
    POOL_ACCESS_NEVER_ALLOWED = 0,
    POOL_ACCESS_ALLOWED_BY_DEFAULT = 1,
    POOL_ACCESS_DISALLOWED_BY_DEFAULT = 2,
};
enum AgentPoolInfo : std::uint32_t {
    AGENT_POOL_INFO_ACCESS = 0,
    AGENT_POOL_INFO_NUM_LINK_HOPS = 1,
    AGENT_POOL_INFO_LINK_INFO = 2,
};
enum LinkType : std::uint32_t { LINK_TYPE_QPI = 1, LINK_TYPE_PCIE = 2, LINK_TYPE_XGMI = 4 };

struct LinkInfo {
    std::uint32_t min_latency;
    std::uint32_t max_latency;
    std::uint32_t min_bandwidth;
    std::uint32_t max_bandwidth;
    bool atomic_support_32bit;
    bool atomic_support_64bit;
    bool coherent_support;
    std::uint32_t link_type;
    std::uint32_t numa_distance;
};
static_assert(sizeof(LinkInfo) == 28);

enum PointerType : std::uint32_t {
    POINTER_TYPE_UNKNOWN = 0,
    POINTER_TYPE_HSA = 1,
    POINTER_TYPE_LOCKED = 2,
    POINTER_TYPE_GRAPHICS = 3,
    POINTER_TYPE_IPC = 4,
    POINTER_TYPE_RESERVED_ADDR = 5,
};
// `registered` exists since ROCm 7: the caller's `size` says how much it knows.
struct PointerInfo {
    std::uint32_t size;
    std::uint32_t type;
    void* agent_base_address;
    void* host_base_address;
    std::size_t size_in_bytes;
    void* user_data;
    Agent agent_owner;
    std::uint32_t global_flags;
    bool registered;
};
static_assert(sizeof(PointerInfo) == 56 && offsetof(PointerInfo, global_flags) == 48);

struct PitchedPtr {
    void* base;
    std::size_t pitch;
    std::size_t slice;
};
enum CopyDirection : std::uint32_t { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE };

using DeallocationCallback = void (*)(void* ptr, void* user_data);

struct IpcMemory {
    std::uint32_t handle[8];
};

enum AccessPermission : std::uint32_t {
    ACCESS_PERMISSION_NONE = 0,
    ACCESS_PERMISSION_RO = 1,
    ACCESS_PERMISSION_WO = 2,
    ACCESS_PERMISSION_RW = 3,
};
struct MemoryAccessDesc {
    std::uint32_t permissions;
    Agent agent_handle;
};
static_assert(sizeof(MemoryAccessDesc) == 16);

struct SvmAttributePair {
    std::uint64_t attribute;
    std::uint64_t value;
};

// ---- events -------------------------------------------------------------------

enum EventType : std::uint32_t {
    GPU_MEMORY_FAULT_EVENT = 0,
    GPU_HW_EXCEPTION_EVENT = 1,
    GPU_MEMORY_ERROR_EVENT = 2,
};
enum MemoryFaultReason : std::uint32_t {
    MEMORY_FAULT_PAGE_NOT_PRESENT = 1,
    MEMORY_FAULT_READ_ONLY = 2,
    MEMORY_FAULT_NX = 4,
    MEMORY_FAULT_HANG = 1U << 31,
};
struct MemoryFaultInfo {
    Agent agent;
    std::uint64_t virtual_address;
    std::uint32_t fault_reason_mask;
};
struct HwExceptionInfo {
    Agent agent;
    std::uint32_t reset_type;
    std::uint32_t reset_cause;
};
struct Event {
    std::uint32_t event_type;
    union {
        MemoryFaultInfo memory_fault;
        HwExceptionInfo hw_exception;
    };
};
static_assert(sizeof(Event) == 32 && offsetof(Event, memory_fault) == 8);
using SystemEventCallback = Status (*)(const Event* event, void* data);

// ---- code objects ---------------------------------------------------------------

enum ExecutableState : std::uint32_t { EXECUTABLE_STATE_UNFROZEN = 0, EXECUTABLE_STATE_FROZEN = 1 };
enum SymbolKind : std::uint32_t { SYMBOL_KIND_VARIABLE = 0, SYMBOL_KIND_KERNEL = 1 };
enum SymbolLinkage : std::uint32_t { SYMBOL_LINKAGE_MODULE = 0, SYMBOL_LINKAGE_PROGRAM = 1 };
enum SymbolInfo : std::uint32_t {
    SYMBOL_INFO_TYPE = 0,
    SYMBOL_INFO_NAME_LENGTH = 1,
    SYMBOL_INFO_NAME = 2,
    SYMBOL_INFO_MODULE_NAME_LENGTH = 3,
    SYMBOL_INFO_MODULE_NAME = 4,
    SYMBOL_INFO_LINKAGE = 5,
    SYMBOL_INFO_VARIABLE_ALLOCATION = 6,
    SYMBOL_INFO_VARIABLE_SEGMENT = 7,
    SYMBOL_INFO_VARIABLE_ALIGNMENT = 8,
    SYMBOL_INFO_VARIABLE_SIZE = 9,
    SYMBOL_INFO_VARIABLE_IS_CONST = 10,
    SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_SIZE = 11,
    SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_ALIGNMENT = 12,
    SYMBOL_INFO_KERNEL_GROUP_SEGMENT_SIZE = 13,
    SYMBOL_INFO_KERNEL_PRIVATE_SEGMENT_SIZE = 14,
    SYMBOL_INFO_KERNEL_DYNAMIC_CALLSTACK = 15,
    SYMBOL_INFO_IS_DEFINITION = 17,
    SYMBOL_INFO_KERNEL_CALL_CONVENTION = 18,
    SYMBOL_INFO_AGENT = 20,
    SYMBOL_INFO_VARIABLE_ADDRESS = 21,
    SYMBOL_INFO_KERNEL_OBJECT = 22,
};

// The 64 bytes before a kernel that say how to start it (LLVM, AMDGPUUsage, Kernel Descriptor).
struct KernelDescriptor {
    std::uint32_t group_segment_fixed_size;
    std::uint32_t private_segment_fixed_size;
    std::uint32_t kernarg_size;
    std::uint8_t reserved0[4];
    std::int64_t kernel_code_entry_byte_offset;
    std::uint8_t reserved1[20];
    std::uint32_t compute_pgm_rsrc3;
    std::uint32_t compute_pgm_rsrc1;
    std::uint32_t compute_pgm_rsrc2;
    std::uint16_t kernel_code_properties;
    std::uint16_t kernarg_preload;
    std::uint8_t reserved2[4];
};
static_assert(sizeof(KernelDescriptor) == 64 && offsetof(KernelDescriptor, compute_pgm_rsrc1) == 48);
static_assert(offsetof(KernelDescriptor, kernel_code_properties) == 56);

enum LoadedCodeObjectInfo : std::uint32_t {
    LOADED_CODE_OBJECT_INFO_EXECUTABLE = 1,
    LOADED_CODE_OBJECT_INFO_KIND = 2,
    LOADED_CODE_OBJECT_INFO_AGENT = 3,
    LOADED_CODE_OBJECT_INFO_STORAGE_TYPE = 4,
    LOADED_CODE_OBJECT_INFO_STORAGE_MEMORY_BASE = 5,
    LOADED_CODE_OBJECT_INFO_STORAGE_MEMORY_SIZE = 6,
    LOADED_CODE_OBJECT_INFO_STORAGE_FILE = 7,
    LOADED_CODE_OBJECT_INFO_LOAD_DELTA = 8,
    LOADED_CODE_OBJECT_INFO_LOAD_BASE = 9,
    LOADED_CODE_OBJECT_INFO_LOAD_SIZE = 10,
    LOADED_CODE_OBJECT_INFO_URI_LENGTH = 11,
    LOADED_CODE_OBJECT_INFO_URI = 12,
};

}  // namespace vgpu::hsa::abi
