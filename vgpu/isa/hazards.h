// gfx1010's hardware hazards as data: which instruction goes wrong after which other one, and what between them
// cures it. Each row follows the function or feature of LLVM that it names.
//
// Two users: the audit searches machine code backwards over all paths, the virtual GPU's strict mode follows what a
// wave executes. Knows single instructions alone; nothing of code, paths or waves.
#pragma once

#include <cstdint>
#include <span>

#include "inst.h"

namespace vgpu::isa {

struct Hazard {
    enum class Shape : std::uint8_t {
        alone,          // `later` by itself
        pair,           // `later` after a conflicting `earlier` with no cure between
        across_branch,  // the same where a branch lies between, and no other `earlier` between it and either one
        clause,         // `later` among the instructions that `earlier` (s_clause) groups
    };
    using One = bool (*)(const Inst&, unsigned wave);
    using Two = bool (*)(const Inst& earlier, const Inst& later, unsigned wave);

    const char* name;
    const char* source;  // in llvm/lib/Target/AMDGPU unless it says otherwise
    const char* summary;
    const char* relation;  // joins the texts of the later and the earlier instruction in a finding
    Shape shape;
    One later;
    One earlier;
    Two conflict;
    One cure;
};

// At most 16 rows: strict mode keeps a bit for each.
std::span<const Hazard> hazards();

// How many instructions after it an s_clause groups.
constexpr unsigned clause_length(const Inst& s_clause) { return (s_clause.simm & 63U) + 1; }

}  // namespace vgpu::isa
