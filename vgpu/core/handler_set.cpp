// Collects the handlers of one host build. Compiled once for each, as the handler files are.
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

#define VGPU_NAME2(x) #x
#define VGPU_NAME(x) VGPU_NAME2(x)

const BindingList* const kLists[] = {&kSopRows,     &kControlRows, &kF32Rows,  &kTransRows,   &kIntRows,
                                     &kInt16Rows,   &kF64Rows,     &kF16Rows,  &kConvertRows, &kPackedRows,
                                     &kCompareRows, &kCarryRows,   &kLaneRows, &kDivideRows};

Fn memory(const isa::Inst& inst) {
    switch (inst.row().fmt) {
        case isa::Fmt::DS: return ds_handler(inst);
        case isa::Fmt::FLAT:
        case isa::Fmt::GLOBAL:
        case isa::Fmt::SCRATCH: return flat_handler(inst);
        case isa::Fmt::MUBUF:
        case isa::Fmt::MTBUF: return buffer_handler(inst);
        case isa::Fmt::SMEM: return smem_handler(inst);
        default: return nullptr;
    }
}

}  // namespace

const HandlerSet& handler_set() {
    static const HandlerSet set{
        VGPU_NAME(VGPU_HOST), kLists,          std::size(kLists), &memory,         &run_dpp,         &run_sdwa,
        &run_special_source,  &run_stuck_lane, &run_illegal,      &run_no_handler, &run_fetch_fault, &run_go,
        &run_no_room};
    return set;
}

}  // namespace vgpu::core::VGPU_HOST
