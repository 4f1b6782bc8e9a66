// The rules on short planted sequences: each is found, and not found once the cure stands between.
#include <algorithm>
#include <string>

#include "check.h"
#include "vgpu/isa/audit/capi.h"
#include "vgpu/isa/audit/mix.h"
#include "vgpu/isa/audit/rules.h"

using namespace vgpu::isa;

namespace {

using Words = std::vector<std::uint32_t>;

// Encodings by name, so that the sequences can be read.
constexpr std::uint32_t s_nop = 0xbf800000, s_endpgm = 0xbf810000, v_nop = 0x7e000000;
constexpr std::uint32_t s_mov_b32_s4_0 = 0xbe840380, s_mov_b32_null_0 = 0xbefd0380, s_mov_b32_exec_lo_s2 = 0xbefe0302;
constexpr std::uint32_t v_mov_b32_v1_0 = 0x7e020280, v_readfirstlane_b32_s4_v0 = 0x7e080500;
constexpr std::uint32_t v_cmpx_lt_f32_v0_v1 = 0x7c220300, v_cmp_lt_f32_vcc_v0_v1 = 0x7c020300;
constexpr std::uint32_t depctr_vm_vsrc_0 = 0xbfa3ffe3, depctr_sa_sdst_0 = 0xbfa3fffe, s_waitcnt_0 = 0xbf8c0000;
constexpr std::uint32_t s_waitcnt_lgkm_0 = 0xbf8cc07f, waitcnt_vscnt_null_0 = 0xbbfd0000;
constexpr std::uint32_t s_cbranch_scc0_1 = 0xbf840001;

const Words global_load_v2_v0_s4 = {0xdc308000, 0x02040000};  // v2, v0, s[4:5]
const Words s_load_s0_s4 = {0xf4000002, 0xfa000000};          // s0, s[4:5], null
const Words ds_read_v2_v0 = {0xd8d80000, 0x02000000};
const Words image_nsa = {0xf0800f0a, 0x00020408, 0};        // image_sample, 12 bytes
const Words image_nsa_16 = {0xf0880f0c, 0x00020408, 0, 0};  // image_sample_d, 16 bytes

Words operator+(Words a, const Words& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Words operator+(Words a, std::uint32_t b) {
    a.push_back(b);
    return a;
}

std::vector<std::string> found(const Words& words) {
    const audit::Code code(words, 32);
    std::vector<std::string> out;
    for (const audit::Finding& f : audit::check(code)) {
        out.emplace_back(f.rule);
    }
    return out;
}

void only(const Words& words, const std::string& rule) {
    const std::vector<std::string> rules = found(words);
    EQUAL(rules.size(), 1U);
    EQUAL(rules.empty() ? "" : rules.front(), rule);
}

void clean(const Words& words) {
    for (const std::string& rule : found(words)) {
        EQUAL(rule, "none");
    }
}

}  // namespace

TEST(vmem_to_scalar_write) {
    const char* rule = "gfx10-vmem-to-scalar-write";
    only(global_load_v2_v0_s4 + s_mov_b32_s4_0, rule);
    only(global_load_v2_v0_s4 + s_nop + s_load_s0_s4 + s_mov_b32_s4_0, rule);
    only(global_load_v2_v0_s4 + s_mov_b32_exec_lo_s2, rule);
    only(global_load_v2_v0_s4 + s_waitcnt_lgkm_0 + s_mov_b32_s4_0, rule);
    clean(global_load_v2_v0_s4 + v_mov_b32_v1_0 + s_mov_b32_s4_0);
    clean(global_load_v2_v0_s4 + s_waitcnt_0 + s_mov_b32_s4_0);
    clean(global_load_v2_v0_s4 + depctr_vm_vsrc_0 + s_mov_b32_s4_0);
    clean(global_load_v2_v0_s4 + s_mov_b32_null_0);
}

TEST(smem_to_vector_write) {
    const char* rule = "gfx10-smem-to-vector-write";
    only(s_load_s0_s4 + v_readfirstlane_b32_s4_v0, rule);
    only(s_load_s0_s4 + v_mov_b32_v1_0 + s_nop + v_readfirstlane_b32_s4_v0, rule);
    clean(s_load_s0_s4 + s_mov_b32_null_0 + v_readfirstlane_b32_s4_v0);
    clean(s_load_s0_s4 + s_waitcnt_lgkm_0 + v_readfirstlane_b32_s4_v0);
    clean(s_load_s0_s4 + v_cmp_lt_f32_vcc_v0_v1);
}

TEST(vcmpx_exec_war) {
    const char* rule = "gfx10-vcmpx-exec-war";
    only(ds_read_v2_v0 + v_cmpx_lt_f32_v0_v1, rule);
    only(ds_read_v2_v0 + v_mov_b32_v1_0 + v_cmpx_lt_f32_v0_v1, rule);
    only(ds_read_v2_v0 + v_readfirstlane_b32_s4_v0 + v_cmpx_lt_f32_v0_v1, rule);
    clean(ds_read_v2_v0 + v_cmp_lt_f32_vcc_v0_v1 + v_cmpx_lt_f32_v0_v1);
    clean(ds_read_v2_v0 + depctr_sa_sdst_0 + v_cmpx_lt_f32_v0_v1);
    clean(Words{} + v_cmpx_lt_f32_v0_v1);
}

TEST(vcmpx_permlane) {
    const Words permlane = {0xd7770001, 0x00040300 | 0x100};  // v_permlane16_b32 v1, v0, s1, s1
    const char* rule = "gfx10-vcmpx-permlane";
    only(Words{v_cmpx_lt_f32_v0_v1} + permlane, rule);
    only(Words{v_cmpx_lt_f32_v0_v1, v_nop, s_nop} + permlane, rule);
    clean(Words{v_cmpx_lt_f32_v0_v1, v_mov_b32_v1_0} + permlane);
}

TEST(lds_branch_vmem_war) {
    const char* rule = "gfx10-lds-branch-vmem-war";
    const Words load = {0xdc308000, 0x027d0000};  // global_load_dword v2, v[0:1], off
    only(ds_read_v2_v0 + s_cbranch_scc0_1 + s_nop + load, rule);
    only(load + s_cbranch_scc0_1 + s_nop + ds_read_v2_v0, rule);
    clean(ds_read_v2_v0 + waitcnt_vscnt_null_0 + s_cbranch_scc0_1 + s_nop + load);
    clean(ds_read_v2_v0 + s_nop + load);
    // Around a loop: the load at its top meets the LDS read at its end through the branch back.
    const Words loop = load + v_mov_b32_v1_0 + ds_read_v2_v0 + (0xbf840000U | (0x10000U - 6));
    only(loop + s_endpgm, rule);
}

TEST(nsa_and_buffers) {
    const Words buffer_2 = {0xe0301002, 0x80010100};  // buffer_load_dword v1, v0, s[4:7], 0 offen offset:2
    const Words buffer_8 = {0xe0301008, 0x80010100};
    only(image_nsa_16 + buffer_2, "gfx10-nsa-to-vmem");
    clean(image_nsa_16 + buffer_8);
    clean(image_nsa_16 + s_nop + buffer_2);
    clean(image_nsa + buffer_2);
    only(Words{0xbfa10001} + s_nop + image_nsa + image_nsa_16 + s_nop, "gfx10-nsa-clause");
    clean(Words{0xbfa10000} + s_nop + image_nsa);
}

TEST(single_instructions) {
    only({0xbfa00003}, "gfx10-inst-fwd-prefetch");
    only(Words{0xbf82003f} + Words(0x40, s_nop), "gfx10-branch-offset-3f");
    clean(Words{0xbf82003e} + Words(0x40, s_nop));
    only({0xdc300010, 0x027d0000}, "gfx10-flat-segment-offset");
    clean({0xdc300000, 0x027d0000});
    only({0xcc134008, 0x1c2a0d04}, "isa-illegal-instruction");
    only({0x7e0202ff}, "isa-illegal-instruction");
    only(Words{0xbf820001, 0x7e0202ff, 0, s_endpgm}, "isa-branch-target");
}

TEST(loops_and_their_multiply_adds) {
    constexpr std::uint32_t v_fmac_f32 = 0x56000300;
    // outer loop of 7 lines around an inner one of 4 (2 fmac, 1 mov)
    const Words words =
        Words{v_mov_b32_v1_0, s_nop, v_fmac_f32, v_fmac_f32, v_mov_b32_v1_0, 0xbf84fffc, 0xbf84fff9, s_endpgm};
    const audit::Code code(words, 32);
    const std::vector<audit::Loop> loops = audit::loops_of(code);
    EQUAL(loops.size(), 2U);
    CHECK(loops[0].inner && !loops[1].inner);
    EQUAL(loops[0].first, 8U);
    EQUAL(loops[0].last, 20U);
    EQUAL(loops[0].mix.valu(), 3U);
    EQUAL(loops[0].mix.of(audit::Kind::fma), 2U);
    EQUAL(loops[1].mix.total(), 7U);
    EQUAL(audit::mix_of(code).total(), 8U);
}

TEST(the_c_interface_gives_well_formed_text) {
    EQUAL(vgpu_isa_version(), 1U);
    const Words words = ds_read_v2_v0 + v_cmpx_lt_f32_v0_v1 + std::uint32_t{0};
    char* json = vgpu_isa_audit(words.data(), words.size() * 4, 32);
    const std::string text(json);
    vgpu_isa_free(json);
    CHECK(text.starts_with("{\"instructions\":3,\"illegal\":1,\"mix\":{\"compare\":1,\"lds-load\":1,\"other\":1}"));
    CHECK(text.find("\"rule\":\"gfx10-vcmpx-exec-war\",\"offset\":8,") != std::string::npos);
    char* lines = vgpu_isa_disassemble(words.data(), words.size() * 4 + 3, 32);
    EQUAL(std::string(lines), "0 8 ds_read_b32 v2, v0\n8 4 v_cmpx_lt_f32_e32 v0, v1\nc 4 illegal\n");
    vgpu_isa_free(lines);
    char* none = vgpu_isa_audit(nullptr, 0, 64);
    EQUAL(std::string(none), "{\"instructions\":0,\"illegal\":0,\"mix\":{},\"findings\":[],\"loops\":[]}");
    vgpu_isa_free(none);
    char* rules = vgpu_isa_rules();
    const std::string all(rules);
    vgpu_isa_free(rules);
    EQUAL(std::count(all.begin(), all.end(), '{'), 12);
    char* rows = vgpu_isa_table();
    CHECK(std::string(rows).find("{\"op\":\"v_fmac_f32\",\"format\":\"VOP2\",\"opcode\":43,") != std::string::npos);
    vgpu_isa_free(rows);
}

int main() { return vgpu::isa::test::run(); }
