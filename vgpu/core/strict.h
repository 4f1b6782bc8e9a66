// --strict: what a wave may not rely on although this virtual GPU would let it pass.
// Loads arrive at once here; on the card a register is only good after the s_waitcnt that
// covers it. Registers and LDS are whatever they were; a kernel that reads them unset is
// wrong by luck or right by luck.
#pragma once

#include <array>
#include <bitset>
#include <string>

#include "vgpu/core/bindings.h"

namespace vgpu::core {

// Dwords of LDS that some wave of the workgroup has written.
using LdsWritten = std::bitset<16384>;

class StrictWave {
public:
    // At the start of a wave: which registers the card has set.
    void begin(unsigned sgprs, unsigned vgprs, LdsWritten* lds);
    // What is wrong with running this now; empty when nothing.
    std::string before(const Wave& w, const isa::Inst& inst) const;
    void after(const Wave& w, const isa::Inst& inst);

    std::string text;   // of the last finding, kept for the fault

private:
    template <class F>
    void each_lds_dword(const Wave& w, const isa::Inst& inst, F f) const;
    std::string unready(const isa::Operand& o, bool source, const isa::Inst& inst) const;
    void wait(unsigned vm, unsigned lgkm);

    // Sequence numbers of loads: issued so far, known to have arrived, and per register
    // the load that fills it.
    unsigned vm_issued_ = 0, vm_done_ = 0, lgkm_issued_ = 0, lgkm_done_ = 0;
    bool smem_pending_ = false;   // scalar loads return in any order
    std::array<unsigned, 256> v_vm_{}, v_lgkm_{};
    std::array<unsigned, 128> s_lgkm_{};
    std::bitset<256> v_set_;
    std::bitset<128> s_set_;
    LdsWritten* lds_ = nullptr;
};

// Wraps every instruction in strict mode.
const MicroOp* run_strict(Wave& w, const MicroOp* u);

}  // namespace vgpu::core
