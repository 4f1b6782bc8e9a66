"""Run programs of an SDK on folders of this machine: what the wheel's parts need of the pipeline.

Knows SDKs and mounts. Knows nothing of what is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch import commands
from rocm_patch.errors import BuildError, UsageError
from rocm_patch.pipeline.sdk import Mount, Sdk
from rocm_patch.wheel.provenance import PACKAGE_LISTS, Origins

_TAIL = 30
#: Words: where to, ROCm's folder, patterns. A package's list names a file by the folder that it is really in,
#: and /opt/rocm is a link in AMD's images: the copies have the same link. A file that is a link is followed.
_BRING = """\
to=$1 rocm=$2
shift 2
real=$(cd "$rocm" && pwd -P) || exit
if [ "$real" != "$rocm" ] && [ ! -e "$to$rocm" ]; then
  mkdir -p "$to$real" "$to${rocm%/*}" && ln -rs -- "$to$real" "$to$rocm" || exit
fi
for pattern; do
  for path in $pattern; do
    if [ -f "$path" ]; then
      folder=$(cd "${path%/*}" && pwd -P) && cp -L --parents -- "$folder/${path##*/}" "$to" || exit
    fi
  done
done
"""


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
    #: A folder of this machine for copies of an image's files; made where the SDK is one.
    copies: Path | None = None

    def run(
        self, argv: Sequence[str], *, mounts: Sequence[Mount] = (), env: Mapping[str, str] | None = None
    ) -> None:
        """Run a program in the SDK, in /. BuildError where it fails."""
        self.call(self.sdk.command(argv, mounts=mounts, env=env or {}, cwd="/"))

    @property
    def root(self) -> Path:
        """Give the folder below which the SDK's files are on this machine; of an image, those brought here.

        UsageError for an image where there is no folder for copies.
        """
        if self.sdk.files is not None:
            return self.sdk.files
        if self.copies is None:
            raise UsageError(
                "the files of an image are not on this machine",
                cause="this command reads them where they lie",
                step="give --sdk sysroot, or host: with an installed ROCm",
            )
        self.copies.mkdir(parents=True, exist_ok=True)
        return self.copies

    @property
    def library_folders(self) -> tuple[str, ...]:
        """Give the folders of libraries below `root`, in the order in which they are searched."""
        return tuple(folder.lstrip("/") for folder in self.sdk.lib_folders)

    def bring(self, patterns: Iterable[str]) -> None:
        """Copy files of an image to below `root`, by shell patterns of their paths inside.

        Patterns that match no file are left out. Of another SDK everything is there. BuildError.
        """
        if self.sdk.files is None:
            mount = Mount(self.root, "/copies", write=True)
            words = [self.sdk.seen(mount), self.sdk.rocm_path, *patterns]
            self.run(["sh", "-c", _BRING, "bring", *words], mounts=[mount])

    def bring_libraries(self, names: Iterable[str]) -> None:
        """Copy an image's libraries by their file names, whichever folder has them."""
        self.bring(f"{folder}/{name}" for name in names for folder in self.sdk.lib_folders)

    def origins(self, libraries: Iterable[str]) -> Origins:
        """Give what knows the packages of the SDK's files; `libraries` are the file names of interest."""
        self.bring((*PACKAGE_LISTS, f"{self.sdk.rocm_path}/share/doc/*/*"))
        self.bring_libraries(libraries)
        return Origins(self.root, self.sdk.packages, self.library_folders)
