// One function's machine code, decoded, with its control flow: what hazards and mixes are computed on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vgpu/isa/inst.h"

namespace vgpu::isa::audit {

struct Line {
    std::uint32_t offset = 0;  // bytes from the start of the function
    Status status = Status::ok;
    Inst inst;
};

class Code {
public:
    Code(std::span<const std::uint32_t> words, unsigned wave);

    const std::vector<Line>& lines() const { return lines_; }
    std::span<const std::uint32_t> words_at(std::size_t i) const { return words_.subspan(lines_[i].offset / 4); }
    unsigned wave() const { return wave_; }

    // Index of the line a direct branch leads to, or -1 when it is outside or none.
    std::ptrdiff_t target(std::size_t i) const;

    // The line at that byte offset, or -1.
    std::ptrdiff_t line_at(std::int64_t offset) const;

    // Lines from which control can come to line i: the one before, unless it never falls through, and branches.
    const std::vector<std::uint32_t>& sources(std::size_t i) const { return sources_[i]; }

    // Searches backwards from line i over all paths. Gives the first line met for which hazard(line) holds, where
    // no line for which expired(line) holds lies between; -1 when there is none. The hazard is asked first.
    template <typename Hazard, typename Expired>
    std::ptrdiff_t back(std::size_t i, const Hazard& hazard, const Expired& expired) const {
        std::vector<std::uint32_t> open(sources_[i].begin(), sources_[i].end());
        std::vector<bool> seen(lines_.size());
        while (!open.empty()) {
            const std::uint32_t at = open.back();
            open.pop_back();
            if (seen[at]) {
                continue;
            }
            seen[at] = true;
            if (hazard(lines_[at], at)) {
                return at;
            }
            if (!expired(lines_[at], at)) {
                open.insert(open.end(), sources_[at].begin(), sources_[at].end());
            }
        }
        return -1;
    }

private:
    std::span<const std::uint32_t> words_;
    unsigned wave_;
    std::vector<Line> lines_;
    std::vector<std::vector<std::uint32_t>> sources_;
};

}  // namespace vgpu::isa::audit
