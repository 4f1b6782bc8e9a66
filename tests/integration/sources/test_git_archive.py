"""A git commit as an archive: real repositories with submodules, the same bytes, no way around the pin."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from rocm_patch.errors import DiskSpaceError, MissingToolError, SourceError
from rocm_patch.sources import ObjectStore, Settings, Silent, SourceItem, fetch_all, unpack
from rocm_patch.sources.model import UnpackRule

SETTINGS = Settings(retries=0)


def git(folder: Path, *args: str) -> str:
    environment = os.environ | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_DATE": "2025-01-29T12:00:00Z",
        "GIT_COMMITTER_DATE": "2025-01-29T12:00:00Z",
    }
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    command = ["git", *identity, "-C", str(folder), *args]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, str]:
    """A repository with a submodule in a submodule, a link, a program, and traps for checkouts."""
    base = tmp_path / "remote"
    commit(base / "inner", {"deep.txt": "deep"})
    commit(base / "outer", {"middle.txt": "middle"})
    git(base / "outer", "submodule", "add", "--quiet", "../inner", "third_party/inner")
    commit(base / "outer", {})
    files = {
        "a.txt": "line\r\n",
        "run.sh": "#!/bin/sh\n",
        ".gitattributes": "* text=auto\nskip export-ignore\n",
    }
    commit(base / "top", files | {"skip": "kept", "ä/ü.txt": "name"})
    (base / "top/run.sh").chmod(0o755)
    (base / "top/link").symlink_to("a.txt")
    git(base / "top", "submodule", "add", "--quiet", (base / "outer").as_uri(), "third_party/outer")
    return base, commit(base / "top", {})


def make(url: str, commit: str, **changes: object) -> SourceItem:
    provider = {"kind": "git", "url": url, "commit": commit, "submodules": True} | changes
    return SourceItem.model_validate({"name": "top", "file": "top.tar", "providers": [provider]})


def fetch(item: SourceItem, store: ObjectStore) -> Path:
    return fetch_all([item], cache=store, settings=SETTINGS, ui=Silent())["top"]


def test_a_commit_with_submodules_becomes_a_tree(
    project: tuple[Path, str], store: ObjectStore, tmp_path: Path
) -> None:
    base, head = project
    item = make((base / "top").as_uri(), head)
    path = fetch(item, store)
    tree = unpack(path, tmp_path / "tree", UnpackRule(strip=1))
    assert (tree / "third_party/outer/third_party/inner/deep.txt").read_text() == "deep"
    assert (tree / "third_party/outer/middle.txt").read_text() == "middle"
    assert (tree / "skip").read_text() == "kept"
    assert (tree / "ä/ü.txt").read_text() == "name"
    assert (tree / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tree / "a.txt").stat().st_mode & 0o777 == 0o644
    assert (tree / "link").readlink() == Path("a.txt")
    assert (tree / "a.txt").stat().st_mtime == 1738152000
    stored = git(base / "top", "show", "HEAD:a.txt")
    assert (tree / "a.txt").read_bytes().rstrip() == stored.encode()
    with tarfile.open(path) as archive:
        assert {n.split("/")[0] for n in archive.getnames()} == {f"top-{head[:12]}"}
    assert list((store.root / "git").iterdir()) == []


def test_the_archive_is_the_same_each_time_and_is_fetched_once(
    project: tuple[Path, str], store: ObjectStore, tmp_path: Path
) -> None:
    base, head = project
    url = (base / "top").as_uri()
    one = fetch(make(url, head), store)
    two = fetch(make(url, head), ObjectStore(tmp_path / "other"))
    assert one.name == two.name
    (base / "top").rename(base / "away")
    assert fetch(make(url, head), store) == one
    pinned = {"name": "top", "file": "t", "sha256": one.name, "size": one.stat().st_size}
    provider = {"kind": "git", "url": (base / "away").as_uri(), "commit": head, "submodules": True}
    item = SourceItem.model_validate(pinned | {"providers": [provider]})
    assert fetch(item, ObjectStore(tmp_path / "third")).name == one.name
    wrong = SourceItem.model_validate(pinned | {"sha256": "0" * 64, "providers": [provider]})
    with pytest.raises(SourceError, match="no provider") as caught:
        fetch(wrong, store)
    assert f"wrong content: sha256 {one.name}" in str(caught.value)


def test_without_submodules_their_folders_are_absent(
    project: tuple[Path, str], store: ObjectStore, tmp_path: Path
) -> None:
    base, head = project
    tree = unpack(fetch(make((base / "top").as_uri(), head, submodules=False), store), tmp_path / "tree")
    assert not list(tree.glob("*/third_party/outer/*"))


def test_the_next_provider_is_tried_and_a_moved_tag_is_refused(
    project: tuple[Path, str], store: ObjectStore
) -> None:
    base, head = project
    later = commit(base / "top", {"new": "x"})
    git(base / "top", "tag", "v1", later)
    lost = "12" * 20
    bad = make((base / "top").as_uri(), lost, ref="refs/tags/v1")
    with pytest.raises(SourceError) as caught:
        fetch(bad, store)
    assert f"refs/tags/v1 is commit {later}, pinned is {lost}" in str(caught.value)
    two = [
        {"kind": "git", "url": (base / "none").as_uri(), "commit": head, "submodules": True},
        {"kind": "git", "url": (base / "top").as_uri(), "commit": head, "submodules": True},
    ]
    item = SourceItem.model_validate({"name": "top", "file": "t", "providers": two})
    assert fetch(item, store).exists()


@pytest.mark.parametrize("url", ["ext::touch pwned", "/etc", "--upload-pack=touch pwned"])
def test_a_submodule_cannot_name_a_command_or_a_local_path(
    project: tuple[Path, str], store: ObjectStore, url: str
) -> None:
    base, _ = project
    text = f'[submodule "x"]\n\tpath = third_party/outer\n\turl = "{url}"\n'
    head = commit(base / "top", {".gitmodules": text})
    with pytest.raises(SourceError) as caught:
        fetch(make((base / "top").as_uri(), head), store)
    assert "not fetched" in str(caught.value)


def test_a_killed_run_keeps_the_repositories_it_has(
    project: tuple[Path, str], store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, head = project
    outer = base / "outer"
    outer.rename(base / "hidden")
    item = make((base / "top").as_uri(), head)
    with pytest.raises(SourceError):
        fetch(item, store)
    kept = {p.name for p in (store.root / "git").iterdir() if (p / "rocm-patch-complete").exists()}
    assert len(kept) == 1
    (base / "hidden").rename(outer)
    (base / "top").rename(base / "gone")  # the top is not asked again
    monkeypatch.setenv("GIT_DIR", "/nonsense")  # nor do the caller's variables matter
    assert fetch(item, store).exists()


def test_tools_are_asked_for(
    project: tuple[Path, str], store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    base, head = project
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="git is not installed") as caught:
        fetch(make((base / "top").as_uri(), head), store)
    assert "apt-get install git" in caught.value.step


def test_git_out_of_room_is_a_full_disk(
    project: tuple[Path, str], store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, head = project
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'fatal: write error: No space left on device' >&2\nexit 128\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DiskSpaceError) as caught:
        fetch(make((base / "top").as_uri(), head), store)
    assert "an unknown number of bytes, available: " in caught.value.cause
