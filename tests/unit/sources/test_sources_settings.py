"""Settings of a site, and the addresses that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rocm_patch.errors import DataError
from rocm_patch.sources import Settings, SourceItem, load_settings
from rocm_patch.sources.providers import candidates

HASH = "ab" * 32


def make(*providers: dict[str, Any], **changes: Any) -> SourceItem:
    data = {"name": "torch", "file": "t_1+x.tar.xz", "size": 1, "sha256": HASH, "providers": list(providers)}
    return SourceItem.model_validate({k: v for k, v in {**data, **changes}.items() if v is not None})


def addresses(item: SourceItem, settings: Settings) -> list[str]:
    return [c.url for c in candidates(item, item.variants[0], settings)]


def test_variables_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("sources:\n  mirrors: ['file:///a/{file}']\n  mirror_order: last\n  jobs: 3\n")
    environ = {"ROCM_PATCH_CONFIG": str(file)}
    read = load_settings(environ)
    assert (read.mirrors, read.mirror_order, read.jobs, read.offline) == (
        ("file:///a/{file}",),
        "last",
        3,
        False,
    )
    environ |= {"ROCM_PATCH_MIRROR": "https://m/{sha256} file:///b/{name}", "ROCM_PATCH_OFFLINE": "1"}
    read = load_settings(environ)
    assert read.mirrors == ("https://m/{sha256}", "file:///b/{name}")
    assert read.offline
    assert read.jobs == 3


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ROCM_PATCH_MIRROR", "/srv/mirror/{file}", "must begin with"),
        ("ROCM_PATCH_MIRROR", "https://m/{fil}", "unknown fields"),
        ("ROCM_PATCH_MIRROR_ORDER", "middle", "mirror_order"),
        ("ROCM_PATCH_OFFLINE", "perhaps", "offline"),
        ("ROCM_PATCH_FETCH_JOBS", "0", "jobs"),
    ],
)
def test_wrong_settings_are_explained(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_settings({"ROCM_PATCH_CONFIG": str(tmp_path / "none"), name: value})
    assert words in str(caught.value)
    assert name in caught.value.cause


@pytest.mark.parametrize("text", ["sources: 3\n", "- a\n", "a: [\n", "sources: {speed: 1}\n"])
def test_a_wrong_file_is_explained(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        load_settings({"ROCM_PATCH_CONFIG": str(file)})
    assert str(file) in str(caught.value)


def test_each_kind_spells_its_addresses() -> None:
    item = make(
        {"kind": "url", "url": "https://example.org/t"},
        {"kind": "debian-pool", "path": "pool/t_1+x~2.tar.xz"},
        {"kind": "debian-snapshot", "sha1": "cd" * 20, "timestamp": "20250101T000000Z", "path": "pool/t"},
        {"kind": "pypi", "project": "torch", "path": "packages/t.whl"},
    )
    assert addresses(
        item, Settings(debian="http://d/debian/", snapshot="http://s", pypi="http://p/simple")
    ) == [
        "https://example.org/t",
        "http://d/debian/pool/t_1+x~2.tar.xz",
        "http://s/archive/debian/20250101T000000Z/pool/t",
        f"http://s/file/{'cd' * 20}",
        "https://files.pythonhosted.org/packages/t.whl",
        "http://p/simple/torch/",
    ]


@pytest.mark.parametrize(("order", "place"), [("first", 0), ("last", 1)])
def test_mirrors_come_first_or_last(order: Any, place: int) -> None:
    item = make({"kind": "url", "url": "https://example.org/t"}, owner="facebook")
    settings = Settings(mirrors=("file:///m/{owner}/{name}/{file}?{sha256}",), mirror_order=order)
    assert addresses(item, settings)[place] == f"file:///m/facebook/torch/t_1+x.tar.xz?{HASH}"


def test_a_mirror_is_not_asked_for_what_no_hash_proves() -> None:
    git = {"kind": "git", "url": "https://g/o/t", "commit": "12" * 20}
    item = make(git, size=None, sha256=None)
    assert addresses(item, Settings(mirrors=("file:///m/{file}",))) == ["https://g/o/t"]
