// Executables: code objects loaded into a card's memory, their kernels and variables.
// Knows code objects and memory; nothing of queues.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/code_object.h"
#include "vgpu/hsa/device.h"
#include "vgpu/hsa/memory.h"

namespace vgpu::hsa {

// The bytes of a code object, kept by who made the reader (memory) or by us (file).
struct ReaderObject {
    std::vector<std::byte> owned;
    std::span<const std::byte> bytes;
};

struct ExecutableObject;

struct SymbolObject {
    ExecutableObject* executable = nullptr;
    const AgentObject* agent = nullptr;  // nullptr: visible to all
    std::string name;                    // kernels keep their ".kd"
    bool kernel = false;
    bool constant = false;
    bool external = false;  // defined by the program, not by a code object
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

struct LoadedObject {
    ExecutableObject* executable = nullptr;
    const AgentObject* agent = nullptr;
    void* memory = nullptr;  // the allocation, which may begin before the image
    std::uint64_t base = 0;  // where the image lies
    std::uint64_t size = 0;
    std::int64_t delta = 0;  // load address minus linked address
    const std::byte* file = nullptr;
    std::uint64_t file_size = 0;
    std::string uri;
};

struct ExecutableObject {
    bool frozen = false;
    abi::Profile profile = abi::PROFILE_FULL;
    abi::FloatRounding rounding = abi::ROUNDING_DEFAULT;
    std::vector<std::unique_ptr<SymbolObject>> symbols;
    std::unordered_multimap<std::string_view, SymbolObject*> by_name;  // keys live in the symbols
    std::vector<std::unique_ptr<LoadedObject>> objects;
};

class Executables {
public:
    explicit Executables(Memory& memory) : memory_(memory) {}
    ~Executables();
    Executables(const Executables&) = delete;
    Executables& operator=(const Executables&) = delete;

    ReaderObject* create_reader(std::vector<std::byte> owned, std::span<const std::byte> bytes);
    abi::Status destroy_reader(abi::CodeObjectReader handle);
    ReaderObject* find(abi::CodeObjectReader handle);

    ExecutableObject* create(abi::Profile profile, abi::FloatRounding rounding);
    abi::Status destroy(ExecutableObject* executable);
    abi::Status load(ExecutableObject* executable, const AgentObject& agent, const ReaderObject& reader,
                     LoadedObject** out);
    abi::Status define(ExecutableObject* executable, const AgentObject* agent, const char* name, void* address);
    abi::Status freeze(ExecutableObject* executable);
    // The symbol of that name for that agent; nullptr for any agent.
    SymbolObject* symbol(ExecutableObject* executable, const char* name, const AgentObject* agent);

    ExecutableObject* find(abi::Executable handle);
    SymbolObject* find(abi::ExecutableSymbol handle);
    LoadedObject* find(abi::LoadedCodeObject handle);
    std::vector<ExecutableObject*> all();
    // The loaded image that holds an address; nullptr for none.
    LoadedObject* image_at(std::uint64_t address);

    // The kernel's name for a descriptor's address, without ".kd"; empty where no
    // loaded kernel has it.
    std::string kernel_name(std::uint64_t descriptor);

private:
    bool relocate(const CodeObject& object, const ExecutableObject& executable, const AgentObject& agent,
                  std::uint64_t delta, std::string& problem) const;

    void keep(ExecutableObject& executable, std::unique_ptr<SymbolObject> symbol);

    Memory& memory_;
    std::mutex mutex_;
    std::map<ExecutableObject*, std::unique_ptr<ExecutableObject>> executables_;
    std::map<ReaderObject*, std::unique_ptr<ReaderObject>> readers_;
    std::unordered_set<const SymbolObject*> symbols_;         // all that live: libraries have thousands
    std::unordered_map<std::uint64_t, std::string> kernels_;  // descriptor address -> name
};

}  // namespace vgpu::hsa
