"""The two commands as a user calls them: words in, tables, files and a served repository out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from tests.integration.packaging import parts
from tests.integration.packaging.conftest import House

from rocm_patch.cli.package import package
from rocm_patch.errors import PackageError, UsageError
from rocm_patch.repo import Key

SOURCE = Path(__file__).parents[3] / "src"


def call(*words: str | Path) -> str:
    return CliRunner().invoke(package, [str(word) for word in words], catch_exceptions=False).output


def test_decide_says_why(house: House) -> None:
    words = ("--layout", "amd", "--component")
    assert call("decide", house.stocks["rocblas.deb"], *words, "rocblas").startswith(
        "additive: rocblas 4.4.0"
    )
    facts = json.loads(call("decide", house.stocks["miopen.rpm"], *words, "miopen", "--json"))
    assert facts["kind"] == "replacing"
    assert facts["library"] == ["gfx1030"]


def test_compare_shows_an_order() -> None:
    assert (
        call("compare", "deb", "1-1", "1-1+gfx1010.1", "1-2") == "1-1 < 1-1+gfx1010.1\n1-1+gfx1010.1 < 1-2\n"
    )
    assert call("compare", "rpm", "1-2", "1-1") == "1-2 > 1-1\n"
    with pytest.raises(UsageError, match="two versions"):
        call("compare", "deb", "1-1")


def everything(house: House, dist: Path) -> list[str | Path]:
    """Give the words that package all of a folder for AMD's layout, its rocBLAS's stand-in as stock."""
    stock = house.stocks["rocblas.deb"]
    return ["all", "--dist", dist, "--layout", "amd", "--no-lint", "--stock", stock]


def test_all_makes_a_table_and_says_what_is_left_out(house: House, tmp_path: Path) -> None:
    shutil.copytree(house.dist / "products/rocblas", tmp_path / "products/rocblas", symlinks=True)
    words = everything(house, tmp_path)
    out = call(*words)
    made = tmp_path / "packages/amd/deb/rocblas-gfx1010-kernels_4.4.0.60400-47~24.04+gfx1010.1_amd64.deb"
    assert made.is_file()
    assert made.read_bytes() == house.path("rocblas-gfx1010-kernels_").read_bytes()
    assert f"{made.name}" in out
    assert "left out: rocblas for amd as .rpm: no stock rocblas was named (--stock FILE.rpm)" in out
    with pytest.raises(UsageError, match="nothing to package"):
        call("all", "--dist", tmp_path / "packages")
    with pytest.raises(PackageError, match="nothing was packaged"):
        call("all", "--dist", tmp_path, "--layout", "amd", "--stock", house.stocks["miopen.deb"])


def test_an_archive_and_the_folder_that_it_was_opened_to_are_one_product(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "products/rocblas-1-gfx1010"
    shutil.copytree(house.dist / "products/rocblas", folder, symlinks=True)
    archive = tmp_path / "rocblas-1-gfx1010.tar.xz"
    pack: list[str | Path] = [
        "tar",
        "-cJf",
        archive,
        "--transform=s/^rocblas-1-gfx1010/product/",
        "-C",
        folder.parent,
        folder.name,
    ]
    subprocess.run(pack, check=True)
    words = everything(house, tmp_path)
    assert (
        call(*words).count(
            "packages/amd/deb/rocblas-gfx1010-kernels_4.4.0.60400-47~24.04+gfx1010.1_amd64.deb"
        )
        == 1
    )
    named = call(*words, "--only", folder.name)
    assert (
        named.count("packages/amd/deb/rocblas-gfx1010-kernels_4.4.0.60400-47~24.04+gfx1010.1_amd64.deb") == 1
    )


def test_a_remark_that_nobody_explained_fails(house: House) -> None:
    with pytest.raises(PackageError, match="nobody explained"):
        call("lint", house.stocks["miopen.rpm"])


def test_repo_is_served_until_it_is_ended(house: House, key: Key, tmp_path: Path) -> None:
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "rocm_patch",
        "repo",
        "--dist",
        house.dist,
        "--out",
        tmp_path / "repo",
    ]
    argv += ["--keyring", str(key.home), "--key", key.fingerprint, "--serve", "--port", "0"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path]), "PYTHONUNBUFFERED": "1"}
    # As a shell starts what it puts into the background: with SIGINT ignored.
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("serving "):
            break
    url = lines[-1].split()[1]
    try:
        assert httpx.get(f"{url}/apt/dists/amd/InRelease").text.startswith(
            "-----BEGIN PGP SIGNED MESSAGE-----"
        )
        assert "probe-1.0%2Brocm6.4.gfx1010" in httpx.get(f"{url}/pypi/simple/probe/").text
        assert httpx.get(f"{url}/.rocm-patch-repository").status_code == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    text = "".join(lines)
    assert f"signed by {key.fingerprint}" in text
    for program in ("apt-get update", "dnf makecache", "zypper addrepo", "pip install"):
        assert program in text
    assert f"pip install --extra-index-url {url}/pypi/simple/ 'probe==1.0+rocm6.4.gfx1010'" in text
    # The address that clients are given is the served one, and only this machine's.
    assert url.startswith("http://127.0.0.1:")
    assert f"URIs: {url}/apt\n" in (tmp_path / "repo/rocm-patch-amd.sources").read_text()
    assert parts.run(["gpg", "--homedir", str(key.home), "--verify",
                      tmp_path / "repo/rpm/amd/repodata/repomd.xml.asc",
                      tmp_path / "repo/rpm/amd/repodata/repomd.xml"]) == ""  # fmt: skip
