// The engine as the HSA layer sees it: dispatches, faults, modes, statistics. The kernels
// are small enough to read; their words were assembled by llvm-mc.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "vgpu/core/tests/card.h"
#include "vgpu/core/tests/strict_kernels.h"

using namespace vgpu::core;
using namespace vgpu::core::tests;

#if defined(__SANITIZE_THREAD__)
// What kernels do to each other's memory is their affair: theirs are the races that these
// functions, which touch it for them, would be blamed for.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
    return "race:load_lane\nrace:load_all\nrace:store_lane\nrace:atomic_on_host\n";
}
#endif

namespace {

constexpr std::uint32_t kNowait[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0x060404f2,              // v_add_f32_e32 v2, 1.0, v2
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kUnset[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0x060412f2,              // v_add_f32_e32 v2, 1.0, v9
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kMaskUnset[] = {
    0x88161716,  // s_or_b32 s22, s22, s23
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMaskMerge[] = {
    0x88167e16,  // s_or_b32 s22, s22, exec_lo
    0x8a177e17,  // s_andn2_b32 s23, s23, exec_lo
    0x88161716,  // s_or_b32 s22, s22, s23
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsunset[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0xd8d80000, 0x02000001,  // ds_read_b32 v2, v1
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kDpp[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0x7e0402fa, 0xff012100,  // v_mov_b32_dpp v2, v0 row_ror:1 row_mask:0xf bank_mask:0xf
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kFma[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0x7e0402ff, 0x3f800001,  // v_mov_b32_e32 v2, 0x3f800001
    0x7e0602ff, 0xbf800002,  // v_mov_b32_e32 v3, 0xbf800002
    0xd54b0002, 0x040e0502,  // v_fma_f32 v2, v2, v2, v3
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kReverse[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0x34020082,              // v_lshlrev_b32_e32 v1, 2, v0
    0x7e0802ff, 0x000003fc,  // v_mov_b32_e32 v4, 0x3fc
    0x4c060304,              // v_sub_nc_u32_e32 v3, v4, v1
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xbf8a0000,              // s_barrier
    0xd8d80000, 0x02000003,  // ds_read_b32 v2, v3
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x8f028a02,              // s_lshl_b32 s2, s2, 10
    0x4a020202,              // v_add_nc_u32_e32 v1, s2, v1
    0xdc708000, 0x00000201,  // global_store_dword v1, v2, s[0:1]
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kSpin[] = {
    0xbf82ffff,  // s_branch spin
};
constexpr std::uint32_t kTrap[] = {
    0xbf920002,  // s_trap 2
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kAllMeet[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0x7e020280,              // v_mov_b32_e32 v1, 0
    0x7e040281,              // v_mov_b32_e32 v2, 1
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xbefe0381,              // s_mov_b32 exec_lo, 1
    0xdcc88000, 0x00000201,  // global_atomic_add v1, v2, s[0:1]
    0xdc319000, 0x03000001,  // global_load_dword v3, v1, s[0:1] glc dlc
    0xbf8c3f70,              // s_waitcnt vmcnt(0)
    0x7e060503,              // v_readfirstlane_b32 s3, v3
    0xbf0aa803,              // s_cmp_lt_u32 s3, 40
    0xbf85fffa,              // s_cbranch_scc1 again
    0xbf810000,              // s_endpgm
};

// One kernel sets what another waits by.
constexpr std::uint32_t kGwsInit[] = {
    0xbefc0380,              // s_mov_b32 m0, 0
    0x7e0002a7,              // v_mov_b32_e32 v0, 39
    0xd8660000, 0x00000000,  // ds_gws_init v0 gds
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kGwsRounds[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbefc0380,              // s_mov_b32 m0, 0
    0x7e020280,              // v_mov_b32_e32 v1, 0
    0x7e040281,              // v_mov_b32_e32 v2, 1
    0x7e0a02a7,              // v_mov_b32_e32 v5, 39
    0x8f028402,              // s_lshl_b32 s2, s2, 4
    0x7e080202,              // v_mov_b32_e32 v4, s2
    0xbe840384,              // s_mov_b32 s4, 4
    0xbefe0381,              // s_mov_b32 exec_lo, 1
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xdcc88000, 0x00000201,  // again: global_atomic_add v1, v2, s[0:1]
    0xbbfd0000,              // s_waitcnt_vscnt null, 0x0
    0xd8760000, 0x00000005,  // ds_gws_barrier v5 gds
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xdc319000, 0x03000001,  // global_load_dword v3, v1, s[0:1] glc dlc
    0xbf8c3f70,              // s_waitcnt vmcnt(0)
    0xd8760000, 0x00000005,  // ds_gws_barrier v5 gds
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xdc708040, 0x00000304,  // global_store_dword v4, v3, s[0:1] offset:64
    0x4a080884,              // v_add_nc_u32_e32 v4, 4, v4
    0x80848104,              // s_sub_u32 s4, s4, 1
    0xbf078004,              // s_cmp_lg_u32 s4, 0
    0xbf85ffee,              // s_cbranch_scc1 again
    0xbf810000,              // s_endpgm
};

constexpr std::uint32_t kStorePairs[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0x7e020280,              // v_mov_b32_e32 v1, 0
    0xbe830380,              // s_mov_b32 s3, 0
    0xbefe0381,              // s_mov_b32 exec_lo, 1
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0x7e040203,              // again: v_mov_b32_e32 v2, s3
    0x7e060203,              // v_mov_b32_e32 v3, s3
    0xdc748000, 0x00000201,  // global_store_dwordx2 v1, v[2:3], s[0:1]
    0x80038103,              // s_add_u32 s3, s3, 1
    0xbf0aff03, 0x00080000,  // s_cmp_lt_u32 s3, 0x80000
    0xbf85fff8,              // s_cbranch_scc1 again
    0xbf810000,              // s_endpgm
};
constexpr std::uint32_t kLoadPairs[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0x7e020280,              // v_mov_b32_e32 v1, 0
    0x7e080280,              // v_mov_b32_e32 v4, 0
    0xbe830380,              // s_mov_b32 s3, 0
    0xbefe0381,              // s_mov_b32 exec_lo, 1
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xdc359000, 0x02000001,  // again: global_load_dwordx2 v[2:3], v1, s[0:1] glc dlc
    0xbf8c3f70,              // s_waitcnt vmcnt(0)
    0x7d8a0702,              // v_cmp_ne_u32_e32 vcc_lo, v2, v3
    0x50080880,              // v_add_co_ci_u32_e32 v4, vcc_lo, 0, v4, vcc_lo
    0x80038103,              // s_add_u32 s3, s3, 1
    0xbf0aff03, 0x00080000,  // s_cmp_lt_u32 s3, 0x80000
    0xbf85fff7,              // s_cbranch_scc1 again
    0xdc708040, 0x00000401,  // global_store_dword v1, v4, s[0:1] offset:64
    0xbf810000,              // s_endpgm
};

constexpr std::uint32_t kWaitForHost[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], null
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xf4011a80, 0xfa000000,  // again: s_load_dword vcc_lo, s[0:1], null glc
    0xbf8cc07f,              // s_waitcnt lgkmcnt(0)
    0xbf86fffc,              // s_cbranch_vccz again
    0xbf810000,              // s_endpgm
};

void barrier_and_lds() {
    Card card;
    check(!card.run(kReverse, 4, 256), "reversal through LDS runs");
    bool right = true;
    for (unsigned g = 0; g < 4; ++g)
        for (unsigned i = 0; i < 256; ++i) right = right && card.page[g * 256 + i] == 255 - i;
    check(right, "eight waves meet at the barrier and read each other's LDS");
}

void faults() {
    Card card;
    expect_fault(card, kTrap, Fault::Kind::Trap, "s_trap");
    expect_fault(card, kSpin, Fault::Kind::NoProgress, "no progress");
    static constexpr std::uint32_t illegal[] = {0xffffffff};
    expect_fault(card, illegal, Fault::Kind::IllegalInstruction, "illegal instruction");
    // image_load v[0:3], v[0:1], s[0:7] dmask:0xf dim:SQ_RSRC_IMG_2D: decoded, named, and never executed wrongly.
    static constexpr std::uint32_t image[] = {0xf0000f08, 0x00000000, 0xbf810000};
    expect_fault(card, image, Fault::Kind::IllegalInstruction, "image instruction not modelled");
    expect_fault(card, image, Fault::Kind::IllegalInstruction, "wave 0");
    expect_fault(card, image, Fault::Kind::IllegalInstruction,
                 "(kernel entry + 0x0): image_load v[0:3], v[0:1], s[0:7] dmask:0xf dim:SQ_RSRC_IMG_2D");
    const std::uint64_t nowhere = 0x1000;
    std::memcpy(card.kernarg, &nowhere, 8);
    expect_fault(card, kNowait, Fault::Kind::Memory, "4-byte read at 0x1000");
    const auto refused = card.run(kTrap, 1, 2048);
    check(refused && refused->kind == Fault::Kind::BadLaunch, "a workgroup that is too large is refused");
}

// 40 workgroups that all wait for the last one finish only if all are resident at once.
void workgroups_wait_for_each_other() {
    Options options;
    options.stall_seconds = 60;
    Card card(options);
    card.page[0] = 0;
    const auto fault = card.run(kAllMeet, 40, 32);
    check(!fault, "workgroups that wait for each other finish", fault ? fault->lines[0] : "");
    check(card.page[0] == 40, "every workgroup arrived");
}

// Four rounds of 40 workgroups: each counts itself, waits for all, and must see all of them and nobody twice.
void global_wave_sync() {
    Options options;
    options.stall_seconds = 60;
    Card card(options);
    for (unsigned again = 0; again < 2; ++again) {
        std::memset(card.page, 0, 4096);
        check(!card.run(kGwsInit, 1), "a launch sets the count");
        const auto fault = card.run(kGwsRounds, 40);
        check(!fault, "workgroups meet at global barriers", text_of(fault));
        unsigned wrong = 0;
        for (unsigned group = 0; group < 40; ++group)
            for (unsigned round = 0; round < 4; ++round) wrong += card.page[16 + 4 * group + round] != 40 * (round + 1);
        check(wrong == 0, "each waits for all the others", std::to_string(wrong) + " of 160 counts wrong");
    }
}

// A process that is stopped for longer than the limit finds its kernels running on: only time spent on them counts.
void stopped_process() {
    Card card;  // the limit is a second
    card.page[0] = 0;
    std::thread host([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        const pid_t helper = fork();
        if (helper == 0) {
            kill(getppid(), SIGSTOP);
            sleep(2);
            kill(getppid(), SIGCONT);
            _exit(0);
        }
        int status = 0;
        waitpid(helper, &status, 0);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the scheduler looks again
        __atomic_store_n(card.page, 1, __ATOMIC_RELEASE);
    });
    const auto fault = card.run(kWaitForHost);
    host.join();
    check(!fault, "a stopped process is no hang", text_of(fault));
}

void stopped_engine() {
    Card card;
    card.engine.stop_running();
    const auto fault = card.run(kSpin);
    check(fault && fault->kind == Fault::Kind::NoProgress && text_of(fault).find("was stopped") != std::string::npos,
          "what begins after the stop is stopped too", text_of(fault));
}

long minor_faults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

// Workgroups that are resident together leave their storage behind; those of another shape must still reuse theirs.
void storage_of_another_shape() {
    Options options;
    options.stall_seconds = 60;
    Card card(options);
    std::vector<std::uint32_t> meet(std::begin(kAllMeet), std::end(kAllMeet));
    check(meet[12] == 0xbf0aa803, "the comparison is where the test changes it");
    meet[12] = 0xbf0ac003;  // s_cmp_lt_u32 s3, 64
    card.page[0] = 0;
    check(!card.run(meet, 64, 32), "64 workgroups meet");
    check(!card.run(kReverse, 16, 256), "eight waves run");
    const long before = minor_faults();
    for (int i = 0; i < 20; ++i) check(!card.run(kReverse, 16, 256), "eight waves run again");
    const long faults = minor_faults() - before;
    check(faults < 2000, "storage is used again", std::to_string(faults) + " page faults in 320 workgroups");
}

// One lane's aligned 64-bit access is one access: look-back scans pass a flag and its value so.
void pairs_are_whole() {
    Options options;
    options.stall_seconds = 60;
    Card card(options);
    auto* const pair = reinterpret_cast<std::uint64_t*>(card.page);
    *pair = 0;
    std::atomic<bool> over{false};
    std::atomic<unsigned> torn{0};
    std::thread reader([&] {
        while (!over.load(std::memory_order_relaxed)) {
            const std::uint64_t seen = __atomic_load_n(pair, __ATOMIC_RELAXED);
            if (static_cast<std::uint32_t>(seen) != seen >> 32) ++torn;
        }
    });
    check(!card.run(kStorePairs), "the kernel that stores pairs runs");
    over = true;
    reader.join();
    check(torn == 0, "a 64-bit store is one", std::to_string(torn.load()) + " torn");
    over = false;
    std::thread writer([&] {
        for (std::uint64_t k = 0; !over.load(std::memory_order_relaxed); k = (k + 1) & 0xffffffff)
            __atomic_store_n(pair, k << 32 | k, __ATOMIC_RELAXED);
    });
    check(!card.run(kLoadPairs), "the kernel that loads pairs runs");
    over = true;
    writer.join();
    check(card.page[16] == 0, "a 64-bit load is one", std::to_string(card.page[16]) + " torn");
}

void several_queues() {
    Card card;
    check(!card.run(kReverse, 4, 256), "the kernel runs alone");
    std::atomic<int> bad{0};
    std::vector<std::thread> queues;
    for (int i = 0; i < 4; ++i)
        queues.emplace_back([&] {
            for (int k = 0; k < 20; ++k) {
                LaunchInfo launch;
                launch.grid[0] = 1024;
                launch.workgroup[0] = 256;
                launch.kernarg = reinterpret_cast<std::uint64_t>(card.kernarg);
                launch.descriptor_address = reinterpret_cast<std::uint64_t>(card.page + 10240);
                launch.kernel_name = "test_kernel";
                if (card.engine.run(launch)) bad.fetch_add(1);
            }
        });
    for (std::thread& t : queues) t.join();
    check(bad == 0, "launches beside others run");
}

void strict_findings() {
    Options options;
    options.strict = true;
    Card card(options);
    expect_fault(card, kNowait, Fault::Kind::Strict, "v2 is still being loaded");
    expect_fault(card, kUnset, Fault::Kind::Strict, "v9 was never written");
    expect_fault(card, kMaskUnset, Fault::Kind::Strict, "s22 was never written");
    expect_fault(card, kLdsunset, Fault::Kind::Strict, "LDS offset 0 was never written");
    auto fault = card.run(kReverse, 4, 256);
    check(!fault, "strict mode finds nothing in a right kernel", fault ? fault->lines[0] : "");
    fault = card.run(kMaskMerge);
    check(!fault, "the first merge into a mask of lanes is no use of what was there", fault ? fault->lines[0] : "");
}

void planted_defects() {
    const auto result = [](Inject inject, std::span<const std::uint32_t> code, unsigned index) {
        Options options;
        options.inject = inject;
        Card card(options);
        card.page[index] = 77;
        check(!card.run(code), "a planted defect does not fault");
        return card.page[index];
    };
    check(result(Inject::None, kDpp, 1) == 0 && result(Inject::DppRow, kDpp, 1) == 1, "dpp-row shifts the row by one");
    // (1 + 2^-23)^2 - (1 + 2^-22) is 2^-46; with the product rounded first it is 0.
    check(result(Inject::None, kFma, 0) == 0x28800000 && result(Inject::FmaRounding, kFma, 0) == 0,
          "fma-rounding rounds twice");
    check(result(Inject::None, kDpp, 5) == 4 && result(Inject::LaneStuck, kDpp, 5) != 4, "lane-stuck stops lane 5");
    check(result(Inject::MissingKernel, kDpp, 1) == 77, "missing-kernel does nothing");
}

void statistics() {
    Options options;
    options.stats = true;
    Card card(options);
    card.run(kReverse, 4, 256);
    card.run(kReverse, 4, 256);
    const Stats stats = card.engine.stats();
    check(stats.launches == 2 && stats.kernels.size() == 1, "one kernel, two launches");
    if (stats.kernels.empty()) return;
    const KernelStats& k = stats.kernels[0];
    check(k.waves == 64 && k.workgroups == 8 && k.wave_size == 32, "geometry");
    check(k.valu == 64 * 4 && k.lds == 64 * 2 && k.vmem == 64 && k.smem == 64 && k.salu == 64, "instructions by class",
          stats.json());
    check(k.global_write_bytes == 8 * 1024 && k.lds_bank_conflicts == 0, "bytes and conflicts", stats.json());
    check(stats.json().find("\"fma_share\": 0.0000") != std::string::npos, "JSON", stats.json());
    // 32 lanes add to one dword, one after the other; that all write and read it first and last costs nothing.
    Card other(options);
    other.run(kLdsAtomics);
    const Stats atomics = other.engine.stats();
    check(!atomics.kernels.empty() && atomics.kernels[0].lds_bank_conflicts == 31, "conflicts of atomics",
          atomics.json());
}

}  // namespace

int main() {
    barrier_and_lds();
    faults();
    workgroups_wait_for_each_other();
    global_wave_sync();
    stopped_process();
    stopped_engine();
    storage_of_another_shape();
    pairs_are_whole();
    several_queues();
    strict_findings();
    planted_defects();
    statistics();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
