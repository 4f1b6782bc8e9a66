"""From a plan and the caller's choice to the actions of one transaction.

Joins plan and engine; does nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.apply import engine
from rocm_patch.apply.context import Context
from rocm_patch.apply.engine import Options, Outcome
from rocm_patch.apply.handlers import action_of, drifted
from rocm_patch.apply.journal import FOLDER
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.apply.snapshot import Store
from rocm_patch.apply.statefolder import read_journal
from rocm_patch.detect.model import Report
from rocm_patch.errors import DriftError, UsageError
from rocm_patch.machine_state import machine_state
from rocm_patch.plan.actions import Divert, Hold, Packages
from rocm_patch.plan.file import check_facts, read_plan
from rocm_patch.plan.machine import READING, look
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.model import Item, Plan, digest_of


@attrs.frozen
class Choice:
    """Which items of a plan the caller wants: all needed ones, less or more."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def get_plan(
    place: Path | None, root: Path, *, user: str | None, progress: Callable[[str], None]
) -> tuple[Plan, Report]:
    """Read the plan file and see that it is for this machine; or make the plan of this machine.

    Gives detect's report with it.
    """
    plan = None if place is None else read_plan(place, root=root)
    report, facts = look(root, user=user, targets=READING, progress=progress)
    if plan is None:
        return make_plan(facts), report
    check_facts(plan, facts)
    return plan, report


def touch_gpu_code(items: list[Item]) -> bool:
    """Tell whether items put GPU code in place, which running it can prove or disprove."""
    actions = [action for item in items for action in item.actions]
    return any(isinstance(one, Divert) or (isinstance(one, Packages) and one.target) for one in actions)


def choose(plan: Plan, choice: Choice) -> list[Item]:
    """Give the items to do, in the plan's order.

    UsageError for a name that is not there, or a need left out.
    """
    items = {item.rule: item for item in plan.items}
    for name in (*choice.only, *choice.exclude, *choice.extra):
        if name not in items:
            raise UsageError(
                f"the plan has no {name}",
                cause=f"it has {', '.join(items) or 'nothing'}",
                step="rocm-patch plan shows them",
            )
    wanted = set(choice.only) or {item.rule for item in plan.to_do()}
    wanted = (wanted | set(choice.extra)) - set(choice.exclude)
    for name in sorted(wanted):
        item = items[name]
        if not item.actions and item.state not in {"right", "by-hand"}:
            raise UsageError(
                f"{name} cannot be applied",
                cause=f"it is {item.state}: {item.why}",
                step="rocm-patch plan says more",
            )
        for need in item.needs:
            # A need that the plan calls right, or does not know at all, is no hindrance.
            if (
                need in items
                and items[need].state not in {"right", "unknown"}
                and (need not in wanted or not items[need].actions)
            ):
                raise UsageError(
                    f"{name} needs {need}",
                    cause=f"{need} is {items[need].state}, and not among what is to be applied",
                    step="choose both, or see to that first",
                )
    return [item for item in plan.items if item.rule in wanted and item.actions]


def actions_of(items: list[Item], policy: str) -> list[tuple[str, Any]]:
    """Give each action with its rule; by the policy `hold`, what is installed is held at once."""
    found: list[tuple[str, Any]] = []
    for item in items:
        found += [(item.rule, action) for action in item.actions]
        if policy == "hold":
            names = [
                wish.partition("=")[0]
                for action in item.actions
                if isinstance(action, Packages)
                for wish in action.install
            ]
            if names:
                found.append((item.rule, Hold(kind="hold", packages=names)))
    return found


def policy_of(root: Path) -> str:
    """Give the owner's choice about updates, as far as this user may read it."""
    return machine_state(root).policy


def applied_already(plan: Plan, items: list[Item], root: Path) -> int | None:
    """Give the applied transaction that did just this. DriftError where that is not as it was left."""
    fs = RootFs(root)
    try:
        with read_journal(fs) as book:
            if book is None:
                return None
            digest = digest_for(plan, items)
            done = next((tx.id for tx in book.transactions("applied") if tx.digest == digest), None)
            if done is not None:
                _as_left(Context(fs, book, Store(fs, f"{FOLDER}/snapshots/none")), done)
            return done
    finally:
        fs.close()


def _as_left(ctx: Context, number: int) -> None:
    """See that an update did not undo a transaction: the plan then asks for it again."""
    lines = [line for _, found in drifted(ctx, number) for line in found]
    if lines:
        raise DriftError(
            f"transaction {number} did this, and it is no longer as it was left",
            cause=lines[0],
            detail=lines[1:],
            step="sudo rocm-patch apply --again",
        )


def digest_for(plan: Plan, items: list[Item]) -> str:
    """Name a plan with the choice of items from it."""
    return digest_of([plan.digest(), [item.rule for item in items]])


def apply_items(options: Options, plan: Plan, items: list[Item]) -> Outcome:
    """Do the chosen items as one transaction."""
    actions = actions_of(items, policy_of(options.root))
    return engine.run(options, "apply", plan.model_dump(mode="json"), digest_for(plan, items), actions)


def apply_again(options: Options) -> Outcome | None:
    """Do again what is no longer as it was left, as a transaction of its own; None if all is."""
    with engine.session(options) as ctx:
        engine.recover(ctx, options)
        found = [step for step, _ in drifted(ctx)]
        steps = [(step.rule, action_of(step), step.after) for step in found]
        if not steps:
            ctx.journal.set("pending", "no")
            ctx.journal.settle_notices()
            engine.publish(ctx)
            return None
    actions: list[tuple[str, Any]] = []
    for rule, action, after in steps:
        if isinstance(action, Packages):
            # The very versions: the newest is what the update brought.
            versions = {name: version for name, version in after.get("versions", {}).items() if version}
            wishes = [f"{name.partition(':')[0]}={versions[name]}" for name in sorted(versions)]
            gone = [name for name, version in after.get("versions", {}).items() if not version]
            actions.append(
                (rule, action.model_copy(update={"install": wishes, "remove": gone, "version": None}))
            )
        else:
            actions.append((rule, action))
    outcome = engine.run(options, "again", {}, digest_of([os.urandom(8).hex()]), actions)
    with engine.session(options) as ctx:
        ctx.journal.set("pending", "no")
        ctx.journal.settle_notices()
        engine.publish(ctx)
    return outcome
