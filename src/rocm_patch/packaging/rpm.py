"""A `Package` as a .rpm: a spec from packaging/rpm/, packed by rpmbuild, the same bytes each time.

Knows rpm's spec. Knows nothing of where contents come from, nor of signing: a repository signs its copy.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from rocm_patch.errors import PackageError
from rocm_patch.packaging import tools
from rocm_patch.packaging.layout import load_layouts, maintainer
from rocm_patch.packaging.model import RPM_ARCHITECTURE, Content, Package, Relation
from rocm_patch.packaging.tree import lay_out, put, settle, template
from rocm_patch.wheel.sbom import FILE as SBOM

#: rpm's custom: libraries have the bit, from which its own tools know them. Debian's is the other way.
_LIBRARY = re.compile(r"\.so(\.\d+)*$")
#: What would make two builds, or two machines, differ; and what would change files that are finished.
_MACROS = {
    "_buildhost": "rocm-patch",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "source_date_epoch_from_changelog": "0",
    "_build_id_links": "none",
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "__spec_install_pre": "%{___build_pre}",
    "_binary_payload": "w6.xzdio",
    "_source_payload": "w6.xzdio",
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}


def build_rpm(package: Package, out: Path, scratch: Path) -> Path:
    """Build the .rpm in `out`, with its bill of materials beside it; gives its path."""
    if package.diverts:
        raise PackageError(f"{package.name} puts files aside, which rpm cannot do")
    top = scratch / f"{package.name}.rpm-top"
    shutil.rmtree(top, ignore_errors=True)
    tree = top / "tree"
    lay_out(package, tree)
    for content in _documents(package):
        put(tree, content)
    settle(tree, package.epoch)
    architecture = RPM_ARCHITECTURE[package.architecture]
    text = template("rpm/package.spec.j2").render(
        package=package,
        architecture=architecture,
        maintainer=maintainer(),
        homepage=load_layouts().homepage,
        relations=_relations(package),
        tree=tree,
        files=_files(tree, package),
        day=time.strftime("%a %b %d %Y", time.gmtime(package.epoch)),
    )
    spec = top / f"{package.name}.spec"
    spec.write_text(text, encoding="utf-8")
    argv = ["rpmbuild", "-bb", "--target", architecture, "--define", f"_topdir {top}"]
    argv += ["--define", f"_rpmdir {top}/out", "--buildroot", f"{top}/root"]
    for name, value in _MACROS.items():
        argv += ["--define", f"{name} {value}"]
    env = {"SOURCE_DATE_EPOCH": str(package.epoch)}
    tools.run([*argv, str(spec)], what=f"packing {package.file_name('rpm')}", env=env)
    out.mkdir(parents=True, exist_ok=True)
    made = out / package.file_name("rpm")
    shutil.move(top / "out" / made.name, made)
    (out / f"{made.name}.cdx.json").write_bytes(package.sbom)
    shutil.rmtree(top)
    return made


def _documents(package: Package) -> Iterable[Content]:
    yield Content(f"/usr/share/doc/{package.name}/{SBOM}", package.sbom)
    words = {"package": package, "maintainer": maintainer()}
    text = template("deb/copyright.j2").render(**words).encode()
    yield Content(f"/usr/share/licenses/{package.name}/LICENSE", text)


def _files(tree: Path, package: Package) -> list[str]:
    """Name every file, and the folders that are ours alone."""
    lines = []
    own = _own_folders(package)
    for path in sorted(tree.rglob("*")):
        name = f"/{path.relative_to(tree)}"
        if any(mark in name for mark in ' "%*?[{'):
            name = '"' + name.replace("%", "%%").replace("[", "[[]").replace("*", "[*]") + '"'
        if path.is_symlink():
            lines.append(f"%attr(-,root,root) {name}")
        elif path.is_dir():
            if str(path.relative_to(tree)) in own:
                lines.append(f"%dir %attr(0755,root,root) {name}")
        else:
            kind = "%doc " if name.startswith("/usr/share/doc/") else ""
            kind = "%license " if name.startswith("/usr/share/licenses/") else kind
            mode = "0755" if path.stat().st_mode & 0o100 or _LIBRARY.search(name) else "0644"
            lines.append(f"{kind}%attr({mode},root,root) {name}")
    return lines


def _own_folders(package: Package) -> set[str]:
    """Give the folders that go with the package: its documents', those below /opt, a wheel's.

    rpm lets several packages own a folder; it goes when the last of them goes.
    """
    own = {f"usr/share/doc/{package.name}", f"usr/share/licenses/{package.name}"}
    for content in package.contents:
        parts = content.path.strip("/").split("/")
        first = 2 if parts[0] == "opt" else len(parts)
        if "site-packages" in parts[:-1]:
            first = parts.index("site-packages") + 2
        own |= {"/".join(parts[:end]) for end in range(first, len(parts))}
    return own


def _relations(package: Package) -> list[tuple[str, str]]:
    rows = [("Requires", text) for text in package.depends_as_is]
    for field, relations in (
        ("Requires", package.depends),
        ("Provides", package.provides),
        ("Conflicts", package.conflicts),
    ):
        rows += [(field, text) for text in _texts(relations)]
    return rows


def _texts(relations: Iterable[Relation]) -> list[str]:
    return [one.text("rpm") for one in relations]
