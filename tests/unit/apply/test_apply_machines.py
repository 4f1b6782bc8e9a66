"""Each of detect's machines.

Its plan's file steps are applied, the next plan calls them right, rollback leaves nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.apply.kit import describe, options
from tests.unit.detect import kit

from rocm_patch.apply import engine, front
from rocm_patch.detect.machine import examine
from rocm_patch.detect.tree import Tree
from rocm_patch.plan.actions import Packages
from rocm_patch.plan.facts import collect
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.model import Plan


@pytest.mark.parametrize("name", kit.names())
def test_apply_makes_it_right(name: str, room: Path) -> None:
    tree, data = kit.build(name, room)
    root = tree.root
    # The environment of a process is not the tree's; what it sets cannot be changed in files.
    (root / "etc").mkdir(exist_ok=True)
    # What the hook calls and where dnf 4 looks for plugins is on any system; detect does not save it.
    (root / "usr/lib/python3.9/site-packages/dnf-plugins").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/rocm-patch").write_text("stands for it\n")
    (root / "usr/bin/rocm-patch").chmod(0o755)
    before = describe(root)

    def plan() -> Plan:
        fresh = Tree(root, owners=tree.owners)
        return make_plan(
            collect(examine(fresh, environment=data.get("environment", {}), user=data.get("user")), fresh)
        )

    first = plan()
    chosen = [
        item
        for item in first.items
        if item.actions and not any(isinstance(one, Packages) for one in item.actions)
    ]
    if not chosen:
        assert all(
            item.state != "needed" or any(isinstance(one, Packages) for one in item.actions)
            for item in first.items
        )
        return
    outcome = front.apply_items(options(root, user=data.get("user") or "ada"), first, chosen)
    states = {item.rule: item.state for item in plan().items}
    for item in chosen:
        by_hand_too = item.rule == "driver-kept-out" and item.commands
        assert states[item.rule] == ("by-hand" if by_hand_too else "right"), item.rule
    engine.rollback(options(root), outcome.tx)
    assert describe(root) == before


def test_applied_twice_is_said(room: Path) -> None:
    tree, data = kit.build("rx5600xt-not-in-render", room)
    plan = make_plan(collect(examine(tree, user=data.get("user")), tree))
    items = front.choose(plan, front.Choice())
    front.apply_items(options(tree.root, user="ada"), plan, items)
    assert front.applied_already(plan, items, tree.root) == 1
    assert (tree.root / "var/lib/rocm-patch").is_dir()
