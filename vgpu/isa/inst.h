// The instruction set of gfx1010 as data, and the decoded form of one instruction.
//
// Everything else in vgpu/ and the audit learns what an instruction is from here: the table row (opcodes.def), and
// Inst, which decode() fills. Knows nothing of execution, of the HSA layer or of any file format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vgpu::isa {

// Encodings. GLOBAL and SCRATCH are FLAT with another segment; VOP3B is VOP3 with a scalar destination.
enum class Fmt : std::uint8_t {
    SOP1,
    SOP2,
    SOPC,
    SOPK,
    SOPP,
    SMEM,
    VOP1,
    VOP2,
    VOPC,
    VOP3,
    VOP3B,
    VOP3P,
    DS,
    FLAT,
    GLOBAL,
    SCRATCH,
    MUBUF,
    MTBUF,
    MIMG,
    EXP,
};

// Operand and memory types. The digit is the width in bits; P* are two 16-bit halves in one dword; MASK is a lane
// mask, 32 or 64 bits wide with the wave; ADDR is a buffer address of 0 to 2 dwords; FMT a formatted element.
enum class Ty : std::uint8_t {
    _,
    U8,
    I8,
    B8,
    U16,
    I16,
    B16,
    F16,
    U32,
    I32,
    B32,
    F32,
    U64,
    I64,
    B64,
    F64,
    B96,
    B128,
    B256,
    B512,
    PU16,
    PI16,
    PB16,
    PF16,
    MASK,
    ADDR,
    FMT,
};

enum Flag : std::uint64_t {
    VOP3 = 1ULL << 0,     // also has the 64-bit encoding
    SDWA = 1ULL << 1,     // may carry SDWA
    DPP = 1ULL << 2,      // may carry DPP16 and DPP8
    CLAMP = 1ULL << 3,    // VOP3 clamp: to 0..1 for floats, saturation for integers
    OMOD = 1ULL << 4,     // VOP3 output modifier *2 *4 /2
    OPSEL = 1ULL << 5,    // VOP3 op_sel picks halves
    FMODS = 1ULL << 6,    // takes neg and abs although its sources are not of a float type
    PACKED = 1ULL << 7,   // VOP3P working on both halves
    MIX = 1ULL << 8,      // v_fma_mix*: op_sel_hi says which sources are f16; neg_hi is abs
    KIMM = 1ULL << 9,     // always followed by a 32-bit constant
    DSTSRC = 1ULL << 10,  // also reads what its destination held
    SDST = 1ULL << 11,    // a VALU instruction whose destination field names an SGPR
    TRANS = 1ULL << 12,   // transcendental unit
    FMA = 1ULL << 13,     // multiply-add of floats
    LANE = 1ULL << 14,    // moves data between lanes
    RDSCC = 1ULL << 15,
    WRSCC = 1ULL << 16,
    RDVCC = 1ULL << 17,  // reads VCC without an operand slot
    RDEXEC = 1ULL << 18,
    WREXEC = 1ULL << 19,
    RDM0 = 1ULL << 20,
    BRANCH = 1ULL << 21,  // may change the PC
    CALL = 1ULL << 22,    // writes a return address
    END = 1ULL << 23,     // ends the wave
    WAIT = 1ULL << 24,    // waits on counters
    MSG = 1ULL << 25,
    HWREG = 1ULL << 26,  // simm16 names a hardware register
    LOAD = 1ULL << 27,
    STORE = 1ULL << 28,
    ATOMIC = 1ULL << 29,
    RTN = 1ULL << 30,         // DS atomic that returns the old value
    D16LO = 1ULL << 31,       // uses the low half of the register, keeps the other
    D16HI = 1ULL << 32,       // uses the high half of the register, keeps the other
    D16FMT = 1ULL << 33,      // formatted access with 16-bit components
    TWO = 1ULL << 34,         // DS access to two addresses
    ST64 = 1ULL << 35,        // the two offsets count 64 elements
    GDSONLY = 1ULL << 36,     // legal only with the gds bit
    GWS = 1ULL << 37,         // global wave sync
    CACHE = 1ULL << 38,       // cache control, touches no data
    LDSOK = 1ULL << 39,       // load that may write to LDS (Inst::lds) instead of a register
    SCRATCHMEM = 1ULL << 40,  // scalar access to scratch memory
    // Images. The address is: leading arguments, gradients, coordinates, and one of lod, clamp or mip level.
    IMGSAMPLE = 1ULL << 41,   // takes a sampler
    IMGGATHER = 1ULL << 42,   // always four components, whatever dmask says
    IMGARG1 = 1ULL << 43,     // leading arguments (offset, bias, comparand): one,
    IMGARG2 = 1ULL << 44,     // two, or with IMGARG1 three
    IMGGRAD = 1ULL << 45,     // gradients
    IMGG16 = 1ULL << 46,      // two gradients in a dword
    IMGMIP = 1ULL << 47,      // lod, clamp or mip level
    IMGNOCOORD = 1ULL << 48,  // no coordinates
    IMGPAIR = 1ULL << 49,     // atomic with a value and a comparand
    IMGD16 = 1ULL << 50,      // may have 16-bit components, two in a dword
};

enum class Op : std::uint16_t {
#define INST(fmt, opcode, name, dst, sdst, s0, s1, s2, mem, flags) name,
#include "opcodes.def"
#undef INST
    count,
    invalid = 0xffff,
};

inline constexpr std::size_t op_count = static_cast<std::size_t>(Op::count);

struct Row {
    Fmt fmt;
    std::uint16_t opcode;
    std::string_view name;
    Ty dst, sdst;
    std::array<Ty, 3> src;
    Ty mem;
    std::uint64_t flags;

    constexpr bool has(std::uint64_t f) const { return (flags & f) != 0; }
};

// The table, in the order of Op.
extern const std::array<Row, op_count> table;

inline const Row& row(Op op) { return table[static_cast<std::size_t>(op)]; }

// The op of that mnemonic (no suffix), or Op::invalid.
Op find(std::string_view name);

// Registers a value of this type takes; 0 for none, ADDR and FMT. `wave` is 32 or 64 and matters for MASK alone.
constexpr unsigned dwords(Ty t, unsigned wave = 32) {
    switch (t) {
        case Ty::_:
        case Ty::ADDR:
        case Ty::FMT: return 0;
        case Ty::U64:
        case Ty::I64:
        case Ty::B64:
        case Ty::F64: return 2;
        case Ty::B96: return 3;
        case Ty::B128: return 4;
        case Ty::B256: return 8;
        case Ty::B512: return 16;
        case Ty::MASK: return wave == 64 ? 2 : 1;
        default: return 1;
    }
}

// Bytes of one element in memory; 0 for types that are not memory elements.
constexpr unsigned bytes(Ty t) {
    switch (t) {
        case Ty::U8:
        case Ty::I8:
        case Ty::B8: return 1;
        case Ty::U16:
        case Ty::I16:
        case Ty::B16:
        case Ty::F16: return 2;
        default: return 4 * dwords(t);
    }
}

constexpr bool is_float(Ty t) { return t == Ty::F16 || t == Ty::F32 || t == Ty::F64 || t == Ty::PF16; }

enum class Kind : std::uint8_t {
    none,
    sgpr,  // value = number 0..105
    vcc,   // value = 0 low half or whole, 1 high half
    ttmp,  // value = number 0..15
    m0,
    null,         // reads 0, drops writes
    exec,         // value as for vcc
    vgpr,         // value = number 0..255
    int_const,    // value = -16..64
    float_const,  // value = source code 240..248 (0.5 -0.5 1 -1 2 -2 4 -4 1/2pi)
    literal,      // Inst::literal
    shared_base,
    shared_limit,
    private_base,
    private_limit,
    pops_exiting_wave_id,
    vccz,
    execz,
    scc,  // value read as 0 or 1
    lds_direct,
    off,  // an address part that is not used
};

// One operand slot. `raw` is the 9-bit source code (VGPR n is 256+n), so SGPRs, VCC, TTMP, M0, NULL and EXEC are
// raw 0..127 and may index a scalar file directly.
struct Operand {
    Kind kind = Kind::none;
    Ty type = Ty::_;
    std::uint8_t dwords = 0;
    std::int16_t value = 0;
    std::uint16_t raw = 0;

    constexpr explicit operator bool() const { return kind != Kind::none; }
    constexpr bool is(Kind k) const { return kind == k; }
    constexpr bool is_const() const {
        return kind == Kind::int_const || kind == Kind::float_const || kind == Kind::literal;
    }
};

enum class Ext : std::uint8_t { none, sdwa, dpp16, dpp8 };

// SDWA selections 0..6: byte 0..3, word 0..1, dword; `unused` 0 pad, 1 sign-extend, 2 preserve.
struct Sdwa {
    std::uint8_t dst_sel = 6, dst_unused = 0, sel[2] = {6, 6};
    bool sext[2] = {false, false};
};

struct Dpp {
    std::uint16_t ctrl = 0;  // DPP16: quad_perm 0..0xff, row_shl 0x101.., row_shr 0x111.., row_ror 0x121..,
                             // row_mirror 0x140, row_half_mirror 0x141, row_share 0x150.., row_xmask 0x160..
    std::uint8_t row_mask = 0xf, bank_mask = 0xf;
    bool bound_ctrl = false;  // lanes with an invalid source read 0 instead of being switched off
    bool fi = false;          // fetch from inactive lanes
    std::uint8_t lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};  // DPP8
};

// Kinds of image, as MIMG's dim field counts them (LLVM: MIMGInstructions.td, AMDGPUDims).
struct ImageDim {
    std::string_view name;  // LLVM's, without SQ_RSRC_IMG_
    std::uint8_t coordinates, gradients;
};
inline constexpr std::array<ImageDim, 8> image_dims = {{{"1D", 1, 2},
                                                        {"2D", 2, 4},
                                                        {"3D", 3, 6},
                                                        {"CUBE", 3, 4},
                                                        {"1D_ARRAY", 2, 2},
                                                        {"2D_ARRAY", 3, 4},
                                                        {"2D_MSAA", 3, 4},
                                                        {"2D_MSAA_ARRAY", 4, 4}}};

struct Inst {
    Op op = Op::invalid;
    Fmt fmt = Fmt::SOPP;  // the encoding found, so VOP3 for the 64-bit form of a VOP2 row
    Ext ext = Ext::none;
    std::uint8_t length = 0;  // bytes: 4 to 20
    Operand dst, sdst, src[4];
    std::uint32_t literal = 0;  // when has_literal, KIMM, or s_setreg_imm32
    bool has_literal = false;
    std::uint16_t simm = 0;  // SOPK and SOPP, as encoded

    // bit i is source i; op_sel bit 3 is the destination
    std::uint8_t neg = 0, abs = 0, neg_hi = 0, op_sel = 0, op_sel_hi = 0;
    bool clamp = false;
    std::uint8_t omod = 0;  // 1 *2, 2 *4, 3 /2
    Sdwa sdwa;
    Dpp dpp;

    std::int32_t offset = 0;  // bytes; DS with TWO: offset0 in bits 0..7, offset1 in bits 8..15, in elements
    bool glc = false, slc = false, dlc = false, lds = false, tfe = false, idxen = false, offen = false, gds = false;
    std::uint8_t format = 0;  // MTBUF
    // MIMG. `scattered` are the address registers after src[0] where each is named for itself (NSA).
    std::uint8_t dim = 0, dmask = 0, scattered_count = 0;
    bool unorm = false, r128 = false, a16 = false, lwe = false, d16 = false;
    std::array<std::uint8_t, 12> scattered{};
    std::uint8_t exp_target = 0, exp_en = 0;
    bool exp_done = false, exp_compr = false, exp_vm = false;

    const Row& row() const { return isa::row(op); }
    bool has(std::uint64_t f) const { return op != Op::invalid && row().has(f); }
    std::int32_t branch_bytes() const { return 4 * static_cast<std::int16_t>(simm); }  // from the next instruction
    unsigned offset0() const { return static_cast<unsigned>(offset) & 0xffU; }
    unsigned offset1() const { return static_cast<unsigned>(offset) >> 8 & 0xffU; }
};

enum class Status : std::uint8_t {
    ok,
    illegal,    // no instruction of gfx1010; Inst::length says how far to step over it
    truncated,  // the words end inside the instruction
};

// Decodes the instruction at words[0]. `wave` (32 or 64) sets the width of lane masks. Never reads past `words`.
Status decode(std::span<const std::uint32_t> words, Inst& out, unsigned wave = 32);

// The bits a constant operand supplies, for its type: integers sign-extended to 32 or 64 bits; float constants in
// the operand's own precision (in the low half for 16-bit floats, single precision for integer operands); a literal
// is the high half of an F64 operand, sign-extended for I64, zero-extended otherwise.
std::uint64_t const_bits(const Operand& o, std::uint32_t literal);

}  // namespace vgpu::isa
