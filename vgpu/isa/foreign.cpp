// Instructions and controls of other AMD generations that code ported from them brings along.
#include "foreign.h"

#include <array>
#include <cstdio>

namespace vgpu::isa {
namespace {

struct Foreign {
    Fmt fmt;
    std::uint16_t opcode;
    const char* text;
};

// Opcodes as LLVM's assembler gives them for the first target named.
constexpr std::array<Foreign, 13> foreign = {{
    {Fmt::VOP3P, 0x13, "v_dot2_f32_f16 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x14, "v_dot2_i32_i16 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x15, "v_dot2_u32_u16 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x16, "v_dot4_i32_i8 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x17, "v_dot4_u32_u8 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x18, "v_dot8_i32_i4 (gfx1011 and later)"},
    {Fmt::VOP3P, 0x19, "v_dot8_u32_u4 (gfx1011 and later)"},
    {Fmt::VOP2, 0x02, "v_dot2c_f32_f16 (gfx1011 and later)"},
    {Fmt::VOP2, 0x0d, "v_dot4c_i32_i8 (gfx1011 and later)"},
    {Fmt::GLOBAL, 0x16, "global_load_dword_addtid (gfx1030 and later)"},
    {Fmt::GLOBAL, 0x17, "global_store_dword_addtid (gfx1030 and later)"},
    {Fmt::GLOBAL, 0x34, "global_atomic_csub (gfx1030 and later)"},
    {Fmt::MUBUF, 0x34, "buffer_atomic_csub (gfx1030 and later)"},
}};

unsigned opcode_of(std::uint32_t w, Fmt fmt) {
    switch (fmt) {
        case Fmt::VOP2: return w >> 25 & 0x3fU;
        case Fmt::VOP3P: return w >> 16 & 0x7fU;
        case Fmt::GLOBAL: return w >> 18 & 0x7fU;
        default: return w >> 18 & 0xffU;
    }
}

}  // namespace

std::string why_illegal(std::span<const std::uint32_t> words, const Inst& inst) {
    std::array<char, 96> text{};
    if (words.empty()) {
        return "no words";
    }
    const std::uint32_t w = words[0];
    if (inst.op == Op::invalid) {
        for (const Foreign& f : foreign) {
            if (f.fmt == inst.fmt && f.opcode == opcode_of(w, f.fmt)) {
                return f.text;
            }
        }
        if (w == 0) {
            return "zero word (padding or missing code)";
        }
        std::snprintf(text.data(), text.size(), "no instruction of gfx1010 is encoded 0x%08x", w);
        return text.data();
    }
    const std::string name(inst.row().name);
    if (inst.ext == Ext::dpp16) {
        const unsigned c = inst.dpp.ctrl;
        const char* old = c == 0x142   ? "row_bcast:15 of GCN"
                          : c == 0x143 ? "row_bcast:31 of GCN"
                          : c == 0x130 ? "wave_shl of GCN"
                          : c == 0x134 ? "wave_rol of GCN"
                          : c == 0x138 ? "wave_shr of GCN"
                          : c == 0x13c ? "wave_ror of GCN"
                                       : "reserved";
        if (inst.has(DPP)) {
            std::snprintf(text.data(), text.size(), " with DPP control 0x%x (%s)", c, old);
            return name + text.data();
        }
        return name + " with DPP, which it does not take";
    }
    if (inst.ext == Ext::sdwa && !inst.has(SDWA)) {
        return name + " with SDWA, which it does not take";
    }
    return name + " with an operand it does not take";
}

}  // namespace vgpu::isa
