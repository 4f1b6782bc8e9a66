// The row lists of one host build of the handlers, for handler_set.cpp to collect.
#pragma once

#include <iterator>

#include "vgpu/core/bindings.h"

#ifndef VGPU_HOST
#define VGPU_HOST portable
#endif

namespace vgpu::core::VGPU_HOST {

extern const BindingList kSopRows, kControlRows, kF32Rows, kTransRows, kIntRows, kInt16Rows, kF64Rows, kF16Rows,
    kConvertRows, kPackedRows, kCompareRows, kCarryRows, kLaneRows, kDivideRows, kDsRows;

const MicroOp* run_dpp(Wave& w, const MicroOp* u);
const MicroOp* run_sdwa(Wave& w, const MicroOp* u);
const MicroOp* run_special_source(Wave& w, const MicroOp* u);
const MicroOp* run_illegal(Wave& w, const MicroOp* u);
const MicroOp* run_fetch_fault(Wave& w, const MicroOp* u);
const MicroOp* run_go(Wave& w, const MicroOp* u);
const MicroOp* run_no_handler(Wave& w, const MicroOp* u);
const MicroOp* run_no_room(Wave& w, const MicroOp* u);
const MicroOp* run_stuck_lane(Wave& w, const MicroOp* u);

Fn ds_handler(const isa::Inst& inst);
Fn flat_handler(const isa::Inst& inst);
Fn buffer_handler(const isa::Inst& inst);
Fn smem_handler(const isa::Inst& inst);

const HandlerSet& handler_set();

}  // namespace vgpu::core::VGPU_HOST
