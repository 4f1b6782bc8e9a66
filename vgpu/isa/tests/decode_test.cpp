// Decoding: every vector of vectors.txt, the statuses, operands, constants, and words that mean nothing.
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "check.h"
#include "vgpu/isa/foreign.h"
#include "vgpu/isa/print.h"
#include "vgpu/isa/regs.h"

using namespace vgpu::isa;

namespace {

using Words = std::vector<std::uint32_t>;

Inst decoded(const Words& words, Status expected = Status::ok, unsigned wave = 32) {
    Inst inst;
    EQUAL(static_cast<int>(decode(words, inst, wave)), static_cast<int>(expected));
    return inst;
}

std::string text(const Words& words, unsigned wave = 32) { return to_string(decoded(words, Status::ok, wave)); }

struct Vector {
    Words words;
    std::string text;
};

std::vector<Vector> vectors() {
    std::ifstream file(VECTORS);
    std::vector<Vector> out;
    for (std::string line; std::getline(file, line);) {
        const auto mark = line.find(" ; ");
        if (line.empty() || line[0] == '#' || mark == std::string::npos) {
            continue;
        }
        Vector v{{}, line.substr(mark + 3)};
        std::istringstream words(line.substr(0, mark));
        for (std::uint32_t w = 0; words >> std::hex >> w;) {
            v.words.push_back(w);
        }
        out.push_back(v);
    }
    return out;
}

}  // namespace

TEST(every_vector_reads_as_llvm_writes_it) {
    std::size_t count = 0;
    for (const Vector& v : vectors()) {
        Inst inst;
        const Status status = decode(v.words, inst);
        EQUAL(static_cast<int>(status), static_cast<int>(Status::ok));
        EQUAL(to_string(inst), v.text);
        ++count;
    }
    CHECK(count > 5200);
}

TEST(every_row_has_a_vector) {
    std::set<Op> seen;
    for (const Vector& v : vectors()) {
        seen.insert(decoded(v.words).op);
    }
    for (std::size_t i = 0; i < op_count; ++i) {
        if (!seen.contains(static_cast<Op>(i))) {
            EQUAL(table[i].name, "has a vector");
        }
    }
}

TEST(a_cut_instruction_is_truncated_and_never_read_past) {
    for (const Vector& v : vectors()) {
        Inst inst;
        CHECK(decode({}, inst) == Status::truncated);
        decode(v.words, inst);
        for (std::size_t n = 1; n < inst.length / 4U; ++n) {
            const Words cut(v.words.begin(), v.words.begin() + static_cast<std::ptrdiff_t>(n));
            EQUAL(static_cast<int>(decode(cut, inst)), static_cast<int>(Status::truncated));
        }
    }
}

TEST(random_words_decode_to_something_bounded) {
    std::mt19937 random(20260101);  // NOLINT: the same words each time
    unsigned legal = 0;
    for (int i = 0; i < 300000; ++i) {
        const Words words = {static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()),
                             static_cast<std::uint32_t>(random()), 0, 0};
        Inst inst;
        const Status status = decode(words, inst, i % 2 == 0 ? 32 : 64);
        CHECK(inst.length >= 4 && inst.length <= 20 && inst.length % 4 == 0);
        if (status == Status::ok) {
            ++legal;
            CHECK(!to_string(inst).empty());
            CHECK(scalar_writes(inst).count() <= 18);
            for (const Operand& o : inst.src) {
                CHECK(o.kind != Kind::sgpr || o.value + o.dwords <= 106);
                CHECK(o.kind != Kind::vgpr || o.value + o.dwords <= 256);
            }
        } else {
            CHECK(!why_illegal(words, inst).empty());
        }
    }
    CHECK(legal > 30000);
}

TEST(other_generations_are_illegal) {
    const auto why = [](const Words& words) { return why_illegal(words, decoded(words, Status::illegal)); };
    EQUAL(why({0xcc134008, 0x1c2a0d04}), "v_dot2_f32_f16 (gfx1011 and later)");
    EQUAL(why({0x061008fa, 0xff014204}), "v_add_f32 with DPP control 0x142 (row_bcast:15 of GCN)");
    EQUAL(why({0x061008fa, 0xff013804}), "v_add_f32 with DPP control 0x138 (wave_shr of GCN)");
    EQUAL(why({0}), "zero word (padding or missing code)");
    EQUAL(why({0xc8000000}), "no instruction of gfx1010 is encoded 0xc8000000");  // v_interp_p1_f32
    EQUAL(why({0x7e1006f9, 0x00060604}), "v_cvt_i32_f64 with SDWA, which it does not take");
}

TEST(misaligned_and_overrunning_registers_are_illegal) {
    decoded({0xbe880404});                   // s_mov_b64 s[8:9], s[4:5]
    decoded({0xbe880405}, Status::illegal);  // from s[5:6]
    decoded({0xbee90404}, Status::illegal);  // to s[105:106]
    decoded({0x7ffe0904}, Status::illegal);  // v_cvt_f64_i32 v[255:256], s4
}

TEST(lengths_follow_literals_and_scattered_addresses) {
    EQUAL(int{decoded({0x7e1002ff, 1}).length}, 8);
    EQUAL(int{decoded({0xd54b0008, 0x03fe0904, 1}).length}, 12);
    EQUAL(int{decoded({0xf0800f08, 0x00020408}).length}, 8);            // image_sample
    EQUAL(int{decoded({0xf08c0f16, 0x00020408, 0, 0, 0}).length}, 20);  // image_sample_d_cl of 3D, nsa = 3
}

TEST(images_name_the_registers_that_they_use) {
    const Inst load = decoded({0xf0000308, 0x00041004});  // image_load v[16:17], v[4:5], s[16:23] dmask:0x3
    CHECK(load.dst.value == 16 && load.dst.dwords == 2 && !load.src[1]);
    CHECK(load.src[0].value == 4 && load.src[0].dwords == 2 && load.src[2].dwords == 8 && !load.src[3]);
    const Inst store = decoded({0xf0200308, 0x00041004});
    CHECK(!store.dst && store.src[1].value == 16 && store.src[1].dwords == 2);
    const Inst quiet = decoded({0xf0440108, 0x00041004}), old = decoded({0xf0442108, 0x00041004});
    CHECK(!quiet.dst && quiet.src[1].dwords == 1 && old.dst.value == 16);  // image_atomic_add, and with glc
    const Inst sample = decoded({0xf0800f12, 0x00641004, 0x14131211});
    CHECK(sample.src[0].dwords == 1 && sample.scattered_count == 2 && sample.scattered[1] == 18);
    CHECK(sample.src[3].value == 12 && sample.src[3].dwords == 4);
}

// LLVM's disassembler refuses the first six, and prints the others with too few registers: its tables have none for
// them (AMDGPUDisassembler.cpp, convertMIMGInst). The card has no meaning for them.
TEST(images_that_mean_nothing_are_illegal) {
    decoded({0xf0000308, 0x00241004}, Status::illegal);           // image_load with a sampler
    decoded({0xf0000308, 0x00191004}, Status::illegal);           // resource s[100:107]
    decoded({0xf0380308, 0x80041004}, Status::illegal);           // image_get_resinfo d16
    decoded({0xf0180308, 0x00041004}, Status::illegal);           // a free opcode
    decoded({0xf000030c, 0x00041004, 0, 0}, Status::illegal);     // image_load with two words of addresses
    decoded({0xf0800f0e, 0x00020408, 0, 0, 0}, Status::illegal);  // image_sample with three
    decoded({0xf0000f08, 0x0004fd04}, Status::illegal);           // to v[253:256]
    decoded({0xf0000308, 0x000410ff}, Status::illegal);           // at v[255:256]
    decoded({0xf0000302, 0x00041004, 0}, Status::illegal);        // one scattered address
    decoded({0xf0880312, 0x00041004, 0}, Status::illegal);        // image_sample_d of 3D: nine addresses of five
    decoded({0xf0040338, 0x00041004}, Status::illegal);           // a mip level of a multisampled array
    decoded({0xf0440f08, 0x00041004}, Status::illegal);           // image_atomic_add of four components
    decoded({0xf0400108, 0x00041004}, Status::illegal);           // image_atomic_cmpswap without comparand
}

TEST(lane_masks_are_as_wide_as_the_wave) {
    EQUAL(text({0x7c020c04}), "v_cmp_lt_f32_e32 vcc_lo, s4, v6");
    EQUAL(text({0x7c020c04}, 64), "v_cmp_lt_f32_e32 vcc, s4, v6");
    EQUAL(text({0xd4010008, 0x00020d04}, 64), "v_cmp_lt_f32_e64 s[8:9], v4, v6");
    decoded({0xd4010009, 0x00020d04}, Status::illegal, 64);
    EQUAL(text({0x50100c04}, 64), "v_add_co_ci_u32_e32 v8, vcc, s4, v6, vcc");
}

TEST(multiply_adds_are_all_src0_times_src1_plus_src2) {
    const Inst mk = decoded({0x58100d04, 0x40000000});
    CHECK(mk.src[1].is(Kind::literal) && mk.src[2].is(Kind::vgpr) && mk.src[2].value == 6);
    const Inst ak = decoded({0x5a100d04, 0x40000000});
    CHECK(ak.src[1].value == 6 && ak.src[2].is(Kind::literal));
    const Inst mac = decoded({0x56100d04});
    CHECK(mac.src[2].is(Kind::vgpr) && mac.src[2].value == 8);
    const Inst mac64 = decoded({0xd52b0008, 0x00020d04});
    CHECK(mac64.src[2].is(Kind::vgpr) && mac64.src[2].value == 8);
}

TEST(constants_have_the_bits_of_their_type) {
    const auto bits = [](Kind k, Ty t, std::int16_t v, std::uint32_t literal = 0) {
        return const_bits({k, t, static_cast<std::uint8_t>(dwords(t)), v, 0}, literal);
    };
    EQUAL(bits(Kind::int_const, Ty::I32, -1), 0xffffffffU);
    EQUAL(bits(Kind::int_const, Ty::B64, -1), ~std::uint64_t{0});
    EQUAL(bits(Kind::float_const, Ty::F32, 242), 0x3f800000U);
    EQUAL(bits(Kind::float_const, Ty::F64, 248), 0x3fc45f306dc9c882U);
    EQUAL(bits(Kind::float_const, Ty::PF16, 247), 0xc400U);
    EQUAL(bits(Kind::float_const, Ty::PI16, 242), 0x3f800000U);
    EQUAL(bits(Kind::literal, Ty::F64, 0, 0x3ff00000), 0x3ff0000000000000U);
    EQUAL(bits(Kind::literal, Ty::I64, 0, 0x80000000), 0xffffffff80000000U);
    EQUAL(bits(Kind::literal, Ty::B64, 0, 0x80000000), 0x80000000U);
    EQUAL(bits(Kind::vgpr, Ty::F32, 3), 0U);
}

TEST(offsets_and_cache_bits) {
    const Inst global = decoded({0xdc338ff0, 0x08140004});
    EQUAL(global.offset, -16);
    CHECK(global.glc && global.slc && !global.dlc && global.src[0].dwords == 1 && global.src[2].value == 20);
    EQUAL(decoded({0xdc300ff0, 0x087d0004}).offset, 4080);
    const Inst ds = decoded({0xd8dc0201, 0x08000004});
    CHECK(ds.offset0() == 1 && ds.offset1() == 2 && ds.dst.dwords == 2);
    EQUAL(decoded({0xf4000204, 0xfa1ffff0}).offset, -16);
    EQUAL(decoded({0xbf82fffe}).branch_bytes(), -8);
}

TEST(find_knows_every_name_and_no_other) {
    for (std::size_t i = 0; i < op_count; ++i) {
        CHECK(find(table[i].name) == static_cast<Op>(i));
    }
    CHECK(find("v_dot2_f32_f16") == Op::invalid);
}

int main() { return vgpu::isa::test::run(); }
