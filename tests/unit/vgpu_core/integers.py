"""What integer and bit instructions do, in Python: the oracle for the virtual GPU.

Written from the RDNA1 ISA manual's pseudo-code. Values are unsigned ints of the operand's
width; `signed` brings them into two's complement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

M16, M32, M64 = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def signed(value: int, bits: int = 32) -> int:
    """Two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def s24(value: int) -> int:
    """The low 24 bits, signed."""
    return signed(value, 24)


def bfe(value: int, offset: int, width: int, *, sign: bool) -> int:
    """v_bfe: `width` bits from `offset` on."""
    offset, width = offset & 31, width & 31
    if width == 0:
        return 0
    field = (signed(value) if sign else value) >> offset
    return (
        signed(field, width)
        if sign and offset + width < 32
        else field
        if sign
        else field & ((1 << width) - 1)
    ) & M32


def clz(value: int, bits: int = 32) -> int:
    """Leading zeros; all ones for 0."""
    return bits - value.bit_length() if value else M32


def ctz(value: int) -> int:
    """Trailing zeros; all ones for 0."""
    return (value & -value).bit_length() - 1 if value else M32


def cls(value: int, bits: int = 32) -> int:
    """Leading bits that equal the sign; all ones for 0 and -1."""
    return clz(value ^ ((1 << bits) - 1) if value >> (bits - 1) else value, bits)


def brev(value: int, bits: int = 32) -> int:
    """Bits in reverse order."""
    return int(f"{value:0{bits}b}"[::-1], 2)


def octets(value: int, count: int = 4) -> list[int]:
    """Bytes, lowest first."""
    return [value >> (8 * k) & 255 for k in range(count)]


def sad8(a: int, b: int, *, masked: bool = False) -> int:
    """Sum of absolute differences of bytes; masked leaves out zero bytes of b."""
    return sum(abs(x - y) for x, y in zip(octets(a), octets(b), strict=True) if y or not masked)


def perm(a: int, b: int, select: int) -> int:
    """v_perm_b32: bytes of {a, b} by selector."""
    both = octets(b) + octets(a)
    result = 0
    for k, s in enumerate(octets(select)):
        if s < 8:
            byte = both[s]
        elif s < 12:
            byte = 255 if both[2 * (s - 8) + 1] >> 7 else 0
        else:
            byte = 0 if s == 12 else 255
        result |= byte << (8 * k)
    return result


def lerp(a: int, b: int, c: int) -> int:
    """v_lerp_u8."""
    return sum(
        ((x + y + (z & 1)) >> 1) << (8 * k)
        for k, (x, y, z) in enumerate(zip(octets(a), octets(b), octets(c), strict=True))
    )


def middle(a: int, b: int, c: int) -> int:
    """The median of three."""
    return sorted((a, b, c))[1]


def mbcnt(a: int, b: int) -> int:
    """Bits set, plus b."""
    return (a.bit_count() + b) & M32


def two16(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """A 16-bit function of two signed values."""
    return lambda a, b: function(signed(a, 16), signed(b, 16)) & M16


def pack16(low: int, high: int, bottom: int, top: int) -> int:
    """Two values cut to a range and packed."""
    return max(bottom, min(top, low)) & M16 | (max(bottom, min(top, high)) & M16) << 16


VECTOR: dict[str, Callable[..., int]] = {
    "v_mov_b32": lambda a: a,
    "v_not_b32": lambda a: ~a & M32,
    "v_bfrev_b32": brev,
    "v_ffbh_u32": clz,
    "v_ffbl_b32": ctz,
    "v_ffbh_i32": cls,
    "v_sat_pk_u8_i16": lambda a: max(0, min(255, signed(a, 16))) | max(0, min(255, signed(a >> 16, 16))) << 8,
    "v_mul_i32_i24": lambda a, b: s24(a) * s24(b) & M32,
    "v_mul_hi_i32_i24": lambda a, b: s24(a) * s24(b) >> 32 & M32,
    "v_mul_u32_u24": lambda a, b: (a & 0xFFFFFF) * (b & 0xFFFFFF) & M32,
    "v_mul_hi_u32_u24": lambda a, b: (a & 0xFFFFFF) * (b & 0xFFFFFF) >> 32,
    "v_min_i32": lambda a, b: min(signed(a), signed(b)) & M32,
    "v_max_i32": lambda a, b: max(signed(a), signed(b)) & M32,
    "v_min_u32": min,
    "v_max_u32": max,
    "v_lshrrev_b32": lambda a, b: b >> (a & 31),
    "v_ashrrev_i32": lambda a, b: signed(b) >> (a & 31) & M32,
    "v_lshlrev_b32": lambda a, b: b << (a & 31) & M32,
    "v_and_b32": lambda a, b: a & b,
    "v_or_b32": lambda a, b: a | b,
    "v_xor_b32": lambda a, b: a ^ b,
    "v_xnor_b32": lambda a, b: ~(a ^ b) & M32,
    "v_add_nc_u32": lambda a, b: a + b & M32,
    "v_sub_nc_u32": lambda a, b: a - b & M32,
    "v_subrev_nc_u32": lambda a, b: b - a & M32,
    "v_add_nc_i32": lambda a, b: a + b & M32,
    "v_sub_nc_i32": lambda a, b: a - b & M32,
    "v_mad_i32_i24": lambda a, b, c: s24(a) * s24(b) + c & M32,
    "v_mad_u32_u24": lambda a, b, c: (a & 0xFFFFFF) * (b & 0xFFFFFF) + c & M32,
    "v_mul_lo_u32": lambda a, b: a * b & M32,
    "v_mul_lo_i32": lambda a, b: a * b & M32,
    "v_mul_hi_u32": lambda a, b: a * b >> 32,
    "v_mul_hi_i32": lambda a, b: signed(a) * signed(b) >> 32 & M32,
    "v_bfe_u32": lambda a, b, c: bfe(a, b, c, sign=False),
    "v_bfe_i32": lambda a, b, c: bfe(a, b, c, sign=True),
    "v_bfi_b32": lambda a, b, c: (a & b) | (~a & c & M32),
    "v_bfm_b32": lambda a, b: ((1 << (a & 31)) - 1) << (b & 31) & M32,
    "v_lerp_u8": lerp,
    "v_alignbit_b32": lambda a, b, c: (a << 32 | b) >> (c & 31) & M32,
    "v_alignbyte_b32": lambda a, b, c: (a << 32 | b) >> (8 * (c & 3)) & M32,
    "v_min3_i32": lambda a, b, c: min(signed(a), signed(b), signed(c)) & M32,
    "v_min3_u32": min,
    "v_max3_i32": lambda a, b, c: max(signed(a), signed(b), signed(c)) & M32,
    "v_max3_u32": max,
    "v_med3_i32": lambda a, b, c: middle(signed(a), signed(b), signed(c)) & M32,
    "v_med3_u32": middle,
    "v_sad_u8": lambda a, b, c: sad8(a, b) + c & M32,
    "v_sad_hi_u8": lambda a, b, c: (sad8(a, b) << 16) + c & M32,
    "v_sad_u16": lambda a, b, c: abs((a & M16) - (b & M16)) + abs((a >> 16) - (b >> 16)) + c & M32,
    "v_sad_u32": lambda a, b, c: abs(a - b) + c & M32,
    "v_msad_u8": lambda a, b, c: sad8(a, b, masked=True) + c & M32,
    "v_xor3_b32": lambda a, b, c: a ^ b ^ c,
    "v_or3_b32": lambda a, b, c: a | b | c,
    "v_and_or_b32": lambda a, b, c: (a & b) | c,
    "v_lshl_or_b32": lambda a, b, c: (a << (b & 31) & M32) | c,
    "v_lshl_add_u32": lambda a, b, c: (a << (b & 31)) + c & M32,
    "v_add_lshl_u32": lambda a, b, c: (a + b & M32) << (c & 31) & M32,
    "v_xad_u32": lambda a, b, c: (a ^ b) + c & M32,
    "v_add3_u32": lambda a, b, c: a + b + c & M32,
    "v_perm_b32": perm,
    "v_bcnt_u32_b32": mbcnt,
    "v_lshlrev_b64": lambda a, b: b << (a & 63) & M64,
    "v_lshrrev_b64": lambda a, b: b >> (a & 63),
    "v_ashrrev_i64": lambda a, b: signed(b, 64) >> (a & 63) & M64,
    "v_cvt_pk_u16_u32": lambda a, b: pack16(a, b, 0, M16),
    "v_cvt_pk_i16_i32": lambda a, b: pack16(signed(a), signed(b), -0x8000, 0x7FFF),
    "v_add_nc_u16": lambda a, b: a + b & M16,
    "v_sub_nc_u16": lambda a, b: a - b & M16,
    "v_add_nc_i16": lambda a, b: a + b & M16,
    "v_sub_nc_i16": lambda a, b: a - b & M16,
    "v_mul_lo_u16": lambda a, b: a * b & M16,
    "v_lshrrev_b16": lambda a, b: b >> (a & 15),
    "v_ashrrev_i16": lambda a, b: signed(b, 16) >> (a & 15) & M16,
    "v_lshlrev_b16": lambda a, b: b << (a & 15) & M16,
    "v_max_u16": max,
    "v_min_u16": min,
    "v_max_i16": two16(max),
    "v_min_i16": two16(min),
    "v_min3_u16": min,
    "v_max3_u16": max,
    "v_med3_u16": middle,
    "v_min3_i16": lambda a, b, c: min(signed(a, 16), signed(b, 16), signed(c, 16)) & M16,
    "v_max3_i16": lambda a, b, c: max(signed(a, 16), signed(b, 16), signed(c, 16)) & M16,
    "v_med3_i16": lambda a, b, c: middle(signed(a, 16), signed(b, 16), signed(c, 16)) & M16,
    "v_mad_u16": lambda a, b, c: a * b + c & M16,
    "v_mad_i16": lambda a, b, c: a * b + c & M16,
    "v_mad_u32_u16": lambda a, b, c: a * b + c & M32,
    "v_mad_i32_i16": lambda a, b, c: signed(a, 16) * signed(b, 16) + c & M32,
    "v_pack_b32_f16": lambda a, b: a | b << 16,
}
