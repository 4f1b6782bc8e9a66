"""rules/.

Every file is valid, every kind of mistake is refused with the file's name, and order and conflicts hold.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rocm_patch.errors import DataError
from rocm_patch.plan.facts import FACTS
from rocm_patch.plan.make import judge, make_plan
from rocm_patch.plan.rules import Rule, in_order, load_rules, rules_folder

BASE: dict[str, Any] = {
    "id": "one",
    "rank": 1,
    "title": "t",
    "why": "w",
    "applies": "gpu.amd",
    "right": "kfd.usable",
    "ways": [{"commands": ["do"]}],
}


def rule(**more: Any) -> Rule:
    return Rule.model_validate(BASE | more)


def test_the_rules_are_valid_and_use_only_facts_that_exist() -> None:
    rules = load_rules()
    assert len(rules) >= 18
    assert all(rule.names() <= FACTS.keys() for rule in rules.values())
    assert all(rule.ways or rule.otherwise for rule in rules.values())


def test_no_rule_leaves_the_gpu() -> None:
    """A way that moves work to the processor is none; and no rule sets the override."""
    for name, one in load_rules().items():
        text = str(one.model_dump()).lower()
        assert "--cpu" not in text, name
        assert "cuda_visible_devices" not in text, name
        for way in one.ways:
            assert "HSA_OVERRIDE_GFX_VERSION=" not in str(way.actions), name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"applies": "gpu.nothing"}, "there is no fact gpu.nothing"),
        ({"applies": "open('x')"}, "there are only the functions"),
        ({"id": "two"}, "its id is two"),
        ({"surplus": 1}, "Extra inputs"),
        ({"after": ["nobody"]}, "there is no rule nobody"),
        ({"problem": "nobody"}, "there is no problem nobody"),
        ({"ways": [{"actions": [{"kind": "run", "command": "x"}]}]}, "there is no action 'run'"),
        ({"ways": [{"actions": [{"kind": "write-file", "pfad": "x"}]}]}, "write-file has no pfad"),
        ({"ways": [{"commands": ["{gpu.nothing}"]}]}, "there is no fact gpu.nothing"),
        ({"ways": [{}]}, "a way needs actions or commands"),
        ({"after": ["one"]}, "circle"),
    ],
)
def test_mistakes_name_the_file(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "one.yml").write_text(yaml.safe_dump(BASE | change))
    with pytest.raises(DataError) as error:
        load_rules(folder)
    assert said in str(error.value)
    if "circle" not in said:
        assert "one.yml" in str(error.value)


def test_order_is_by_needs_then_rank() -> None:
    rules = {"a": rule(id="a", rank=1, after=["c"]), "b": rule(id="b", rank=2), "c": rule(id="c", rank=3)}
    assert in_order(rules) == ["b", "c", "a"]


def test_conflict_goes_to_the_lower_rank() -> None:
    action = [{"kind": "write-file", "path": "/etc/environment.d/x.conf", "content": "x"}]
    first = rule(id="first", rank=1, ways=[{"actions": action}])
    second = rule(id="second", rank=2, conflicts=["first"], ways=[{"actions": action}])
    items = {
        item.rule: item
        for item in make_plan(
            {"gpu.amd": True, "kfd.usable": False}, {"first": first, "second": second}
        ).items
    }
    assert items["first"].state == "needed"
    assert items["second"].state == "impossible"
    assert "first" in items["second"].why
    assert not items["second"].actions


def test_states() -> None:
    assert judge(rule(), {"gpu.amd": False}) is None
    right = judge(rule(), {"gpu.amd": True, "kfd.usable": True})
    assert right is not None
    assert right.state == "right"
    unknown = judge(rule(), {"gpu.amd": True, "kfd.usable": None})
    assert unknown is not None
    assert (unknown.state, unknown.unknown) == ("unknown", ["kfd.usable"])
    blocked = rule(blocked=[{"when": "os.wsl", "why": "because of {os.id}"}])
    item = judge(blocked, {"gpu.amd": True, "kfd.usable": False, "os.wsl": True, "os.id": "x"})
    assert item is not None
    assert (item.state, item.why) == ("impossible", "because of x")
    item = judge(rule(ways=[], otherwise="none"), {"gpu.amd": True, "kfd.usable": False})
    assert item is not None
    assert (item.state, item.why) == ("impossible", "none")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/profile.d/../shadow",
        "/etc/profile.d/a b",
        "/etc/cron.d/x",
        "etc/environment",
        "/etc/profile.d/a/b",
    ],
)
def test_a_machine_cannot_steer_where_files_are_changed(path: str) -> None:
    """Names of files come from the examined tree.

    One that is out of place makes the item impossible, never an action.
    """
    one = rule(
        ways=[
            {
                "actions": [
                    {
                        "kind": "unset-variable",
                        "name": "HSA_OVERRIDE_GFX_VERSION",
                        "files": ["{settings.override_files}"],
                    }
                ]
            }
        ]
    )
    item = judge(one, {"gpu.amd": True, "kfd.usable": False, "settings.override_files": [path]})
    assert item is not None
    assert item.state == "impossible"
    assert not item.actions


TEXTS = [path.read_bytes() for path in sorted(rules_folder().glob("*.yml"))]
ODD = st.sampled_from(
    [b"\xff", b"\0", b": [", b"{", b"&a ", b"*a", b"!!python/name:os ", b"- ", b"1e999", b"2020-02-31", b"~"]
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0), st.integers(0, 12), ODD), max_size=3))
@example(b"\xff", [])
@example(b"[" * 2000, [])
@example(b"id: 2020-02-31", [])
@example(b"- a", [])
@example(b"", [])
def test_a_damaged_file_is_refused_by_its_name(text: bytes, damage: list[tuple[int, int, bytes]]) -> None:
    """Whatever a file holds, it is a rule or DataError says which file is not."""
    for place, length, odd in damage:
        at = place % (len(text) + 1)
        text = text[:at] + odd + text[at + length :]
    with tempfile.TemporaryDirectory() as folder:
        place_ = Path(folder, "rule.yml")
        place_.write_bytes(text)
        with pytest.raises(DataError) as error:
            # No rule of this project is called so, so even a whole one is refused, for its id.
            load_rules(Path(folder))
    assert str(place_) in error.value.what
