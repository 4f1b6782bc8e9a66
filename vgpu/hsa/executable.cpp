#include "vgpu/hsa/executable.h"

#include <algorithm>
#include <cstring>

#include "vgpu/hsa/log.h"

namespace vgpu::hsa {
namespace {

constexpr std::string_view kKernelSuffix = ".kd";

bool is_kernel(const ElfSymbol& symbol) {
    return symbol.kind == ElfSymbol::Kind::Object && symbol.size == sizeof(abi::KernelDescriptor) &&
           symbol.name.size() > kKernelSuffix.size() && symbol.name.ends_with(kKernelSuffix);
}

void put32(std::uint64_t where, std::uint64_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    std::memcpy(reinterpret_cast<void*>(where), &narrow, sizeof(narrow));
}

void put64(std::uint64_t where, std::uint64_t value) {
    std::memcpy(reinterpret_cast<void*>(where), &value, sizeof(value));
}

SymbolObject* lookup(const ExecutableObject& executable, std::string_view name, const AgentObject* agent) {
    const auto [first, last] = executable.by_name.equal_range(name);
    const auto found = std::find_if(first, last, [&](const auto& entry) {
        return agent == nullptr || entry.second->agent == nullptr || entry.second->agent == agent;
    });
    return found == last ? nullptr : found->second;
}

}  // namespace

Executables::~Executables() {
    while (!executables_.empty()) {
        destroy(executables_.begin()->first);
    }
}

// `bytes` may be empty: then the reader reads what it owns.
ReaderObject* Executables::create_reader(std::vector<std::byte> owned, std::span<const std::byte> bytes) {
    auto made = std::make_unique<ReaderObject>();
    made->owned = std::move(owned);
    made->bytes = made->owned.empty() ? bytes : std::span<const std::byte>(made->owned);
    ReaderObject* raw = made.get();
    const std::lock_guard lock(mutex_);
    readers_[raw] = std::move(made);
    return raw;
}

abi::Status Executables::destroy_reader(abi::CodeObjectReader handle) {
    const std::lock_guard lock(mutex_);
    return readers_.erase(reinterpret_cast<ReaderObject*>(handle.handle)) == 1
               ? abi::STATUS_SUCCESS
               : abi::STATUS_ERROR_INVALID_CODE_OBJECT_READER;
}

ReaderObject* Executables::find(abi::CodeObjectReader handle) {
    auto* wanted = reinterpret_cast<ReaderObject*>(handle.handle);
    const std::lock_guard lock(mutex_);
    return readers_.contains(wanted) ? wanted : nullptr;
}

ExecutableObject* Executables::create(abi::Profile profile, abi::FloatRounding rounding) {
    auto made = std::make_unique<ExecutableObject>();
    made->profile = profile;
    made->rounding = rounding;
    ExecutableObject* raw = made.get();
    const std::lock_guard lock(mutex_);
    executables_[raw] = std::move(made);
    return raw;
}

abi::Status Executables::destroy(ExecutableObject* executable) {
    std::unique_ptr<ExecutableObject> gone;
    {
        const std::lock_guard lock(mutex_);
        const auto found = executables_.find(executable);
        if (found == executables_.end()) {
            return abi::STATUS_ERROR_INVALID_EXECUTABLE;
        }
        gone = std::move(found->second);
        executables_.erase(found);
        for (const auto& symbol : gone->symbols) {
            kernels_.erase(symbol->address);
            symbols_.erase(symbol.get());
        }
    }
    for (const auto& object : gone->objects) {
        memory_.release(object->memory);
    }
    return abi::STATUS_SUCCESS;
}

abi::Status Executables::load(ExecutableObject* executable, const AgentObject& agent, const ReaderObject& reader,
                              LoadedObject** out) {
    if (executable->frozen) {
        return abi::STATUS_ERROR_FROZEN_EXECUTABLE;
    }
    if (!agent.is_gpu()) {
        return abi::STATUS_ERROR_INVALID_AGENT;
    }
    CodeObjectError error{CodeObjectProblem::Malformed, {}};
    const auto object = read_code_object(reader.bytes, error);
    if (!object) {
        log_line("code object refused: %s", error.text.c_str());
        return error.problem == CodeObjectProblem::OtherTarget ? abi::STATUS_ERROR_INCOMPATIBLE_ARGUMENTS
                                                               : abi::STATUS_ERROR_INVALID_CODE_OBJECT;
    }
    // Code goes into a page-aligned allocation; larger alignments take spare room.
    const std::uint64_t spare = object->align > kPageBytes ? object->align : 0;
    void* memory = nullptr;
    if (const auto status = memory_.allocate(*agent.device->pool, object->image_bytes + spare, "code object", &memory);
        status != abi::STATUS_SUCCESS) {
        return status;
    }
    const std::uint64_t base = round_up(reinterpret_cast<std::uint64_t>(memory), object->align);
    const std::uint64_t delta = base - object->image_base;
    for (const ElfSegment& segment : object->segments) {
        std::memcpy(reinterpret_cast<void*>(segment.address + delta), reader.bytes.data() + segment.file_offset,
                    segment.file);
    }
    std::string problem;
    if (!relocate(*object, *executable, agent, delta, problem)) {
        log_line("code object refused: %s", problem.c_str());
        memory_.release(memory);
        return abi::STATUS_ERROR_VARIABLE_UNDEFINED;
    }
    memory_.make_code(memory);

    auto loaded = std::make_unique<LoadedObject>();
    loaded->executable = executable;
    loaded->agent = &agent;
    loaded->memory = memory;
    loaded->base = base;
    loaded->size = object->image_bytes;
    loaded->delta = static_cast<std::int64_t>(delta);
    loaded->file = reader.bytes.data();
    loaded->file_size = reader.bytes.size();
    loaded->uri = "memory://" + std::to_string(reinterpret_cast<std::uint64_t>(reader.bytes.data())) +
                  "#offset=0&size=" + std::to_string(reader.bytes.size());
    if (out != nullptr) {
        *out = loaded.get();
    }
    const std::lock_guard lock(mutex_);
    executable->objects.push_back(std::move(loaded));
    for (const ElfSymbol& symbol : object->symbols) {
        if (!symbol.defined || !symbol.global || symbol.kind != ElfSymbol::Kind::Object) {
            continue;
        }
        auto made = std::make_unique<SymbolObject>();
        made->executable = executable;
        made->agent = &agent;
        made->name = symbol.name;
        made->kernel = is_kernel(symbol);
        made->constant = !symbol.writable;
        made->address = symbol.value + delta;
        made->size = symbol.size;
        if (made->kernel) {
            kernels_[made->address] = made->name.substr(0, made->name.size() - kKernelSuffix.size());
        }
        keep(*executable, std::move(made));
    }
    return abi::STATUS_SUCCESS;
}

void Executables::keep(ExecutableObject& executable, std::unique_ptr<SymbolObject> symbol) {
    symbols_.insert(symbol.get());
    executable.by_name.emplace(symbol->name, symbol.get());
    executable.symbols.push_back(std::move(symbol));
}

bool Executables::relocate(const CodeObject& object, const ExecutableObject& executable, const AgentObject& agent,
                           std::uint64_t delta, std::string& problem) const {
    for (const ElfRelocation& relocation : object.relocations) {
        std::uint64_t target = 0;
        if (relocation.symbol != 0) {
            const ElfSymbol& symbol = object.symbols[relocation.symbol];
            if (symbol.defined) {
                target = symbol.value + delta;
            } else {
                const SymbolObject* given = lookup(executable, symbol.name, &agent);
                if (given == nullptr) {
                    problem = "undefined symbol " + std::string(symbol.name);
                    return false;
                }
                target = given->address;
            }
        }
        const std::uint64_t where = relocation.where + delta;
        const std::uint64_t value = target + static_cast<std::uint64_t>(relocation.addend);
        switch (relocation.type) {
            case R_AMDGPU_NONE: break;
            case R_AMDGPU_ABS32_LO: put32(where, value); break;
            case R_AMDGPU_ABS32_HI: put32(where, value >> 32); break;
            case R_AMDGPU_ABS64: put64(where, value); break;
            case R_AMDGPU_ABS32: put32(where, value); break;
            case R_AMDGPU_REL32:
            case R_AMDGPU_REL32_LO: put32(where, value - where); break;
            case R_AMDGPU_REL32_HI: put32(where, (value - where) >> 32); break;
            case R_AMDGPU_REL64: put64(where, value - where); break;
            case R_AMDGPU_RELATIVE64: put64(where, delta + static_cast<std::uint64_t>(relocation.addend)); break;
            default:
                // The GOT kinds are resolved by the linker and never reach a loader.
                problem = "relocation of type " + std::to_string(relocation.type);
                return false;
        }
    }
    return true;
}

abi::Status Executables::define(ExecutableObject* executable, const AgentObject* agent, const char* name,
                                void* address) {
    if (executable->frozen) {
        return abi::STATUS_ERROR_FROZEN_EXECUTABLE;
    }
    if (symbol(executable, name, agent) != nullptr) {
        return abi::STATUS_ERROR_VARIABLE_ALREADY_DEFINED;
    }
    auto made = std::make_unique<SymbolObject>();
    made->executable = executable;
    made->agent = agent;
    made->name = name;
    made->external = true;
    made->address = reinterpret_cast<std::uint64_t>(address);
    const std::lock_guard lock(mutex_);
    keep(*executable, std::move(made));
    return abi::STATUS_SUCCESS;
}

abi::Status Executables::freeze(ExecutableObject* executable) {
    if (executable->frozen) {
        return abi::STATUS_ERROR_FROZEN_EXECUTABLE;
    }
    executable->frozen = true;
    return abi::STATUS_SUCCESS;
}

SymbolObject* Executables::symbol(ExecutableObject* executable, const char* name, const AgentObject* agent) {
    const std::lock_guard lock(mutex_);
    return lookup(*executable, name, agent);
}

ExecutableObject* Executables::find(abi::Executable handle) {
    auto* wanted = reinterpret_cast<ExecutableObject*>(handle.handle);
    const std::lock_guard lock(mutex_);
    return executables_.contains(wanted) ? wanted : nullptr;
}

SymbolObject* Executables::find(abi::ExecutableSymbol handle) {
    auto* wanted = reinterpret_cast<SymbolObject*>(handle.handle);
    const std::lock_guard lock(mutex_);
    return symbols_.contains(wanted) ? wanted : nullptr;
}

LoadedObject* Executables::find(abi::LoadedCodeObject handle) {
    auto* wanted = reinterpret_cast<LoadedObject*>(handle.handle);
    const std::lock_guard lock(mutex_);
    for (const auto& [raw, executable] : executables_) {
        for (const auto& object : executable->objects) {
            if (object.get() == wanted) {
                return wanted;
            }
        }
    }
    return nullptr;
}

std::vector<ExecutableObject*> Executables::all() {
    const std::lock_guard lock(mutex_);
    std::vector<ExecutableObject*> out;
    for (const auto& [raw, executable] : executables_) {
        out.push_back(raw);
    }
    return out;
}

LoadedObject* Executables::image_at(std::uint64_t address) {
    const std::lock_guard lock(mutex_);
    for (const auto& [raw, executable] : executables_) {
        for (const auto& object : executable->objects) {
            if (address - object->base < object->size) {
                return object.get();
            }
        }
    }
    return nullptr;
}

std::string Executables::kernel_name(std::uint64_t descriptor) {
    const std::lock_guard lock(mutex_);
    const auto found = kernels_.find(descriptor);
    return found == kernels_.end() ? std::string{} : found->second;
}

}  // namespace vgpu::hsa
