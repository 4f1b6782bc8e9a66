"""Compile HIP programs in the sysroot and run them on virtual cards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.settings import Settings

PROGRAMS = Path(__file__).parent / "programs"
_COMPILE_SECONDS = 600
_RUN_SECONDS = 300


@attrs.frozen
class Card:
    """Compiles and runs programs in the sysroot, on virtual cards."""

    root: Sysroot
    library: Path
    work: Path
    scratch: Callable[[], Path]

    def compile(self, name: str, *options: str, output: str | None = None, binds: Sequence[Bind] = ()) -> str:
        """Compile programs/NAME.hip for gfx1010, to NAME or `output`; give its path inside."""
        # Debian's HIP is configured for the LLVM that it was built with.
        llvm = max((self.root.path / "usr/lib").glob("llvm-*/bin/clang++")).parent
        inside = f"/{llvm.relative_to(self.root.path)}"
        self.root.run(
            [
                "hipcc",
                "--offload-arch=gfx1010",
                "-O2",
                *options,
                f"/programs/{name}.hip",
                "-o",
                f"/card/{output or name}",
            ],
            binds=[Bind(PROGRAMS, "/programs", "ro"), Bind(self.work, "/card"), *binds],
            env={"HIP_CLANG_PATH": inside},
            timeout=_COMPILE_SECONDS,
        )
        return f"/card/{output or name}"

    def run(
        self,
        *argv: str,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        binds: Sequence[Bind] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the cards that `settings` ask for, with `env` on top."""
        view = sysroot_view(self.library, settings or Settings(), scratch=self.scratch(), env=env)
        return self.root.run(
            list(argv),
            binds=[*view.binds, Bind(self.work, "/card"), *binds],
            env=view.env,
            check=False,
            timeout=_RUN_SECONDS,
        )
