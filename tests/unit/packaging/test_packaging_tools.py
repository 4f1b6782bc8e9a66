"""Programs that are absent or fail: named with the package that has them, or with what they said."""

from __future__ import annotations

import pytest

from rocm_patch.errors import MissingToolError, PackageError, RepositoryError
from rocm_patch.packaging import tools


def test_an_absent_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "which", lambda name: None if name in {"rpmbuild", "createrepo_c"} else name)
    with pytest.raises(MissingToolError, match="lacks rpmbuild, createrepo_c") as caught:
        tools.need("dpkg-deb", "rpmbuild", "createrepo_c")
    assert caught.value.step == "as root: apt-get install rpm createrepo-c"
    with pytest.raises(MissingToolError):
        tools.run(["rpmbuild"], what="packing")


def test_a_failure_carries_what_was_said() -> None:
    with pytest.raises(PackageError, match="packing failed") as caught:
        tools.run(["sh", "-c", "echo reason >&2; exit 3"], what="packing")
    assert caught.value.cause == "sh ended with exit code 3"
    assert caught.value.detail == ["reason"]
    with pytest.raises(RepositoryError):
        tools.run(["false"], what="signing", error=RepositoryError)
    assert tools.run(["sh", "-c", "cat; exit 64"], what="x", codes=(64,), data=b"in") == "in"
