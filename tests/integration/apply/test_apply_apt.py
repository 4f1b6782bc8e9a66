"""apt and dpkg act for real in a root made here.

Whatever happens, the root is then new or byte for byte as before.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.apply.debroot import apt
from tests.integration.apply.trouble import held
from tests.unit.apply.kit import apply, describe, killed_at, options, recover

from rocm_patch.apply import engine, front
from rocm_patch.apply.managers import manager_of
from rocm_patch.errors import ApplyError, ChangedSinceError, CheckError, UndoError
from rocm_patch.hooks.notice import notice
from rocm_patch.plan.actions import Divert, Hold, Hook, Packages
from rocm_patch.plan.model import Item

LIBRARY = "opt/rocm/lib/librocblas.so.4"


def packages(*install: str, remove: list[str] | None = None) -> list[tuple[str, Any]]:
    return [("rule", Packages(kind="packages", install=list(install), remove=remove or []))]


def version(root: Path, name: str) -> str:
    done = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f=${Status} ${Version}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_install_upgrade_remove_and_back(debian: Path) -> None:
    (debian / "etc/rocblas.conf").write_text("the owner's own\n")
    before = describe(debian)
    apply(debian, packages("rocblas", "kernels", remove=["dist-rocminfo"]))
    assert (debian / LIBRARY).read_text() == "ours\n"
    assert (debian / "opt/made-by-postinst").exists()
    assert (debian / "usr/lib/helper/deep/y").exists(), "what a package calls /lib lies in /usr/lib"
    assert (debian / "etc/rocblas.conf").read_text() == "the owner's own\n"
    assert not (debian / "usr/bin/rocminfo").exists()
    assert not (debian / "opt/rocm/share/old").exists()
    with engine.session(options(debian)) as ctx:
        assert engine.verify(ctx) == []
    engine.rollback(options(debian))
    assert describe(debian) == before


def test_alternatives_come_back(debian: Path) -> None:
    """A removed package's script drops its alternative; /opt/rocm is one of AMD's."""
    kept = debian / "var/lib/dpkg/alternatives/rocm"
    kept.write_text("auto\n/opt/rocm-link\nmore\n/opt/slave\n\n/opt/rocm-6\n60400\n/opt/rocm-6/more\n\n")
    links = {"opt/rocm-link": "rocm", "opt/slave": "more"}
    links |= {"etc/alternatives/rocm": "", "etc/alternatives/more": "more"}
    (debian / "etc/alternatives").mkdir()
    for place, name in links.items():
        target = f"/etc/alternatives/{name}" if place.startswith("opt") else f"/opt/rocm-6/{name}"
        (debian / place).symlink_to(target)
    before = describe(debian)
    apply(debian, packages(remove=["dist-rocminfo"]))
    assert not kept.exists()
    assert not (debian / "opt/rocm-link").is_symlink()
    engine.rollback(options(debian))
    assert describe(debian) == before


@pytest.mark.parametrize("name", ["broken", "stuck"])
def test_failing_maintainer_script(debian: Path, name: str) -> None:
    """`stuck` fails in its removal too; its files and dpkg's memory of it go all the same."""
    before = describe(debian)
    with pytest.raises(ApplyError, match="everything was put back") as error:
        apply(debian, packages("rocblas", name))
    assert error.value.exit_code == 110
    assert name in str(error.value)
    assert describe(debian) == before


def test_the_audit_reads_what_was_installed(debian: Path) -> None:
    """A package that a rule says to be for gfx1010 must hold gfx1010 code; its name proves nothing."""
    before = describe(debian)
    wrong = Packages(kind="packages", install=["wrongly-coded"], target="gfx1010")
    with pytest.raises(ApplyError, match="not what it should be; everything was put back") as error:
        apply(debian, [("rule", wrong)])
    assert "libwrongly-coded.so.1 holds code for gfx1030, and none for gfx1010" in str(error.value)
    assert describe(debian) == before
    none = Packages(kind="packages", install=["helper"], target="gfx1010")
    with pytest.raises(ApplyError, match="not what it should be") as error:
        apply(debian, [("rule", none)])
    assert "none of the installed files holds code for gfx1010" in str(error.value)
    apply(debian, [("rule", Packages(kind="packages", install=["coded"], target="gfx1010"))])
    with engine.session(options(debian)) as ctx:
        assert engine.verify(ctx) == []
    (debian / "opt/rocm/lib/libcoded.so.1").write_bytes(b"another")
    with engine.session(options(debian)) as ctx:
        assert engine.verify(ctx) == [
            "transaction 3, rule: /opt/rocm/lib/libcoded.so.1 is not the installed file"
        ]


def test_policy_hold_holds_in_the_same_transaction(debian: Path) -> None:
    before = describe(debian)
    item = Item(
        rule="rule",
        title="t",
        why="w",
        state="needed",
        actions=[Packages(kind="packages", install=["helper"])],
    )
    apply(debian, front.actions_of([item], "hold"))
    assert version(debian, "helper") == "hold ok installed 1.0"
    engine.rollback(options(debian))
    assert describe(debian) == before


def test_unknown_package_touches_nothing(debian: Path) -> None:
    before = describe(debian)
    with pytest.raises(CheckError, match="checks before it refuse") as error:
        apply(debian, packages("nowhere-to-be-found"))
    assert "Unable to locate package" in str(error.value)
    assert describe(debian) == before


def ours(name: str = "rocblas", version: str | None = "*gfx1010*") -> list[tuple[str, Any]]:
    return [("rocblas-kernels", Packages(kind="packages", install=[name], version=version))]


def lists(root: Path, old: str, new: str) -> None:
    """Have the root's apt know another repository."""
    for place in (root / "var/lib/apt/lists").glob("*_Packages"):
        text = place.read_text()
        # apt links to a repository that is a folder, and that one is every test's.
        place.unlink()
        place.write_text(text.replace(old, new))


def test_no_package_of_ours_is_no_success(debian: Path) -> None:
    """The stock package is there and our repository is not: apt would do nothing, and call it done."""
    lists(debian, "Version: 4.4.0+gfx1010.1", "Version: 4.3.9")
    before = describe(debian)
    with pytest.raises(CheckError, match="checks before it refuse") as error:
        apply(debian, ours())
    said = str(error.value)
    assert "rocblas-kernels: apt would leave rocblas at 4.4.0, and knows no rocblas *gfx1010*" in said
    assert "/rocm-patch-amd.sources | sudo tee /etc/apt/sources.list.d/rocm-patch.sources" in said
    assert "rocm-patch apply --exclude rocblas-kernels" in said, "the rest of a plan can be had without it"
    assert "has no way: E: Unable to locate package" in refusal(debian, ours("librocblas4"))
    assert "/rocm-patch-debian.sources" in refusal(debian, ours("librocblas4"))
    assert "nothing to change, so it would be no cure: rocblas is 4.4.0" in refusal(
        debian, ours(version=None)
    )
    gone = packages(remove=["helper"])
    assert "no cure: helper is not installed" in refusal(debian, gone)
    assert describe(debian) == before
    lists(debian, "Version: 4.3.9", "Version: 4.4.1-1")
    assert "apt would install rocblas 4.4.1-1, and knows no rocblas *gfx1010*" in refusal(debian, ours())


def refusal(root: Path, actions: list[tuple[str, Any]]) -> str:
    with pytest.raises(CheckError) as error:
        apply(root, actions)
    return str(error.value)


def test_ours_is_taken_although_stock_is_pinned(debian: Path) -> None:
    """AMD's guide pins AMD's repository above all: by its name alone, stock would be the candidate."""
    pin = debian / "etc/apt/preferences.d/rocm-pin"
    pin.write_text("Package: rocblas\nPin: version 4.4.0\nPin-Priority: 600\n")
    before = describe(debian)
    apply(debian, ours())
    assert version(debian, "rocblas") == "install ok installed 4.4.0+gfx1010.1"
    engine.rollback(options(debian))
    assert describe(debian) == before


def test_broken_network_touches_nothing(debian: Path) -> None:
    """The lists are there and the archive cannot be had: that shows before anything is changed."""
    lists(debian, "Filename: pool/debian/kernels", "Filename: pool/debian/gone")
    before = describe(debian)
    with pytest.raises(ApplyError, match="everything was put back"):
        apply(debian, packages("kernels"))
    assert describe(debian) == before
    assert not (debian / "usr/share/helper").exists()


def test_held_lock_refuses(debian: Path) -> None:
    with held(debian / "var/lib/dpkg/lock-frontend") as pid, pytest.raises(CheckError) as error:
        apply(debian, packages("kernels"))
    assert f"lock-frontend is held by process {pid}" in str(error.value)
    assert error.value.exit_code == 112


def test_hold_is_respected_and_undone(debian: Path) -> None:
    before = describe(debian)
    apply(debian, [("hold", Hold(kind="hold", packages=["rocblas"]))])
    apt(debian, "upgrade")
    assert version(debian, "rocblas") == "hold ok installed 4.4.0", "apt itself respects the hold"
    with pytest.raises(CheckError, match="checks") as error:
        apply(debian, packages("rocblas"))
    assert "rocblas" in str(error.value)
    engine.rollback(options(debian))
    assert version(debian, "rocblas") == "install ok installed 4.4.0"
    after = describe(debian)
    for name in ("var/lib/apt/extended_states", "var/lib/dpkg/status-old"):
        # The owner's own apt-get wrote these in between.
        before.pop(name, None), after.pop(name, None)
    assert after == before


def test_rollback_after_other_packages_came(debian: Path) -> None:
    """dpkg's memory is then not put back, which would forget them; apt installs the version of then."""
    apply(debian, packages("rocblas"))
    apt(debian, "install", "helper")
    engine.rollback(options(debian))
    assert version(debian, "rocblas") == "install ok installed 4.4.0"
    assert (debian / LIBRARY).read_text() == "stock 1\n"
    assert version(debian, "helper") == "install ok installed 1.0"


def test_an_update_is_noticed_and_applied_again(debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(debian, packages("rocblas"))
    assert notice("apt", debian) == []
    apt(debian, "install", "--allow-downgrades", "rocblas=4.4.0")
    lines = notice("apt", debian)
    assert any("rocblas is 4.4.0, and was 4.4.0+gfx1010.1" in line for line in lines), lines
    monkeypatch.setenv("ROCM_PATCH_ACTIVE", "1")
    assert notice("apt", debian) == [], "silent inside our own run"
    with pytest.raises(ChangedSinceError):
        engine.rollback(options(debian))
    assert front.apply_again(options(debian)) is not None
    assert (debian / LIBRARY).read_text() == "ours\n"
    assert front.apply_again(options(debian)) is None
    with engine.session(options(debian)) as ctx:
        assert engine.verify(ctx) == []
        assert ctx.journal.notices() == []


def test_the_hook_is_called_by_apt_itself(debian: Path, tmp_path: Path) -> None:
    """apt-get runs the line of its conf; a program in the hook's place shows with which words."""
    said = tmp_path / "said"
    program = tmp_path / "rocm-patch"
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexit 3\n')
    program.chmod(0o755)
    # It is looked at in the root; apt, told of the root by its settings alone, runs this machine's.
    (debian / str(program)[1:]).parent.mkdir(parents=True)
    shutil.copy2(debian / "usr/bin/rocm-patch", debian / str(program)[1:])
    apply(debian, [("hooks", Hook(kind="hook", manager="apt", command=str(program)))])
    apt(debian, "install", "helper")
    assert said.read_text().splitlines() == ["hooks notice apt"], "called, and its failure is not apt's"
    program.unlink()
    gone = apt(debian, "install", "kernels").stderr.decode()
    assert f"rocm-patch: {program}, which this hook calls, is not there" in gone, "never silent"
    engine.rollback(options(debian))
    assert not (debian / "etc/apt/apt.conf.d/99rocm-patch").exists()


def divert(root: Path, text: str = "a better library\n") -> list[tuple[str, Any]]:
    source = root / "opt/better.so"
    source.write_text(text)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return [("divert", Divert(kind="divert", path=f"/{LIBRARY}", source="/opt/better.so", sha256=digest))]


def test_diverted_file_survives_an_update_and_comes_back(debian: Path) -> None:
    action = divert(debian)
    before = describe(debian)
    apply(debian, action)
    assert (debian / LIBRARY).read_text() == "a better library\n"
    assert (debian / "opt/rocm/lib/rocm-patch-stock.librocblas.so.4").read_text() == "stock 1\n"
    engine.rollback(options(debian))
    assert describe(debian) == before
    apply(debian, action)
    apt(debian, "install", "rocblas=4.4.0+gfx1010.1")
    assert (debian / LIBRARY).read_text() == "a better library\n", "dpkg unpacks beside it"
    engine.rollback(options(debian))
    assert (debian / LIBRARY).read_text() == "ours\n", "the update's file is there now"
    assert (debian / "var/lib/dpkg/diversions").read_text() == ""


def test_another_source_than_the_plans_is_refused(debian: Path) -> None:
    action = divert(debian)
    (debian / "opt/better.so").write_text("changed\n")
    with pytest.raises(CheckError):
        apply(debian, action)
    assert (debian / LIBRARY).read_text() == "stock 1\n"


def test_maintainer_script_that_takes_everything_down(debian: Path) -> None:
    """A power cut in the middle of dpkg: the whole group of processes is killed while a postinst runs."""
    before = describe(debian)
    (debian / "opt/pause").touch()
    code = (
        "import sys; from pathlib import Path; from tests.unit.apply.kit import apply;"
        "from rocm_patch.plan.actions import Packages;"
        "apply(Path(sys.argv[1]), [('rule', Packages(kind='packages', install=['rocblas', 'sleeper']))])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(debian)],
        env=os.environ | {"PYTHONPATH": "src:."},
        cwd=Path(__file__).parents[3],
    )
    end = time.monotonic() + 120
    while not (debian / "opt/sleeping").exists() and time.monotonic() < end and child.poll() is None:
        time.sleep(0.05)
    assert (debian / "opt/sleeping").exists(), "the script never ran"
    family = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.wait()
    with engine.session(options(debian)) as ctx:
        # dpkg outlives us: what it still writes could not be put back, so nothing is put back yet.
        ctx.patience = 0.3
        with pytest.raises(UndoError, match="could not be put back wholly") as error:
            engine.recover(ctx, options(debian))
        assert "still works" in str(error.value)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    (debian / "opt/pause").unlink()
    assert recover(debian) == ["transaction 1 was cut off, and was undone"]
    (debian / "opt/sleeping").unlink(missing_ok=True)
    assert describe(debian) == before


def copy_of(root: Path, name: str) -> Path:
    place = root.with_name(name)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(root, place, symlinks=True)
    return place


def points_of(root: Path, work: Callable[[Path], object]) -> list[str]:
    """Name the points of a run that is not cut off."""
    trial = copy_of(root, "trial")
    place = root.with_name("points")
    place.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROCM_PATCH_POINTS", str(place))
        work(trial)
    shutil.rmtree(trial)
    return place.read_text().splitlines()


@pytest.mark.parametrize("what", ["upgrade", "divert"])
def test_kill_at_every_point(debian: Path, what: str) -> None:
    """Each point of a run in turn, on a fresh copy of the root: afterwards it is as before, or wholly new."""
    actions = packages("rocblas", "helper") if what == "upgrade" else divert(debian)
    start = copy_of(debian, "start")
    before = describe(start)
    names = points_of(start, lambda trial: apply(trial, actions))
    decided = []
    for number, name in enumerate(names, 1):
        shutil.rmtree(debian)
        shutil.copytree(start, debian, symlinks=True)
        assert killed_at(number, lambda: apply(debian, actions)), f"point {number}, {name}, was not reached"
        recover(debian)
        new = describe(debian) != before
        if new:
            with engine.session(options(debian)) as ctx:
                assert engine.verify(ctx) == [], name
                assert ctx.journal.transactions("applied"), name
        decided.append(new)
    assert decided == sorted(decided), "once applied, never undone"
    assert len(names) > (80 if what == "upgrade" else 30)
    shutil.rmtree(start)


def test_kill_at_every_point_of_a_rollback(debian: Path) -> None:
    """A rollback that began is finished, wherever it was cut off."""
    before = describe(debian)
    apply(debian, packages("rocblas", "helper"))
    applied = copy_of(debian, "start")
    after = describe(applied)
    names = points_of(applied, lambda trial: engine.rollback(options(trial)))
    decided = []
    for number, name in enumerate(names, 1):
        shutil.rmtree(debian)
        shutil.copytree(applied, debian, symlinks=True)
        assert killed_at(number, lambda: engine.rollback(options(debian))), f"point {number}, {name}"
        recover(debian)
        found = describe(debian)
        assert found in (before, after), f"neither before nor after: killed at {number}, {name}"
        decided.append(found == before)
    assert decided == sorted(decided), "once begun, always finished"
    assert len(names) > 50
    shutil.rmtree(applied)


def test_lock_helper_sees_our_own_lock_as_none(debian: Path) -> None:
    """F_GETLK tells of others' locks only: a lock of this very process is no hindrance."""
    with (debian / "var/lib/dpkg/lock-frontend").open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        with engine.session(options(debian)) as ctx:
            assert manager_of(ctx).lock_holder() is None
