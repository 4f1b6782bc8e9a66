"""Run programs of an SDK on folders of this machine: what the wheel's parts need of the pipeline.

Knows SDKs and mounts. Knows nothing of what is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch import commands
from rocm_patch.errors import BuildError, UsageError
from rocm_patch.pipeline.sdk import Mount, Sdk, SysrootSdk
from rocm_patch.sysroot import Lock, Sysroot, load_lock

_TAIL = 30


def call_here(argv: Sequence[str]) -> None:
    """Run a command of this machine. BuildError with the end of its output where it fails."""
    done = commands.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(
            f"a program of the SDK failed with exit code {done.returncode}",
            cause=" ".join(argv[-4:]),
            detail=(done.stdout + done.stderr).splitlines()[-_TAIL:],
        )


@attrs.frozen
class Inside:
    """An SDK and the way its commands are run; the pipeline gives one that writes the step's log."""

    sdk: Sdk
    call: Callable[[Sequence[str]], None] = call_here

    def run(
        self, argv: Sequence[str], *, mounts: Sequence[Mount] = (), env: Mapping[str, str] | None = None
    ) -> None:
        """Run a program in the SDK, in /. BuildError where it fails."""
        self.call(self.sdk.command(argv, mounts=mounts, env=env or {}, cwd="/"))

    @property
    def root(self) -> Path:
        """Give the SDK's / on this machine. UsageError for an SDK whose files are not here."""
        if isinstance(self.sdk, SysrootSdk):
            return Sysroot.open(self.sdk.lock).path
        raise UsageError(
            "the wheel's libraries are taken from the sysroot",
            cause="their Debian packages are named, with hash and licence, in the wheel",
            step="build with --sdk sysroot",
        )

    @property
    def lock(self) -> Lock:
        """Give the lock of the sysroot: the packages with their hashes."""
        if isinstance(self.sdk, SysrootSdk) and self.sdk.lock:
            return load_lock(self.sdk.lock)
        return load_lock()
