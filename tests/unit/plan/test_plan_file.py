"""Plan files: what is read, whose file root trusts, signatures by real gpg and gpgv, and binding to facts."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocm_patch.errors import FactsDifferError, PlanError, PlanTrustError
from rocm_patch.paths import data_root
from rocm_patch.plan import schema
from rocm_patch.plan.file import KEYRING, check_facts, parse_plan, plan_text, read_plan, sign, write_plan
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.model import Plan
from rocm_patch.plan.rules import Rule

FACTS = {"gpu.amd": True, "kfd.usable": False}
RULES = {
    "one": Rule.model_validate(
        {
            "id": "one",
            "rank": 1,
            "title": "t",
            "why": "w",
            "applies": "gpu.amd",
            "right": "kfd.usable",
            "ways": [
                {"actions": [{"kind": "write-file", "path": "/etc/environment.d/x.conf", "content": "x"}]}
            ],
        }
    )
}


@pytest.fixture
def plan() -> Plan:
    return make_plan(FACTS, RULES)


@pytest.fixture
def place(tmp_path: Path, plan: Plan) -> Path:
    write_plan(plan, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_what_is_written_is_read(place: Path, plan: Plan, tmp_path: Path) -> None:
    assert read_plan(place, root=tmp_path) == plan
    assert place.stat().st_mode & 0o777 == 0o644


def test_published_schema_is_current() -> None:

    assert (data_root() / "schemas/plan.schema.json").read_text() == schema.text(), (
        "python -m rocm_patch.plan.schema"
    )


def test_digest_is_of_what_is_asked_for(plan: Plan) -> None:
    later = plan.model_copy(update={"made_at": "another day", "made_by": "another"})
    assert later.digest() == plan.digest()
    assert make_plan({**FACTS, "kfd.usable": True}, RULES).digest() != plan.digest()


def test_facts_bind(plan: Plan) -> None:
    check_facts(plan, {**FACTS, "os.id": "another"})
    with pytest.raises(FactsDifferError) as error:
        check_facts(plan, {"gpu.amd": False, "kfd.usable": False})
    assert "gpu.amd" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [{"kind": "write-file", "path": "/etc/shadow", "content": ""}],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [
                        {"kind": "write-file", "path": "/etc/profile.d/x", "content": "", "mode": "0666"}
                    ],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [{"kind": "packages", "install": ["--root=/x"]}],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [{"kind": "packages", "remove": ["a;b"]}],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [{"kind": "join-group", "groups": ["sudo"]}],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "needed",
                    "actions": [
                        {"kind": "divert", "path": "/usr/bin/sudo", "source": "/x", "sha256": "0" * 64}
                    ],
                }
            ]
        },
        {
            "items": [
                {
                    "rule": "one",
                    "title": "t",
                    "why": "w",
                    "state": "right",
                    "actions": [{"kind": "packages", "install": ["a"]}],
                }
            ]
        },
        {"facts": {"gpu.amd": False}},
        {"surplus": 1},
        {"schema_version": 2},
    ],
)
def test_what_a_plan_may_not_ask(plan: Plan, change: dict[str, Any]) -> None:
    data = json.loads(plan_text(plan)) | change
    with pytest.raises(PlanError) as error:
        parse_plan(json.dumps(data).encode())
    assert error.value.exit_code == 100


@settings(deadline=None)  # a busy machine may stop for longer than any deadline
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    ).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(PlanError):
        parse_plan(data)


@given(st.data())
def test_a_damaged_plan_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray(plan_text(make_plan(FACTS, RULES)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PlanError):
        parse_plan(bytes(text))


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(place)
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(link, root=tmp_path)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PlanError, match="no regular file"):
        read_plan(tmp_path / "pipe", root=tmp_path)


def test_others_could_have_written_it(place: Path, tmp_path: Path) -> None:
    place.chmod(0o646)
    with pytest.raises(PlanTrustError) as error:
        read_plan(place, root=tmp_path, trusted=False)
    assert error.value.exit_code == 101
    read_plan(place, root=tmp_path, trusted=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another; CI runs as root")
def test_another_users_file_is_refused_as_root(place: Path, tmp_path: Path) -> None:
    os.chown(place, 1234, 1234)
    with pytest.raises(PlanTrustError, match="not trusted"):
        read_plan(place, root=tmp_path)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a key in a keyring of the test's own, and let the root trust it."""

    with tempfile.TemporaryDirectory(prefix="rp-gpg-") as home:
        monkeypatch.setenv("GNUPGHOME", home)
        name = "plans@example.org"
        subprocess.run(
            ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign"],
            check=True,
            capture_output=True,
        )
        ring = tmp_path / KEYRING
        ring.parent.mkdir(parents=True)
        ring.write_bytes(subprocess.run(["gpg", "--export", name], check=True, capture_output=True).stdout)
        ring.chmod(0o644)
        yield name
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, capture_output=True)


def test_a_good_signature_makes_a_strangers_file_good(
    place: Path, tmp_path: Path, key: str, plan: Plan
) -> None:
    sign(place, key)
    place.chmod(0o646)
    assert read_plan(place, root=tmp_path, trusted=False) == plan
    place.write_text(place.read_text().replace('"w"', '"v"'))
    with pytest.raises(PlanTrustError, match="not good"):
        read_plan(place, root=tmp_path, trusted=False)
    # Even the owner's own file: a signature that is there must be good.
    with pytest.raises(PlanTrustError, match="not good"):
        read_plan(place, root=tmp_path, trusted=True)


def test_a_key_that_the_machine_does_not_know(place: Path, tmp_path: Path, key: str) -> None:
    sign(place, key)
    (tmp_path / KEYRING).write_bytes(b"")
    with pytest.raises(PlanTrustError, match="not good"):
        read_plan(place, root=tmp_path)
    (tmp_path / KEYRING).chmod(0o666)
    with pytest.raises(PlanTrustError, match="not trusted"):
        read_plan(place, root=tmp_path)
    (tmp_path / KEYRING).unlink()
    with pytest.raises(PlanTrustError, match="cannot be checked"):
        read_plan(place, root=tmp_path)
