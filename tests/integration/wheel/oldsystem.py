"""Debian 12 as a root: its own glibc, libstdc++ and Python 3.11, and stand-ins for ROCm's libraries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sources import ObjectStore, fetch_all
from rocm_patch.sources.model import parse_recipe
from rocm_patch.sysroot import Sysroot
from rocm_patch.sysroot.debs import extract
from rocm_patch.wheel import stubs
from rocm_patch.wheel.elf import STB_WEAK
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.table import load_table

DATA = Path(__file__).with_name("debian12.yml")


def make_old_root(folder: Path) -> Sysroot:
    """Unpack the pinned packages; nothing of them is configured, as nothing here needs that."""
    recipe = parse_recipe(DATA.read_text(encoding="utf-8"), DATA.name)
    paths = fetch_all(recipe.sources["12"], cache=ObjectStore())
    for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin"):
        (folder / name).mkdir(parents=True)
        (folder / name.rpartition("/")[2]).symlink_to(name)
    for name in (
        "dev",
        "etc",
        "home",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "srv",
        "sys",
        "tmp",
        "var",
    ):
        (folder / name).mkdir()
    extract(sorted(paths.values()), folder, ["/usr/share/*"])
    return Sysroot.at(folder)


def stand_ins(inside: Inside, sonames: Iterable[str], folder: Path) -> None:
    """Make libraries with every name and version of ROCm's, whose functions all answer 100.

    That is hipErrorNoDevice. ROCm for Debian 12 is AMD's and cannot be fetched here, and the sysroot's
    needs a newer glibc.
    """
    folder.mkdir()
    mount = Mount(folder, "/standins", write=True)
    for soname in sonames:
        library = next(
            inside.root / place / soname
            for place in inside.library_folders
            if (inside.root / place / soname).exists()
        )
        # Weak ones are of templates that were compiled into it, std::string's among them: others' to answer.
        stub = stubs.stub_of(library, load_table(), lambda symbol: symbol.binding != STB_WEAK)
        source = stub.source.replace("\n ret\n", "\n movl $100, %eax\n ret\n")
        (folder / f"{soname}.s").write_text(source, encoding="utf-8")
        (folder / f"{soname}.map").write_text(stub.script or "{ global: *; };\n", encoding="utf-8")
        argv = stubs.link_command(f"{inside.sdk.llvm_bin}/clang", soname, inside.sdk.seen(mount))
        inside.run(argv, mounts=[mount])
        (folder / f"{soname}.s").unlink()
        (folder / f"{soname}.map").unlink()
