// The audit's rules; see rules.h. Two of its own, and the table of hardware hazards searched for over all paths.
#include <array>
#include <cstdio>

#include "vgpu/isa/audit/rules.h"
#include "vgpu/isa/foreign.h"
#include "vgpu/isa/print.h"
#include "vgpu/isa/regs.h"

namespace vgpu::isa::audit {
namespace {

using Findings = std::vector<Finding>;
using Shape = Hazard::Shape;

std::string at(const Line& line) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "+0x%x ", line.offset);
    return text.data() + to_string(line.inst);
}

bool ok(const Line& line) { return line.status == Status::ok; }

constexpr const char* illegal_rule = "isa-illegal-instruction";

void illegal_instruction(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Line& line = code.lines()[i];
        if (line.status == Status::truncated) {
            out.push_back({illegal_rule, line.offset, "the code ends inside an instruction"});
        } else if (line.status == Status::illegal) {
            out.push_back({illegal_rule, line.offset, why_illegal(code.words_at(i), line.inst)});
        }
    }
}

constexpr const char* target_rule = "isa-branch-target";

void branch_target(const Code& code, Findings& out) {
    for (const Line& line : code.lines()) {
        if (!ok(line) || !is_branch(line.inst) || line.inst.fmt != Fmt::SOPP) {
            continue;
        }
        const std::int64_t to = std::int64_t{line.offset} + 4 + line.inst.branch_bytes();
        const std::int64_t end = code.lines().back().offset + code.lines().back().inst.length;
        if (to >= 0 && to < end && code.line_at(to) < 0) {
            out.push_back({target_rule, line.offset, at(line) + " leads into the middle of an instruction"});
        }
    }
}

// The line that line i completes the hazard with, searched for over all paths that lead to i; -1 for none.
std::ptrdiff_t before_on_some_path(const Code& code, std::size_t i, const Hazard& h) {
    const Inst& inst = code.lines()[i].inst;
    const unsigned wave = code.wave();
    const auto conflicts = [&](const Line& l, std::size_t) {
        return ok(l) && h.earlier(l.inst, wave) && h.conflict(l.inst, inst, wave);
    };
    if (h.shape == Shape::pair) {
        return code.back(i, conflicts, [&](const Line& l, std::size_t) { return h.cure(l.inst, wave); });
    }
    const auto same_or_cure = [&](const Line& l, std::size_t) {
        return (h.earlier(l.inst, wave) && !h.conflict(l.inst, inst, wave)) || h.cure(l.inst, wave);
    };
    const auto branch_after_conflict = [&](const Line& l, std::size_t j) {
        return is_branch(l.inst) && code.back(j, conflicts, same_or_cure) >= 0;
    };
    return code.back(i, branch_after_conflict,
                     [&](const Line& l, std::size_t) { return h.earlier(l.inst, wave) || h.cure(l.inst, wave); });
}

// The s_clause whose group line i stands in; -1 for none.
std::ptrdiff_t clause_of(const Code& code, std::size_t i, const Hazard& h) {
    for (std::size_t j = i; j-- > 0 && i - j <= 64;) {
        const Inst& inst = code.lines()[j].inst;
        if (h.earlier(inst, code.wave()) && i - j <= clause_length(inst)) {
            return static_cast<std::ptrdiff_t>(j);
        }
    }
    return -1;
}

void search(const Code& code, const Hazard& h, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Line& line = code.lines()[i];
        if (!ok(line) || !h.later(line.inst, code.wave())) {
            continue;
        }
        if (h.shape == Shape::alone) {
            out.push_back({h.name, line.offset, at(line) + h.relation});
            continue;
        }
        const std::ptrdiff_t other = h.shape == Shape::clause ? clause_of(code, i, h) : before_on_some_path(code, i, h);
        if (other >= 0) {
            out.push_back(
                {h.name, line.offset, at(line) + h.relation + at(code.lines()[static_cast<std::size_t>(other)])});
        }
    }
}

std::vector<Rule> all_rules() {
    std::vector<Rule> all = {
        {illegal_rule, "AMDGPU.td, FeatureISAVersion10_1_0; RDNA 1.0 ISA manual",
         "an instruction or modifier that gfx1010 does not have", illegal_instruction, nullptr},
        {target_rule, "RDNA 1.0 ISA manual, program control", "a branch into the middle of an instruction",
         branch_target, nullptr},
    };
    for (const Hazard& h : hazards()) {
        all.push_back({h.name, h.source, h.summary, nullptr, &h});
    }
    return all;
}

}  // namespace

std::span<const Rule> rules() {
    static const std::vector<Rule> all = all_rules();
    return all;
}

std::vector<Finding> check(const Code& code) {
    Findings out;
    for (const Rule& rule : rules()) {
        if (rule.hazard != nullptr) {
            search(code, *rule.hazard, out);
        } else {
            rule.check(code, out);
        }
    }
    return out;
}

}  // namespace vgpu::isa::audit
