// What all encodings share when a word is decoded: the words, the literal, and operand codes to Operands.
// For decode.cpp alone.
#pragma once

#include <span>

#include "table.h"

namespace vgpu::isa {

inline constexpr unsigned src_literal = 255, code_null = 125, code_vcc = 106, code_exec = 126;

class OperandReader {
public:
    OperandReader(std::span<const std::uint32_t> words, Inst& inst, unsigned wave)
        : words_(words), in_(inst), wave_(wave) {}

protected:
    // The next word, or 0 past the end (run() then reports truncation).
    std::uint32_t word() {
        const std::size_t i = next_++;
        return i < words_.size() ? words_[i] : 0;
    }

    void illegal() { legal_ = false; }

    std::uint32_t take_literal() {
        if (!in_.has_literal) {
            in_.literal = word();
            in_.has_literal = true;
        }
        return in_.literal;
    }

    // A scalar register tuple must lie inside its file, on a multiple of its size (of 4 for larger ones).
    void check_scalar(unsigned n, unsigned size, unsigned limit) {
        const unsigned align = size >= 4 ? 4U : size;
        if (n + size > limit || (align > 1 && n % align != 0)) {
            illegal();
        }
    }

    // A 7-bit scalar register code.
    Operand scalar(unsigned code, Ty type, unsigned size) {
        Operand o{Kind::sgpr, type, static_cast<std::uint8_t>(size), static_cast<std::int16_t>(code),
                  static_cast<std::uint16_t>(code)};
        const auto pair = [&](Kind k, unsigned base) {
            o.kind = k;
            o.value = static_cast<std::int16_t>(code - base);
            check_scalar(code - base, size, 2);
        };
        if (code < code_vcc) {
            check_scalar(code, size, code_vcc);
        } else if (code < 108) {
            pair(Kind::vcc, code_vcc);
        } else if (code < 124) {
            o.kind = Kind::ttmp;
            o.value = static_cast<std::int16_t>(code - 108);
            check_scalar(code - 108, size, 16);
        } else if (code == 124) {
            o.kind = Kind::m0;
            o.value = 0;
            if (size > 1) {
                illegal();
            }
        } else if (code == code_null) {
            o.kind = Kind::null;
            o.value = 0;
        } else {
            pair(Kind::exec, code_exec);
        }
        return o;
    }

    Operand scalar(unsigned code, Ty type) { return scalar(code, type, dwords(type, wave_)); }

    Operand vgpr(unsigned n, Ty type, unsigned size) {
        if (n + size > 256) {
            illegal();
        }
        return {Kind::vgpr, type, static_cast<std::uint8_t>(size), static_cast<std::int16_t>(n),
                static_cast<std::uint16_t>(256 + n)};
    }

    Operand vgpr(unsigned n, Ty type) { return vgpr(n, type, dwords(type, wave_)); }

    // A source code of 8 or 9 bits. VALU sources alone may be VGPRs and LDS_DIRECT.
    Operand source(unsigned code, Ty type, bool vector) {
        if (code >= 256) {
            return vgpr(code - 256, type);
        }
        if (code < 128) {
            return scalar(code, type);
        }
        Operand o{Kind::int_const, type, static_cast<std::uint8_t>(dwords(type, wave_)), 0,
                  static_cast<std::uint16_t>(code)};
        const auto kind = [&](Kind k) { o.kind = k; };
        if (code <= 192) {
            o.value = static_cast<std::int16_t>(code - 128);
        } else if (code <= 208) {
            o.value = static_cast<std::int16_t>(192 - static_cast<int>(code));
        } else if (code >= 240 && code <= 248) {
            kind(Kind::float_const);
            o.value = static_cast<std::int16_t>(code);
        } else {
            switch (code) {
                case 235: kind(Kind::shared_base); break;
                case 236: kind(Kind::shared_limit); break;
                case 237: kind(Kind::private_base); break;
                case 238: kind(Kind::private_limit); break;
                case 239: kind(Kind::pops_exiting_wave_id); break;
                case 251: kind(Kind::vccz); break;
                case 252: kind(Kind::execz); break;
                case 253: kind(Kind::scc); break;
                case 254:
                    kind(Kind::lds_direct);
                    if (!vector) {
                        illegal();
                    }
                    break;
                case src_literal:
                    kind(Kind::literal);
                    take_literal();
                    break;
                default: illegal();
            }
        }
        return o;
    }

    Operand vcc() { return scalar(code_vcc, Ty::MASK); }

    std::span<const std::uint32_t> words_;
    Inst& in_;
    unsigned wave_;
    std::size_t next_ = 0;
    bool legal_ = true;
};

}  // namespace vgpu::isa
