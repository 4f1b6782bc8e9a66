// Text of one instruction. One function a family of encodings; operands first, then the modifiers in LLVM's order.
#include "print.h"

#include <array>
#include <cstdio>

namespace vgpu::isa {
namespace {

std::string hex(std::uint64_t v) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(v));
    return text.data();
}

std::string signed_hex(std::int64_t v) {
    return v < 0 ? "-" + hex(static_cast<std::uint64_t>(-v)) : hex(static_cast<std::uint64_t>(v));
}

constexpr std::array<std::string_view, 9> float_text = {"0.5",  "-0.5", "1.0",  "-1.0",      "2.0",
                                                        "-2.0", "4.0",  "-4.0", "0.15915494"};

// A literal is written like the inline constant of the same value, where there is one.
std::string literal_text(std::uint32_t literal, Ty type) {
    const bool half = dwords(type) == 1 && bytes(type) == 2;
    const bool wide = dwords(type) == 2;
    const bool is_f64 = type == Ty::F64;
    std::uint64_t value = is_f64 ? static_cast<std::uint64_t>(literal) << 32 : half ? literal & 0xffffU : literal;
    const auto whole_int = static_cast<std::int64_t>(static_cast<std::int32_t>(literal));
    const bool fits_half = type == Ty::F16 || (whole_int >= -0x8000 && whole_int <= 0xffff);
    const std::int64_t as_int = half && fits_half ? static_cast<std::int16_t>(value)
                                : wide            ? static_cast<std::int64_t>(value)
                                                  : whole_int;
    if (as_int >= -16 && as_int <= 64) {
        return std::to_string(as_int);
    }
    const bool half_int = half && type != Ty::F16;
    for (std::int16_t code = 240; code <= 248; ++code) {
        const Operand o{Kind::float_const, type, static_cast<std::uint8_t>(dwords(type)), code, 0};
        const std::uint64_t whole = half_int ? literal : value;  // LLVM compares all 32 bits with single precision
        if (const_bits(o, 0) == whole && (is_f64 || !wide)) {
            return std::string(float_text[static_cast<std::size_t>(code - 240)]);
        }
    }
    return hex(is_f64 ? literal : value);
}

std::string range(const char* file, unsigned first, unsigned count) {
    if (count <= 1) {
        return file + std::to_string(first);
    }
    return std::string(file) + "[" + std::to_string(first) + ":" + std::to_string(first + count - 1) + "]";
}

std::string halves(const std::string& name, const Operand& o) {
    return o.dwords == 2 ? name : name + (o.value != 0 ? "_hi" : "_lo");
}

std::string operand_text(const Operand& o, std::uint32_t literal) {
    const auto n = static_cast<unsigned>(o.value);
    switch (o.kind) {
        case Kind::none: return "";
        case Kind::sgpr: return range("s", n, o.dwords);
        case Kind::vgpr: return range("v", n, o.dwords);
        case Kind::ttmp: return range("ttmp", n, o.dwords);
        case Kind::vcc: return halves("vcc", o);
        case Kind::exec: return halves("exec", o);
        case Kind::m0: return "m0";
        case Kind::null: return "null";
        case Kind::int_const: return std::to_string(o.value);
        case Kind::float_const:
            if (dwords(o.type) == 1 && bytes(o.type) == 2 && o.type != Ty::F16) {
                return hex(const_bits({o.kind, Ty::F16, 1, o.value, o.raw}, 0));  // LLVM shows the half's bits
            }
            return o.value == 248 && o.dwords == 2 ? "0.15915494309189532" : std::string(float_text[n - 240]);
        case Kind::literal: return literal_text(literal, o.type);
        case Kind::shared_base: return "src_shared_base";
        case Kind::shared_limit: return "src_shared_limit";
        case Kind::private_base: return "src_private_base";
        case Kind::private_limit: return "src_private_limit";
        case Kind::pops_exiting_wave_id: return "src_pops_exiting_wave_id";
        case Kind::vccz: return "src_vccz";
        case Kind::execz: return "src_execz";
        case Kind::scc: return "src_scc";
        case Kind::lds_direct: return "src_lds_direct";
        case Kind::off: return "off";
    }
    return "";
}

class Printer {
public:
    explicit Printer(const Inst& inst) : in_(inst), row_(inst.row()) {}

    std::string run() {
        out_ = std::string(row_.name) + suffix();
        switch (in_.fmt) {
            case Fmt::SOP1:
            case Fmt::SOP2:
            case Fmt::SOPC:
                operand(in_.dst);
                operand(in_.src[0]);
                operand(in_.src[1]);
                break;
            case Fmt::SOPK: sopk(); break;
            case Fmt::SOPP: sopp(); break;
            case Fmt::SMEM: smem(); break;
            case Fmt::DS: ds(); break;
            case Fmt::FLAT:
            case Fmt::GLOBAL:
            case Fmt::SCRATCH: flat(); break;
            case Fmt::MUBUF:
            case Fmt::MTBUF: buffer(); break;
            case Fmt::EXP: exp(); break;
            case Fmt::MIMG: image(); break;
            default: vector();
        }
        return out_;
    }

private:
    std::string suffix() const {
        switch (in_.ext) {
            case Ext::sdwa: return "_sdwa";
            case Ext::dpp16:
            case Ext::dpp8: return "_dpp";
            case Ext::none: break;
        }
        const bool has_both = row_.has(VOP3) && (row_.dst != Ty::_ || row_.src[0] != Ty::_);
        if (!has_both) {
            return "";
        }
        return in_.fmt == Fmt::VOP3 || in_.fmt == Fmt::VOP3B ? "_e64" : "_e32";
    }

    void item(const std::string& text) {
        out_ += first_ ? " " : ", ";
        out_ += text;
        first_ = false;
    }

    void operand(const Operand& o) {
        if (o) {
            item(operand_text(o, in_.literal));
        }
    }

    void flag(bool on, const char* name) {
        if (on) {
            out_ += ' ';
            out_ += name;
        }
    }

    void list(const char* name, unsigned mask, unsigned count) {
        out_ += ' ';
        out_ += name;
        for (unsigned i = 0; i < count; ++i) {
            out_ += i == 0 ? ":[" : ",";
            out_ += (mask >> i & 1U) != 0 ? '1' : '0';
        }
        out_ += ']';
    }

    // --- scalar ---

    void sopk() {
        if (in_.op == Op::s_setreg_b32 || in_.op == Op::s_setreg_imm32_b32) {
            item(hwreg_text(in_.simm));
            row_.has(KIMM) ? item(literal_text(in_.literal, Ty::B32)) : operand(in_.src[0]);
            return;
        }
        operand(in_.dst ? in_.dst : in_.src[0]);
        if (in_.op == Op::s_getreg_b32) {
            item(hwreg_text(in_.simm));
        } else {
            item(row_.has(BRANCH) ? std::to_string(in_.simm) : hex(in_.simm));
        }
    }

    void sopp() {
        switch (in_.op) {
            case Op::s_wakeup:
            case Op::s_barrier:
            case Op::s_icache_inv:
            case Op::s_ttracedata:
            case Op::s_endpgm_saved:
            case Op::s_endpgm_ordered_ps_done:
            case Op::s_code_end:
            case Op::s_wait_idle: return;
            case Op::s_endpgm:
                if (in_.simm == 0) {
                    return;
                }
                break;
            case Op::s_waitcnt: item(waitcnt_text(in_.simm)); return;
            case Op::s_waitcnt_depctr: item(depctr_text(in_.simm)); return;
            case Op::s_sendmsg:
            case Op::s_sendmsghalt: item(sendmsg_text(in_.simm)); return;
            case Op::s_inst_prefetch:
            case Op::s_clause:
            case Op::s_round_mode:
            case Op::s_ttracedata_imm: item(hex(in_.simm)); return;
            default: break;
        }
        const bool decimal = row_.has(BRANCH | END);
        item(decimal ? std::to_string(in_.simm) : literal_text(in_.simm, Ty::U32));
    }

    void smem() {
        if (in_.op == Op::s_atc_probe || in_.op == Op::s_atc_probe_buffer) {
            item(literal_text(in_.simm, Ty::U32));
        }
        operand(in_.src[2] ? in_.src[2] : in_.dst);
        if (in_.src[0]) {
            operand(in_.src[0]);
            if (!in_.src[1].is(Kind::null)) {
                operand(in_.src[1]);
                if (in_.offset != 0) {
                    out_ += " offset:" + signed_hex(in_.offset);
                }
            } else {
                item(in_.offset != 0 ? signed_hex(in_.offset) : "null");
            }
        }
        if (row_.has(LOAD | STORE | ATOMIC)) {
            flag(in_.glc, "glc");
            flag(in_.dlc, "dlc");
        }
    }

    // --- vector ---

    std::string modified(unsigned i) const {
        const Operand& o = in_.src[i];
        if (row_.has(KIMM) && o.is(Kind::literal)) {
            return hex(in_.literal);
        }
        const std::string text = operand_text(o, in_.literal);
        if (in_.ext == Ext::sdwa && i < 2 && in_.sdwa.sext[i] && !is_float(o.type)) {
            return "sext(" + text + ")";
        }
        const bool neg = (in_.neg >> i & 1U) != 0, abs = (in_.abs >> i & 1U) != 0;
        if (row_.has(PACKED) || !(is_float(o.type) || row_.has(FMODS))) {
            return text;
        }
        if (abs) {
            return std::string(neg ? "-" : "") + "|" + text + "|";
        }
        if (neg) {
            return o.is_const() ? "neg(" + text + ")" : "-" + text;
        }
        return text;
    }

    void vector() {
        if (!row_.has(WREXEC)) {
            operand(in_.dst);
        }
        operand(in_.sdst);
        unsigned sources = 0;
        for (unsigned i = 0; i < 3; ++i) {
            const bool is_dst = i == 2 && row_.fmt == Fmt::VOP2 && row_.has(DSTSRC);
            if (in_.src[i] && !is_dst) {
                item(modified(i));
                ++sources;
            }
        }
        if (in_.fmt == Fmt::VOP3P) {
            packed_modifiers(sources);
        } else if (row_.has(OPSEL) && in_.op_sel != 0 && in_.fmt == Fmt::VOP3) {
            const unsigned dst = in_.op_sel >> 3;
            row_.has(LANE) ? list("op_sel", in_.op_sel, 2)
                           : list("op_sel", (in_.op_sel & ((1U << sources) - 1)) | dst << sources, sources + 1);
        }
        flag(in_.clamp, "clamp");
        if (in_.omod != 0) {
            out_ += in_.omod == 3 ? " div:2" : in_.omod == 2 ? " mul:4" : " mul:2";
        }
        switch (in_.ext) {
            case Ext::sdwa: sdwa(sources); break;
            case Ext::dpp16: dpp16(); break;
            case Ext::dpp8: dpp8(); break;
            case Ext::none: break;
        }
    }

    void packed_modifiers(unsigned sources) {
        const unsigned all = (1U << sources) - 1;
        const unsigned usual_hi = row_.has(MIX) ? 0 : all;
        if ((in_.op_sel & all) != 0) {
            list("op_sel", in_.op_sel, sources);
        }
        if ((in_.op_sel_hi & all) != usual_hi) {
            list("op_sel_hi", in_.op_sel_hi, sources);
        }
        if (!row_.has(MIX)) {
            if ((in_.neg & all) != 0) {
                list("neg_lo", in_.neg, sources);
            }
            if ((in_.neg_hi & all) != 0) {
                list("neg_hi", in_.neg_hi, sources);
            }
        }
    }

    void sdwa(unsigned sources) {
        static constexpr std::array<const char*, 8> sel = {"BYTE_0", "BYTE_1", "BYTE_2", "BYTE_3",
                                                           "WORD_0", "WORD_1", "DWORD",  "?"};
        static constexpr std::array<const char*, 4> unused = {"PAD", "SEXT", "PRESERVE", "?"};
        if (in_.row().fmt != Fmt::VOPC) {
            out_ +=
                std::string(" dst_sel:") + sel[in_.sdwa.dst_sel] + " dst_unused:UNUSED_" + unused[in_.sdwa.dst_unused];
        }
        for (unsigned i = 0; i < sources && i < 2; ++i) {
            out_ += " src" + std::to_string(i) + "_sel:" + sel[in_.sdwa.sel[i]];
        }
    }

    void dpp16() {
        const unsigned c = in_.dpp.ctrl;
        const std::string n = std::to_string(c & 15U);
        if (c < 0x100) {
            out_ += " quad_perm:[";
            for (unsigned i = 0; i < 4; ++i) {
                out_ += (i != 0 ? "," : "") + std::to_string(c >> (2 * i) & 3U);
            }
            out_ += "]";
        } else if (c == 0x140 || c == 0x141) {
            out_ += c == 0x140 ? " row_mirror" : " row_half_mirror";
        } else {
            static constexpr std::array<const char*, 7> group = {
                " row_shl:", " row_shr:", " row_ror:", " row_bcast:", " row_?:", " row_share:", " row_xmask:"};
            const unsigned g = (c >> 4 & 15U);
            out_ += (g < group.size() ? group[g] : " row_?:") + n;
        }
        out_ += " row_mask:" + hex(in_.dpp.row_mask) + " bank_mask:" + hex(in_.dpp.bank_mask);
        flag(in_.dpp.bound_ctrl, "bound_ctrl:1");
        flag(in_.dpp.fi, "fi:1");
    }

    void dpp8() {
        out_ += " dpp8:[";
        for (unsigned i = 0; i < 8; ++i) {
            out_ += (i != 0 ? "," : "") + std::to_string(in_.dpp.lane[i]);
        }
        out_ += "]";
        flag(in_.dpp.fi, "fi:1");
    }

    // --- memory ---

    void ds() {
        operand(in_.dst);
        for (unsigned i = 0; i < 3; ++i) {
            operand(in_.src[i]);
        }
        if (in_.op == Op::ds_swizzle_b32) {
            out_ += swizzle_text(static_cast<unsigned>(in_.offset));
        } else if (row_.has(TWO)) {
            if (in_.offset0() != 0) {
                out_ += " offset0:" + std::to_string(in_.offset0());
            }
            if (in_.offset1() != 0) {
                out_ += " offset1:" + std::to_string(in_.offset1());
            }
        } else {
            offset();
        }
        flag(in_.gds, "gds");
    }

    void offset() {
        if (in_.offset != 0) {
            out_ += " offset:" + std::to_string(in_.offset);
        }
    }

    void flat() {
        operand(in_.dst);
        operand(in_.src[0]);
        operand(in_.src[1]);
        if (in_.fmt != Fmt::FLAT) {
            operand(in_.src[2]);
        }
        offset();
        cache_flags();
        flag(in_.lds, "lds");
    }

    void cache_flags() {
        flag(in_.glc, "glc");
        flag(in_.slc, "slc");
        flag(in_.dlc, "dlc");
    }

    void buffer() {
        if (!row_.has(CACHE)) {
            operand(in_.src[1] ? in_.src[1] : in_.dst);
            operand(in_.src[0]);
            operand(in_.src[2]);
            operand(in_.src[3]);
            if (in_.fmt == Fmt::MTBUF) {
                out_ += buffer_format_text(in_.format);
            }
            flag(in_.idxen, "idxen");
            flag(in_.offen, "offen");
            offset();
        }
        cache_flags();
        flag(in_.tfe, "tfe");
        flag(in_.lds, "lds");
    }

    void image() {
        if (in_.scattered_count != 0 && row_.has(IMGSAMPLE)) {
            out_ += ' ';  // LLVM's assembler string of these has two spaces
        }
        operand(in_.src[1] ? in_.src[1] : in_.dst);
        if (in_.scattered_count == 0) {
            operand(in_.src[0]);
        } else {
            std::string list = "[" + operand_text(in_.src[0], 0);
            for (unsigned i = 0; i < in_.scattered_count; ++i) {
                list += ", v" + std::to_string(in_.scattered[i]);
            }
            item(list + "]");
        }
        operand(in_.src[2]);
        operand(in_.src[3]);
        if (in_.dmask != 0) {
            out_ += " dmask:" + hex(in_.dmask);
        }
        out_ += " dim:SQ_RSRC_IMG_";
        out_ += image_dims[in_.dim].name;
        flag(in_.unorm, "unorm");
        cache_flags();
        flag(in_.r128, "r128");
        flag(in_.a16, "a16");
        flag(in_.tfe, "tfe");
        flag(in_.lwe, "lwe");
        flag(in_.d16, "d16");
    }

    void exp() {
        item(export_target_text(in_.exp_target));
        first_ = true;
        for (unsigned i = 0; i < 4; ++i) {
            const Operand& o = in_.src[in_.exp_compr ? i / 2 : i];
            item((in_.exp_en >> i & 1U) != 0 ? operand_text(o, 0) : "off");
        }
        flag(in_.exp_done, "done");
        flag(in_.exp_compr, "compr");
        flag(in_.exp_vm, "vm");
    }

    const Inst& in_;
    const Row& row_;
    std::string out_;
    bool first_ = true;
};

}  // namespace

std::string to_string(const Inst& inst) {
    if (inst.op == Op::invalid) {
        return "(not an instruction of gfx1010)";
    }
    return Printer(inst).run();
}

}  // namespace vgpu::isa
