"""Shared by the tests of diagnose: texts on disk, and the diagnosis of a string."""

from __future__ import annotations

import io
from pathlib import Path

from rocm_patch.diagnose.catalogue import Catalogue, load_catalogue
from rocm_patch.diagnose.judge import Diagnosis, Finding, diagnose_stream
from rocm_patch.diagnose.machine import Machine

HERE = Path(__file__).parent
KNOWN = HERE / "texts" / "known"
OTHER = HERE / "texts" / "other"
BLIND = HERE / "texts" / "blind"


def diagnose(text: str | bytes, machine: Machine | None = None) -> Diagnosis:
    """Diagnose a text with the real catalogue."""
    raw = text.encode() if isinstance(text, str) else text
    return diagnose_stream(io.BytesIO(raw), load_catalogue(), machine)


def ids(text: str | bytes, machine: Machine | None = None) -> list[str]:
    """Give the ids found, best first."""
    return [finding.problem.id for finding in diagnose(text, machine).findings]


def diagnose_fixture(name: str, catalogue: Catalogue) -> list[Finding]:
    """Diagnose the report that an entry was written from."""
    with (HERE / "fixtures" / f"{name}.txt").open("rb") as stream:
        return diagnose_stream(stream, catalogue).findings
