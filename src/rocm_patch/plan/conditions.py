"""The condition language of rules: `gpu.rdna1 and not os.wsl`, evaluated over named facts.

Python's grammar, of which only names, constants, comparisons, `and`, `or`, `not` and the
functions below are let through: nothing is ever handed to eval. A fact that is not known
makes an answer unknown (None) unless the rest decides it; what was missing is kept.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache

import attrs

#: A fact: None means that it is not known.
Value = bool | int | str | list[str] | None
Facts = Mapping[str, Value]

_LONGEST = 400
_MOST_NODES = 80
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_ORDER: dict[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,  # type: ignore[dict-item]  # both sides are made alike before
    ast.LtE: operator.le,  # type: ignore[dict-item]
    ast.Gt: operator.gt,  # type: ignore[dict-item]
    ast.GtE: operator.ge,  # type: ignore[dict-item]
}


class ConditionError(ValueError):
    """A condition that is not of the language; the message says where."""


@attrs.frozen
class Condition:
    """A parsed condition, and the facts that it names."""

    text: str
    names: frozenset[str]
    _tree: ast.expr = attrs.field(eq=False, repr=False)

    def holds(self, facts: Facts) -> bool | None:
        """Answer; None where a fact that decides is not known."""
        return _truth(_value(self._tree, facts))

    def unknown(self, facts: Facts) -> list[str]:
        """Name the facts of this condition that are not known."""
        return sorted(name for name in self.names if facts.get(name) is None)


@cache
def parse(text: str) -> Condition:
    """Read a condition. ConditionError for anything that is not of the language."""
    if len(text) > _LONGEST:
        raise ConditionError(f"longer than {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConditionError(f"{text!r} cannot be read: {error}") from error
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise ConditionError("too long; make two rules of it")
    names: set[str] = set()
    _check(tree, names)
    return Condition(text, frozenset(names), tree)


def _check(node: ast.expr, names: set[str]) -> None:  # noqa: C901  # one for each part of the language
    """Let only the language's own parts through."""
    if isinstance(node, ast.BoolOp):
        parts: list[ast.expr] = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        parts = [node.operand]
    elif isinstance(node, ast.Compare):
        if len(node.ops) != 1 or not isinstance(node.ops[0], (*_ORDER, ast.In, ast.NotIn)):
            raise ConditionError("one comparison at a time: ==, !=, <, <=, >, >=, in, not in")
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ConditionError(f"there are only the functions {', '.join(_FUNCTIONS)}")
        if len(node.args) != _FUNCTIONS[node.func.id][0]:
            raise ConditionError(f"{node.func.id} takes {_FUNCTIONS[node.func.id][0]} argument(s)")
        parts = node.args
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, bool | int | str):
            raise ConditionError(f"{node.value!r} is no constant of the language")
        return
    else:
        names.add(_dotted(node))
        return
    for part in parts:
        _check(part, names)


def _dotted(node: ast.expr) -> str:
    """Give the name of a fact: words joined by dots."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ConditionError(f"{type(node).__name__} is not of the language")
    name = ".".join([node.id, *words])
    if not _NAME.fullmatch(name):
        raise ConditionError(f"{name} is no name of a fact")
    return name


def _value(node: ast.expr, facts: Facts) -> Value:  # noqa: PLR0911  # likewise
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, bool | int | str) else None
    if isinstance(node, ast.BoolOp):
        return _joined(node, facts)
    if isinstance(node, ast.UnaryOp):
        inner = _truth(_value(node.operand, facts))
        return None if inner is None else not inner
    if isinstance(node, ast.Compare):
        return _compared(node.ops[0], _value(node.left, facts), _value(node.comparators[0], facts))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        arguments = [_value(one, facts) for one in node.args]
        if any(one is None for one in arguments):
            return None
        return _FUNCTIONS[node.func.id][1](*arguments)
    return facts.get(_dotted(node))


def _joined(node: ast.BoolOp, facts: Facts) -> bool | None:
    """Join as Kleene did: one false decides an `and`, one true an `or`, whatever is not known."""
    decides = isinstance(node.op, ast.Or)
    answers = [_truth(_value(one, facts)) for one in node.values]
    if decides in answers:
        return decides
    return None if None in answers else not decides


def _truth(value: Value) -> bool | None:
    return None if value is None else bool(value)


def _compared(sign: ast.cmpop, left: Value, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(sign, ast.In | ast.NotIn):
        inside = (
            left in right
            if isinstance(right, list) or (isinstance(right, str) and isinstance(left, str))
            else False
        )
        return inside is isinstance(sign, ast.In)
    if isinstance(left, str) and isinstance(right, str) and not isinstance(sign, ast.Eq | ast.NotEq):
        return _ORDER[type(sign)](version_key(left), version_key(right))
    if type(left) is not type(right):
        return isinstance(sign, ast.NotEq)
    return _ORDER[type(sign)](left, right)


def version_key(text: str) -> list[tuple[int, int, str]]:
    """Order versions by their numbers: 6.4.0-47 after 6.3.9, before 6.10."""
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.findall(r"[0-9]{1,12}|[a-z]+", text)
    ]


def _matches(value: Value, pattern: Value) -> bool:
    """Say whether the value, or one of the list, fits a pattern with `*`."""
    items = value if isinstance(value, list) else [str(value)]
    return any(fnmatchcase(one, str(pattern)) for one in items)


def _only(value: Value, pattern: Value) -> bool:
    """Say whether there is something and all of it fits a pattern with `*`."""
    items = value if isinstance(value, list) else [str(value)]
    return bool(items) and all(fnmatchcase(one, str(pattern)) for one in items)


def _known(value: Value) -> bool:
    """Say whether there is anything: a text or a list that is not empty."""
    return value not in ("", [], None)


_FUNCTIONS: dict[str, tuple[int, Callable[..., bool]]] = {
    "matches": (2, _matches),
    "only": (2, _only),
    "some": (1, _known),
}
