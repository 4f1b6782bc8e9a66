// Every compute instruction of the table must have a handler; prints those without.
#include <cstdio>

#include "vgpu/core/code_cache.h"

int main() {
    using namespace vgpu;
    core::AddressSpace space;
    const core::CodeCache cache(core::choose_handlers(""), space, core::Inject::None);
    unsigned missing = 0, rows = 0;
    for (std::size_t i = 0; i < isa::op_count; ++i) {
        const isa::Row& row = isa::table[i];
        if (row.fmt == isa::Fmt::MIMG || row.fmt == isa::Fmt::EXP) continue;  // graphics
        isa::Inst inst;
        inst.op = static_cast<isa::Op>(i);
        inst.fmt = row.fmt;
        inst.gds = row.has(isa::GDSONLY);
        ++rows;
        if (cache.handler(inst) != nullptr) continue;
        // GDS memory is never allocated under ROCm: the ordered append, and s_code_end, fault on purpose.
        if (inst.op == isa::Op::ds_ordered_count || inst.op == isa::Op::s_code_end) continue;
        std::printf("no handler: %s\n", std::string(row.name).c_str());
        ++missing;
    }
    std::printf("%u of %u compute instructions without a handler\n", missing, rows);
    return missing == 0 ? 0 : 1;
}
