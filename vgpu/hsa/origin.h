// Who called: the program's own place behind a call into this library, for strict mode's stories of allocations.
// Knows the stack; nothing of what is called.
#pragma once

#include <string>

namespace vgpu::hsa {

// The innermost caller outside this library and HIP: FILE+0xOFFSET as addr2line wants it, with the function where the
// file exports its name.
std::string call_site();

}  // namespace vgpu::hsa
