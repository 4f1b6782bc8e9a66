// How many registers an image instruction takes for its address and its data (RDNA1 ISA manual, "Image Address
// VGPRs"; LLVM: AMDGPU::getAddrSizeMIMGOp).
#pragma once

#include <algorithm>
#include <bit>

#include "inst.h"
#include "table.h"

namespace vgpu::isa {

// Dwords of an image address.
inline unsigned image_address_dwords(const Row& r, const ImageDim& dim, bool a16) {
    const unsigned components = (r.has(IMGNOCOORD) ? 0U : dim.coordinates) + (r.has(IMGMIP) ? 1U : 0U);
    const unsigned arguments = (r.has(IMGARG1) ? 1U : 0U) + (r.has(IMGARG2) ? 2U : 0U);
    // 16-bit gradients are packed for each direction on its own.
    const unsigned gradients = !r.has(IMGGRAD) ? 0U
                               : r.has(IMGG16) ? (dim.gradients / 2U + 1U) / 2U * 2U
                                               : dim.gradients;
    return arguments + gradients + (a16 ? (components + 1U) / 2U : components);
}

// The most dwords that an address of this instruction may have. Only image_load and its like take the
// multisampled arrays' fourth coordinate.
inline unsigned image_address_limit(const Row& r) {
    return r.has(IMGSAMPLE) ? image_address_dwords(r, image_dims[2], false) : 4U;
}

// Dwords of an image's data: a component each (two with d16), and one more for tfe's status.
inline unsigned image_data_dwords(const Row& r, const Inst& in) {
    const unsigned asked = static_cast<unsigned>(std::popcount(in.dmask));
    const unsigned components = r.has(IMGGATHER) ? 4U : std::max(asked, 1U);
    return (in.d16 ? (components + 1U) / 2U : components) + (in.tfe ? 1U : 0U);
}

}  // namespace vgpu::isa
