// Global wave sync (ds_gws_*): the 64 counters of a card by which workgroups wait for each other. They belong to the
// card and keep their values from one launch to the next: HIP sets them by a kernel of its own before a cooperative
// one. Knows waves; nothing of scheduling.
#pragma once

#include <array>
#include <mutex>

#include "vgpu/core/wave.h"

namespace vgpu::core {

struct GwsResource {
    u32 value = 0;  // waves to wait for, less one; or a semaphore's count
    u32 waiting = 0;
    u32 generation = 0;
};

struct Gws {
    std::mutex mutex;
    std::array<GwsResource, 64> resources{};
};

void gws_init(Wave& w, u32 id, u32 value);
// True: passed; false: wait, and ask again. The wave that lets the others go sets what the next barrier waits for.
bool gws_barrier(Wave& w, u32 id, u32 next);
bool gws_sema_p(Wave& w, u32 id);
void gws_sema_v(Wave& w, u32 id, u32 count);

}  // namespace vgpu::core
