// Why a word that decode() calls illegal is none of gfx1010's: names what other generations have there.
#pragma once

#include <span>
#include <string>

#include "inst.h"

namespace vgpu::isa {

// One line for a fault message or an audit finding, e.g. "v_dot2_f32_f16 (gfx1011 and later)" or
// "DPP control 0x142 (row_bcast:15 of GCN)". `inst` is what decode() left. Never empty.
std::string why_illegal(std::span<const std::uint32_t> words, const Inst& inst);

}  // namespace vgpu::isa
