"""`rocm-patch vgpu run` and programs that name the folder of their own libhsa-runtime64.so.1 (DT_RPATH)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
#: What the other library answers: no status of HSA.
FOREIGN = 4711
LIBRARY = f"int hsa_init(void) {{ return {FOREIGN}; }}\n"
#: Prints what hsa_init says, and where the one lies that it is linked to and the one that it opens by name.
PROGRAM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int hsa_init(void);
int main(void) {
    Dl_info linked, opened;
    void* const library = dlopen("libhsa-runtime64.so.1", RTLD_NOW);
    if (!library || !dladdr(dlsym(library, "hsa_init"), &opened)) return 1;
    if (!dladdr((void*)hsa_init, &linked)) return 1;
    printf("%d\\n%s\\n%s\\n", hsa_init(), linked.dli_fname, opened.dli_fname);
    return 0;
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program whose DT_RPATH leads to a library of ROCm's name and symbol version that is none of ours."""
    folder, made = tmp_path / "rocm", tmp_path / "program"
    folder.mkdir()
    (tmp_path / "library.c").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "program.c").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "exports.map").write_text("ROCR_1 { global: hsa_*; local: *; };\n", encoding="utf-8")
    other = folder / "libhsa-runtime64.so.1"
    named = ("-Wl,-soname,libhsa-runtime64.so.1", f"-Wl,--version-script={tmp_path / 'exports.map'}")
    path = ("-Wl,--disable-new-dtags", f"-Wl,-rpath,{folder}")
    for words in (
        ("-shared", "-fPIC", *named, str(tmp_path / "library.c"), "-o", str(other)),
        # -fPIC: the address of hsa_init is the library's, not that of a jump in the program.
        ("-fPIC", str(tmp_path / "program.c"), str(other), *path, "-ldl", "-o", str(made)),
    ):
        subprocess.run(["cc", *words], check=True)
    dynamic = subprocess.run(["readelf", "-d", str(made)], capture_output=True, text=True, check=True).stdout
    assert f"(RPATH)              Library rpath: [{folder}]" in dynamic
    return made


def test_the_other_library_is_what_the_program_gets_by_itself(program: Path) -> None:
    """Otherwise the next test would prove nothing."""
    other = str(program.parent / "rocm/libhsa-runtime64.so.1")
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(FOREIGN), other, other]


def test_the_virtual_card_comes_before_dt_rpath(program: Path, library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rocm_patch", "vgpu", "run", "--", str(program)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "ROCM_PATCH_VGPU_LIBRARY": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", str(library), str(library)]
