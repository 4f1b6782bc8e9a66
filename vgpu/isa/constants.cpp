// The bits that constant operands supply; see inst.h.
#include <bit>

#include "inst.h"

namespace vgpu::isa {
namespace {

// The nine float constants in half, single and double precision.
struct FloatConst {
    std::uint16_t half;
    std::uint32_t single;
    std::uint64_t twice;
};
constexpr FloatConst float_consts[9] = {
    {0x3800, 0x3f000000, 0x3fe0000000000000}, {0xb800, 0xbf000000, 0xbfe0000000000000},
    {0x3c00, 0x3f800000, 0x3ff0000000000000}, {0xbc00, 0xbf800000, 0xbff0000000000000},
    {0x4000, 0x40000000, 0x4000000000000000}, {0xc000, 0xc0000000, 0xc000000000000000},
    {0x4400, 0x40800000, 0x4010000000000000}, {0xc400, 0xc0800000, 0xc010000000000000},
    {0x3118, 0x3e22f983, 0x3fc45f306dc9c882},
};

}  // namespace

std::uint64_t const_bits(const Operand& o, std::uint32_t literal) {
    const bool wide = o.dwords == 2;
    switch (o.kind) {
        case Kind::int_const: {
            const auto v = static_cast<std::uint64_t>(static_cast<std::int64_t>(o.value));
            return wide ? v : v & 0xffffffffU;
        }
        case Kind::float_const: {
            const FloatConst& c = float_consts[o.value - 240];
            if (wide) {
                return c.twice;
            }
            return o.type == Ty::F16 || o.type == Ty::PF16 ? c.half : c.single;
        }
        case Kind::literal:
            if (o.type == Ty::F64) {
                return static_cast<std::uint64_t>(literal) << 32;
            }
            if (o.type == Ty::I64) {
                return static_cast<std::uint64_t>(static_cast<std::int64_t>(std::bit_cast<std::int32_t>(literal)));
            }
            return literal;
        default: return 0;
    }
}

}  // namespace vgpu::isa
