"""IEEE formats by exact rational arithmetic: the oracle for the virtual GPU's floats.

Independent of any floating-point unit: values are fractions, rounding is done here.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

EVEN, UP, DOWN, ZERO = range(4)  # rounding modes, as the MODE register numbers them


@dataclass(frozen=True)
class Format:
    """A binary interchange format: bits, precision with the hidden bit, exponent bias."""

    bits: int
    precision: int
    bias: int

    @property
    def fraction_bits(self) -> int:
        """Bits behind the point."""
        return self.precision - 1

    @property
    def infinity(self) -> int:
        """The encoding of +inf."""
        return ((1 << (self.bits - self.precision)) - 1) << self.fraction_bits

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.bits - 1)

    def is_nan(self, raw: int) -> bool:
        """Is the encoding a NaN?"""
        return raw & ~self.sign > self.infinity

    def quiet(self, raw: int) -> int:
        """The NaN with its quiet bit set."""
        return raw | 1 << (self.fraction_bits - 1)

    def signalling(self, raw: int) -> bool:
        """Is the encoding a signalling NaN?"""
        return self.is_nan(raw) and self.quiet(raw) != raw

    def finite(self, raw: int) -> bool:
        """Neither infinite nor NaN?"""
        return raw & ~self.sign < self.infinity

    def value(self, raw: int) -> Fraction:
        """The exact value of a finite encoding."""
        magnitude = raw & ~self.sign
        exponent, fraction = magnitude >> self.fraction_bits, magnitude & ((1 << self.fraction_bits) - 1)
        if exponent:
            fraction |= 1 << self.fraction_bits
        scale = Fraction(2) ** (max(exponent, 1) - self.bias - self.fraction_bits)
        return (-1 if raw & self.sign else 1) * fraction * scale

    def as_float(self, raw: int) -> float:
        """The encoding as a Python float (exact, also for infinities and NaN)."""
        if self.finite(raw):
            magnitude = float(self.value(raw & ~self.sign))
        else:
            magnitude = math.nan if self.is_nan(raw) else math.inf
        return math.copysign(magnitude, -1.0 if raw & self.sign else 1.0)

    def encode(self, exact: Fraction, mode: int = EVEN, *, negative_zero: bool = False) -> int:
        """The encoding of a rational number, rounded once."""
        if exact == 0:
            return self.sign if negative_zero else 0
        sign = self.sign if exact < 0 else 0
        magnitude = abs(exact)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if Fraction(2) ** exponent > magnitude:
            exponent -= 1
        exponent = max(exponent, 1 - self.bias)
        units = magnitude / Fraction(2) ** (exponent - self.fraction_bits)
        whole, rest = int(units), units - int(units)
        up = {
            EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1 == 1),
            UP: rest > 0 and not sign,
            DOWN: rest > 0 and bool(sign),
            ZERO: False,
        }[mode]
        encoded = ((exponent + self.bias - 1) << self.fraction_bits) + whole + up
        if encoded >= self.infinity:
            to_infinity = mode == EVEN or (mode == UP and not sign) or (mode == DOWN and bool(sign))
            return sign | (self.infinity if to_infinity else self.infinity - 1)
        return sign | encoded


HALF, SINGLE, DOUBLE = Format(16, 11, 15), Format(32, 24, 127), Format(64, 53, 1023)
FORMATS = {"F16": HALF, "F32": SINGLE, "F64": DOUBLE}


def special(fmt: Format, value: float) -> int:
    """The encoding of an infinity, a NaN or a zero."""
    if math.isnan(value):
        return fmt.infinity | 1 << (fmt.fraction_bits - 1)
    return (fmt.infinity if math.isinf(value) else 0) | (fmt.sign if math.copysign(1.0, value) < 0 else 0)


def fma(fmt: Format, a: int, b: int, c: int, mode: int = EVEN) -> int:
    """a*b+c rounded once."""
    x, y, z = (fmt.as_float(raw) for raw in (a, b, c))
    if not (fmt.finite(a) and fmt.finite(b)):
        return special(fmt, x * y + z)
    if not fmt.finite(c):
        return special(fmt, z)
    exact = fmt.value(a) * fmt.value(b) + fmt.value(c)
    product_sign, c_sign = (a ^ b) & fmt.sign, c & fmt.sign
    if exact == 0 and product_sign != c_sign:
        return fmt.encode(exact, mode, negative_zero=mode == DOWN)
    return fmt.encode(exact, mode, negative_zero=bool(product_sign))


def add(fmt: Format, a: int, b: int, mode: int = EVEN) -> int:
    """a+b."""
    return fma(fmt, a, fmt.encode(Fraction(1)), b, mode)


def mul(fmt: Format, a: int, b: int, mode: int = EVEN) -> int:
    """a*b; the zero added has the product's sign, so it changes nothing."""
    return fma(fmt, a, b, (a ^ b) & fmt.sign, mode)


def convert(source: Format, target: Format, raw: int, mode: int = EVEN) -> int:
    """A value in another format."""
    if not source.finite(raw):
        return special(target, source.as_float(raw))
    return target.encode(source.value(raw), mode, negative_zero=bool(raw & source.sign))


def order(fmt: Format, raw: int) -> float | Fraction:
    """Something that compares as the value does (no NaN)."""
    return fmt.value(raw) if fmt.finite(raw) else fmt.as_float(raw)


def minimum(fmt: Format, a: int, b: int, *, largest: bool = False) -> int:
    """minNum or maxNum in IEEE mode: quiet NaNs lose, signalling ones win, -0 < +0."""
    for raw in (a, b):
        if fmt.signalling(raw):
            return fmt.quiet(raw)
    if fmt.is_nan(a):
        return b
    if fmt.is_nan(b):
        return a
    key_a, key_b = (order(fmt, a), not a & fmt.sign), (order(fmt, b), not b & fmt.sign)
    return a if (key_a > key_b if largest else key_a < key_b) else b


def nearest_double(raw: int) -> float:
    """The double of an F64 encoding."""
    return float(struct.unpack("<d", raw.to_bytes(8, "little"))[0])
