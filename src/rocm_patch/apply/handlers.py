"""What can be done with each kind of action, and what the journal's steps say of it.

Knows which handler is whose; nothing of transactions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from rocm_patch.apply.context import Context
from rocm_patch.apply.divert import DivertHandler
from rocm_patch.apply.files import FileHandler
from rocm_patch.apply.hold import HoldHandler
from rocm_patch.apply.journal import Journal, Step
from rocm_patch.apply.packages import PackagesHandler
from rocm_patch.errors import StateFolderError
from rocm_patch.plan.actions import Action, Divert, Hold, JoinGroup, Packages

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ACTION: TypeAdapter[Any] = TypeAdapter(Action)


class Handler(Protocol):
    """What can be done with one action."""

    action: Any

    def check(self) -> list[str]:
        """Give reasons against it."""

    def paths(self) -> list[str]:
        """Name what it touches."""

    def room(self) -> int:
        """Say how many bytes it needs."""

    def prepare(self) -> dict[str, Any]:
        """Keep what it touches."""

    def do(self, before: dict[str, Any]) -> dict[str, Any]:
        """Do it."""

    def undo(self, before: dict[str, Any], after: dict[str, Any], *, later: bool, force: bool) -> None:
        """Put it back."""

    def verify(self, after: dict[str, Any], superseded: frozenset[str] = frozenset()) -> list[str]:
        """Say what is not as it was left, but for what a later step changed again."""


def handler_for(action: Any, ctx: Context) -> Handler:
    """Give what can do an action."""
    match action:
        case Packages():
            return PackagesHandler(action, ctx)
        case Hold():
            return HoldHandler(action, ctx)
        case Divert():
            return DivertHandler(action, ctx)
    return FileHandler(action, ctx)


def handlers_for(actions: list[Any], ctx: Context) -> list[Handler]:
    """Give what can do the actions of one transaction; a hold may be of what an earlier one installs."""
    found: list[Handler] = []
    coming: set[str] = set()
    for action in actions:
        handler = handler_for(action, ctx)
        if isinstance(handler, HoldHandler):
            handler.coming = frozenset(coming)
        if isinstance(action, Packages):
            coming |= {wish.partition("=")[0] for wish in action.install}
        found.append(handler)
    return found


def action_of(step: Step) -> Any:
    """Read the action that a step holds. StateFolderError if it is none."""
    try:
        return _ACTION.validate_python(step.action)
    except ValidationError as error:
        raise StateFolderError(
            "the journal is damaged",
            cause=f"step {step.n} of transaction {step.tx} holds no action",
            step="keep it for a report",
        ) from error


def record_of(data: Any) -> dict[str, Any]:
    """Give what a step keeps. StateFolderError if it is not of its form."""
    if not isinstance(data, dict):
        raise StateFolderError(
            "the journal is damaged",
            cause="what a step keeps is not of its form",
            step="keep it for a report",
        )
    return data


def things(step: Step) -> set[str]:
    """Name what a step touched: paths, packages, holds.

    Membership in groups is undone name by name, and hinders nobody.
    """
    kind = step.action.get("kind") if isinstance(step.action, dict) else None
    if kind == "join-group":
        return set()
    if kind == "hold":
        return {f"hold {name}" for name in step.action.get("packages", [])}
    after = record_of(step.after)
    found: set[str] = set()
    for key in ("versions", "digests"):
        value = after.get(key, {})
        found |= set(value) if isinstance(value, dict) else set()
    states = after.get("states", [])
    return found | (
        {str(one.get("path")) for one in states if isinstance(one, dict)}
        if isinstance(states, list)
        else set()
    )


def drifted(ctx: Context, only: int | None = None) -> list[tuple[Step, list[str]]]:
    """Give the applied steps (of one transaction) whose work is not as it was left.

    Each with what differs.
    """
    found = []
    for step, later in newest_first(ctx.journal, [tx.id for tx in ctx.journal.transactions("applied")]):
        if step.state != "done" or only not in {None, step.tx}:
            continue
        lines = handler_for(action_of(step), ctx).verify(record_of(step.after), later)
        if lines:
            found.append((step, lines))
    return found[::-1]


def newest_first(book: Journal, numbers: list[int]) -> Iterator[tuple[Step, frozenset[str]]]:
    """Give steps from the last to the first, each with what later ones touched."""
    seen: set[str] = set()
    for number in sorted(numbers, reverse=True):
        for step in reversed(book.steps(number)):
            yield step, frozenset(seen)
            seen |= things(step)


def named(action: Any, user: str | None) -> Any:
    """Name who calls: the journal is read by runs of others, hooks among them."""
    if (
        isinstance(action, JoinGroup)
        and action.user == "@caller"
        and user is not None
        and _USER.fullmatch(user)
    ):
        return action.model_copy(update={"user": user})
    return action
