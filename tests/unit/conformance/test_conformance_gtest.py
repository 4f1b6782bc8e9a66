"""Reading what GoogleTest prints and writes."""

from __future__ import annotations

import json

import pytest

from rocm_patch.conformance import gtest

LISTING = """\
Query device success: there are 1 devices
Device ID 0 : AMD Radeon RX 5600 XT (virtual)
with 6 GB memory, max. SCLK 1780 MHz, compute capability 10.1
Reduce/0.  # TypeParam = float
  Sum
  DISABLED_Min
DISABLED_Old.
  Test
quick/gemm.
  blas3/f32_r_10_NN  # GetParam() = { a: 1 }
  blas3/f16-r
"""


def test_the_list_has_whole_names_without_disabled_tests() -> None:
    assert gtest.read_list(LISTING) == [
        "Reduce/0.Sum",
        "quick/gemm.blas3/f32_r_10_NN",
        "quick/gemm.blas3/f16-r",
    ]


def test_progress_is_found_behind_what_tests_print() -> None:
    assert gtest.read_line("[ RUN      ] A.b/0") == gtest.Begin("A.b/0")
    assert gtest.read_line("iteration 3[       OK ] A.b/0 (1500 ms)") == gtest.End("A.b/0", "passed", 1.5)
    failed = "[  FAILED  ] A.b/0, where GetParam() = (1, 2) (7 ms)"
    assert gtest.read_line(failed) == gtest.End("A.b/0", "failed", 0.007)
    # The summary names failures again, without a time.
    assert gtest.read_line("[  FAILED  ] A.b/0") is None
    assert gtest.read_line("[==========] 3 tests ran. (2 ms total)") is None


def test_json_tells_outcomes_and_texts() -> None:
    text = json.dumps(
        {
            "testsuites": [
                {
                    "name": "A",
                    "testsuite": [
                        {"name": "good", "status": "RUN", "result": "COMPLETED", "time": "0.5s"},
                        {"name": "skip", "status": "RUN", "result": "SKIPPED", "time": "0s"},
                        {"name": "bad", "status": "RUN", "time": "1s", "failures": [{"failure": "x"}]},
                        {"name": "off", "status": "NOTRUN", "time": "0s"},
                    ],
                }
            ]
        }
    )
    assert gtest.read_json(text) == {
        "A.good": ("passed", 0.5, ""),
        "A.skip": ("skipped", 0.0, ""),
        "A.bad": ("failed", 1.0, "x"),
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"testsuites": 3}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        gtest.read_json(text)


def test_filters_work_as_in_googletest() -> None:
    assert gtest.takes("*", "A.b")
    assert gtest.takes("A.*:B.*", "B.x")
    assert gtest.takes("A.?", "A.b")
    assert not gtest.takes("A.*-*.b:*.c", "A.c")
    assert gtest.takes("-*.b", "A.c")
    assert not gtest.takes("A.b", "A.bc")


def test_a_sample_is_spread_over_the_whole_list() -> None:
    names = [f"A.t{index}" for index in range(100)]
    chosen = gtest.sample(names, "*", 5)
    assert chosen == ["A.t0", "A.t20", "A.t40", "A.t60", "A.t80"]
    assert gtest.sample(names, "*", None) == names
    assert gtest.sample(names, "*7", 50) == [name for name in names if name.endswith("7")]


def test_batches_fit_and_lose_nothing() -> None:
    names = [f"Group.test-{index}" for index in range(50)]
    found = list(gtest.batches(names, limit=200))
    assert [name for part, _ in found for name in part] == names
    for part, pattern in found:
        assert len(pattern) <= 200
        assert all(gtest.takes(pattern, name) for name in part)
    assert list(gtest.batches([])) == []
