"""A `Package` as a .deb: control files from packaging/deb/, packed by dpkg-deb, the same bytes each time.

Knows Debian's binary package. Knows nothing of where contents come from.
"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

from rocm_patch.errors import PackageError
from rocm_patch.packaging import tools
from rocm_patch.packaging.layout import load_layouts, maintainer
from rocm_patch.packaging.model import Content, Package, Relation
from rocm_patch.packaging.tree import lay_out, put, settle, template
from rocm_patch.paths import data_root
from rocm_patch.wheel.sbom import FILE as SBOM

_CHUNK = 1 << 20


def build_deb(package: Package, out: Path, scratch: Path) -> Path:
    """Build the .deb in `out`, with its bill of materials beside it; gives its path."""
    root = scratch / f"{package.name}.deb-tree"
    shutil.rmtree(root, ignore_errors=True)
    lay_out(package, root)
    for content in _documents(package):
        put(root, content)
    _control(package, root)
    settle(root, package.epoch)
    out.mkdir(parents=True, exist_ok=True)
    made = out / package.file_name("deb")
    fresh = scratch / made.name
    # One thread: xz's blocks, and so the bytes, depend on their number.
    env = {"SOURCE_DATE_EPOCH": str(package.epoch), "DPKG_DEB_THREADS_MAX": "1"}
    argv = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(fresh)]
    tools.run(argv, what=f"packing {made.name}", env=env)
    shutil.rmtree(root)
    shutil.move(fresh, made)
    (out / f"{made.name}.cdx.json").write_bytes(package.sbom)
    return made


def _documents(package: Package) -> Iterable[Content]:
    folder = f"/usr/share/doc/{package.name}"
    words = {"package": package, "maintainer": maintainer()}
    date = email.utils.formatdate(package.epoch)
    changelog = template("deb/changelog.j2").render(**words, date=date).encode()
    # A package with a revision has Debian's changelog, a native one its own.
    name = "changelog.Debian.gz" if package.revision else "changelog.gz"
    yield Content(f"{folder}/{name}", gzip.compress(changelog, 9, mtime=0))
    yield Content(f"{folder}/copyright", template("deb/copyright.j2").render(**words).encode())
    yield Content(f"{folder}/{SBOM}.gz", gzip.compress(package.sbom, 9, mtime=0))
    overrides = _overrides(package)
    if overrides:
        yield Content(f"/usr/share/lintian/overrides/{package.name}", overrides)


def _overrides(package: Package) -> bytes:
    """Give the remarks of lintian that hold for this package and are meant, each with its reason."""
    folder = data_root() / "packaging" / "deb"
    pack = package.name.endswith("-kernels")
    kinds = ["kernels"] if pack else []
    kinds += ["python"] if package.python else []
    kinds += ["opt"] if any(one.path.startswith("/opt/") for one in package.contents) else []
    kinds += ["local"] if package.revision == "1" else []
    return b"".join((folder / f"lintian-{kind}.overrides").read_bytes() for kind in kinds)


def _control(package: Package, root: Path) -> None:
    folder = root / "DEBIAN"
    folder.mkdir()
    sums, size = [], 0
    for path in sorted(root.rglob("*")):
        if path.is_relative_to(folder) or not path.is_file() or path.is_symlink():
            size += 1
            continue
        sums.append(f"{_md5(path)}  {path.relative_to(root)}\n")
        # As dpkg-gencontrol counts: whole KiB a file, one for anything else.
        size += math.ceil(path.stat().st_size / 1024)
    (folder / "md5sums").write_text("".join(sums), encoding="utf-8")
    text = template("deb/control.j2").render(
        package=package,
        maintainer=maintainer(),
        homepage=load_layouts().homepage,
        installed=size,
        relations=_relations(package),
    )
    (folder / "control").write_text(text, encoding="utf-8")
    for name, record in package.link_records.items():
        (folder / name).write_text(record, encoding="utf-8")
    scripts = [*(["preinst", "postrm"] if package.diverts else [])]
    scripts += ["postinst", "prerm"] if package.python else []
    for name in scripts:
        (folder / name).write_text(template(f"deb/{name}.j2").render(package=package), encoding="utf-8")
        (folder / name).chmod(0o755)
    if package.ldconfig:
        (folder / "triggers").write_text("activate-noawait ldconfig\n", encoding="utf-8")


def _relations(package: Package) -> list[tuple[str, str]]:
    depends = [*package.depends_as_is, *_texts(package.depends)]
    conflicts = _texts(package.conflicts)
    fields = (
        ("Depends", depends),
        ("Provides", _texts(package.provides)),
        ("Conflicts", conflicts),
        ("Replaces", conflicts),
    )
    for _, values in fields:
        if any("\n" in value for value in values):
            raise PackageError(f"a relation of {package.name} has two lines", detail=list(values))
    return [(name, ", ".join(values)) for name, values in fields if values]


def _texts(relations: Iterable[Relation]) -> list[str]:
    return [one.text("deb") for one in relations]


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
