"""dnf and zypper act for real in roots made here, and are undone byte for byte."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apply.rpmroot import manager
from tests.unit.apply.kit import apply, describe, options

from rocm_patch.apply import engine
from rocm_patch.apply.managers import manager_of
from rocm_patch.errors import ApplyError, CheckError
from rocm_patch.plan.actions import Hold, Packages

LIBRARY = "opt/rocm/lib/librocblas.so.4"


def packages(*install: str, remove: list[str] | None = None) -> list[tuple[str, Any]]:
    return [("rule", Packages(kind="packages", install=list(install), remove=remove or []))]


def test_install_upgrade_remove_and_back(system: tuple[str, Path]) -> None:
    _, root = system
    before = describe(root)
    started = time.monotonic()
    apply(root, packages("rocblas", "kernels", remove=["dist-rocminfo"]))
    assert (root / LIBRARY).read_text() == "ours\n"
    assert (root / "opt/rocm/lib/rocblas/library/gfx1010/a.dat").exists()
    assert (root / "usr/share/helper/x").exists()
    assert not (root / "usr/bin/rocminfo").exists()
    assert not (root / "opt/rocm/share/old").exists()
    with engine.session(options(root)) as ctx:
        assert engine.verify(ctx) == []
    engine.rollback(options(root))
    assert describe(root) == before
    assert time.monotonic() - started < 600


def test_nothing_to_do_and_nothing_of_ours_are_refused(system: tuple[str, Path]) -> None:
    """The manager would end well having done nothing, or with somebody else's package."""
    kind, root = system
    before = describe(root)
    with pytest.raises(CheckError) as refused:
        apply(root, packages("dist-rocminfo"))
    assert f"{kind.rstrip('5')} has nothing to change, so it would be no cure: dist-rocminfo is 5.7-1" in str(
        refused.value
    )
    action = Packages(kind="packages", install=["rocblas"], version="*gfx1030*")
    with pytest.raises(CheckError) as refused:
        apply(root, [("rule", action)])
    assert "4.4.0-47" in str(refused.value)
    assert "knows no rocblas *gfx1030* of this project" in str(refused.value)
    assert "rocm-patch-amd.repo" in str(refused.value)
    with engine.session(options(root)) as ctx:
        assert manager_of(ctx).offered("rocblas")[0] == "4.4.0-47+gfx1010.1"
    assert describe(root) == before
    apply(root, [("rule", Packages(kind="packages", install=["rocblas"], version="*gfx1010*"))])
    assert (root / LIBRARY).read_text() == "ours\n"


def test_failing_script_puts_everything_back(system: tuple[str, Path]) -> None:
    _, root = system
    before = describe(root)
    with pytest.raises(ApplyError, match="everything was put back"):
        apply(root, packages("broken"))
    assert describe(root) == before


def test_hold_keeps_the_version_and_is_undone(system: tuple[str, Path]) -> None:
    kind, root = system
    before = describe(root)
    apply(root, [("hold", Hold(kind="hold", packages=["rocblas"]))])
    if kind == "zypper":
        manager(root, kind, "update")
        assert (root / LIBRARY).read_text() == "stock\n", "zypper itself respects the lock"
    elif kind == "dnf":
        assert "rocblas-0:4.4.0-47.*\n" in (root / "etc/dnf/plugins/versionlock.list").read_text()
    else:
        manager(root, kind, "upgrade")
        assert (root / LIBRARY).read_text() == "stock\n", "dnf 5 itself respects the lock"
    with pytest.raises(CheckError, match="checks") as refused:
        apply(root, packages("rocblas=4.4.0-47+gfx1010.1"))
    assert refused.value.exit_code == 112
    engine.rollback(options(root))
    assert describe(root) == before


def test_update_by_the_owner_is_noticed(system: tuple[str, Path]) -> None:
    kind, root = system
    apply(root, packages("rocblas"))
    words = (
        ("install", "--oldpackage", "rocblas=4.4.0-47")
        if kind == "zypper"
        else ("downgrade", "rocblas-4.4.0-47")
    )
    manager(root, kind, *words)
    with engine.session(options(root)) as ctx:
        findings = engine.verify(ctx)
    assert any("rocblas is 4.4.0-47, and was 4.4.0-47+gfx1010.1" in line for line in findings), findings
