// The decoder: machine words of gfx1010 to Inst. One function an encoding, each beside its field layout (RDNA1 ISA
// manual, chapter "Microcode formats"); everything that differs from instruction to instruction is in the table.
#include "image_size.h"
#include "operand_reader.h"

namespace vgpu::isa {
namespace {

constexpr unsigned src_sdwa = 249, src_dpp16 = 250, src_dpp8 = 233, src_dpp8_fi = 234;

constexpr unsigned bits(std::uint32_t w, unsigned lo, unsigned n) { return w >> lo & ((1U << n) - 1U); }
constexpr bool bit(std::uint32_t w, unsigned i) { return (w >> i & 1U) != 0; }
constexpr std::int32_t sext(std::uint32_t v, unsigned n) {
    return static_cast<std::int32_t>(v << (32 - n)) >> (32 - n);
}

// One instruction being decoded: the words, the result, and whether something illegal was met.
class Decoder : OperandReader {
public:
    using OperandReader::OperandReader;

    Status run() {
        in_ = Inst{};
        if (words_.empty()) {
            return Status::truncated;
        }
        next_ = 1;
        dispatch(words_[0]);
        in_.length = static_cast<std::uint8_t>(4 * next_);
        if (next_ > words_.size()) {
            return Status::truncated;
        }
        if (!legal_ || in_.op == Op::invalid) {
            return Status::illegal;
        }
        return Status::ok;
    }

private:
    void dispatch(std::uint32_t w) {
        if (!bit(w, 31)) {
            const unsigned op = bits(w, 25, 6);
            op == 0x3f ? vop1(w) : op == 0x3e ? vopc(w) : vop2(w);
        } else if (!bit(w, 30)) {
            switch (bits(w, 23, 7)) {
                case 0x7d: sop1(w); break;
                case 0x7e: sopc(w); break;
                case 0x7f: sopp(w); break;
                default: bits(w, 28, 2) == 3 ? sopk(w) : sop2(w);
            }
        } else {
            const std::uint32_t w1 = word();
            switch (bits(w, 26, 4)) {
                case 0x3: vop3p(w, w1); break;
                case 0x5: vop3(w, w1); break;
                case 0x6: ds(w, w1); break;
                case 0x7: flat(w, w1); break;
                case 0x8: mubuf(w, w1); break;
                case 0xa: mtbuf(w, w1); break;
                case 0xc: mimg(w, w1); break;
                case 0xd: smem(w, w1); break;
                case 0xe: exp(w, w1); break;
                case 0x2:
                    next_ = 1;
                    legal_ = false;
                    break;  // VINTRP, one word: graphics only
                default: legal_ = false;
            }
        }
    }

    const Row* set(Fmt f, Op op) {
        in_.fmt = f;
        in_.op = op;
        if (op == Op::invalid) {
            illegal();
            return nullptr;
        }
        return &row(op);
    }

    // --- scalar ALU ---

    // SOP2: 10 op[29:23] sdst[22:16] ssrc1[15:8] ssrc0[7:0]
    void sop2(std::uint32_t w) {
        if (const Row* r = set(Fmt::SOP2, lookup(Fmt::SOP2, bits(w, 23, 7)))) {
            in_.dst = scalar(bits(w, 16, 7), r->dst);
            in_.src[0] = source(bits(w, 0, 8), r->src[0], false);
            in_.src[1] = source(bits(w, 8, 8), r->src[1], false);
        }
    }

    // SOPK: 1011 op[27:23] sdst[22:16] simm16[15:0]
    void sopk(std::uint32_t w) {
        const Row* r = set(Fmt::SOPK, lookup(Fmt::SOPK, bits(w, 23, 5)));
        in_.simm = static_cast<std::uint16_t>(w);
        if (r == nullptr) {
            return;
        }
        if (r->has(KIMM)) {
            take_literal();
        }
        if (r->dst != Ty::_) {
            in_.dst = scalar(bits(w, 16, 7), r->dst);
        }
        if (r->src[0] != Ty::_) {
            in_.src[0] = scalar(bits(w, 16, 7), r->src[0]);
        }
    }

    // SOP1: 101111101 sdst[22:16] op[15:8] ssrc0[7:0]
    void sop1(std::uint32_t w) {
        if (const Row* r = set(Fmt::SOP1, lookup(Fmt::SOP1, bits(w, 8, 8)))) {
            if (r->dst != Ty::_) {
                in_.dst = scalar(bits(w, 16, 7), r->dst);
            }
            if (r->src[0] != Ty::_) {
                in_.src[0] = source(bits(w, 0, 8), r->src[0], false);
            }
        }
    }

    // SOPC: 101111110 op[22:16] ssrc1[15:8] ssrc0[7:0]
    void sopc(std::uint32_t w) {
        if (const Row* r = set(Fmt::SOPC, lookup(Fmt::SOPC, bits(w, 16, 7)))) {
            in_.src[0] = source(bits(w, 0, 8), r->src[0], false);
            in_.src[1] = source(bits(w, 8, 8), r->src[1], false);
        }
    }

    // SOPP: 101111111 op[22:16] simm16[15:0]
    void sopp(std::uint32_t w) {
        set(Fmt::SOPP, lookup(Fmt::SOPP, bits(w, 16, 7)));
        in_.simm = static_cast<std::uint16_t>(w);
    }

    // SMEM: 111101 op[25:18] glc[16] dlc[14] sdata[12:6] sbase[5:0] | soffset[63:57] offset[52:32]
    void smem(std::uint32_t w, std::uint32_t w1) {
        const Row* r = set(Fmt::SMEM, lookup(Fmt::SMEM, bits(w, 18, 8)));
        if (r == nullptr) {
            return;
        }
        in_.glc = bit(w, 16);
        in_.dlc = bit(w, 14);
        const unsigned sdata = bits(w, 6, 7);
        if (r->dst != Ty::_ && (!r->has(ATOMIC) || in_.glc)) {
            in_.dst = scalar(sdata, r->dst);
        }
        if (r->src[0] != Ty::_) {
            in_.src[0] = scalar(2 * bits(w, 0, 6), r->src[0]);
            in_.src[1] = scalar(bits(w1, 25, 7), Ty::U32);
            in_.offset = sext(bits(w1, 0, 21), 21);
        }
        if (r->src[2] != Ty::_) {
            in_.src[2] = scalar(sdata, r->src[2]);
        }
        in_.simm = static_cast<std::uint16_t>(sdata);  // s_atc_probe: permissions asked for
    }

    // --- vector ALU ---

    // The second word of SDWA, for a VOP1, VOP2 (`compare` false) or VOPC.
    void sdwa(std::uint32_t w1, const Row& r, bool compare) {
        in_.ext = Ext::sdwa;
        if (compare) {
            if (bit(w1, 15) && !r.has(WREXEC)) {
                in_.dst = scalar(bits(w1, 8, 7), Ty::MASK);
            }
        } else {
            in_.sdwa.dst_sel = static_cast<std::uint8_t>(bits(w1, 8, 3));
            in_.sdwa.dst_unused = static_cast<std::uint8_t>(bits(w1, 11, 2));
            in_.clamp = bit(w1, 13);
            in_.omod = static_cast<std::uint8_t>(bits(w1, 14, 2));
            if (in_.sdwa.dst_sel == 7 || in_.sdwa.dst_unused == 3) {
                illegal();
            }
        }
        for (unsigned i = 0; i < 2; ++i) {
            const std::uint32_t m = w1 >> (16 + 8 * i);
            in_.sdwa.sel[i] = static_cast<std::uint8_t>(bits(m, 0, 3));
            in_.sdwa.sext[i] = bit(m, 3);
            in_.neg |= static_cast<std::uint8_t>(bits(m, 4, 1) << i);
            in_.abs |= static_cast<std::uint8_t>(bits(m, 5, 1) << i);
            if (in_.sdwa.sel[i] == 7) {
                illegal();
            }
        }
    }

    // The second word of DPP16.
    void dpp16(std::uint32_t w1) {
        in_.ext = Ext::dpp16;
        in_.dpp.ctrl = static_cast<std::uint16_t>(bits(w1, 8, 9));
        in_.dpp.fi = bit(w1, 18);
        in_.dpp.bound_ctrl = bit(w1, 19);
        in_.neg = static_cast<std::uint8_t>(bits(w1, 20, 1) | bits(w1, 22, 1) << 1);
        in_.abs = static_cast<std::uint8_t>(bits(w1, 21, 1) | bits(w1, 23, 1) << 1);
        in_.dpp.bank_mask = static_cast<std::uint8_t>(bits(w1, 24, 4));
        in_.dpp.row_mask = static_cast<std::uint8_t>(bits(w1, 28, 4));
        const unsigned c = in_.dpp.ctrl, group = c & 0x1f0U;
        const bool shift = (group == 0x100 || group == 0x110 || group == 0x120) && (c & 0xfU) != 0;
        const bool mirror = c == 0x140 || c == 0x141;
        const bool share = group == 0x150 || group == 0x160;
        if (c > 0xff && !shift && !mirror && !share) {
            illegal();  // GCN's row_bcast and wave_shl/shr/rol/ror are gone
        }
    }

    void dpp8(std::uint32_t w1, bool fi) {
        in_.ext = Ext::dpp8;
        in_.dpp.fi = fi;
        for (unsigned i = 0; i < 8; ++i) {
            in_.dpp.lane[i] = static_cast<std::uint8_t>(bits(w1, 8 + 3 * i, 3));
        }
    }

    // src0 and, for two-source encodings, src1, with the word of SDWA or DPP if src0 asks for one.
    void vector_sources(const Row& r, unsigned src0, unsigned vsrc1, bool two, bool compare) {
        const bool dpp8_word = src0 == src_dpp8 || src0 == src_dpp8_fi;
        if (src0 == src_sdwa) {
            const std::uint32_t w1 = word();
            sdwa(w1, r, compare);
            if (!r.has(SDWA)) {
                illegal();
            }
            in_.src[0] = source(bits(w1, 0, 8) + (bit(w1, 23) ? 0U : 256U), r.src[0], true);
            if (two) {
                in_.src[1] = source(vsrc1 + (bit(w1, 31) ? 0U : 256U), r.src[1], true);
            }
            if (in_.has_literal) {
                illegal();
            }
            return;
        }
        if (src0 == src_dpp16 || dpp8_word) {
            const std::uint32_t w1 = word();
            dpp8_word ? dpp8(w1, src0 == src_dpp8_fi) : dpp16(w1);
            if (!r.has(DPP)) {
                illegal();
            }
            in_.src[0] = vgpr(bits(w1, 0, 8), r.src[0]);
        } else if (r.src[0] != Ty::_) {
            in_.src[0] = source(src0, r.src[0], true);
        }
        if (two) {
            in_.src[1] = vgpr(vsrc1, r.src[1]);
        }
    }

    void vector_dst(const Row& r, unsigned code) {
        if (r.dst == Ty::_) {
            return;
        }
        in_.dst = r.has(SDST) ? scalar(bits(code, 0, 7), r.dst) : vgpr(code, r.dst);
        if (r.has(SDST) && code > 127) {
            illegal();
        }
    }

    // VOP1: 0111111 vdst[24:17] op[16:9] src0[8:0]
    void vop1(std::uint32_t w) {
        if (const Row* r = set(Fmt::VOP1, lookup(Fmt::VOP1, bits(w, 9, 8)))) {
            vector_dst(*r, bits(w, 17, 8));
            vector_sources(*r, bits(w, 0, 9), 0, false, false);
        }
    }

    // VOP2: 0 op[30:25] vdst[24:17] vsrc1[16:9] src0[8:0]
    void vop2(std::uint32_t w) {
        const Row* r = set(Fmt::VOP2, lookup(Fmt::VOP2, bits(w, 25, 6)));
        if (r == nullptr) {
            return;
        }
        if (r->has(KIMM)) {
            take_literal();
        }
        vector_dst(*r, bits(w, 17, 8));
        vector_sources(*r, bits(w, 0, 9), bits(w, 9, 8), true, false);
        if (r->sdst != Ty::_) {
            in_.sdst = vcc();
        }
        if (r->src[2] == Ty::MASK) {
            in_.src[2] = vcc();
        } else if (r->has(KIMM)) {
            // fmamk: D = S0 * K + S1, fmaak: D = S0 * S1 + K. Sources are kept in the order of the formula.
            const Operand k{Kind::literal, r->src[2], 1, 0, src_literal};
            const bool middle = r->name.find("mk_") != std::string_view::npos;
            in_.src[2] = middle ? in_.src[1] : k;
            if (middle) {
                in_.src[1] = k;
            }
        } else if (r->src[2] != Ty::_) {
            in_.src[2] = in_.dst;
        }
    }

    // VOPC: 0111110 op[24:17] vsrc1[16:9] src0[8:0]
    void vopc(std::uint32_t w) {
        if (const Row* r = set(Fmt::VOPC, lookup(Fmt::VOPC, bits(w, 17, 8)))) {
            in_.dst = r->has(WREXEC) ? scalar(code_exec, Ty::MASK) : vcc();
            vector_sources(*r, bits(w, 0, 9), bits(w, 9, 8), true, true);
        }
    }

    // VOP3A: 110101 op[25:16] clamp[15] op_sel[14:11] abs[10:8] vdst[7:0] | neg[63:61] omod[60:59] src2 src1 src0
    // VOP3B: the same with sdst[14:8] for op_sel and abs
    void vop3(std::uint32_t w, std::uint32_t w1) {
        const Op op = lookup_vop3(bits(w, 16, 10));
        const Row* r = set(Fmt::VOP3, op);
        if (r == nullptr) {
            return;
        }
        in_.clamp = bit(w, 15);
        in_.neg = static_cast<std::uint8_t>(bits(w1, 29, 3));
        in_.omod = static_cast<std::uint8_t>(bits(w1, 27, 2));
        if (r->sdst != Ty::_) {
            in_.fmt = Fmt::VOP3B;
            in_.sdst = scalar(bits(w, 8, 7), r->sdst);
        } else {
            in_.abs = static_cast<std::uint8_t>(bits(w, 8, 3));
            in_.op_sel = static_cast<std::uint8_t>(bits(w, 11, 4));
        }
        if (r->fmt == Fmt::VOPC) {
            in_.dst = scalar(r->has(WREXEC) ? code_exec : bits(w, 0, 7), Ty::MASK);
            if (bit(w, 7) && !r->has(WREXEC)) {
                illegal();
            }
        } else {
            vector_dst(*r, bits(w, 0, 8));
        }
        three_sources(*r, w1);
        if (r->fmt == Fmt::VOP2 && r->has(DSTSRC) && r->src[2] != Ty::_) {
            in_.src[2] = in_.dst;
        }
        // v_readlane's lane, v_writelane's sources and v_permlane16's selectors are scalar.
        const bool scalar_src0 = op == Op::v_writelane_b32;
        const bool scalar_src1 = r->has(LANE) && r->src[1] != Ty::_;
        if ((scalar_src0 && in_.src[0].is(Kind::vgpr)) || (scalar_src1 && in_.src[1].is(Kind::vgpr)) ||
            (scalar_src1 && in_.src[2].is(Kind::vgpr))) {
            illegal();
        }
    }

    void three_sources(const Row& r, std::uint32_t w1) {
        for (unsigned i = 0; i < 3; ++i) {
            if (r.src[i] == Ty::_) {
                continue;
            }
            const unsigned code = bits(w1, 9 * i, 9);
            if (r.src[i] == Ty::MASK && code >= 128) {
                illegal();
            }
            if (i == 2 && r.fmt == Fmt::VOP2 && r.src[2] != Ty::MASK) {
                continue;  // the 64-bit form of v_fmac has no third source: it is the destination
            }
            in_.src[i] = source(code, r.src[i], true);
        }
    }

    // VOP3P: 110011 op[22:16] clamp[15] op_sel_hi2[14] op_sel[13:11] neg_hi[10:8] vdst[7:0] | neg[63:61]
    // op_sel_hi[60:59] src2 src1 src0
    void vop3p(std::uint32_t w, std::uint32_t w1) {
        const Row* r = set(Fmt::VOP3P, lookup(Fmt::VOP3P, bits(w, 16, 7)));
        if (r == nullptr) {
            return;
        }
        in_.clamp = bit(w, 15);
        in_.op_sel = static_cast<std::uint8_t>(bits(w, 11, 3));
        in_.op_sel_hi = static_cast<std::uint8_t>(bits(w1, 27, 2) | bits(w, 14, 1) << 2);
        in_.neg = static_cast<std::uint8_t>(bits(w1, 29, 3));
        const auto hi = static_cast<std::uint8_t>(bits(w, 8, 3));
        (r->has(MIX) ? in_.abs : in_.neg_hi) = hi;
        vector_dst(*r, bits(w, 0, 8));
        three_sources(*r, w1);
    }

    // --- memory ---

    void memory_operands(const Row& r, unsigned vdst, unsigned vdata) {
        if (r.dst != Ty::_ && (!r.has(ATOMIC) || in_.glc)) {
            in_.dst = vgpr(vdst, r.dst, dwords(r.dst) + (in_.tfe ? 1U : 0U));
        }
        if (r.src[1] != Ty::_) {
            in_.src[1] = vgpr(vdata, r.src[1], dwords(r.src[1]) + (in_.tfe ? 1U : 0U));
        }
    }

    // DS: 110110 op[25:18] gds[17] offset1[15:8] offset0[7:0] | vdst data1 data0 addr
    void ds(std::uint32_t w, std::uint32_t w1) {
        const Row* r = set(Fmt::DS, lookup(Fmt::DS, bits(w, 18, 8)));
        if (r == nullptr) {
            return;
        }
        in_.offset = static_cast<std::int32_t>(bits(w, 0, 16));
        in_.gds = bit(w, 17);
        if (r->has(GDSONLY) && !in_.gds) {
            illegal();
        }
        if (r->dst != Ty::_) {
            in_.dst = vgpr(bits(w1, 24, 8), r->dst);
        }
        for (unsigned i = 0; i < 3; ++i) {
            if (r->src[i] != Ty::_) {
                in_.src[i] = vgpr(bits(w1, 8 * i, 8), r->src[i]);
            }
        }
    }

    // FLAT: 110111 op[24:18] slc[17] glc[16] seg[15:14] lds[13] dlc[12] offset[11:0] | vdst saddr[54:48] data addr
    void flat(std::uint32_t w, std::uint32_t w1) {
        static constexpr Fmt segments[3] = {Fmt::FLAT, Fmt::SCRATCH, Fmt::GLOBAL};
        const unsigned seg = bits(w, 14, 2);
        if (seg == 3) {
            illegal();
            return;
        }
        const Row* r = set(segments[seg], lookup(segments[seg], bits(w, 18, 7)));
        if (r == nullptr) {
            return;
        }
        in_.slc = bit(w, 17);
        in_.glc = bit(w, 16);
        in_.lds = bit(w, 13);
        in_.dlc = bit(w, 12);
        if (in_.lds && !r->has(LDSOK)) {
            illegal();
        }
        in_.offset = seg == 0 ? static_cast<std::int32_t>(bits(w, 0, 12)) : sext(bits(w, 0, 12), 12);
        memory_operands(*r, bits(w1, 24, 8), bits(w1, 8, 8));
        if (in_.lds) {
            in_.dst = Operand{};
        }
        const unsigned saddr = bits(w1, 16, 7);
        const bool has_saddr = seg != 0 && saddr != code_null && saddr != 0x7f;
        const Operand off{Kind::off, Ty::_, 0, 0, code_null};
        in_.src[2] = has_saddr ? scalar(saddr, r->src[2]) : off;
        if (seg == 1 && has_saddr) {
            in_.src[0] = off;  // the scalar is the whole address
        } else {
            in_.src[0] = vgpr(bits(w1, 0, 8), r->src[0], has_saddr ? 1 : dwords(r->src[0]));
        }
    }

    void buffer_operands(const Row& r, std::uint32_t w, std::uint32_t w1) {
        in_.offset = static_cast<std::int32_t>(bits(w, 0, 12));
        in_.offen = bit(w, 12);
        in_.idxen = bit(w, 13);
        in_.glc = bit(w, 14);
        in_.dlc = bit(w, 15);
        in_.slc = bit(w1, 22);
        in_.tfe = bit(w1, 23);
        if (r.has(CACHE)) {
            return;
        }
        memory_operands(r, bits(w1, 8, 8), bits(w1, 8, 8));
        const unsigned address = (in_.offen ? 1U : 0U) + (in_.idxen ? 1U : 0U);
        in_.src[0] =
            address == 0 ? Operand{Kind::off, Ty::ADDR, 0, 0, code_null} : vgpr(bits(w1, 0, 8), Ty::ADDR, address);
        in_.src[2] = scalar(4 * bits(w1, 16, 5), r.src[2]);
        in_.src[3] = source(bits(w1, 24, 8), Ty::U32, false);
        if (in_.has_literal) {
            illegal();
        }
    }

    // MUBUF: 111000 op[25:18] lds[16] dlc[15] glc[14] idxen[13] offen[12] offset[11:0] | soffset tfe[55] slc[54]
    // srsrc[52:48] vdata vaddr
    void mubuf(std::uint32_t w, std::uint32_t w1) {
        if (const Row* r = set(Fmt::MUBUF, lookup(Fmt::MUBUF, bits(w, 18, 8)))) {
            in_.lds = bit(w, 16);
            buffer_operands(*r, w, w1);
            if (in_.lds) {
                in_.dst = Operand{};
                if (!r->has(LDSOK)) {
                    illegal();
                }
            }
        }
    }

    // MTBUF: as MUBUF with format[25:19], op[18:16] and op's high bit [53]
    void mtbuf(std::uint32_t w, std::uint32_t w1) {
        if (const Row* r = set(Fmt::MTBUF, lookup(Fmt::MTBUF, bits(w, 16, 3) | bits(w1, 21, 1) << 3))) {
            in_.format = static_cast<std::uint8_t>(bits(w, 19, 7));
            buffer_operands(*r, w, w1);
        }
    }

    // The address registers: one behind the other, or (NSA) each named by a byte of up to three words more.
    void image_address(const Row& r, unsigned first, unsigned words) {
        const unsigned count = image_address_dwords(r, image_dims[in_.dim], in_.a16);
        const unsigned limit = image_address_limit(r);
        if (count > limit || words > (limit + 2U) / 4U) {
            illegal();
        }
        if (words == 0) {
            in_.src[0] = vgpr(first, Ty::ADDR, count > 12 ? 16U : count);  // LLVM has no tuple between
            return;
        }
        in_.src[0] = vgpr(first, Ty::ADDR, 1);
        if (count < 2 || count > 1 + 4 * words) {
            illegal();
            return;
        }
        in_.scattered_count = static_cast<std::uint8_t>(count - 1);
    }

    // MIMG: 111100 slc[25] op[24:18] lwe[17] tfe[16] r128[15] glc[13] unorm[12] dmask[11:8] dlc[7] dim[5:3] nsa[2:1]
    // op's high bit [0] | d16[63] a16[62] ssamp[57:53] srsrc[52:48] vdata vaddr; each count of nsa is one more word of
    // addresses
    void mimg(std::uint32_t w, std::uint32_t w1) {
        const Row* r = set(Fmt::MIMG, lookup(Fmt::MIMG, bits(w, 18, 7) | bits(w, 0, 1) << 7));
        const unsigned more = bits(w, 1, 2);
        for (unsigned i = 0; i < 4 * more; i += 4) {
            const std::uint32_t addresses = word();
            for (unsigned k = 0; k < 4; ++k) {
                in_.scattered[i + k] = static_cast<std::uint8_t>(bits(addresses, 8 * k, 8));
            }
        }
        if (r == nullptr) {
            return;
        }
        in_.slc = bit(w, 25);
        in_.lwe = bit(w, 17);
        in_.tfe = bit(w, 16);
        in_.r128 = bit(w, 15);
        in_.glc = bit(w, 13);
        in_.unorm = bit(w, 12);
        in_.dmask = static_cast<std::uint8_t>(bits(w, 8, 4));
        in_.dlc = bit(w, 7);
        in_.dim = static_cast<std::uint8_t>(bits(w, 3, 3));
        in_.d16 = bit(w1, 31);
        in_.a16 = bit(w1, 30);
        if (in_.d16 && !r->has(IMGD16)) {
            illegal();
        }
        const unsigned data = image_data_dwords(*r, in_), vdata = bits(w1, 8, 8);
        if (r->dst != Ty::_ && (!r->has(ATOMIC) || in_.glc)) {
            in_.dst = vgpr(vdata, r->dst, data);
        }
        if (r->src[1] != Ty::_) {
            in_.src[1] = vgpr(vdata, r->src[1], data);
        }
        // An atomic works on one component of 32 or 64 bits; LLVM has no registers for other masks either.
        if (r->has(ATOMIC) && (r->has(IMGPAIR) ? data < 2 : data > 3)) {
            illegal();
        }
        image_address(*r, bits(w1, 0, 8), more);
        in_.src[2] = scalar(4 * bits(w1, 16, 5), r->src[2]);
        const unsigned ssamp = bits(w1, 21, 5);
        if (r->has(IMGSAMPLE)) {
            in_.src[3] = scalar(4 * ssamp, Ty::B128);
        } else if (ssamp != 0) {
            illegal();
        }
    }

    // EXP: 111110 vm[12] done[11] compr[10] target[9:4] en[3:0] | four VGPRs
    void exp(std::uint32_t w, std::uint32_t w1) {
        set(Fmt::EXP, Op::exp);
        in_.exp_vm = bit(w, 12);
        in_.exp_done = bit(w, 11);
        in_.exp_compr = bit(w, 10);
        in_.exp_target = static_cast<std::uint8_t>(bits(w, 4, 6));
        in_.exp_en = static_cast<std::uint8_t>(bits(w, 0, 4));
        for (unsigned i = 0; i < 4; ++i) {
            in_.src[i] = vgpr(bits(w1, 8 * i, 8), Ty::B32);
        }
    }
};

}  // namespace

Status decode(std::span<const std::uint32_t> words, Inst& out, unsigned wave) {
    return Decoder(words, out, wave).run();
}

}  // namespace vgpu::isa
