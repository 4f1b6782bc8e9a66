"""A mirror of small sources in the places of rocBLAS, Tensile and its Python wheels.

A copy of the recipes pins their content; everything else of the pipeline is as a user has it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rocm_patch.components.library import LibraryBuild
from rocm_patch.isa.library import NAME
from rocm_patch.paths import data_root
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.sysroot import Sysroot

VERSION = "6.4.4"


def built_already(monkeypatch: pytest.MonkeyPatch, decoder: Path) -> None:
    """Let the step `rules` take a decoder that is there: building it takes longer than all other steps."""

    def rules(_: LibraryBuild, run: StepRun) -> None:
        (run.scratch / "isa").mkdir()
        shutil.copyfile(decoder, run.scratch / "isa" / NAME)

    monkeypatch.setattr(LibraryBuild, "rules", rules)


class Mirror:
    """The folder of files that ROCM_PATCH_MIRROR names, and the recipes that want just those."""

    def __init__(self, work: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot) -> None:
        """Lay out data, cache and mirror below `work`; nothing can be fetched from anywhere else."""
        real = data_root()
        self.folder = work / "mirror"
        self.folder.mkdir()
        self.recipes = work / "data" / "recipes"
        for component in ("rocblas", "tensile"):
            (self.recipes / component).mkdir(parents=True)
            for file in (real / "recipes" / component).glob("*.*"):
                (self.recipes / component / file.name).symlink_to(file)
        (self.recipes / "rocm-sdk").symlink_to(real / "recipes" / "rocm-sdk")
        for name in ("build", "vgpu", "patches", "packaging", "LICENSE"):
            (work / "data" / name).symlink_to(real / name)
        monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(sysroot.path))
        monkeypatch.setenv("ROCM_PATCH_DATA", str(work / "data"))
        monkeypatch.setenv("ROCM_PATCH_CACHE", str(work / "cache"))
        monkeypatch.setenv("ROCM_PATCH_MIRROR", f"file://{self.folder}/{{file}}")
        monkeypatch.setenv("ROCM_PATCH_OFFLINE", "1")

    def rocblas(self, files: Mapping[str, str]) -> None:
        """Put a source of rocBLAS, as the pool's archive has it: in one folder that is dropped."""
        self._archive("rocblas", files)

    def tensile(self, files: Mapping[str, str]) -> None:
        """Put a source of Tensile."""
        self._archive("tensile", files)

    def wheel(self, module: str, text: str) -> None:
        """Put a wheel of one module in the place of those that Tensile runs on."""
        name = f"{module}-1-py3-none-any.whl"
        with zipfile.ZipFile(self.folder / name, "w") as made:
            made.writestr(f"{module}.py", text)
            metadata = f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n"
            made.writestr(f"{module}-1.dist-info/METADATA", metadata)
        item: dict[str, Any] = {
            "name": module,
            "file": name,
            "providers": [{"kind": "pypi", "project": module}],
        }
        self._pin(item)
        self._edit("rocblas", lambda data: data["python"].update({VERSION: [item]}))

    def _archive(self, component: str, files: Mapping[str, str]) -> None:
        def put(data: dict[str, Any]) -> None:
            variant = data["sources"][VERSION][0]["variants"][0]
            with tarfile.open(self.folder / variant["file"], "w:gz") as tar:
                for name, text in files.items():
                    member = tarfile.TarInfo(f"{component}-of-the-test/{name}")
                    member.size = len(text.encode())
                    tar.addfile(member, io.BytesIO(text.encode()))
            self._pin(variant)

        self._edit(component, put)

    def _pin(self, variant: dict[str, Any]) -> None:
        content = (self.folder / variant["file"]).read_bytes()
        variant.update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    def _edit(self, component: str, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.recipes / component / "conandata.yml"
        data = yaml.safe_load(path.read_text())
        change(data)
        path.unlink()
        path.write_text(yaml.safe_dump(data))
