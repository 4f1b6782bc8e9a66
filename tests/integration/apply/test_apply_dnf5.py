"""dnf 5, Fedora's, acts for real and is undone: every test of dnf's, and the hook's.

Debian 12 has no dnf 5. A Debian sid with one is made from its lock, and entered for each command of
dnf and rpm; the roots and repositories are those of the other tests.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.apply.rpmroot import make_rpm_root, manager
from tests.integration.apply.test_apply_rpm import (
    packages,
    test_failing_script_puts_everything_back,
    test_hold_keeps_the_version_and_is_undone,
    test_install_upgrade_remove_and_back,
    test_nothing_to_do_and_nothing_of_ours_are_refused,
    test_update_by_the_owner_is_noticed,
)
from tests.integration.apply.test_apply_signed import test_a_package_of_another_key_in_rightly_signed_lists
from tests.unit.apply.kit import apply, options

from rocm_patch.apply import engine
from rocm_patch.apply.context import ENVIRONMENT, place_of
from rocm_patch.errors import CheckError
from rocm_patch.hooks.files import hook_files
from rocm_patch.sysroot import Bind, load_lock
from rocm_patch.sysroot.make import create

__all__ = [
    "test_a_package_of_another_key_in_rightly_signed_lists",
    "test_failing_script_puts_everything_back",
    "test_hold_keeps_the_version_and_is_undone",
    "test_install_upgrade_remove_and_back",
    "test_nothing_to_do_and_nothing_of_ours_are_refused",
    "test_update_by_the_owner_is_noticed",
]
HOOKS = "/etc/dnf/libdnf5-plugins/actions.d"


@pytest.fixture(scope="module")
def fedora(room: Path) -> Iterator[Path]:
    """Put dnf, which is dnf 5, and rpm before this machine's; give the folder of its hooks."""
    tools, hooks = room / "dnf5-tools", room / "dnf5-hooks"
    tools.mkdir()
    hooks.mkdir()
    system = create(load_lock("dnf5"))
    binds = [Bind(room, str(room), "rw"), Bind(Path("/tmp"), "/tmp", "rw"), Bind(hooks, HOOKS, "ro")]
    for name in ("dnf5", "rpm"):
        line = shlex.join(system.command([name], binds=binds, env={"HOME": "/root", "LC_ALL": "C.UTF-8"}))
        (tools / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        (tools / name).chmod(0o755)
    (tools / "dnf").symlink_to("dnf5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "PATH", f"{tools}:{ENVIRONMENT['PATH']}")
        assert place_of("dnf") == tools / "dnf5"
        yield hooks


@pytest.fixture(scope="module")
def stock_5(fedora: Path, room: Path, rpms: Path) -> Path:
    """Give a root with the stock rocblas, installed by dnf 5."""
    del fedora
    return make_rpm_root(room / "stock-dnf5", rpms, "dnf5")


@pytest.fixture
def system(stock_5: Path, room: Path) -> Iterator[tuple[str, Path]]:
    """Give a fresh copy of that root."""
    place = room / "root-dnf5"
    subprocess.run(["cp", "-a", str(stock_5), str(place)], check=True)
    yield "dnf5", place
    subprocess.run(["rm", "-rf", str(place)], check=True)


def test_the_hook_is_called(system: tuple[str, Path], fedora: Path, room: Path) -> None:
    """libdnf5 reads actions of the running system: the file stands where that of the entered one is."""
    _, root = system
    apply(root, packages("rocblas"))
    command = room / "notice"
    command.write_text(f'#!/bin/sh\necho "$*" >> {room}/noticed\n')
    command.chmod(0o755)
    with engine.session(options(root)) as ctx:
        path, content, mode = next(iter(hook_files(ctx.fs, "dnf5", str(command))))
    assert (path, mode) == (f"{HOOKS}/rocm-patch.actions", 0o644)
    (fedora / "rocm-patch.actions").write_bytes(content)
    manager(root, "dnf5", "downgrade", "rocblas-4.4.0-47")
    (fedora / "rocm-patch.actions").unlink()
    assert (room / "noticed").read_text() == "hooks notice dnf5\n"


def test_the_line_that_says_why_is_the_cause(system: tuple[str, Path]) -> None:
    """dnf 5 writes among its errors that it reads its repositories, before anything else."""
    _, root = system
    with pytest.raises(CheckError) as refused:
        apply(root, packages("nowhere"))
    assert "No match for argument: nowhere" in refused.value.cause
