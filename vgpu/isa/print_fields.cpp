// Names of field values: hardware registers, messages, counters, swizzles, buffer formats, export targets.
#include <array>
#include <cstdio>
#include <string_view>

#include "print.h"

namespace vgpu::isa {
namespace {

std::string hex(unsigned v) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%x", v);
    return text.data();
}

std::string dec(unsigned v) { return std::to_string(v); }

void add(std::string& out, const std::string& part) {
    if (!out.empty()) {
        out += ' ';
    }
    out += part;
}

}  // namespace

std::string hwreg_text(unsigned simm16) {
    static constexpr std::array<std::string_view, 26> names = {"",
                                                               "MODE",
                                                               "STATUS",
                                                               "TRAPSTS",
                                                               "",
                                                               "GPR_ALLOC",
                                                               "LDS_ALLOC",
                                                               "IB_STS",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "SH_MEM_BASES",
                                                               "TBA_LO",
                                                               "TBA_HI",
                                                               "TMA_LO",
                                                               "TMA_HI",
                                                               "FLAT_SCR_LO",
                                                               "FLAT_SCR_HI",
                                                               "XNACK_MASK",
                                                               "HW_ID1",
                                                               "HW_ID2",
                                                               "POPS_PACKER"};
    const unsigned id = simm16 & 63U, offset = simm16 >> 6 & 31U, width = (simm16 >> 11 & 31U) + 1;
    std::string out = "hwreg(";
    out += id < names.size() && !names[id].empty() ? "HW_REG_" + std::string(names[id]) : dec(id);
    if (offset != 0 || width != 32) {
        out += ", " + dec(offset) + ", " + dec(width);
    }
    return out + ")";
}

std::string sendmsg_text(unsigned simm16) {
    static constexpr std::array<std::string_view, 12> names = {"",
                                                               "INTERRUPT",
                                                               "GS",
                                                               "GS_DONE",
                                                               "SAVEWAVE",
                                                               "STALL_WAVE_GEN",
                                                               "HALT_WAVES",
                                                               "ORDERED_PS_DONE",
                                                               "EARLY_PRIM_DEALLOC",
                                                               "GS_ALLOC_REQ",
                                                               "GET_DOORBELL",
                                                               "GET_DDID"};
    static constexpr std::array<std::string_view, 4> gs = {"NOP", "CUT", "EMIT", "EMIT_CUT"};
    static constexpr std::array<std::string_view, 5> sys = {"", "ECC_ERR_INTERRUPT", "REG_RD", "", "TTRACE_PC"};
    const unsigned id = simm16 & 15U, op = simm16 >> 4 & 7U, stream = simm16 >> 8 & 3U;
    const bool is_gs = (id == 2 || id == 3) && op < gs.size() && (id == 3 || op != 0);
    if ((simm16 & ~0x37fU) != 0) {
        return dec(simm16);  // bits outside the fields
    }
    if (is_gs && (op != 0 || stream == 0)) {
        const std::string text = "sendmsg(MSG_" + std::string(names[id]) + ", GS_OP_" + std::string(gs[op]);
        return op == 0 ? text + ")" : text + ", " + dec(stream) + ")";
    }
    if (id == 15 && op < sys.size() && !sys[op].empty() && stream == 0) {
        return "sendmsg(MSG_SYSMSG, SYSMSG_OP_" + std::string(sys[op]) + ")";
    }
    if (id < names.size() && id != 0 && id != 2 && id != 3 && op == 0 && stream == 0) {
        return "sendmsg(MSG_" + std::string(names[id]) + ")";
    }
    return "sendmsg(" + dec(id) + ", " + dec(op) + ", " + dec(stream) + ")";
}

std::string waitcnt_text(unsigned simm16) {
    const unsigned vm = (simm16 & 15U) | (simm16 >> 14 & 3U) << 4;
    const unsigned exp = simm16 >> 4 & 7U, lgkm = simm16 >> 8 & 63U;
    const bool all = vm == 63 && exp == 7 && lgkm == 63;
    std::string out;
    if (all || vm != 63) {
        add(out, "vmcnt(" + dec(vm) + ")");
    }
    if (all || exp != 7) {
        add(out, "expcnt(" + dec(exp) + ")");
    }
    if (all || lgkm != 63) {
        add(out, "lgkmcnt(" + dec(lgkm) + ")");
    }
    return out;
}

std::string depctr_text(unsigned simm16) {
    struct Field {
        std::string_view name;
        unsigned shift, max;
    };
    static constexpr std::array<Field, 6> fields = {{{"sa_sdst", 0, 1},
                                                     {"va_vdst", 12, 15},
                                                     {"va_sdst", 9, 7},
                                                     {"va_ssrc", 8, 1},
                                                     {"va_vcc", 1, 1},
                                                     {"vm_vsrc", 2, 7}}};
    if ((simm16 & 0xe0U) != 0) {
        return hex(simm16);
    }
    const bool all = simm16 == 0xff1f;
    std::string out;
    for (const Field& f : fields) {
        const unsigned v = simm16 >> f.shift & f.max;
        if (all || v != f.max) {
            add(out, "depctr_" + std::string(f.name) + "(" + dec(v) + ")");
        }
    }
    return out;
}

std::string swizzle_text(unsigned offset) {
    if (offset == 0) {
        return "";
    }
    const std::string head = " offset:swizzle(";
    if (offset >= 0xe000) {
        return head + "FFT," + dec(offset & 31U) + ")";
    }
    if (offset >= 0xc000) {
        return head + "ROTATE," + dec(offset >> 10 & 1U) + "," + dec(offset >> 5 & 31U) + ")";
    }
    if ((offset & 0xff00U) == 0x8000) {
        std::string out = head + "QUAD_PERM";
        for (unsigned i = 0; i < 4; ++i) {
            out += "," + dec(offset >> (2 * i) & 3U);
        }
        return out + ")";
    }
    if (offset >= 0x8000) {
        return " offset:" + dec(offset);
    }
    const unsigned and_mask = offset & 31U, or_mask = offset >> 5 & 31U, xor_mask = offset >> 10 & 31U;
    const auto power = [](unsigned v) { return v != 0 && (v & (v - 1)) == 0; };
    if (and_mask == 31 && or_mask == 0 && power(xor_mask)) {
        return head + "SWAP," + dec(xor_mask) + ")";
    }
    if (and_mask == 31 && or_mask == 0 && xor_mask > 1 && power(xor_mask + 1)) {
        return head + "REVERSE," + dec(xor_mask + 1) + ")";
    }
    const unsigned group = 32 - and_mask;
    if (group > 1 && power(group) && or_mask < group && xor_mask == 0) {
        return head + "BROADCAST," + dec(group) + "," + dec(or_mask) + ")";
    }
    std::string out = head + "BITMASK_PERM,\"";
    for (unsigned m = 16; m != 0; m >>= 1) {
        const bool at0 = ((0U | (or_mask & m)) ^ (xor_mask & m)) != 0;
        const bool at1 = (((and_mask & m) | (or_mask & m)) ^ (xor_mask & m)) != 0;
        out += at0 == at1 ? (at0 ? '1' : '0') : (at0 ? 'i' : 'p');
    }
    return out + "\")";
}

std::string buffer_format_text(unsigned format) {
    // Every layout comes with these kinds of number, in this order; a dash marks a combination that has no code.
    struct Layout {
        std::string_view name, kinds;
    };
    static constexpr std::array<Layout, 14> layouts = {{{"8", "nsNSui"},
                                                        {"16", "nsNSuif"},
                                                        {"8_8", "nsNSui"},
                                                        {"32", "uif"},
                                                        {"16_16", "nsNSuif"},
                                                        {"10_11_11", "nsNSuif"},
                                                        {"11_11_10", "nsNSuif"},
                                                        {"10_10_10_2", "nsNSui"},
                                                        {"2_10_10_10", "nsNSui"},
                                                        {"8_8_8_8", "nsNSui"},
                                                        {"32_32", "uif"},
                                                        {"16_16_16_16", "nsNSuif"},
                                                        {"32_32_32", "uif"},
                                                        {"32_32_32_32", "uif"}}};
    if (format == 0) {
        return " format:[BUF_FMT_INVALID]";
    }
    unsigned left = format - 1;
    for (const Layout& l : layouts) {
        if (left < l.kinds.size()) {
            if (format == 1) {
                return "";  // 8_UNORM is the default
            }
            const char k = l.kinds[left];
            const std::string_view kind = k == 'n'   ? "UNORM"
                                          : k == 's' ? "SNORM"
                                          : k == 'N' ? "USCALED"
                                          : k == 'S' ? "SSCALED"
                                          : k == 'u' ? "UINT"
                                          : k == 'i' ? "SINT"
                                                     : "FLOAT";
            return " format:[BUF_FMT_" + std::string(l.name) + "_" + std::string(kind) + "]";
        }
        left -= static_cast<unsigned>(l.kinds.size());
    }
    return " format:" + dec(format);
}

std::string export_target_text(unsigned target) {
    if (target < 8) {
        return "mrt" + dec(target);
    }
    if (target == 8 || target == 9 || target == 20) {
        return target == 8 ? "mrtz" : target == 9 ? "null" : "prim";
    }
    if (target >= 12 && target <= 16) {
        return "pos" + dec(target - 12);
    }
    return target >= 32 ? "param" + dec(target - 32) : "invalid_target_" + dec(target);
}

}  // namespace vgpu::isa
