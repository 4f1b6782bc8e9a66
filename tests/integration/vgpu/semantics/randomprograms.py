"""Random programs of one lane: typed expressions, branches, loops and arrays that depend on its data.

Every program is defined for every input (see programs/semantics/lane.h) and ends: a loop turns at most
seven times and loops are nested twice at most. A batch follows from its seed alone.
"""

from __future__ import annotations

from random import Random

import attrs
from tests.integration.vgpu.semantics.operations import FLOATS, INTEGERS, TYPES, functions, unsigned, width
from tests.integration.vgpu.semantics.values import edges

INPUTS = 6
OUTPUTS = 8
_STATEMENTS = 9
_DEEPEST_EXPRESSION = 3
_DEEPEST_BLOCK = 2
_INDENT = "    "


@attrs.frozen
class Program:
    """A program: its kernel's name, the types of its inputs, its source."""

    name: str
    inputs: tuple[str, ...]
    source: str


def make(name: str, random: Random) -> Program:
    """Make a program; the same state of `random` makes the same."""
    inputs = tuple(random.choice(TYPES) for _ in range(INPUTS))
    return Program(name=name, inputs=inputs, source=_Writer(random).write(name, inputs))


class _Writer:
    """Writes one program; keeps which variables exist where it stands."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.scope: list[tuple[str, str]] = []  # (name, type)
        self.made = 0
        self.in_loop = 0
        self.array = ""  # the type of the local array, once there is one
        self.lines: list[str] = []

    def write(self, name: str, inputs: tuple[str, ...]) -> str:
        for i, kind in enumerate(inputs):
            self.scope.append((f"v{i}", kind))
            self.lines.append(f"{_INDENT}{kind} v{i} = load<{kind}>(in[{i}]);")
        self.made = len(inputs)
        self._array()
        for _ in range(_STATEMENTS):
            self._statement(1)
        for i, (variable, _) in enumerate(self.scope[-OUTPUTS:]):
            self.lines.append(f"{_INDENT}out[{i}] = u64(bits({variable}));")
        return "\n".join([f"LANES({name}, {INPUTS}, {OUTPUTS}) {{", *self.lines, "}", ""])

    # --- Statements.

    def _emit(self, level: int, text: str) -> None:
        self.lines.append(_INDENT * level + text)

    def _array(self) -> None:
        kind = self.random.choice(TYPES)
        values = ", ".join(self._expression(kind, 1) for _ in range(4))
        self._emit(1, f"{kind} array[4] = {{{values}}};")
        self.array = kind

    def _statement(self, level: int) -> None:
        kinds = ["declare", "assign", "assign", "store"]
        if level <= _DEEPEST_BLOCK:
            kinds += ["branch", "loop", "choose"]
        if self.in_loop:
            kinds += ["leave"]
        getattr(self, f"_{self.random.choice(kinds)}")(level)

    def _declare(self, level: int) -> None:
        kind = self.random.choice(TYPES)
        text = self._expression(kind, _DEEPEST_EXPRESSION)
        name = f"v{self.made}"
        self.made += 1
        self._emit(level, f"{kind} {name} = {text};")
        self.scope.append((name, kind))

    def _assign(self, level: int) -> None:
        name, kind = self.random.choice([one for one in self.scope if not one[1].startswith("const ")])
        self._emit(level, f"{name} = {self._expression(kind, _DEEPEST_EXPRESSION)};")

    def _store(self, level: int) -> None:
        index = self._expression("u32", 1)
        self._emit(level, f"array[{index} & 3] = {self._expression(self.array, 2)};")

    def _block(self, level: int) -> None:
        before = len(self.scope)
        for _ in range(self.random.randint(1, 3)):
            self._statement(level + 1)
        del self.scope[before:]

    def _branch(self, level: int) -> None:
        self._emit(level, f"if ({self._condition(2)}) {{")
        self._block(level)
        if self.random.random() < 0.6:
            self._emit(level, "} else {")
            self._block(level)
        self._emit(level, "}")

    def _loop(self, level: int) -> None:
        turn = f"k{self.made}"
        self.made += 1
        self._emit(level, f"for (u32 {turn} = 0; {turn} < ({self._expression('u32', 1)} & 7); ++{turn}) {{")
        self.scope.append((turn, "const u32"))
        self.in_loop += 1
        before = len(self.scope)
        self._block(level)
        del self.scope[before - 1 :]
        self.in_loop -= 1
        self._emit(level, "}")

    def _choose(self, level: int) -> None:
        self._emit(level, f"switch ({self._expression('u32', 2)} & 3) {{")
        for case in self.random.sample(range(4), self.random.randint(1, 3)):
            self._emit(level, f"case {case}: {{")
            self._block(level)
            # Some cases fall through into the next.
            self._emit(level, "}" if self.random.random() < 0.3 else "} break;")
        self._emit(level, "}")

    def _leave(self, level: int) -> None:
        self._emit(level, f"if ({self._condition(1)}) {self.random.choice(('break', 'continue'))};")

    # --- Expressions.

    def _leaf(self, kind: str) -> str:
        alike = [name for name, one in self.scope if one.removeprefix("const ") == kind]
        pick = self.random.random()
        if alike and pick < 0.6:
            return self.random.choice(alike)
        if pick < 0.8:
            name, other = self.random.choice(self.scope)
            return name if other.removeprefix("const ") == kind else f"to<{kind}>({name})"
        if pick < 0.85 and self.array:
            return f"to<{kind}>(array[{self._leaf('u32')} & 3])"
        return f"load<{kind}>({self.random.choice(edges(kind)):#x}ul)"

    def _expression(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.12:
            return self._leaf(kind)
        pick = self.random.random()
        if pick < 0.1:
            return (
                f"({self._condition(depth - 1)} ? {self._expression(kind, depth - 1)} : {self._leaf(kind)})"
            )
        if pick < 0.22:
            other = self.random.choice(TYPES)
            return f"to<{kind}>({self._expression(other, depth - 1)})"
        if pick < 0.3:
            return self._bits(kind, depth)
        if kind in FLOATS and pick < 0.36:
            return f"fscale({self._expression(kind, depth - 1)}, {self._leaf('i32')})"
        table = functions(kind)
        count = self.random.choice((1, 2, 2, 2, 3))
        operands = ", ".join(self._expression(kind, depth - 1) for _ in range(count))
        chosen = self.random.choice(table[count])
        # LLVM 21 makes (0.0 - a) + b into b - a for gfx1010, -0 for a = 0, b = -0, where +0 is right.
        # The card does what it is told; adding zero hides the compiler's fault (docs/vgpu.md).
        return f"(fsub({operands}) + {kind}(0))" if chosen == "fsub" else f"{chosen}({operands})"

    def _bits(self, kind: str, depth: int) -> str:
        """Look at one type's bits as another of the same size."""
        if kind in FLOATS:
            return f"real<{kind}>({self._expression(unsigned(kind), depth - 1)})"
        alike = [one for one in FLOATS if width(one) == width(kind)]
        source = self.random.choice(alike) if alike else self.random.choice(INTEGERS)
        return f"{kind}(bits({self._expression(source, depth - 1)}))"

    def _condition(self, depth: int) -> str:
        pick = self.random.random()
        if depth > 0 and pick < 0.2:
            sign = self.random.choice(("&&", "||"))
            return f"({self._condition(depth - 1)} {sign} {self._condition(depth - 1)})"
        if depth > 0 and pick < 0.3:
            return f"!{self._condition(depth - 1)}"
        kind = self.random.choice(TYPES)
        sign = self.random.choice(("<", "<=", "==", "!=", ">", ">="))
        return f"({self._expression(kind, depth - 1)} {sign} {self._expression(kind, depth - 1)})"
