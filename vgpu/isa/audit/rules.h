// Rules over one function's machine code: what gfx1010 does not have, and what its hardware gets wrong.
//
// LLVM works around each of these bugs in code that it compiles; assembly written by hand or ported from another
// card is checked here against the same conditions. Each rule names the function or feature of LLVM it follows; those
// of the hardware are rows of vgpu/isa/hazards.h, which the virtual GPU's strict mode follows as well.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vgpu/isa/audit/code.h"
#include "vgpu/isa/hazards.h"

namespace vgpu::isa::audit {

struct Finding {
    const char* rule;
    std::uint32_t offset;  // of the instruction that completes the fault
    std::string text;
};

struct Rule {
    const char* name;
    const char* source;  // in llvm/lib/Target/AMDGPU unless it says otherwise
    const char* summary;
    void (*check)(const Code&, std::vector<Finding>&);  // of a rule that is no row of hazards()
    const Hazard* hazard;
};

std::span<const Rule> rules();

// Runs every rule; findings in the order of the rules, then of the code.
std::vector<Finding> check(const Code& code);

}  // namespace vgpu::isa::audit
