// HazardTracker: the table of hazards as one small state machine a row.
#include "vgpu/core/strict_hazards.h"

#include <algorithm>
#include <cstdio>

#include "vgpu/isa/print.h"
#include "vgpu/isa/regs.h"

namespace vgpu::core {
namespace {

using isa::Hazard;
using Shape = Hazard::Shape;

std::string place(const Extra& where, u64 entry) {
    char text[40];
    std::snprintf(text, sizeof text, " at kernel entry + 0x%llx", static_cast<unsigned long long>(where.pc - entry));
    return isa::to_string(where.inst) + text;
}

}  // namespace

HazardMarks hazard_marks(const isa::Inst& inst, unsigned lanes) {
    HazardMarks marks;
    marks.branch = isa::is_branch(inst);
    unsigned bit = 1;
    for (const Hazard& h : isa::hazards()) {
        if (h.later(inst, lanes)) marks.later = static_cast<u16>(marks.later | bit);
        if (h.earlier(inst, lanes)) marks.earlier = static_cast<u16>(marks.earlier | bit);
        if (h.cure(inst, lanes)) marks.cure = static_cast<u16>(marks.cure | bit);
        bit <<= 1;
    }
    return marks;
}

std::string HazardTracker::check(const Extra& where, const HazardMarks& marks, unsigned lanes, u64 entry) const {
    if (marks.later == 0) return {};
    const auto rows = isa::hazards();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if ((marks.later >> i & 1) == 0) continue;
        const Hazard& h = rows[i];
        const Row& row = rows_[i];
        std::string head = std::string(h.name) + ": " + isa::to_string(where.inst) + h.relation;
        if (h.shape == Shape::alone) return head;
        if (h.shape == Shape::across_branch && !row.branched) continue;
        if (h.shape == Shape::clause && row.left == 0) continue;
        for (const Extra* earlier : row.open)
            if (h.conflict(earlier->inst, where.inst, lanes)) return head + place(*earlier, entry);
    }
    return {};
}

void HazardTracker::follow(const Extra& where, const HazardMarks& marks) {
    const auto rows = isa::hazards();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Row& row = rows_[i];
        const bool earlier = marks.earlier >> i & 1, cured = marks.cure >> i & 1;
        switch (rows[i].shape) {
            case Shape::alone: break;
            case Shape::pair:
                if (cured) row.open.clear();
                // A loop comes by again: the same instruction counts once.
                if (earlier && std::find(row.open.begin(), row.open.end(), &where) == row.open.end())
                    row.open.push_back(&where);
                break;
            case Shape::across_branch:
                if (cured || earlier) {
                    row.open.clear();
                    row.branched = false;
                }
                if (earlier) row.open.push_back(&where);
                if (marks.branch && !row.open.empty()) row.branched = true;
                break;
            case Shape::clause:
                if (row.left != 0) --row.left;
                if (earlier) {
                    row.open.assign(1, &where);
                    row.left = isa::clause_length(where.inst);
                }
                break;
        }
    }
}

}  // namespace vgpu::core
