"""What an environment holds, read from a made-up tree and from made-up programs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from rocm_patch.environment import survey_commands, survey_files
from rocm_patch.errors import SysrootError

LLVM = "opt/rocm-6.4.3/lib/llvm"
HEADER = "#define HIP_VERSION_MAJOR 6\n#define HIP_VERSION_MINOR 4\n#define HIP_VERSION_PATCH 43484\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a tree with AMD's layout in /opt/rocm-6.4.3 and a compiler and Python of the distribution."""
    texts = {
        "opt/rocm-6.4.3/include/hip/hip_version.h": HEADER,
        "opt/rocm-6.4.3/.info/version": "6.4.3-127\n",
        f"{LLVM}/lib/cmake/llvm/LLVMConfigVersion.cmake": 'set(PACKAGE_VERSION "19.0.0git")\n',
        f"{LLVM}/bin/clang": "",
        "usr/lib/gcc/x86_64-linux-gnu/13/cc1plus": "",
        "usr/lib/gcc/x86_64-linux-gnu/12/crtbegin.o": "",
        "usr/include/python3.13/patchlevel.h": '#define PY_VERSION      \t"3.13.5"\n',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_is_described(root: Path) -> None:
    found = survey_files(root, "/opt/rocm-6.4.3")
    assert found == {
        "rocm": "/opt/rocm-6.4.3",
        "rocm-version": "6.4.3-127",
        "hip": "6.4.43484",
        "compilers": {"clang": ["19.0.0git"], "gcc": ["13"]},
        "libraries": {},
        "python": ["3.13.5"],
    }


def test_a_librarys_soname_is_the_one_inside_it(root: Path) -> None:
    library = next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6"))
    lib = root / "opt/rocm-6.4.3/lib"
    shutil.copyfile(library, lib / "librocblas.so.4.4")
    (lib / "librocblas.so.4").symlink_to("librocblas.so.4.4")
    assert survey_files(root, "/opt/rocm-6.4.3")["libraries"] == {
        "rocblas": {"file": "librocblas.so.4.4", "soname": "libc.so.6"}
    }


def test_a_library_that_is_none_is_an_error(root: Path) -> None:
    (root / "opt/rocm-6.4.3/lib/librocblas.so.4.4").write_text("oops")
    with pytest.raises(SysrootError, match="no shared library"):
        survey_files(root, "/opt/rocm-6.4.3")


def test_a_folder_without_hip_is_an_error(root: Path) -> None:
    with pytest.raises(SysrootError, match="there is no HIP in"):
        survey_files(root, "/usr")


def test_programs_are_asked_where_there_are_no_files() -> None:
    answers = {
        "/opt/rocm/bin/hipconfig": "6.4.43484-123abc\n",
        "/llvm/clang": "AMD clang version 19.0.0git (https://x roc-6.4.3)\nTarget: x86_64\n",
        "g++": "13.3.0\n",
        "python3": "",
    }

    def run(argv: Sequence[str]) -> str:
        return answers[argv[0]]

    assert survey_commands(run, "/opt/rocm", "/llvm") == {
        "rocm": "/opt/rocm",
        "hip": "6.4.43484-123abc",
        "compilers": {"clang": ["19.0.0git"], "gcc": ["13.3.0"]},
        "python": [],
    }
    answers["/opt/rocm/bin/hipconfig"] = ""
    with pytest.raises(SysrootError, match="there is no HIP in /opt/rocm"):
        survey_commands(run, "/opt/rocm", "/llvm")
