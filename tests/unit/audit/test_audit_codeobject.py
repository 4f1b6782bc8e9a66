"""Code objects made from bytes: what is read, and each rule broken by an object that breaks just it."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit import make
from tests.unit.audit.make import K

from rocm_patch.audit import codeobject
from rocm_patch.audit.members import Member
from rocm_patch.audit.model import FileReport
from rocm_patch.audit.scan import Options, scan
from rocm_patch.errors import AuditError


def _report(data: bytes, path: str = "x.hsaco", **options: object) -> FileReport:
    report = FileReport(path=path, size=len(data), kind="elf")
    scan(Member(path, memoryview(data), "elf"), Options(**options), report)  # type: ignore[arg-type]
    return report


def test_kernel_is_read_whole() -> None:
    k = K("mul", vgprs=40, lds=4096, scratch=16, kernarg=32, workgroup=128)
    report = _report(make.code_object(k))
    (code,) = report.bare
    (kernel,) = code.kernels
    assert (code.version, str(code.target), code.metadata_version) == (6, "gfx1010", (1, 2))
    assert (kernel.name, kernel.wave, kernel.vgprs, kernel.sgprs) == ("mul", 32, 40, 20)
    assert (kernel.lds, kernel.scratch, kernel.kernarg, kernel.max_workgroup) == (4096, 16, 32, 128)
    assert kernel.code_size == 8
    assert kernel.occupancy is not None
    assert report.findings == {}
    assert report.totals["gfx1010"].kernels == 1


@pytest.mark.parametrize(("abi", "version"), [(1, 3), (2, 4), (3, 5), (4, 6)])
def test_versions(abi: int, version: int) -> None:
    features = 0 if version == 3 else 0x100
    target = "" if version == 3 else "amdgcn-amd-amdhsa--gfx1010"
    report = _report(make.code_object(K(), abi=abi, features=features, target=target))
    assert report.bare[0].version == version
    assert report.findings == {}


def test_code_is_handed_to_rules() -> None:
    seen: list[bytes] = []

    class Planted:
        name = "planted"
        source = "this test"
        severity = "error"

        def check(self, subject: codeobject.KernelFacts, _facts: codeobject.Facts) -> list[str]:
            seen.append(bytes(subject.code))
            return ["found"]

    report = _report(make.code_object(K("one")), kernel_rules=[Planted()])
    assert seen == [bytes.fromhex("000081bf00009fbf")]
    assert report.findings["planted"].examples == ["x.hsaco: one: found"]
    assert report.bare[0].kernels[0].findings == ["planted"]


BAD: dict[str, Callable[[], bytes]] = {
    "code-object-version": lambda: make.code_object(K(), abi=0, features=0, target=""),
    "os-abi": lambda: make.code_object(K(), osabi=0),
    "processor": lambda: make.code_object(K(), mach=0xFE, features=0, target=""),
    "target-feature": lambda: make.code_object(
        K(), features=0x300, target="amdgcn-amd-amdhsa--gfx1010:xnack+"
    ),
    "no-metadata": lambda: make.code_object(K(), with_note=False),
    "metadata-target": lambda: make.code_object(K(), target="amdgcn-amd-amdhsa--gfx1030"),
    "relocation": lambda: make.code_object(K(), relocations=[13, 10]),
    "kernel-without-descriptor": lambda: make.code_object(K(has_descriptor=False)),
    "metadata-without-symbol": lambda: make.code_object(K(has_descriptor=False, has_function=False)),
    "descriptor-without-metadata": lambda: make.code_object(K("a"), K("b", has_metadata=False)),
    "descriptor-reserved": lambda: make.code_object(K(reserved=7)),
    "kernel-entry": lambda: make.code_object(K(entry=0x10)),
    "descriptor-metadata": lambda: make.code_object(K(metadata={".group_segment_fixed_size": 12})),
    "descriptor-vgprs": lambda: make.code_object(K(vgprs=24, metadata={".vgpr_count": 25})),
    "lds-limit": lambda: make.code_object(K(lds=65537)),
    "vgpr-limit": lambda: make.code_object(K(vgprs=264, workgroup=32)),
    "scratch-limit": lambda: make.code_object(K(scratch=262116)),
    "workgroup-limit": lambda: make.code_object(K(workgroup=2048)),
    "wave64": lambda: make.code_object(K(wave=64)),
    "vgpr-spill": lambda: make.code_object(K(metadata={".vgpr_spill_count": 3})),
}


@pytest.mark.parametrize("rule", BAD)
def test_planted_breach_is_found(rule: str) -> None:
    assert set(_report(BAD[rule]()).findings) == {rule}


def test_every_builtin_rule_has_a_planted_breach() -> None:
    options = Options()
    assert {r.name for r in options.kernel_rules} | {r.name for r in options.object_rules} == set(BAD)


@pytest.mark.parametrize(
    "good",
    [
        K(lds=65536),
        K(vgprs=256, workgroup=512),
        K(scratch=262112),
        K(workgroup=1024),
        K(kernarg=0, metadata={".kernarg_segment_size": 8}),
    ],
)
def test_limits_themselves_are_allowed(good: K) -> None:
    assert _report(make.code_object(good)).findings == {}


def test_workgroup_that_its_registers_do_not_let_fit() -> None:
    report = _report(make.code_object(K(vgprs=256, workgroup=1024)))
    assert "does not fit the card (vgpr)" in report.findings["workgroup-limit"].examples[0]


def test_other_target_follows_its_own_data() -> None:
    data = make.code_object(
        K(wave=64, vgprs=300, granule=8), mach=0x3F, features=0, target="amdgcn-amd-amdhsa--gfx90a"
    )
    report = _report(data)
    assert report.findings == {}
    assert report.bare[0].kernels[0].occupancy is None


def test_feature_that_the_processor_has_not() -> None:
    data = make.code_object(K(), mach=0x36, features=0x300, target="amdgcn-amd-amdhsa--gfx1030:xnack+")
    assert "a feature that gfx1030 has not" in _report(data).findings["target-feature"].examples[0]


def test_findings_are_counted_and_bounded() -> None:
    finding = _report(make.code_object(*(K(f"k{i}", wave=64) for i in range(50)))).findings["wave64"]
    assert (finding.count, len(finding.examples)) == (50, 8)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (b"\xc1", "no msgpack"),
        (msgpack.packb([1]), "no map"),
        (msgpack.packb({"amdhsa.kernels": 3}), "no map"),
        (msgpack.packb({"amdhsa.kernels": [3]}), "no map"),
        (b"\x91" * 5000, "no msgpack"),
        (msgpack.packb({}) + b"x", "no msgpack"),
    ],
)
def test_damaged_metadata(metadata: bytes, reason: str) -> None:
    with pytest.raises(AuditError) as caught:
        _report(make.code_object(K(), metadata=metadata))
    assert reason in caught.value.cause
    assert "offset" in caught.value.what


def test_metadata_of_strange_types_is_reported_not_raised() -> None:
    row = {".name": "kernel", ".symbol": "kernel.kd", ".vgpr_count": "many", ".wavefront_size": None}
    data = make.code_object(K(), metadata=msgpack.packb({"amdhsa.kernels": [row], "amdhsa.target": 5}))
    assert {"descriptor-metadata", "metadata-target"} <= set(_report(data).findings)


def test_host_machine_is_no_code_object() -> None:
    with pytest.raises(AuditError, match="malformed") as caught:
        codeobject.read_header(memoryview(make.elf([], machine=62)), "x")
    assert "machine 62" in caught.value.cause


GOOD = make.code_object(K("first", lds=64), K("second", wave=64), relocations=[13])


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_damaged_objects_never_escape(data: st.DataObject) -> None:
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    if len(cut) < 6:
        return
    error = make.refusal(lambda: _report(cut))
    assert error is None or ("x.hsaco" in error.what and error.cause)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_damaged_headers_and_tables_never_escape(data: st.DataObject) -> None:
    raw = bytearray(GOOD)
    table = int.from_bytes(raw[40:48], "little")
    places = st.one_of(st.integers(0, 63), st.integers(table, len(raw) - 1))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(places)] = data.draw(st.sampled_from([0, 1, 2, 3, 7, 11, 0x40, 0x7F, 0x80, 0xFF]))
    error = make.refusal(lambda: _report(bytes(raw)))
    assert error is None or error.cause
