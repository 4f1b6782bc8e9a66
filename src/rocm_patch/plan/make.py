"""Makes the plan.

Evaluates each rule over the facts, fills the blanks of actions, settles conflicts and order.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rocm_patch import __version__
from rocm_patch.plan.actions import Action
from rocm_patch.plan.conditions import Facts, Value, parse
from rocm_patch.plan.model import Item, Plan, State, digest_of
from rocm_patch.plan.rules import BLANK, Rule, Way, in_order, load_rules

_ACTION: TypeAdapter[Any] = TypeAdapter(Action)


def make_plan(facts: Facts, rules: dict[str, Rule] | None = None) -> Plan:
    """Say what a machine with these facts needs. The plan keeps the facts that any rule looks at."""
    rules = load_rules() if rules is None else rules
    used = sorted({name for rule in rules.values() for name in rule.names()})
    kept: dict[str, Any] = {name: facts.get(name) for name in used}
    items = {name: item for name in in_order(rules) if (item := judge(rules[name], facts)) is not None}
    _settle(items, rules)
    return Plan(
        made_by=f"rocm-patch {__version__}",
        made_at=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        facts=kept,
        facts_digest=digest_of(kept),
        items=list(items.values()),
    )


def judge(rule: Rule, facts: Facts) -> Item | None:  # noqa: PLR0911  # one for each outcome
    """Give what one rule says; None where it does not concern the machine."""
    applies = parse(rule.applies).holds(facts)
    if applies is False:
        return None
    base = {
        "rule": rule.id,
        "title": rule.title,
        "problem": rule.problem,
        "why": rule.why,
        "needs": rule.needs,
    }
    right = parse(rule.right).holds(facts)
    if right and applies:
        return Item(state="right", **_filled_texts(base, facts))
    if applies is None or right is None:
        missing = sorted({*parse(rule.applies).unknown(facts), *parse(rule.right).unknown(facts)})
        return Item(state="unknown", unknown=missing, **_filled_texts(base, facts))
    for block in rule.blocked:
        if parse(block.when).holds(facts):
            said = base | {"why": block.why}
            return Item(
                state="impossible", commands=_lines(block.commands, facts), **_filled_texts(said, facts)
            )
    for way in rule.ways:
        fits = parse(way.when).holds(facts)
        if fits is None:
            return Item(state="unknown", unknown=parse(way.when).unknown(facts), **_filled_texts(base, facts))
        if fits:
            return _with_way(rule, way, base, facts)
    said = base | {"why": rule.otherwise or "There is no way to put it right on this system."}
    return Item(state="impossible", **_filled_texts(said, facts))


def _with_way(rule: Rule, way: Way, base: dict[str, Any], facts: Facts) -> Item:
    """Fill a way in. What the machine's own names make unsafe is said to be impossible, never done."""
    texts = _filled_texts(base, facts)
    try:
        actions = [_ACTION.validate_python(_fill(action, facts)) for action in way.actions]
    except ValidationError as error:
        cause = error.errors()[0]
        said = texts | {"why": f"Not done by rocm-patch: {cause['msg']}"[:600]}
        return Item(state="impossible", commands=_lines(way.commands, facts), **said)
    state: State = ("optional" if rule.need == "optional" else "needed") if actions else "by-hand"
    return Item(
        state=state, actions=actions, commands=_lines(way.commands, facts), afterwards=way.afterwards, **texts
    )


def _settle(items: dict[str, Item], rules: dict[str, Rule]) -> None:
    """Of two needed rules that exclude each other, the one of lower rank stays."""
    for name in sorted(items, key=lambda one: rules[one].rank):
        if items[name].state not in {"needed", "optional"}:
            continue
        for other in {*rules[name].conflicts, *(one for one in items if name in rules[one].conflicts)}:
            rival = items.get(other)
            if rival and rival.state in {"needed", "optional"} and rules[other].rank >= rules[name].rank:
                why = f"It excludes {name}, which comes first: {items[name].title}."
                items[other] = rival.model_copy(update={"state": "impossible", "actions": [], "why": why})


def _fill(value: Any, facts: Facts) -> Any:
    """Put facts into blanks: a whole text that is one blank becomes the fact itself, lists join lists."""
    if isinstance(value, dict):
        return {key: _fill(one, facts) for key, one in value.items()}
    if isinstance(value, list):
        found: list[Any] = []
        for one in value:
            filled = _fill(one, facts)
            found += filled if isinstance(filled, list) else [filled]
        return found
    if not isinstance(value, str):
        return value
    whole = BLANK.fullmatch(value)
    if whole:
        return facts.get(whole[1])
    return _line(value, facts)


def _line(text: str, facts: Facts) -> str:
    return BLANK.sub(lambda match: _spoken(facts.get(match[1])), text)


def _lines(texts: list[str], facts: Facts) -> list[str]:
    return [_line(text, facts) for text in texts]


def _filled_texts(base: dict[str, Any], facts: Facts) -> dict[str, Any]:
    return base | {"why": _line(base["why"], facts)[:2000]}


def _spoken(value: Value) -> str:
    if value is None:
        return "?"
    return (", ".join(value) or "nothing") if isinstance(value, list) else str(value)
