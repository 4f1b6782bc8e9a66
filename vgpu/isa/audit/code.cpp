// Decoding of a function and its control flow; see code.h.
#include "vgpu/isa/audit/code.h"

#include <algorithm>

namespace vgpu::isa::audit {
namespace {

bool falls_through(const Inst& inst) {
    return inst.op != Op::s_branch && inst.op != Op::s_setpc_b64 && inst.op != Op::s_rfe_b64 && !inst.has(END);
}

bool is_direct_branch(const Line& line) {
    return line.status == Status::ok && line.inst.has(BRANCH) && !line.inst.has(CALL) &&
           (line.inst.fmt == Fmt::SOPP || line.inst.fmt == Fmt::SOPK);
}

}  // namespace

Code::Code(std::span<const std::uint32_t> words, unsigned wave) : words_(words), wave_(wave) {
    for (std::size_t at = 0; at < words.size();) {
        Line line;
        line.offset = static_cast<std::uint32_t>(4 * at);
        line.status = decode(words.subspan(at), line.inst, wave);
        at += line.inst.length / 4U;
        lines_.push_back(line);
    }
    sources_.resize(lines_.size());
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (i + 1 < lines_.size() && falls_through(lines_[i].inst)) {
            sources_[i + 1].push_back(static_cast<std::uint32_t>(i));
        }
        if (const std::ptrdiff_t to = target(i); to >= 0) {
            sources_[static_cast<std::size_t>(to)].push_back(static_cast<std::uint32_t>(i));
        }
    }
}

std::ptrdiff_t Code::target(std::size_t i) const {
    const Line& line = lines_[i];
    return is_direct_branch(line) ? line_at(std::int64_t{line.offset} + 4 + line.inst.branch_bytes()) : -1;
}

std::ptrdiff_t Code::line_at(std::int64_t offset) const {
    const auto at = std::lower_bound(lines_.begin(), lines_.end(), offset,
                                     [](const Line& l, std::int64_t o) { return l.offset < o; });
    return at != lines_.end() && at->offset == offset ? at - lines_.begin() : -1;
}

}  // namespace vgpu::isa::audit
