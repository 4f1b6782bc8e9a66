// The kernels of strict_test.cpp as words: each defect that strict mode is to find, and the same kernel without it.
// Assembled by llvm-mc for gfx1010, wave32; the text beside each word is the disassembler's.
#pragma once

#include <cstdint>

namespace vgpu::core::tests {

// clang-format off: columns of words

constexpr std::uint32_t kLdsRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xd8d80000, 0x02000003,  // ds_read_b32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsReadBarrier[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf8a0000,  // s_barrier
    0xd8d80000, 0x02000003,  // ds_read_b32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsWrite[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xd8340000, 0x00000003,  // ds_write_b32 v3, v0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsSame[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x7e040287,  // v_mov_b32_e32 v2, 7
    0xd8340000, 0x00000203,  // ds_write_b32 v3, v2
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsBytes[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x2c040085,  // v_lshrrev_b32_e32 v2, 5, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x4a040702,  // v_add_nc_u32_e32 v2, v2, v3
    0xd8780000, 0x00000002,  // ds_write_b8 v2, v0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsReadThenWrite[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0xd8340000, 0x00000201,  // ds_write_b32 v1, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf8a0000,  // s_barrier
    0xd8d80000, 0x02000003,  // ds_read_b32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x4c0802ff, 0x000000fc,  // v_sub_nc_u32_e32 v4, 0xfc, v1
    0xd8340000, 0x00000004,  // ds_write_b32 v4, v0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsAtomics[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0x7e060281,  // v_mov_b32_e32 v3, 1
    0xd8340000, 0x00000202,  // ds_write_b32 v2, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf8a0000,  // s_barrier
    0xd8000000, 0x00000302,  // ds_add_u32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf8a0000,  // s_barrier
    0xd8d80000, 0x04000002,  // ds_read_b32 v4, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsAtomicRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0x7e060281,  // v_mov_b32_e32 v3, 1
    0xd8340000, 0x00000202,  // ds_write_b32 v2, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf8a0000,  // s_barrier
    0xd8000000, 0x00000302,  // ds_add_u32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xd8d80000, 0x04000002,  // ds_read_b32 v4, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsAtomicUnguarded[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0x7e060281,  // v_mov_b32_e32 v3, 1
    0xd8340000, 0x00000202,  // ds_write_b32 v2, v2
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xd8000000, 0x00000302,  // ds_add_u32 v2, v3
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryReadBarrier[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xbf8a0000,  // s_barrier
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryScalarRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xf40000c0, 0xfa000000,  // s_load_dword s3, s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryFlag[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x7e080280,  // v_mov_b32_e32 v4, 0
    0x7e0a0281,  // v_mov_b32_e32 v5, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbf078003,  // s_cmp_lg_u32 s3, 0
    0xbf850006,  // s_cbranch_scc1 again
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xdcc88400, 0x00000504,  // global_atomic_add v4, v5, s[0:1] offset:1024
    0xbf810000,  // s_endpgm
    0xdc319400, 0x06000004,  // global_load_dword v6, v4, s[0:1] offset:1024 glc dlc
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0x7e080506,  // v_readfirstlane_b32 s4, v6
    0xbf07a004,  // s_cmp_lg_u32 s4, 32
    0xbf85fffa,  // s_cbranch_scc1 again
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryStoredFlag[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x7e080280,  // v_mov_b32_e32 v4, 0
    0x7e0a0281,  // v_mov_b32_e32 v5, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbf078003,  // s_cmp_lg_u32 s3, 0
    0xbf850006,  // s_cbranch_scc1 again
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xdc708400, 0x00000504,  // global_store_dword v4, v5, s[0:1] offset:1024
    0xbf810000,  // s_endpgm
    0xdc319400, 0x06000004,  // global_load_dword v6, v4, s[0:1] offset:1024 glc dlc
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0x7e080506,  // v_readfirstlane_b32 s4, v6
    0xbf078104,  // s_cmp_lg_u32 s4, 1
    0xbf85fffa,  // s_cbranch_scc1 again
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryFlagLate[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x380606ff, 0x00000080,  // v_or_b32_e32 v3, 0x80, v3
    0x7e080280,  // v_mov_b32_e32 v4, 0
    0x7e0a0281,  // v_mov_b32_e32 v5, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbf068003,  // s_cmp_eq_u32 s3, 0
    0xbf850006,  // s_cbranch_scc1 again
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xdcc88400, 0x00000504,  // global_atomic_add v4, v5, s[0:1] offset:1024
    0xbf810000,  // s_endpgm
    0xdc319400, 0x06000004,  // global_load_dword v6, v4, s[0:1] offset:1024 glc dlc
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0x7e080506,  // v_readfirstlane_b32 s4, v6
    0xbf07a004,  // s_cmp_lg_u32 s4, 32
    0xbf85fffa,  // s_cbranch_scc1 again
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryStoredFlagLate[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x380606ff, 0x00000080,  // v_or_b32_e32 v3, 0x80, v3
    0x7e080280,  // v_mov_b32_e32 v4, 0
    0x7e0a0281,  // v_mov_b32_e32 v5, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbf068003,  // s_cmp_eq_u32 s3, 0
    0xbf850006,  // s_cbranch_scc1 again
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xdc708400, 0x00000504,  // global_store_dword v4, v5, s[0:1] offset:1024
    0xbf810000,  // s_endpgm
    0xdc319400, 0x06000004,  // global_load_dword v6, v4, s[0:1] offset:1024 glc dlc
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0x7e080506,  // v_readfirstlane_b32 s4, v6
    0xbf078104,  // s_cmp_lg_u32 s4, 1
    0xbf85fffa,  // s_cbranch_scc1 again
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kMemoryNoFlag[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0x7e080280,  // v_mov_b32_e32 v4, 0
    0x7e0a0281,  // v_mov_b32_e32 v5, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbf078003,  // s_cmp_lg_u32 s3, 0
    0xbf850005,  // s_cbranch_scc1 second
    0xdc708000, 0x00000001,  // global_store_dword v1, v0, s[0:1]
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xbf800000,  // s_nop 0
    0xbf810000,  // s_endpgm
    0xbf800000,  // s_nop 0
    0xdc308000, 0x02000003,  // global_load_dword v2, v3, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kBufferRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xbe840300,  // s_mov_b32 s4, s0
    0xbe850301,  // s_mov_b32 s5, s1
    0xb0060400,  // s_movk_i32 s6, 0x400
    0xbe8703ff, 0x31014000,  // s_mov_b32 s7, 0x31014000
    0xe0701000, 0x80010001,  // buffer_store_dword v0, v1, s[4:7], 0 offen
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xe0301000, 0x80010203,  // buffer_load_dword v2, v3, s[4:7], 0 offen
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kBufferReadBarrier[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xbe840300,  // s_mov_b32 s4, s0
    0xbe850301,  // s_mov_b32 s5, s1
    0xb0060400,  // s_movk_i32 s6, 0x400
    0xbe8703ff, 0x31014000,  // s_mov_b32 s7, 0x31014000
    0xe0701000, 0x80010001,  // buffer_store_dword v0, v1, s[4:7], 0 offen
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xbf8a0000,  // s_barrier
    0xe0301000, 0x80010203,  // buffer_load_dword v2, v3, s[4:7], 0 offen
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kFlatLdsRead[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x360602ff, 0x0000007f,  // v_and_b32_e32 v3, 0x7f, v1
    0xbe8404eb,  // s_mov_b64 s[4:5], src_shared_base
    0x7e080205,  // v_mov_b32_e32 v4, s5
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0xdc300000, 0x027d0003,  // flat_load_dword v2, v[3:4]
    0xbf8c0070,  // s_waitcnt vmcnt(0) lgkmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kVmemScalar[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0xbe800380,  // s_mov_b32 s0, 0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kVmemScalarCured[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0x7e060280,  // v_mov_b32_e32 v3, 0
    0xbe800380,  // s_mov_b32 s0, 0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kSmemVector[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xf40000c0, 0xfa000000,  // s_load_dword s3, s[0:1], 0x0
    0x7e000500,  // v_readfirstlane_b32 s0, v0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kSmemVectorCured[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xf40000c0, 0xfa000000,  // s_load_dword s3, s[0:1], 0x0
    0xbefd0380,  // s_mov_b32 null, 0
    0x7e000500,  // v_readfirstlane_b32 s0, v0
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kVcmpxExec[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0x7e060280,  // v_mov_b32_e32 v3, 0
    0x7da60300,  // v_cmpx_le_u32_e32 v0, v1
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kVcmpxExecCured[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0x7e060280,  // v_mov_b32_e32 v3, 0
    0xbfa3fffe,  // s_waitcnt_depctr 0xfffe
    0x7da60300,  // v_cmpx_le_u32_e32 v0, v1
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kPermlane[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7da60300,  // v_cmpx_le_u32_e32 v0, v1
    0x7e000000,  // v_nop
    0xd7770002, 0x00080500,  // v_permlane16_b32 v2, v0, s2, s2
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kPermlaneCured[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7da60300,  // v_cmpx_le_u32_e32 v0, v1
    0x7e060300,  // v_mov_b32_e32 v3, v0
    0xd7770002, 0x00080500,  // v_permlane16_b32 v2, v0, s2, s2
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsBranch[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbf820000,  // s_branch over
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsBranchCured[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0xbbfd0000,  // s_waitcnt_vscnt null, 0x0
    0xbf820000,  // s_branch over
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsBranchInLoop[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0xbe830380,  // s_mov_b32 s3, 0
    0xdc308000, 0x02000001,  // global_load_dword v2, v1, s[0:1]
    0x7e060280,  // v_mov_b32_e32 v3, 0
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xd8340000, 0x00000001,  // ds_write_b32 v1, v0
    0x80038103,  // s_add_u32 s3, s3, 1
    0xbf078203,  // s_cmp_lg_u32 s3, 2
    0xbf85fff7,  // s_cbranch_scc1 again
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kPrefetch[] = {
    0xbfa00003,  // s_inst_prefetch 0x3
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kFlatOffset[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040200,  // v_mov_b32_e32 v2, s0
    0x7e060201,  // v_mov_b32_e32 v3, s1
    0xdc300010, 0x047d0002,  // flat_load_dword v4, v[2:3] offset:16
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kFlatNoOffset[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040200,  // v_mov_b32_e32 v2, s0
    0x7e060201,  // v_mov_b32_e32 v3, s1
    0xdc300000, 0x047d0002,  // flat_load_dword v4, v[2:3]
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kClause[] = {
    0xbfa10001,  // s_clause 0x1
    0xf0800f12, 0x00000400, 0x00000000,  // image_sample v[4:7], [v0, v0, v0], s[0:7], s[0:3] dmask:0xf dim:SQ_RSRC_IMG_3D
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kBranch3f[] = {
    0xbf82003f,  // s_branch 63
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,  // s_nop 0, 63 times
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kBranch3e[] = {
    0xbf82003e,  // s_branch over
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,
    0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000, 0xbf800000,  // s_nop 0, 62 times
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kByteStore[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0x7e060281,  // v_mov_b32_e32 v3, 1
    0x7e060500,  // v_readfirstlane_b32 s3, v0
    0xbefe0381,  // s_mov_b32 exec_lo, 1
    0xdc608000, 0x00000302,  // global_store_byte v2, v3, s[0:1]
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kDwordLoad[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e040280,  // v_mov_b32_e32 v2, 0
    0xbefe0381,  // s_mov_b32 exec_lo, 1
    0xdc308000, 0x03000002,  // global_load_dword v3, v2, s[0:1]
    0xbf8c3f70,  // s_waitcnt vmcnt(0)
    0xbf810000,  // s_endpgm
};
constexpr std::uint32_t kLdsPastEnd[] = {
    0xf4040000, 0xfa000000,  // s_load_dwordx2 s[0:1], s[0:1], 0x0
    0xbf8cc07f,  // s_waitcnt lgkmcnt(0)
    0x34020082,  // v_lshlrev_b32_e32 v1, 2, v0
    0x7e0402ff, 0x000003e8,  // v_mov_b32_e32 v2, 0x3e8
    0xd8340000, 0x00000002,  // ds_write_b32 v2, v0
    0xbf810000,  // s_endpgm
};

}  // namespace vgpu::core::tests
