"""The operations that are compared, by type: names of functions in programs/semantics/lane.h.

From these come one kernel a type, which does each of them to three values, and the building blocks of
the random programs.
"""

from __future__ import annotations

INTEGERS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
FLOATS = ("f16", "f32", "f64")
TYPES = INTEGERS + FLOATS

#: how many operands -> functions
_INTEGER: dict[int, tuple[str, ...]] = {
    1: ("neg", "bit_not", "leading", "trailing", "population", "bit_reverse", "byte_swap"),
    2: (
        *("add", "sub", "mul", "mul24", "mul_high", "bit_and", "bit_or", "bit_xor", "shl", "shr", "rotate"),
        *("divide", "modulo", "least", "most", "add_sat", "sub_sat", "distance", "carry"),
    ),
    3: ("mad", "bit_select", "shl_add", "funnel", "field", "middle"),
}
_FLOAT: dict[int, tuple[str, ...]] = {
    1: ("fneg", "fabsolute", "froot", "ffloor", "fceil", "ftrunc", "fnear", "fmantissa", "fclamp"),
    2: ("fadd", "fsub", "fmul", "fdiv", "fmin", "fmax", "fsign"),
    3: ("fma", "fmid"),
}
#: Two halves of a dword: only in the kernel of u32.
_PAIRS = (
    *("half2_add", "half2_mul", "half2_crossed", "short2_add", "short2_sub", "short2_shl", "short2_shr"),
    *("short2_min", "short2_max", "short2_sat", "short2_mul"),
)
_COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")


def width(name: str) -> int:
    """Give the bits of a type."""
    return int(name[1:])


def unsigned(name: str) -> str:
    """Give the type that holds a type's bits."""
    return f"u{name[1:]}"


def functions(name: str) -> dict[int, tuple[str, ...]]:
    """Give the functions of a type that take and give nothing else, by how many operands they take."""
    if name in FLOATS:
        return _FLOAT
    return {**_INTEGER, 1: (*_INTEGER[1], "absolute")} if name.startswith("i") else _INTEGER


def results(name: str) -> dict[str, str]:
    """Give what the kernel of a type computes from a, b, c (and the 32-bit k): title -> expression."""
    found = {
        f"{one}": f"{one}({', '.join('abc'[:count])})"
        for count, ones in functions(name).items()
        for one in ones
    }
    compared = " | ".join(f"u32(a {sign} b) << {i}" for i, sign in enumerate(_COMPARISONS))
    found["compare"] = f"u32({compared})"
    found["not less"] = "u32(!(a < b))"
    found |= {f"to {other}": f"to<{other}>(a)" for other in TYPES if other != name}
    if name in FLOATS:
        found |= {"scale": "fscale(a, k)", "exponent": "u32(fexponent(a))"}
    if name in ("f32", "f64"):
        found |= {"fmodulo": "fmodulo(a, b)", "fremainder": "fremainder(a, b)"}
    if name == "u32":
        found |= {one: f"{one}(a, b)" for one in _PAIRS}
        found["half2_fma"] = "half2_fma(a, b, c)"
    return found


def kernel(name: str) -> str:
    """Give the source of a type's kernel: its name is table_TYPE, it takes 3 words."""
    lines = [f"LANES(table_{name}, 3, {len(results(name))}) {{"]
    lines += [f"    const {name} {letter} = load<{name}>(in[{i}]);" for i, letter in enumerate("abc")]
    lines += ["    const i32 k = i32(in[2]);", "    (void)k;"]
    lines += [f"    out[{i}] = u64(bits({text}));" for i, text in enumerate(results(name).values())]
    return "\n".join([*lines, "}", ""])
