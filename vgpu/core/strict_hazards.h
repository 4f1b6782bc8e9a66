// gfx1010's hardware hazards over the instructions that one wave executes: the rows of vgpu/isa/hazards.h, followed
// forwards. Knows the rows' predicates; nothing of what instructions compute.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "vgpu/core/bindings.h"
#include "vgpu/isa/hazards.h"

namespace vgpu::core {

// What an instruction is to each row, worked out once when it is translated. Bit i is row i of hazards().
struct HazardMarks {
    u16 later = 0, earlier = 0, cure = 0;
    bool branch = false;
};
HazardMarks hazard_marks(const isa::Inst& inst, unsigned lanes);

class HazardTracker {
public:
    // What is wrong with running `where` now: the rule, both instructions; empty when nothing. `entry` is the
    // kernel's first instruction.
    std::string check(const Extra& where, const HazardMarks& marks, unsigned lanes, u64 entry) const;
    // It ran.
    void follow(const Extra& where, const HazardMarks& marks);

private:
    struct Row {
        std::vector<const Extra*> open;  // earlier instructions that nothing has cured yet
        bool branched = false;           // across_branch: a branch ran since open[0]
        unsigned left = 0;               // clause: how many instructions it still groups
    };
    std::array<Row, 16> rows_;
};

}  // namespace vgpu::core
