// What a fault says: kernel, place, instruction, nearest allocation, where waves stand.
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <sstream>

#include "vgpu/core/launch.h"
#include "vgpu/isa/print.h"

namespace vgpu::core {
namespace {

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
    char text[512];
    va_list args;
    va_start(args, pattern);
    std::vsnprintf(text, sizeof text, pattern, args);
    va_end(args);
    return text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    if (lines.empty()) lines.emplace_back();
    return lines;
}

std::string instruction_at(const MicroOp* u) {
    if (u == nullptr || u->extra == nullptr) return "?";
    if (u->extra->inst.op == isa::Op::invalid) {
        u32 word = 0;
        std::string text = "(no instruction of gfx1010)";
        if (u->extra->inst.length != 0) {
            word = *reinterpret_cast<const u32*>(u->extra->pc);
            text += format(", first word 0x%08x", word);
        }
        return text;
    }
    return isa::to_string(u->extra->inst);
}

}  // namespace

std::string nearest_text(const AddressSpace& memory, u64 address, unsigned size) {
    const auto range = memory.nearest(address);
    if (!range) return "the GPU has no memory allocated";
    const u64 end = range->base + range->size;
    const std::string what =
        format("%s of %" PRIu64 " bytes at 0x%" PRIx64, range->label.c_str(), range->size, range->base);
    std::string text;
    if (address >= end) text = format("%" PRIu64 " bytes past the end of ", address - end) + what;
    else if (address < range->base) text = format("%" PRIu64 " bytes before ", range->base - address) + what;
    else text = format("byte %" PRIu64 " of ", address - range->base) + what;
    if (address < end && address + size > end && address >= range->base)
        text += format("; it runs %" PRIu64 " bytes past the end", address + size - end);
    if (!range->story.empty()) text += "\n" + range->story;
    return text;
}

const char* to_string(Fault::Kind kind) {
    switch (kind) {
        case Fault::Kind::Memory: return "memory access fault";
        case Fault::Kind::Misaligned: return "misaligned access";
        case Fault::Kind::LdsOutOfRange: return "LDS access out of range";
        case Fault::Kind::ScratchOutOfRange: return "scratch access out of range";
        case Fault::Kind::IllegalInstruction: return "illegal instruction";
        case Fault::Kind::Trap: return "trap";
        case Fault::Kind::NoProgress: return "no progress";
        case Fault::Kind::BadLaunch: return "invalid dispatch";
        case Fault::Kind::Strict: return "strict check";
    }
    return "fault";
}

Fault describe(const Launch& launch, const Wave& w) {
    Fault f;
    const PendingFault& p = w.fault;
    f.kind = p.kind;
    f.address = p.address;
    f.write = p.write;
    f.lane = p.lane;
    f.wave = w.index;
    f.pc = w.next != nullptr && w.next->extra != nullptr ? w.next->extra->pc : 0;
    for (int i = 0; i < 3; ++i) f.workgroup[i] = w.group->id[i];
    f.kernel = launch.info.kernel_name;
    f.instruction = instruction_at(w.next);
    std::string head = to_string(p.kind);
    std::vector<std::string> more;  // a finding of strict mode may have several lines
    if (p.note != nullptr) {
        more = lines_of(p.note);
        head += " (" + more.front() + ")";
        more.erase(more.begin());
    }
    const char* verb = p.write ? "write" : "read";
    switch (p.kind) {
        case Fault::Kind::Memory: head += format(": %u-byte %s at 0x%" PRIx64, p.size, verb, p.address); break;
        case Fault::Kind::Misaligned: head += format(": %u-byte atomic at 0x%" PRIx64, p.size, p.address); break;
        case Fault::Kind::LdsOutOfRange:
            head += format(": %u-byte %s at LDS offset %" PRIu64 ", the workgroup has %u bytes", p.size, verb,
                           p.address, w.lds_size);
            break;
        case Fault::Kind::ScratchOutOfRange:
            head += format(": %u-byte %s at scratch offset %" PRIu64 ", a lane has %u bytes", p.size, verb, p.address,
                           w.scratch_lane_bytes);
            break;
        default: break;
    }
    f.lines.push_back(head);
    f.lines.push_back("kernel " + f.kernel +
                      format(", workgroup (%u, %u, %u), wave %u, lane %u", f.workgroup[0], f.workgroup[1],
                             f.workgroup[2], f.wave, f.lane));
    f.lines.push_back(format("pc 0x%" PRIx64 " (kernel entry + 0x%" PRIx64 "): ", f.pc, f.pc - launch.entry) +
                      f.instruction);
    if (p.kind == Fault::Kind::Memory) more = lines_of(nearest_text(launch.memory, p.address, p.size));
    f.lines.insert(f.lines.end(), more.begin(), more.end());
    return f;
}

Fault no_progress(const Launch& launch, const std::vector<const GroupStorage*>& groups, const std::string& why) {
    Fault f;
    f.kind = Fault::Kind::NoProgress;
    f.kernel = launch.info.kernel_name;
    f.lines.push_back("kernel " + f.kernel + " " + why +
                      format("; %" PRIu64 " of %" PRIu64 " workgroups done", launch.done_groups, launch.group_count));
    std::size_t listed = 0;
    for (const GroupStorage* storage : groups) {
        const Workgroup& g = storage->group;
        for (unsigned i = 0; i < g.waves; ++i) {
            const Wave& w = g.wave[i];
            if (w.state == State::Ended) continue;
            if (++listed > 32) break;
            const u64 pc = w.next != nullptr && w.next->extra != nullptr ? w.next->extra->pc : 0;
            f.lines.push_back(format("workgroup (%u, %u, %u) wave %u %s at pc 0x%" PRIx64 " (entry + 0x%" PRIx64 "): ",
                                     g.id[0], g.id[1], g.id[2], i,
                                     w.state == State::Barrier ? "waits at a barrier" : "runs", pc, pc - launch.entry) +
                              instruction_at(w.next));
            if (listed == 1) f.pc = pc;
        }
    }
    if (listed > 32) f.lines.push_back(format("and %zu more waves", listed - 32));
    return f;
}

}  // namespace vgpu::core
