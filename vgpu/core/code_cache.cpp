// CodeCache: from a decoded instruction to a micro-op.
#include "vgpu/core/code_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include "vgpu/core/memory_ops.h"
#include "vgpu/core/strict.h"

namespace vgpu::core {
namespace {

using isa::Fmt;
using isa::Inst;
using isa::Kind;
using isa::Op;
using isa::Operand;
using isa::Row;
using isa::Ty;

// A constant takes 64 dwords: 32 lanes of the low word, 32 of the high one.
constexpr u32 kConstantDwords = 64;
constexpr unsigned kChunkLimit = 1024;  // instructions

bool is_half(Ty t) { return t == Ty::U16 || t == Ty::I16 || t == Ty::B16 || t == Ty::F16; }

Class class_of(const Inst& inst) {
    switch (inst.row().fmt) {
        case Fmt::SOP1:
        case Fmt::SOP2:
        case Fmt::SOPC:
        case Fmt::SOPK: return inst.has(isa::BRANCH) ? Class::Branch : inst.has(isa::WAIT) ? Class::Other : Class::Salu;
        case Fmt::SOPP: return inst.has(isa::BRANCH) ? Class::Branch : Class::Other;
        case Fmt::SMEM: return Class::Smem;
        case Fmt::DS: return Class::Lds;
        case Fmt::FLAT:
        case Fmt::GLOBAL:
        case Fmt::SCRATCH:
        case Fmt::MUBUF:
        case Fmt::MTBUF:
        case Fmt::MIMG: return Class::Vmem;
        case Fmt::EXP: return Class::Other;
        default: return Class::Valu;
    }
}

bool ends_chunk(Op op) {
    return op == Op::s_endpgm || op == Op::s_branch || op == Op::s_setpc_b64 || op == Op::s_swappc_b64 ||
           op == Op::s_rfe_b64 || op == Op::s_endpgm_saved || op == Op::s_code_end;
}

// A planted rounding defect runs a fused multiply-add as its unfused sibling.
Op unfused(Op op) {
    switch (op) {
        case Op::v_fma_f32: return Op::v_mad_f32;
        case Op::v_fmac_f32: return Op::v_mac_f32;
        case Op::v_fmamk_f32: return Op::v_madmk_f32;
        case Op::v_fmaak_f32: return Op::v_madak_f32;
        default: return op;
    }
}

}  // namespace

// The best build that this CPU runs; a wanted build that it does not run is passed over.
const HandlerSet& choose_handlers([[maybe_unused]] const std::string& wanted) {
    const HandlerSet* chosen = nullptr;
#if defined(__x86_64__)
    __builtin_cpu_init();
    [[maybe_unused]] const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                                     __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
    [[maybe_unused]] const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
#ifdef VGPU_HAS_portable
    chosen = &portable::handler_set();
    if (wanted == "portable") return *chosen;
#endif
#ifdef VGPU_HAS_avx2
    if (v3) chosen = &avx2::handler_set();
    if (v3 && wanted == "avx2") return *chosen;
#endif
#ifdef VGPU_HAS_avx512
    if (v4) chosen = &avx512::handler_set();
#endif
    if (chosen == nullptr) std::abort();  // built without the portable handlers, for another CPU
    return *chosen;
}

CodeCache::CodeCache(const HandlerSet& handlers, const AddressSpace& memory, Inject inject, bool strict, Limits limits)
    : handlers_(handlers),
      memory_(memory),
      inject_(inject),
      strict_(strict),
      limits_{std::min<std::size_t>(limits.constants, (operand::kValue + 1) / kConstantDwords), limits.ops},
      by_op_(isa::op_count, nullptr),
      quick_(isa::op_count, nullptr) {
    for (std::size_t i = 0; i < handlers.count; ++i)
        for (std::size_t k = 0; k < handlers.lists[i]->count; ++k) {
            const Binding& b = handlers.lists[i]->rows[k];
            by_op_[static_cast<std::size_t>(b.op)] = b.fn;
            quick_[static_cast<std::size_t>(b.op)] = b.quick;
        }
    // Address space, touched as used.
    void* p = mmap(nullptr, limits_.constants * kConstantDwords * sizeof(u32), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::abort();  // nothing could ever run
    constants_ = static_cast<u32*>(p);
    constant(0);
}

CodeCache::~CodeCache() { munmap(constants_, limits_.constants * kConstantDwords * sizeof(u32)); }

// Not while a launch runs: its waves hold micro-ops, and those name constants by their place.
void CodeCache::forget_all() {
    ops_.clear();
    chunks_.clear();
    retired_.clear();
    known_constants_.clear();
    constants_used_ = 0;
    full_ = false;
    constant(0);
}

Fn CodeCache::handler(const Inst& inst) const {
    const Op op = inject_ == Inject::FmaRounding ? unfused(inst.op) : inst.op;
    if (Fn fn = by_op_[static_cast<std::size_t>(op)]) return fn;
    return handlers_.memory(inst);
}

u32 CodeCache::constant(u64 value) {
    const auto known = known_constants_.find(value);
    if (known == known_constants_.end() && constants_used_ == limits_.constants * kConstantDwords) {
        full_ = true;  // translate_one makes a fault of it
        return operand::kConst;
    }
    const auto [it, fresh] = known_constants_.try_emplace(value, constants_used_);
    if (fresh) {
        u32* at = constants_ + constants_used_;
        for (u32 i = 0; i < 32; ++i) {
            at[i] = static_cast<u32>(value);
            at[32 + i] = static_cast<u32>(value >> 32);
        }
        constants_used_ += kConstantDwords;
    }
    return operand::kConst | it->second;
}

u32 CodeCache::source(const Inst& inst, unsigned k, unsigned lanes) {
    const Operand& o = inst.src[k];
    u32 result = 0;
    switch (o.kind) {
        case Kind::none:
        case Kind::off:
        case Kind::null:
        case Kind::pops_exiting_wave_id: return constant(0);
        case Kind::vgpr: result = (kHidden + static_cast<u32>(o.value)) * lanes; break;
        case Kind::sgpr:
        case Kind::vcc:
        case Kind::ttmp:
        case Kind::m0:
        case Kind::exec: result = operand::kSgpr | o.raw; break;
        case Kind::int_const:
        case Kind::float_const:
        case Kind::literal: result = constant(isa::const_bits(o, inst.literal)); break;
        // Only the 64-bit value is useful: a 32-bit read gives the low word, 0.
        case Kind::shared_base: result = constant(kSharedAperture); break;
        case Kind::shared_limit: result = constant(kSharedAperture | 0xffffffff); break;
        case Kind::private_base: result = constant(kPrivateAperture); break;
        case Kind::private_limit: result = constant(kPrivateAperture | 0xffffffff); break;
        case Kind::vccz: result = operand::kSgpr | kVccz; break;
        case Kind::execz: result = operand::kSgpr | kExecz; break;
        case Kind::scc: result = operand::kSgpr | kScc; break;
        case Kind::lds_direct: result = constant(0); break;  // translate_one refuses it
    }
    const Row& row = inst.row();
    if (row.has(isa::PACKED) || row.has(isa::MIX)) return result;
    if (isa::is_float(o.type) || row.has(isa::FMODS)) {
        if (inst.neg >> k & 1) result |= operand::kNeg;
        if (inst.abs >> k & 1) result |= operand::kAbs;
    }
    if (inst.fmt == Fmt::VOP3 && is_half(o.type) && (inst.op_sel >> k & 1)) result |= operand::kHigh;
    return result;
}

void CodeCache::fill_operands(MicroOp& op, const Inst& inst, unsigned lanes, u64 pc) {
    const Row& row = inst.row();
    for (unsigned k = 0; k < 4; ++k) op.src[k] = source(inst, k, lanes);
    const auto slot = [](const Operand& o) -> u32 { return o.is(Kind::null) || !o ? u32{kDump} : o.raw; };
    if (inst.dst.is(Kind::vgpr)) op.dst = (kHidden + static_cast<u32>(inst.dst.value)) * lanes;
    else op.dst = slot(inst.dst);
    op.sdst = static_cast<u8>(slot(inst.sdst));
    if (row.fmt == Fmt::VOP2 && row.has(isa::DSTSRC) && row.has(isa::FMA)) op.src[2] = op.dst;
    op.out = static_cast<u8>((inst.clamp ? out::kClamp : 0) | (inst.omod << out::kOmodShift));
    if (inst.fmt == Fmt::VOP3 && is_half(row.dst) && (inst.op_sel & 8)) op.out |= out::kHigh;
    const u32 abs_or_neg_hi = row.has(isa::MIX) ? inst.abs : inst.neg_hi;
    if (row.has(isa::PACKED) || row.has(isa::MIX))
        op.aux = inst.op_sel | u32{inst.op_sel_hi} << 4 | u32{inst.neg} << 8 | abs_or_neg_hi << 12;
    else if (inst.op == Op::v_pk_fmac_f16) op.aux = 7u << 4;  // VOP2: low with low, high with high
    if (row.fmt == Fmt::SOPK) op.imm = static_cast<i16>(inst.simm);
    if (row.has(isa::BRANCH)) op.imm = static_cast<i64>(pc + inst.length) + inst.branch_bytes();
}

void CodeCache::fill_memory(MicroOp& op, const Inst& inst) {
    const Row& row = inst.row();
    op.imm = inst.offset;
    if (inst.glc || row.has(isa::RTN)) op.aux |= memflag::kGlc;
    if (inst.offen) op.aux |= memflag::kOffen;
    if (inst.idxen) op.aux |= memflag::kIdxen;
    if (inst.lds) op.aux |= memflag::kLds;
    if (row.has(isa::ATOMIC)) op.n = static_cast<u8>(portable::atomic_of(row));
    switch (row.fmt) {
        case Fmt::DS:
            if (row.has(isa::TWO)) {
                const u64 unit = u64{isa::bytes(row.mem)} * (row.has(isa::ST64) ? 64 : 1);
                op.imm = static_cast<i64>(inst.offset0() * unit | inst.offset1() * unit << 32);
            }
            break;
        case Fmt::GLOBAL: op.aux |= memflag::kGlobal; [[fallthrough]];
        case Fmt::SCRATCH:
            if (!inst.src[2].is(Kind::off)) op.aux |= memflag::kSaddr;
            break;
        case Fmt::MUBUF:
        case Fmt::MTBUF:
            if (row.mem == Ty::FMT) {
                const auto at = row.name.rfind('_');
                op.n = static_cast<u8>(row.name.size() - at - 1);  // letters of x, xy, xyz, xyzw
            }
            break;
        case Fmt::SMEM:
            if (!row.has(isa::ATOMIC)) op.n = static_cast<u8>(isa::dwords(row.mem));
            break;
        default: break;
    }
}

void CodeCache::wrap(Chunk& chunk, MicroOp& op, Fn fn) {
    auto outer = std::make_unique<Extra>();
    outer->pc = op.extra->pc;
    outer->inst = op.extra->inst;
    outer->inner = op;
    op.fn = fn;
    op.extra = outer.get();
    chunk.extras.push_back(std::move(outer));
}

void CodeCache::check_strictly(Chunk& chunk, MicroOp& op, unsigned lanes) {
    if (!strict_) return;
    wrap(chunk, op, &run_strict);
    Extra& outer = *chunk.extras.back();
    outer.strict = strict_facts(outer.inst, lanes);
}

// DPP and SDWA: the wrapper keeps the real operands, the inner instruction reads (and for
// SDWA writes) hidden registers.
void CodeCache::extend(Chunk& chunk, MicroOp& op, const Inst& inst, unsigned lanes) {
    const MicroOp plain(op);
    if (inst.ext == isa::Ext::none) return;
    wrap(chunk, op, inst.ext == isa::Ext::sdwa ? handlers_.sdwa : handlers_.dpp);
    MicroOp& inner = chunk.extras.back()->inner;
    inner.src[0] = plain.src[0] & (operand::kNeg | operand::kAbs);
    if (inst.ext == isa::Ext::sdwa) {
        if (inst.src[1]) inner.src[1] = (1 * lanes) | (plain.src[1] & (operand::kNeg | operand::kAbs));
        op.imm = inst.dst.is(Kind::vgpr);
        if (op.imm) inner.dst = 2 * lanes;
    } else {
        op.src[0] &= operand::kValue;
        op.imm = inject_ == Inject::DppRow;
    }
}

MicroOp CodeCache::translate_one(Chunk& chunk, u64 pc, unsigned lanes, bool& last, u32& length) {
    MicroOp op;
    auto extra = std::make_unique<Extra>();
    extra->pc = pc;
    op.extra = extra.get();
    chunk.extras.push_back(std::move(extra));
    Extra& x = *chunk.extras.back();
    last = true;
    length = 4;
    u32 words[5];
    std::size_t count = 0;
    while (count < 5 && memory_.contains(pc + 4 * count, 4)) {
        std::memcpy(&words[count], reinterpret_cast<const void*>(pc + 4 * count), 4);
        ++count;
    }
    if (count == 0) {
        op.fn = handlers_.fetch_fault;
        return op;
    }
    const isa::Status status = isa::decode(std::span<const u32>(words, count), x.inst, lanes);
    const Inst& inst = x.inst;
    bool direct = false;
    for (const Operand& o : inst.src) direct = direct || o.is(Kind::lds_direct);
    if (status != isa::Status::ok || inst.op == Op::invalid || inst.op == Op::s_code_end || direct) {
        op.fn = handlers_.illegal;
        return op;
    }
    length = inst.length;
    op.fn = handler(inst);
    if (op.fn == nullptr) {
        op.fn = handlers_.no_handler;
        check_strictly(chunk, op, lanes);
        return op;
    }
    op.cls = class_of(inst);
    op.fma = inst.has(isa::FMA);
    op.trans = inst.has(isa::TRANS);
    fill_operands(op, inst, lanes, pc);
    if (full_) {
        full_ = false;  // those that ask for a known one go on
        op.fn = handlers_.no_room;
        check_strictly(chunk, op, lanes);
        return op;
    }
    if (op.cls == Class::Smem || op.cls == Class::Lds || op.cls == Class::Vmem) fill_memory(op, inst);
    const Op real = inject_ == Inject::FmaRounding ? unfused(inst.op) : inst.op;
    bool plain = lanes == 32 && op.out == 0;
    for (unsigned k = 0; k < 3; ++k) plain = plain && (op.src[k] & ~(operand::kValue | operand::kConst)) == 0;
    if (plain && quick_[static_cast<std::size_t>(real)] != nullptr) op.fn = quick_[static_cast<std::size_t>(real)];
    extend(chunk, op, inst, lanes);
    bool special = false;
    for (const Operand& o : inst.src) special = special || o.is(Kind::vccz) || o.is(Kind::execz);
    if (special) wrap(chunk, op, handlers_.special_source);
    if (inject_ == Inject::LaneStuck && op.cls == Class::Valu && !inst.has(isa::WREXEC) && !inst.has(isa::SDST))
        wrap(chunk, op, handlers_.stuck_lane);
    check_strictly(chunk, op, lanes);
    last = ends_chunk(inst.op);
    return op;
}

void CodeCache::translate(u64 pc, unsigned lanes) {
    auto chunk = std::make_unique<Chunk>();
    chunk->base = pc;
    const u64 tag = lanes == 64;
    std::vector<u64> pcs;
    bool last = false;
    while (!last) {
        // Code that is known already, or too long a run: go there instead.
        if ((ops_.count(pc | tag) != 0 && !pcs.empty()) || pcs.size() >= kChunkLimit) {
            MicroOp go;
            auto extra = std::make_unique<Extra>();
            extra->pc = pc;
            go.fn = handlers_.go;
            go.imm = static_cast<i64>(pc);
            go.extra = extra.get();
            chunk->extras.push_back(std::move(extra));
            chunk->ops.push_back(go);
            break;
        }
        u32 length = 4;
        pcs.push_back(pc);
        chunk->ops.push_back(translate_one(*chunk, pc, lanes, last, length));
        pc += length;
    }
    chunk->end = pc;
    for (std::size_t i = 0; i < pcs.size(); ++i) ops_.try_emplace(pcs[i] | tag, &chunk->ops[i]);
    chunks_.push_back(std::move(chunk));
}

const MicroOp* CodeCache::at(u64 pc, unsigned lanes) {
    const u64 tag = lanes == 64;
    pc &= ~u64{3};
    std::lock_guard lock(mutex_);
    auto it = ops_.find(pc | tag);
    if (it == ops_.end()) {
        translate(pc, lanes);
        it = ops_.find(pc | tag);
    }
    return it->second;
}

void CodeCache::enter() {
    std::lock_guard lock(mutex_);
    const bool many = known_constants_.size() > limits_.constants / 2 || ops_.size() > limits_.ops;
    if (users_ == 0 && many) forget_all();
    ++users_;
}

void CodeCache::leave() {
    std::lock_guard lock(mutex_);
    if (--users_ == 0) retired_.clear();
}

void CodeCache::invalidate(u64 base, u64 size) {
    std::lock_guard lock(mutex_);
    // Branches of other chunks may point into a dropped one: drop every chunk that could, which is simply all of them
    // when anything here was code. (A process that ends gives back thousands of code objects, most never run.)
    bool hit = false;
    for (const auto& chunk : chunks_) hit = hit || (chunk->base < base + size && chunk->end > base);
    if (!hit) return;
    ops_.clear();
    for (auto& chunk : chunks_) retired_.push_back(std::move(chunk));
    chunks_.clear();
    if (users_ == 0) retired_.clear();
}

}  // namespace vgpu::core
