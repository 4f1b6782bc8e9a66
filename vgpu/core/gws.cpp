// Global wave sync: barriers and semaphores over workgroups.
#include "vgpu/core/gws.h"

#include "vgpu/core/launch.h"

namespace vgpu::core {

void gws_init(Wave& w, u32 id, u32 value) {
    Gws& gws = w.group->launch->gws;
    const std::lock_guard lock(gws.mutex);
    gws.resources[id].value = value;
    gws.resources[id].waiting = 0;
}

// Each wave arrives once, and passes when the count of arrivals is reached.
bool gws_barrier(Wave& w, u32 id, u32 next) {
    Launch& launch = *w.group->launch;
    const std::lock_guard lock(launch.gws.mutex);
    GwsResource& r = launch.gws.resources[id];
    if (w.gws_ticket != 0) {
        if (r.generation < w.gws_ticket) return false;
        w.gws_ticket = 0;
        return true;
    }
    if (++r.waiting > r.value) {
        r.waiting = 0;
        r.value = next;
        ++r.generation;
        launch.progress();
        return true;
    }
    w.gws_ticket = r.generation + 1;
    return false;
}

bool gws_sema_p(Wave& w, u32 id) {
    Gws& gws = w.group->launch->gws;
    const std::lock_guard lock(gws.mutex);
    if (gws.resources[id].value == 0) return false;
    --gws.resources[id].value;
    return true;
}

void gws_sema_v(Wave& w, u32 id, u32 count) {
    Gws& gws = w.group->launch->gws;
    const std::lock_guard lock(gws.mutex);
    gws.resources[id].value += count;
}

}  // namespace vgpu::core
