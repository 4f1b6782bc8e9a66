// Translated code: decodes instructions once into micro-ops that the handlers run.
// Knows the encodings through vgpu/isa and the handlers through HandlerSet; nothing of
// scheduling.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "vgpu/core/bindings.h"

namespace vgpu::core {

// The handler set for this machine; `wanted` (Options::isa_path) forces one.
const HandlerSet& choose_handlers(const std::string& wanted);

class CodeCache {
public:
    // How much is kept. A process that runs for hours meets more kernels than it uses: past half of the constants or
    // past `ops`, everything is forgotten as soon as no launch runs.
    struct Limits {
        std::size_t constants = std::size_t{1} << 18;  // distinct ones; what operand::kValue reaches
        std::size_t ops = std::size_t{1} << 20;        // instructions, of about half a KiB each
    };

    CodeCache(const HandlerSet& handlers, const AddressSpace& memory, Inject inject, bool strict, Limits limits);
    CodeCache(const HandlerSet& handlers, const AddressSpace& memory, Inject inject, bool strict = false)
        : CodeCache(handlers, memory, inject, strict, Limits{}) {}
    ~CodeCache();
    CodeCache(const CodeCache&) = delete;
    CodeCache& operator=(const CodeCache&) = delete;

    // The micro-op at pc for waves of 32 or 64 lanes; translates at need. Never null.
    const MicroOp* at(u64 pc, unsigned lanes);
    // Forgets code in [base, base + size). Not while a wave runs there.
    void invalidate(u64 base, u64 size);
    // Around a launch: what was forgotten is freed when no launch can be running it.
    void enter();
    void leave();

    const u32* constants() const { return constants_; }
    // The handler of an instruction, nullptr where there is none; for tests.
    Fn handler(const isa::Inst& inst) const;

private:
    struct Chunk {
        u64 base = 0, end = 0;
        std::vector<MicroOp> ops;
        std::vector<std::unique_ptr<Extra>> extras;
    };
    using Key = u64;  // pc | (lanes == 64)

    void translate(u64 pc, unsigned lanes);
    MicroOp translate_one(Chunk& chunk, u64 pc, unsigned lanes, bool& last, u32& length);
    void fill_operands(MicroOp& op, const isa::Inst& inst, unsigned lanes, u64 pc);
    void fill_memory(MicroOp& op, const isa::Inst& inst);
    void extend(Chunk& chunk, MicroOp& op, const isa::Inst& inst, unsigned lanes);
    void wrap(Chunk& chunk, MicroOp& op, Fn fn);
    void check_strictly(Chunk& chunk, MicroOp& op, unsigned lanes);
    u32 source(const isa::Inst& inst, unsigned k, unsigned lanes);
    u32 constant(u64 value);
    void forget_all();

    const HandlerSet& handlers_;
    const AddressSpace& memory_;
    Inject inject_;
    bool strict_;
    const Limits limits_;
    std::vector<Fn> by_op_, quick_;
    std::mutex mutex_;
    std::unordered_map<Key, const MicroOp*> ops_;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::vector<std::unique_ptr<Chunk>> retired_;
    unsigned users_ = 0;
    std::unordered_map<u64, u32> known_constants_;
    u32* constants_ = nullptr;
    u32 constants_used_ = 0;  // dwords
    bool full_ = false;       // a constant was asked for that had no room
};

}  // namespace vgpu::core
