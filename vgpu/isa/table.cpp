// The instruction table, made from opcodes.def, and the index from encoding and opcode to row.
#include "table.h"

#include <algorithm>

namespace vgpu::isa {

// clang-format off
#define ROW(f, o, n, d, sd, a, b, c, m, fl) \
    Row{Fmt::f, o, #n, Ty::d, Ty::sd, {Ty::a, Ty::b, Ty::c}, Ty::m, static_cast<std::uint64_t>(fl)},
// clang-format on
constexpr std::array<Row, op_count> table = {{
#define INST ROW
#include "opcodes.def"
#undef INST
}};

namespace {

constexpr unsigned vop3_offset(Fmt f) { return f == Fmt::VOP1 ? 0x180U : f == Fmt::VOP2 ? 0x100U : 0U; }

constexpr Index make_index() {
    Index index{};
    for (auto& f : index.by_format) {
        f.fill(Op::invalid);
    }
    index.vop3.fill(Op::invalid);
    for (std::size_t i = 0; i < op_count; ++i) {
        const Row& r = table[i];
        const Op op = static_cast<Op>(i);
        const bool vop3_only = r.fmt == Fmt::VOP3 || r.fmt == Fmt::VOP3B;
        if (!vop3_only) {
            index.by_format[static_cast<std::size_t>(r.fmt)][r.opcode] = op;
        }
        if (vop3_only || r.has(VOP3)) {
            index.vop3[r.opcode + vop3_offset(r.fmt)] = op;
        }
    }
    return index;
}

constexpr Index index_table = make_index();

}  // namespace

Op lookup(Fmt f, unsigned opcode) {
    return opcode < 256 ? index_table.by_format[static_cast<std::size_t>(f)][opcode] : Op::invalid;
}

Op lookup_vop3(unsigned opcode) { return opcode < index_table.vop3.size() ? index_table.vop3[opcode] : Op::invalid; }

Op find(std::string_view name) {
    const auto it = std::find_if(table.begin(), table.end(), [&](const Row& r) { return r.name == name; });
    return it == table.end() ? Op::invalid : static_cast<Op>(it - table.begin());
}

}  // namespace vgpu::isa
