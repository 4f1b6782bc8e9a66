"""dnf loads our plugin and zypper our commit plugin, for real; each tells rocm-patch of what it replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.apply.rpmroot import dnf_words, make_rpm_root
from tests.unit.apply.kit import apply, describe, make_root, options
from tests.unit.detect import kit

from rocm_patch.apply import engine
from rocm_patch.hooks.files import hook_files
from rocm_patch.plan.actions import Hook, Packages

CHECKOUT = Path(__file__).parents[3]


def rocm_patch(folder: Path) -> Path:
    """Make a rocm-patch that this checkout answers, at a plain path."""
    place = folder / "rocm-patch"
    place.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT}/src exec {sys.executable} -m rocm_patch "$@"\n')
    place.chmod(0o755)
    return place


def environment(**more: str) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", **more}


def installed(root: Path, manager: str, command: Path) -> Path:
    """Put the hook into the root by a transaction of our own, and give its file."""
    inside = root / str(command)[1:]
    inside.parent.mkdir(parents=True, exist_ok=True)
    if not inside.exists():
        shutil.copy2(root / "usr/bin/rocm-patch", inside)
    apply(
        root, [("hooks", Hook.model_validate({"kind": "hook", "manager": manager, "command": str(command)}))]
    )
    with engine.session(options(root)) as ctx:
        path, _, mode = next(iter(hook_files(ctx.fs, manager, str(command))))
    place = root / path[1:]
    assert place.stat().st_mode & 0o777 == mode
    return place


def test_dnf_tells(rpms: Path, room: Path) -> None:
    root = make_rpm_root(room / "hook-dnf", rpms, "dnf")
    apply(root, [("rule", Packages(kind="packages", install=["rocblas"]))])
    plugin = installed(root, "dnf", rocm_patch(room))
    assert plugin.parent == root / "usr/lib/python3.13/site-packages/dnf-plugins"
    done = subprocess.run(
        [
            *dnf_words(root),
            f"--setopt=pluginpath={plugin.parent}",
            "--setopt=plugins=1",
            "downgrade",
            "rocblas-4.4.0-47",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert "this run of dnf replaced what rocm-patch had set up" in done.stdout + done.stderr
    assert "rocblas is 4.4.0-47, and was 4.4.0-47+gfx1010.1" in done.stdout + done.stderr
    with engine.session(options(root)) as ctx:
        assert ctx.journal.notices()
    shutil.rmtree(root)


@pytest.mark.usefixtures("mounts")
def test_zypper_tells(rpms: Path, room: Path) -> None:
    root = make_rpm_root(room / "hook-zypper", rpms, "zypper")
    apply(root, [("rule", Packages(kind="packages", install=["rocblas"]))])
    installed(root, "zypper", rocm_patch(room))
    # libzypp calls plugins for the running system only: in a mount namespace the root stands in for it.
    shown = (
        "etc/zypp",
        "var/lib/rpm",
        "var/lib/zypp",
        "var/cache/zypp",
        "opt",
        "usr/lib/zypp/plugins/commit",
    )
    made = []
    for name in shown:
        (root / name).mkdir(parents=True, exist_ok=True)
        place = Path("/", name)
        made += [one for one in (place, *place.parents) if not one.exists()]
        place.mkdir(parents=True, exist_ok=True)
    each = f'for one in {" ".join(shown)}; do mount --bind "$root/$one" "/$one" || exit 9; done'
    script = f'root=$1; shift; {each}; exec "$@"'
    words = ["zypper", "--non-interactive", "--no-refresh", "install", "--oldpackage", "rocblas=4.4.0-47"]
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", str(root), *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment(ROCM_PATCH_ROOT=str(root)),
        )
    finally:
        for one in sorted(made, reverse=True):
            one.rmdir()
    assert "stock" in (root / "opt/rocm/lib/librocblas.so.4").read_text()
    assert done.returncode in {0, 106}, done.stderr + done.stdout
    with engine.session(options(root)) as ctx:
        told = [text for _, text in ctx.journal.notices()]
    assert any("zypper: " in text and "rocblas is 4.4.0-47" in text for text in told), (
        done.stdout + done.stderr
    )
    shutil.rmtree(root)


def test_zypper_plugin_answers_every_frame(room: Path) -> None:
    root = make_root_for_protocol(room)
    said = room / "said"
    program = room / "sayer"
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\necho noise\n')
    program.chmod(0o755)
    plugin = installed(root, "zypper", program)
    frames = b"PLUGINBEGIN\nuserdata:x\n\n\0COMMITBEGIN\n\n{}\0COMMITEND\n\n{}\0PLUGINEND\n\n\0"
    done = subprocess.run(
        [sys.executable, str(plugin)], input=frames, capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"ACK\n\n\0" * 4, "nothing else may stand on the protocol's channel"
    assert said.read_text() == "hooks notice zypper --root /\n"
    cut = subprocess.run(
        [sys.executable, str(plugin)],
        input=b"PLUGINBEGIN\n\n\0COMM",
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert cut.stdout == b"ACK\n\n\0"
    shutil.rmtree(root)


def make_root_for_protocol(room: Path) -> Path:
    return make_root(room / "protocol")


def test_dnf5_actions_file_is_of_its_form(room: Path) -> None:
    """dnf 5 is not in Debian 12: its file's form is checked, its call is not."""
    root = make_root_for_protocol(room)
    place = installed(root, "dnf5", Path("/usr/bin/rocm-patch"))
    lines = [line for line in place.read_text().splitlines() if line and not line.startswith("#")]
    assert [line.split(":", 4) for line in lines] == [
        ["post_transaction", "", "", "", "/usr/bin/rocm-patch hooks notice dnf5"]
    ]
    shutil.rmtree(root)


def test_command_line_end_to_end(room: Path, tmp_path: Path) -> None:
    """The real program, as another process: plan, apply killed in the middle, apply again, rollback."""
    built, _ = kit.build("rx5600xt-blacklisted", room / "machine")
    root = built.root
    before = describe(root)
    env = os.environ | {"PYTHONPATH": str(CHECKOUT / "src"), "ROCM_PATCH_CACHE": str(tmp_path)}
    base = [sys.executable, "-m", "rocm_patch"]

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*base, *words, "--root", str(root)], capture_output=True, text=True, check=False, env=env | more
        )

    cut = call("apply", "--yes", ROCM_PATCH_KILL_AT="25")
    assert cut.returncode == -9
    assert "cut off" in call("status").stdout
    again = call("apply", "--yes")
    assert again.returncode == 0, again.stderr
    assert "transaction 1 was cut off, and was undone" in again.stdout
    assert "blacklist" not in (root / "etc/modprobe.d/blacklist-amdgpu.conf").read_text()
    assert call("rollback").returncode == 0
    assert describe(root) == before
