"""The commands: plan, apply, rollback, status, history, verify and hooks, as a caller sees them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.unit.apply.kit import describe
from tests.unit.detect import kit

from rocm_patch.apply.front import Choice, actions_of, choose
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.cli import root as command
from rocm_patch.errors import RocmPatchError
from rocm_patch.hooks.files import hook_of
from rocm_patch.plan.actions import Hold
from rocm_patch.plan.machine import plan_for
from rocm_patch.plan.model import Item

MACHINE = "rx5700xt-ubuntu-24.04-amd-6.2-override"


@pytest.fixture
def tree(room: Path) -> Path:
    built, _ = kit.build(MACHINE, room)
    # Who owns the tree's devices is kept apart from the tree: without them no rule about them speaks.
    (built.root / "dev/kfd").unlink()
    return built.root


def call(*words: str | Path, fails: type[RocmPatchError] | None = None, text: str | None = None) -> Result:
    result = CliRunner().invoke(command, [str(one) for one in words], input=text)
    if fails is None:
        assert result.exit_code == 0, (result.output, result.exception)
    return result


def error(*words: str | Path) -> RocmPatchError:
    result = CliRunner().invoke(command, [str(one) for one in words])
    assert isinstance(result.exception, RocmPatchError), (result.output, result.exception)
    return result.exception


def test_plan_of_a_saved_machine(tmp_path: Path) -> None:
    place = tmp_path / "machine.yml"
    place.write_text(yaml.safe_dump(kit.expand(kit.source(MACHINE))))
    shown = call("plan", "--root", place).output
    assert "gfx-override" in shown
    assert "take HSA_OVERRIDE_GFX_VERSION out of /etc/environment" in shown
    assert "docs/problems/gfx-override-misuse.md" in shown
    made = json.loads(call("plan", "--root", place, "--json").output)
    assert made["schema_version"] == 1


def test_from_plan_to_rollback(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    before = describe(tree)
    call("plan", "--root", tree, "--out", place)
    dry = call("apply", place, "--root", tree, "--dry-run").output
    assert "the checks pass; nothing was changed" in dry
    assert describe(tree) == before
    assert not (tree / "var/lib/rocm-patch").exists()
    applied = call("apply", place, "--root", tree, "--yes").output
    assert "applied as transaction 1" in applied
    assert "then: log out and in again (gfx-override)" in applied
    assert "OVERRIDE" not in (tree / "etc/environment").read_text()
    assert "nothing to do" in call("apply", "--root", tree, "--yes").output
    assert "all is as it was left" in call("verify", "--root", tree).output
    assert "apply: gfx-override" in call("status", "--root", tree).output
    assert json.loads(call("status", "--root", tree, "--json").output)["applied"][0]["rules"] == [
        "gfx-override"
    ]
    assert error("apply", place, "--root", tree, "--yes").exit_code == 102, "the facts are others now"
    assert "transaction 1 is rolled back" in call("rollback", "--root", tree).output
    assert describe(tree) == before
    rows = json.loads(call("history", "--root", tree, "--json").output)
    assert [row["state"] for row in rows] == ["rolled back"]
    assert "step 0" in call("history", "1", "--root", tree).output
    assert error("history", "9", "--root", tree).exit_code == 2
    assert error("rollback", "--root", tree).exit_code == 2


def test_the_question(tree: Path) -> None:
    before = describe(tree)
    result = CliRunner().invoke(command, ["apply", "--root", str(tree)], input="n\n")
    assert isinstance(result.exception, RocmPatchError)
    assert describe(tree) == before
    assert "applied" in CliRunner().invoke(command, ["apply", "--root", str(tree)], input="y\n").output


def test_choice(tree: Path) -> None:
    assert "nothing to do" in call("apply", "--root", tree, "--yes", "--exclude", "gfx-override").output
    assert (
        "modprobe.d/rocm-patch-preemption.conf"
        in call("apply", "--root", tree, "--dry-run", "--only", "preemption-off").output
    )
    both = call("apply", "--root", tree, "--dry-run", "--with", "preemption-off").output
    assert "gfx-override" in both
    assert error("apply", "--root", tree, "--only", "nothing-like-it").exit_code == 2
    assert "cannot be applied" in error("apply", "--root", tree, "--only", "rocblas-kernels", "--yes").what


def test_a_need_that_is_left_out(tree: Path) -> None:

    plan, _ = plan_for(tree)
    item = Item.model_validate(
        {
            "rule": "more",
            "title": "t",
            "why": "w",
            "state": "needed",
            "needs": ["gfx-override"],
            "actions": [{"kind": "remove-file", "path": "/etc/profile.d/x.sh"}],
        }
    )
    more = plan.model_copy(update={"items": [*plan.items, item]})
    assert [one.rule for one in choose(more, Choice())] == ["gfx-override", "more"]
    with pytest.raises(RocmPatchError, match="more needs gfx-override"):
        choose(more, Choice(exclude=("gfx-override",)))


def test_drift_is_told_and_mended(tree: Path) -> None:
    call("apply", "--root", tree, "--yes", "--with", "preemption-off")
    conf = tree / "etc/modprobe.d/rocm-patch-preemption.conf"
    conf.write_text("# an update's\n")
    assert error("verify", "--root", tree).exit_code == 114
    told = call("hooks", "notice", "apt", "--root", tree).output
    assert "replaced what rocm-patch had set up" in told
    assert "preemption.conf" in told
    assert "not as it was left" in call("status", "--root", tree).output
    assert error("rollback", "--root", tree).exit_code == 113
    assert "applied again as transaction 2" in call("apply", "--again", "--root", tree).output
    assert "cwsr_enable=0" in conf.read_text()
    assert call("hooks", "notice", "apt", "--root", tree).output == ""
    state = json.loads(call("status", "--root", tree, "--json").output)
    assert state["notices"] == []
    assert state["verified"] is True


def test_what_an_update_undid_is_not_called_done(tree: Path) -> None:
    """The machine is then as before the transaction, and so the plan is the same."""
    place = tree / "etc/environment"
    before = place.read_text()
    call("apply", "--root", tree, "--yes")
    place.write_text(before)
    said = error("apply", "--root", tree, "--yes")
    assert said.exit_code == 114
    assert "transaction 1 did this, and it is no longer as it was left" in str(said)
    assert "applied again as transaction 2" in call("apply", "--again", "--root", tree).output


def test_hooks_and_policy(tree: Path) -> None:
    (tree / "etc/systemd/system").mkdir(parents=True)
    said = error("hooks", "install", "--root", tree)
    assert said.exit_code == 112
    assert "is not there" in str(said)
    assert "/opt/rocm-patch/bin/pip install" in str(said)
    program = tree / "usr/local/bin/rocm-patch"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("stands for it\n")
    program.chmod(0o755)
    assert "apt tells /usr/local/bin/rocm-patch of updates" in call("hooks", "install", "--root", tree).output
    assert (
        "/usr/local/bin/rocm-patch hooks notice apt" in (tree / "etc/apt/apt.conf.d/99rocm-patch").read_text()
    )
    assert stat.S_IMODE((tree / "etc/apt/apt.conf.d/99rocm-patch").stat().st_mode) == 0o644
    assert (
        "apply --again --yes --wait 600"
        in (tree / "etc/systemd/system/rocm-patch-reapply.service").read_text()
    )
    assert "updates: reapply" in call("hooks", "policy", "reapply", "--root", tree).output
    assert json.loads(call("status", "--root", tree, "--json").output)["policy"] == "reapply"
    assert (
        CliRunner()
        .invoke(command, ["hooks", "install", "--root", str(tree), "--command", "/bin/sh -c 'x'"])
        .exit_code
        != 0
    )
    call("rollback", "--root", tree)
    assert not (tree / "etc/apt/apt.conf.d/99rocm-patch").exists()


def test_hold_of_the_policy_is_part_of_the_transaction() -> None:

    item: Any = Item.model_validate(
        {
            "rule": "r",
            "title": "t",
            "why": "w",
            "state": "needed",
            "actions": [{"kind": "packages", "install": ["a=1", "b"]}],
        }
    )
    assert [type(one).__name__ for _, one in actions_of([item], "tell")] == ["Packages"]
    assert actions_of([item], "hold")[1] == ("r", Hold(kind="hold", packages=["a", "b"]))


def test_notice_never_fails(tmp_path: Path) -> None:
    assert call("hooks", "notice", "apt", "--root", tmp_path).output == ""
    (tmp_path / "var/lib/rocm-patch").mkdir(parents=True)
    (tmp_path / "var/lib/rocm-patch/journal.db").write_bytes(os.urandom(4096))
    assert "could not look" in call("hooks", "notice", "zypper", "--root", tmp_path).output


def test_names_that_are_options(tree: Path) -> None:
    result = CliRunner().invoke(command, ["hold", "--root", str(tree), "--", "--root=/"])
    assert isinstance(result.exception, RocmPatchError)
    assert result.exception.exit_code == 2


def test_the_hook_of_fedora_is_dnf_5s(tree: Path) -> None:
    program = tree / "usr/bin/dnf"
    program.parent.mkdir(parents=True, exist_ok=True)
    fs = RootFs(tree)
    assert hook_of(fs, "dnf") == "dnf"
    program.with_name("dnf5").touch()
    assert hook_of(fs, "dnf") == "dnf"
    program.symlink_to("dnf5")
    assert (hook_of(fs, "dnf"), hook_of(fs, "zypper")) == ("dnf5", "zypper")
    program.unlink()
    program.symlink_to("dnf-3")
    program.with_name("dnf-3").touch()
    assert hook_of(fs, "dnf") == "dnf"
    fs.close()
