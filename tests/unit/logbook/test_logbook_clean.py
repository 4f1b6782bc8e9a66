"""What may stand in a log: no secret, no home, nothing that forges a line; bounded whatever comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocm_patch.logbook.clean import HEAD, TAIL, Capture, Cleaner, captured, escaped, one_line

#: A busy machine is slow at drawing examples, and that is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SECRETS = [
    "HF_TOKEN=hf_abcdefghijklmnopqrst",
    "password: tr0ub4dor",
    "https://ada:hunter22@mirror.example/x",
    "Authorization: Bearer abcdefgh12345678",
    "authorization: Basic YWRhOmh1bnRlcjI=",
    "ghp_0123456789abcdefghijklmnop",
    "fetch --api-key 12345678 now",
]
WORDS = ["hf_abc", "tr0ub4dor", "hunter22", "abcdefgh12345678", "YWRhOmh1bnRlcjI=", "ghp_012", "12345678"]


@pytest.mark.parametrize(("text", "secret"), list(zip(SECRETS, WORDS, strict=True)))
def test_secrets_go(text: str, secret: str) -> None:
    cleaned = Cleaner("/home/ada").text(text)
    assert secret not in cleaned
    assert "<" in cleaned


def test_home_paths_go_and_others_stay() -> None:
    cleaner = Cleaner("/srv/people/ada")
    assert (
        cleaner.text("cp /srv/people/ada/x /srv/people/adam/y /opt/rocm")
        == "cp ~/x /srv/people/adam/y /opt/rocm"
    )
    assert cleaner.text("HOME=/srv/people/ada") == "HOME=~"
    assert Cleaner("/").text("/usr/bin/true /") == "/usr/bin/true /"


def test_the_word_after_a_secret_option_goes() -> None:
    words = Cleaner("/h").words(["tool", "--password", "a b", "--token", "--token", "x", "y"])
    assert words == ["tool", "--password", "<secret>", "--token", "<secret>", "x", "y"]


def test_a_private_key_goes_also_where_its_middle_is_cut() -> None:
    body = ["MIIEpAIBAAKCAQEA" + "x" * 60] * 4000
    capture = Capture()
    for line in [
        "before",
        "-----BEGIN RSA PRIVATE KEY-----",
        *body,
        "-----END RSA PRIVATE KEY-----",
        "after",
    ]:
        capture.line(line)
    assert capture.text() == "before\n<private-key>\nafter"


def test_a_long_output_keeps_both_ends() -> None:
    text = captured("".join(f"line {number}\n" for number in range(50_000)))
    assert len(text) < HEAD + TAIL + 1000
    assert text.startswith("line 0\n")
    assert text.endswith("line 49999")
    assert "lines left out" in text


def test_gigabytes_are_cut_before_they_are_read() -> None:
    text = captured(b"begin\n" + b"x" * (8 << 20) + b"\nend\n")
    assert "end" in text
    assert len(text) < HEAD + TAIL + 20_000


@PATIENT
@given(st.text())
def test_nothing_forges_a_line_or_steers_a_terminal(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert all(char == "\t" or char.isprintable() or not char.isascii() for char in line)
    assert "\x1b" not in escaped(text)


@PATIENT
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_value_can_be_logged(value: object) -> None:
    json.dumps(Cleaner("/home/ada").value(value))
