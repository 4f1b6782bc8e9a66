"""`rocm-patch sysroot`: make, enter, verify, list and remove the locked build environment.

Reads words, shows progress, writes results. Knows nothing of how a root is made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rocm_patch import commands
from rocm_patch.environment import survey_commands, survey_files
from rocm_patch.errors import SysrootError, UsageError
from rocm_patch.pipeline.sdk import Sdk, sdk_of
from rocm_patch.sources.fetch import plan
from rocm_patch.sources.settings import load_settings
from rocm_patch.sources.store import ObjectStore
from rocm_patch.sysroot import debs, store
from rocm_patch.sysroot.core import RECORD, Sysroot, root_key, sysroots_folder
from rocm_patch.sysroot.install import Report
from rocm_patch.sysroot.lock import DEFAULT_NAME, compare, load_lock, lock_path
from rocm_patch.sysroot.make import create
from rocm_patch.sysroot.mounts import Bind
from rocm_patch.sysroot.resolve import resolve
from rocm_patch.sysroot.tools import need
from rocm_patch.sysroot.verify import verify
from rocm_patch.sysroot.wishes import load_wishes

NAME = click.option(
    "--lock", "name", default=DEFAULT_NAME, show_default=True, help="Name of the lock, or its path."
)

#: The part of the work after which its rate tells something about the rest.
_TELLING = 0.01
#: What podman and docker exit with when they, not the program inside, failed.
_ENGINE_FAILED = 125


@click.group()
def sysroot() -> None:
    """Make and enter the locked build environment (Debian with ROCm; no root needed)."""


@sysroot.command("create")
@NAME
def create_command(name: str) -> None:
    """Make the sysroot of a lock, if the cache has none; print its path."""
    lock = load_lock(name)
    console = _console()
    key = root_key(lock)
    if not (sysroots_folder() / key / RECORD).is_file():
        missing = plan(debs.source_items(lock), cache=ObjectStore())
        to_fetch = sum(one.bytes or 0 for one in missing)
        free = shutil.disk_usage(_existing(sysroots_folder())).free
        console.print(
            f"sysroot {lock.name}: {len(lock.packages)} packages, {to_fetch / 2**20:.0f} MiB to fetch, "
            f"about 10 GiB on the disk ({free / 2**30:.0f} GiB free)"
        )
    with _progress(console, "making the sysroot") as report:
        made = create(
            lock,
            report=report,
            on_wait=lambda: console.print("another run is making this sysroot: waiting for it"),
        )
    click.echo(made.path)


@sysroot.command("enter", context_settings={"ignore_unknown_options": True})
@NAME
@click.option("--network", is_flag=True, help="Let the command reach the network.")
@click.option(
    "--writable", is_flag=True, help="Let the command change the root; the changes are thrown away."
)
@click.option(
    "--bind", "binds", multiple=True, metavar="SRC:DST[:ro|:dev]", help="Show a folder of the host inside."
)
@click.option("--env", "variables", multiple=True, metavar="K=V", help="Set a variable inside.")
@click.option("--workdir", default="/", show_default=True, help="Folder inside to start in.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def enter_command(
    *,
    name: str,
    network: bool,
    writable: bool,
    binds: tuple[str, ...],
    variables: tuple[str, ...],
    workdir: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND (by default bash) in the sysroot; exit with its code."""
    root = Sysroot.open(name)
    argv = list(command) or ["bash"]
    mounts = [Bind.parse(text) for text in binds]
    env = dict(map(_variable, variables))
    if writable:
        with store.writable() as overlay:
            code = root.call(argv, binds=mounts, env=env, cwd=workdir, network=network, overlay=overlay)
    else:
        code = root.call(argv, binds=mounts, env=env, cwd=workdir, network=network)
    sys.exit(code)


@sysroot.command("verify")
@NAME
def verify_command(name: str) -> None:
    """Compare every package and file of the sysroot with the lock; exit 41 where they differ."""
    lock = load_lock(name)
    root = Sysroot.open(lock)
    with _progress(_console(), "verifying") as report:
        verdict = verify(root.path, lock, report=lambda part: report("hashing files", part))
    verdict.require()
    click.echo(f"{root.path}: {verdict.packages} packages and {verdict.files} files are as locked")


@sysroot.command("update-lock")
@click.argument("name", default=DEFAULT_NAME)
@click.option("--archive", help="Address of the Debian archive (default: the setting sources.debian).")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
def update_lock_command(name: str, archive: str | None, *, dry_run: bool) -> None:
    """Resolve the wish list NAME against its suite now, and write the lock."""
    wishes, digest = load_wishes(name)
    with tempfile.TemporaryDirectory(prefix="rocm-patch-lock-") as work:
        new = resolve(
            wishes, wishes_sha256=digest, archive=archive or load_settings().debian, work=Path(work)
        )
    path = lock_path(name)
    old = load_lock(path) if path.is_file() else None
    changes = compare(old, new) if old else []
    for change in changes:
        click.echo(str(change))
    before = "no lock before" if old is None else f"{len(changes)} changed since {old.header['date']}"
    click.echo(f"{wishes.suite} of {new.header['date']}: {len(new.packages)} packages; {before}")
    if not dry_run:
        temporary = path.with_suffix(".lock.new")
        temporary.write_text(new.text(), encoding="utf-8")
        temporary.replace(path)
        click.echo(str(path))


@sysroot.command("describe")
@click.option(
    "--sdk", default="sysroot", show_default=True, help="sysroot, host:FOLDER or container:IMAGE@DIGEST."
)
def describe_command(sdk: str) -> None:
    """Say which compilers, HIP, libraries and Pythons an environment holds, as JSON."""
    chosen = sdk_of(sdk)
    if chosen.files is not None:
        found = survey_files(chosen.files, chosen.rocm_path)
    else:
        found = survey_commands(lambda argv: _output(chosen, argv), chosen.rocm_path, chosen.llvm_bin)
    click.echo(json.dumps({"sdk": sdk, **found}, indent=1))


def _output(sdk: Sdk, argv: Sequence[str]) -> str:
    """Run a program in an environment; give what it printed, "" when it failed."""
    need(*sdk.tools)
    command = sdk.command(argv, mounts=(), env={}, cwd="/")
    done = commands.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == _ENGINE_FAILED:
        raise SysrootError(
            f"{command[0]} could not run the image",
            cause="it said what is listed below",
            step="fetch the image first, and check that this user may run containers",
            detail=done.stderr.splitlines()[-5:],
        )
    return done.stdout if done.returncode == 0 else ""


@sysroot.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_command(*, as_json: bool) -> None:
    """List the sysroots that are made."""
    roots = store.made_roots()
    if as_json:
        fields = ("key", "name", "date", "made", "packages")
        click.echo(
            json.dumps([{**{f: getattr(r, f) for f in fields}, "path": str(r.path)} for r in roots], indent=1)
        )
        return
    current = root_key(load_lock())
    for root in roots:
        mark = "*" if root.key == current else " "
        click.echo(
            f"{mark} {root.key}  {root.name}  {root.packages} packages of {root.date}, made {root.made}"
        )


@sysroot.command("remove")
@click.argument("keys", nargs=-1)
@click.option("--old", is_flag=True, help="Remove all but the one of the present lock.")
def remove_command(keys: tuple[str, ...], *, old: bool) -> None:
    """Remove sysroots by KEY (see list)."""
    if bool(keys) == old:
        raise UsageError("name keys, or --old", step="see: rocm-patch sysroot list")
    current = root_key(load_lock())
    for key in keys or [one.key for one in store.made_roots() if one.key != current]:
        store.remove(key)
        click.echo(f"removed {key}")


def _variable(text: str) -> tuple[str, str]:
    """Read K=V."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"not a variable: {text!r}", step="write --env NAME=VALUE")
    return key, value


def _existing(folder: Path) -> Path:
    """Give the folder or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _console() -> Console:
    """Give where progress is shown: standard error, so that results can be piped."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def _progress(console: Console, title: str) -> Iterator[Report]:
    """Show a bar with the time left on a terminal; a line for each tenth elsewhere."""
    if console.is_terminal and os.environ.get("TERM") != "dumb":
        columns = (
            TextColumn("{task.fields[title]}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=1.0, title=title, visible=False)
            yield lambda step, part: bar.update(task, completed=part, description=step, visible=True)
        return
    began = time.monotonic()
    tenth = -1

    def line(step: str, part: float) -> None:
        nonlocal tenth
        if int(part * 10) > tenth:
            tenth = int(part * 10)
            spent = time.monotonic() - began
            left = f", about {spent / part - spent:.0f} s left" if _TELLING < part < 1 else ""
            console.print(f"{title}: {part:4.0%} after {spent:.0f} s{left} ({step})")

    yield line
