"""The data model of conandata.yml: what it takes, what it refuses, in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.errors import DataError, UsageError
from rocm_patch.sources import RecipeData, SourceItem, load_recipe, parse_recipe, wheels_for
from rocm_patch.sources.model import components

HASH = "ab" * 32
COMMIT = "12" * 20
URL = {"kind": "url", "url": "https://example.org/a.tar.gz"}
GIT = {"kind": "git", "url": "https://example.org/o/a", "commit": COMMIT, "submodules": True}


def item(**changes: Any) -> dict[str, Any]:
    base = {"name": "a", "file": "a.tar.gz", "size": 3, "sha256": HASH, "providers": [URL]}
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def recipe(*items: dict[str, Any]) -> str:
    return yaml.safe_dump({"schema": 1, "sources": {"1.0": list(items)}})


def parse(*items: dict[str, Any]) -> RecipeData:
    return parse_recipe(recipe(*items), "test")


def test_an_item_with_one_variant_may_hold_its_fields() -> None:
    (only,) = parse(item(unpack={"strip": 1, "into": "third_party/a"})).items("1.0")
    (variant,) = only.variants
    assert variant.sha256 == HASH
    assert variant.unpack is not None
    assert (variant.unpack.strip, variant.unpack.into) == (1, "third_party/a")
    assert variant.key == f"sha256:{HASH}"


def test_a_git_variant_is_identified_by_its_commit() -> None:
    (only,) = parse(item(size=None, sha256=None, providers=[GIT])).items("1.0")
    assert only.variants[0].key == f"git:{COMMIT}+submodules"
    assert only.mirror_owner == "o"


def test_layouts_are_selected_by_name() -> None:
    first = {"layout": "stripped", "file": "a", "size": 1, "sha256": HASH, "providers": [URL]}
    second = {"layout": "upstream", "file": "b", "providers": [GIT]}
    (both,) = parse({"name": "a", "variants": [first, second]}).items("1.0")
    assert [v.file for v in both.select(None)] == ["a", "b"]
    assert [v.file for v in both.select("upstream")] == ["b"]
    with pytest.raises(DataError, match="no layout 'other'") as caught:
        both.select("other")
    assert "stripped, upstream" in caught.value.cause


def test_wheels_fit_one_python_or_all() -> None:
    items = parse(item(name="n", python="3.13"), item(name="n", python="3.11"), item(name="pure")).items(
        "1.0"
    )
    assert [i.name for i in wheels_for(items, None)] == ["n", "n", "pure"]
    assert [(i.name, i.python) for i in wheels_for(items, "3.11")] == [("n", "3.11"), ("pure", None)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (item(sha256=HASH.upper()), "sha256"),
        (item(sha256=None), "belong together"),
        (item(sha256=None, size=None, limit=9), "belong together"),
        (item(limit=9), "exclude each other"),
        (item(size=None, limit=0), "limit"),
        (item(sha256=None, size=None), "unless every provider is git"),
        (item(file="../a.tar.gz"), "file"),
        (item(file="a/b"), "file"),
        (item(file=".hidden"), "file"),
        (item(size=-1), "size"),
        (item(size="3"), "size"),
        (item(providers=[]), "providers"),
        (item(providers=[{"kind": "ftp", "url": "ftp://x/"}]), "kind"),
        (item(providers=[{"kind": "url", "url": "file:///etc/passwd"}]), "url"),
        (item(providers=[{"kind": "debian-pool", "path": "/pool/a"}]), "inside"),
        (item(providers=[{"kind": "debian-pool", "path": "pool/../../a"}]), "inside"),
        (item(providers=[{"kind": "debian-snapshot"}]), "sha1"),
        (item(providers=[{"kind": "debian-snapshot", "path": "pool/a"}]), "timestamp"),
        (item(providers=[{"kind": "git", "url": "ext::sh -c x", "commit": COMMIT}]), "url"),
        (item(providers=[{"kind": "git", "url": "https://x/a", "commit": "v1"}]), "commit"),
        (item(providers=[GIT, {**GIT, "commit": "34" * 20}]), "same commit"),
        (item(unpack={"strip": 1, "into": "../x"}), "inside"),
        (item(unpack={"strip": -1}), "strip"),
        (item(colour="red"), "colour"),
        (item(python="3"), "python"),
        ({"name": "a", "variants": []}, "variants"),
        ({"name": "a", "variants": [item(name=None), item(name=None)]}, "layout"),
    ],
)
def test_what_breaks_the_schema_is_refused(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match="breaks the schema") as caught:
        parse(bad)
    assert words in "\n".join(caught.value.detail)


def test_two_items_of_one_name_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        parse(item(), item())
    assert "names a twice" in caught.value.detail[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema: 1\nschema: 1\nsources: {}\n", "stands twice"),
        ("schema: [\n", "not YAML"),
        ("schema: 2\nsources: {}\n", "schema"),
        ("schema: 1\nsources: {2.6: []}\n", "sources"),
        ("[]", "file"),
        ("", "file"),
    ],
)
def test_what_is_no_recipe_is_refused(text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_recipe(text, "test")
    assert words in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "file", "variants", "providers", "kind", "size"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_data_is_taken_or_refused_with_an_explanation(data: Any) -> None:
    text = yaml.safe_dump({"schema": 1, "sources": {"1": [data]}})
    with pytest.raises(DataError) as caught:
        parse_recipe(text, "test")
    assert caught.value.detail


def test_an_unknown_version_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse(item()).items("9")
    assert "1.0" in caught.value.cause


def test_an_unknown_component_names_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("recipes/one", "recipes/two", "patches"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "recipes/one/conandata.yml").write_text(recipe(item()))
    monkeypatch.setenv("ROCM_PATCH_DATA", str(tmp_path))
    assert components() == ["one"]
    assert load_recipe("one").items("1.0")
    for wrong in ("two", "../one"):
        with pytest.raises(UsageError, match="no component") as caught:
            load_recipe(wrong)
        assert "one" in caught.value.cause


def test_the_recipe_of_pytorch_is_valid_and_complete() -> None:
    path = Path(__file__).parents[3] / "recipes/pytorch/conandata.yml"
    data = parse_recipe(path.read_text(encoding="utf-8"), "pytorch")
    torch = data.sources["2.6.0"][0]
    assert [v.layout for v in torch.variants] == ["debian-stripped", "upstream"]
    git = torch.variants[1].git
    assert git is not None
    assert git.submodules
    for python in ("3.11", "3.13"):
        names = {i.name for i in wheels_for(data.python["2.6.0"], python)}
        assert {"numpy", "pyyaml", "setuptools", "wheel", "typing-extensions", "sympy", "six"} <= names
        for wheel in wheels_for(data.python["2.6.0"], python):
            file = wheel.variants[0].file
            fits = file.endswith("-none-any.whl") or f"cp{python.replace('.', '')}-" in file
            assert fits, file


def test_a_mirror_owner_falls_back_to_the_kind() -> None:
    pool = {"kind": "debian-pool", "path": "pool/a"}
    made = SourceItem.model_validate(item(providers=[pool]))
    assert made.mirror_owner == "debian"
    assert SourceItem.model_validate(item(owner="me")).mirror_owner == "me"
    assert SourceItem.model_validate(item()).mirror_owner == "a"
