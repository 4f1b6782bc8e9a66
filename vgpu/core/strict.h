// --strict: what a wave may not rely on although this virtual GPU would let it pass.
// Loads arrive at once here; on the card a register is only good after the s_waitcnt that
// covers it. Registers and LDS are whatever they were; a kernel that reads them unset is
// wrong by luck or right by luck. Waves run one after the other here; on the card two that
// touch one place without a barrier between race. And gfx1010 has hardware hazards.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <string>
#include <vector>

#include "vgpu/core/bindings.h"
#include "vgpu/core/strict_access.h"
#include "vgpu/core/strict_hazards.h"
#include "vgpu/core/strict_races.h"

namespace vgpu::core {

// Dwords of LDS that some wave of the workgroup has written.
using LdsWritten = std::bitset<16384>;

// What strict mode knows of an instruction from its translation on.
struct StrictFacts {
    HazardMarks hazards;
    bool memory = false;
};
std::shared_ptr<const StrictFacts> strict_facts(const isa::Inst& inst, unsigned lanes);

// What the waves of one workgroup share.
struct StrictGroup {
    LdsWritten lds_written;
    RaceShadow races;
    std::vector<Access> accesses;  // of the instruction at hand

    void begin(unsigned waves, u32 lds_bytes);
};

class StrictWave {
public:
    // At the start of a wave: which registers the card has set.
    void begin(unsigned sgprs, unsigned vgprs, StrictGroup* group);
    // What is wrong with running u now; true when nothing. Else the finding is in `text`
    // (lines), `lane`, `address` and `write`.
    bool before(const Wave& w, const MicroOp* u);
    void after(const isa::Inst& inst, const Extra& extra);

    std::string text;  // of the last finding, kept for the fault
    unsigned lane = 0;
    u64 address = 0;
    bool write = false;

private:
    std::string unready(const isa::Operand& o, bool source, const isa::Inst& inst) const;
    std::string unset_lds(const isa::Inst& inst);
    std::string race(const Wave& w, const Extra& extra);
    void wait(unsigned vm, unsigned lgkm);

    // Sequence numbers of loads: issued so far, known to have arrived, and per register
    // the load that fills it.
    unsigned vm_issued_ = 0, vm_done_ = 0, lgkm_issued_ = 0, lgkm_done_ = 0;
    bool smem_pending_ = false;  // scalar loads return in any order
    std::array<unsigned, 256> v_vm_{}, v_lgkm_{};
    std::array<unsigned, 128> s_lgkm_{};
    std::bitset<256> v_set_;
    std::bitset<128> s_set_;
    HazardTracker hazards_;
    StrictGroup* group_ = nullptr;
};

// Wraps every instruction in strict mode.
const MicroOp* run_strict(Wave& w, const MicroOp* u);

}  // namespace vgpu::core
