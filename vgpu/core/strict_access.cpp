// accesses_of: one function a family of memory instructions.
#include "vgpu/core/strict_access.h"

#include <bit>

#include "vgpu/core/buffer_format.h"
#include "vgpu/core/buffer_resource.h"
#include "vgpu/core/memory_ops.h"

namespace vgpu::core {
namespace {

using namespace portable;
using isa::Fmt;
using isa::Inst;
using isa::Op;
using Accesses = std::vector<Access>;

Access::Kind kind_of(const isa::Row& row) {
    return row.has(isa::ATOMIC) ? Access::Kind::Atomic : row.has(isa::STORE) ? Access::Kind::Write : Access::Kind::Read;
}

template <class F>
void each_lane(const Wave& w, F f) {
    for (u64 m = w.exec(); m != 0; m &= m - 1) f(static_cast<u32>(std::countr_zero(m)));
}

Access start(const Inst& inst, Access::Space space, u32 lane, u64 address, u32 size) {
    Access a;
    a.space = space;
    a.kind = kind_of(inst.row());
    a.newest = a.kind == Access::Kind::Read && space == Access::Space::Memory && inst.glc;
    a.lane = static_cast<u8>(lane);
    a.size = size;
    a.address = address;
    return a;
}

// What a store takes from the registers at `reg`.
void fill_data(const Wave& w, const Inst& inst, u32 reg, Access& a) {
    if (a.kind != Access::Kind::Write || a.size > sizeof a.data) return;
    u32 words[4] = {};
    for (u32 k = 0; 4 * k < a.size; ++k) words[k] = w.v[reg + k * w.lanes + a.lane];
    if (inst.has(isa::D16HI)) words[0] >>= 16;
    std::memcpy(a.data, words, a.size);
    a.known = true;
}

void push_lds(const Wave& w, Access a, Accesses& out) {
    if (a.address + a.size <= w.lds_size) out.push_back(a);
}

void lds_accesses(const Wave& w, const MicroOp* u, const Inst& inst, Accesses& out) {
    const isa::Row& row = inst.row();
    const u32 size = isa::bytes(row.mem), imm = static_cast<u32>(u->imm);
    if (size == 0 || inst.gds || w.exec() == 0) return;
    const u32 from_m0 = (w.s[kM0] & 0xffff) + imm;
    switch (inst.op) {
        case Op::ds_append:
        case Op::ds_consume:
            push_lds(w, start(inst, Access::Space::Lds, static_cast<u32>(std::countr_zero(w.exec())), from_m0, size),
                     out);
            return;
        case Op::ds_write_addtid_b32:
        case Op::ds_read_addtid_b32:
            each_lane(w, [&](u32 lane) {
                Access a = start(inst, Access::Space::Lds, lane, from_m0 + 4 * lane, size);
                fill_data(w, inst, u->src[1], a);
                push_lds(w, a, out);
            });
            return;
        default: break;
    }
    if (!inst.src[0].is(isa::Kind::vgpr)) return;
    const bool src2 = row.name.find("_src2_") != std::string_view::npos;
    each_lane(w, [&](u32 lane) {
        const u32 base = w.v[u->src[0] + lane];
        Access a = start(inst, Access::Space::Lds, lane, src2 ? base & 0x1ffff : base + imm, size);
        fill_data(w, inst, u->src[1], a);
        push_lds(w, a, out);
        if (!row.has(isa::TWO)) return;
        a.address = base + static_cast<u32>(u->imm >> 32);
        fill_data(w, inst, u->src[2], a);
        push_lds(w, a, out);
    });
}

void flat_accesses(const Wave& w, const MicroOp* u, const Inst& inst, Accesses& out) {
    const u32 size = isa::bytes(inst.row().mem);
    each_lane(w, [&](u32 lane) {
        const u32 low = w.v[u->src[0] + lane];
        const u64 from =
            (u->aux & memflag::kSaddr) ? rs64(w, u->src[2]) + low : low | u64{w.v[u->src[0] + w.lanes + lane]} << 32;
        Access a = start(inst, Access::Space::Memory, lane, from + static_cast<u64>(u->imm), size);
        fill_data(w, inst, u->src[1], a);
        if (inst.fmt == Fmt::FLAT && a.address >> 32 == kPrivateAperture >> 32) return;
        if (inst.fmt == Fmt::FLAT && a.address >> 32 == kSharedAperture >> 32) {
            a.space = Access::Space::Lds;
            a.address &= 0xffffffff;
            a.newest = false;
            push_lds(w, a, out);
        } else {
            out.push_back(a);
        }
    });
}

void buffer_accesses(const Wave& w, const MicroOp* u, const Inst& inst, Accesses& out) {
    const isa::Row& row = inst.row();
    const Resource r = resource(w, u);
    if (r.add_tid) return;  // scratch
    const bool formatted = row.mem == isa::Ty::FMT;
    const u32 size =
        formatted ? buffer_format(inst.fmt == Fmt::MTBUF ? inst.format : r.format).bytes : isa::bytes(row.mem);
    each_lane(w, [&](u32 lane) {
        const Spot s = spot(w, u, r, lane);
        Access whole = start(inst, Access::Space::Memory, lane, 0, size);
        if (!formatted) fill_data(w, inst, u->src[1], whole);
        for (u32 done = 0; done < size; done += 4) {  // each dword is checked and swizzled on its own
            Access a = whole;
            a.size = size - done < 4 ? size - done : 4;
            if (!in_bounds(r, s, done, a.size)) continue;
            a.address = address_of(r, s, done);
            std::memcpy(a.data, whole.data + done % sizeof whole.data, a.size);
            out.push_back(a);
        }
        if (!inst.lds) return;
        Access landing =
            start(inst, Access::Space::Lds, lane, u64{w.s[kM0] & 0xffff} + static_cast<u64>(u->imm) + u64{lane} * 4, 4);
        landing.kind = Access::Kind::Write;
        push_lds(w, landing, out);
    });
}

void scalar_accesses(const Wave& w, const MicroOp* u, const Inst& inst, Accesses& out) {
    const isa::Row& row = inst.row();
    if (row.has(isa::SCRATCHMEM)) return;
    u64 room = ~u64{0};
    const u64 address = row.src[0] == isa::Ty::B128 ? scalar_buffer_address(w, u, room) : scalar_address(w, u);
    const u64 size = isa::bytes(row.mem);
    Access a = start(inst, Access::Space::Memory, 0, address, static_cast<u32>(room < size ? room & ~u64{3} : size));
    if (a.size != 0) out.push_back(a);
}

}  // namespace

void accesses_of(const Wave& w, const MicroOp* u, const Inst& inst, Accesses& out) {
    out.clear();
    const isa::Row& row = inst.row();
    if (!row.has(isa::LOAD | isa::STORE | isa::ATOMIC)) return;
    switch (row.fmt) {
        case Fmt::DS: lds_accesses(w, u, inst, out); break;
        case Fmt::FLAT:
        case Fmt::GLOBAL: flat_accesses(w, u, inst, out); break;
        case Fmt::MUBUF:
        case Fmt::MTBUF: buffer_accesses(w, u, inst, out); break;
        case Fmt::SMEM: scalar_accesses(w, u, inst, out); break;
        default: break;
    }
}

}  // namespace vgpu::core
