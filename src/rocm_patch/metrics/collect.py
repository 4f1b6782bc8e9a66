"""Collects the numbers: what detect and doctor see, the kernel's GPU errors, what was applied, last runs.

Knows where each is to be had; nothing of files or formats of metrics.
"""

from __future__ import annotations

import io
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from rocm_patch import __version__
from rocm_patch.detect.model import Report
from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.matcher import Hit, Matcher
from rocm_patch.diagnose.schema import Pattern
from rocm_patch.diagnose.text import read_lines
from rocm_patch.doctor.gather import Gathered
from rocm_patch.doctor.observe import OBSERVATIONS, observe
from rocm_patch.logbook.book import JSON_NAME
from rocm_patch.machine_state import MachineState
from rocm_patch.metrics.textfile import Metric

#: Problems whose signs in the kernel's log are errors of a GPU at work.
GPU_ERRORS = ("gpu-hang-reset", "gpu-memory-access-fault")
#: Bytes looked at from the end of a log.
_LOG_END = 2 << 20


def collect(gathered: Gathered, catalogue: Catalogue, log: Path, state: MachineState) -> list[Metric]:
    """Give every family."""
    return [
        *_machine(gathered.report),
        *_kernel(gathered, catalogue),
        *_applied(state),
        *_runs(log),
        Metric("rocm_patch_collected_timestamp_seconds", "When these values were read.").set(
            round(time.time())
        ),
    ]


def _machine(report: Report) -> list[Metric]:
    gpus = Metric("rocm_patch_gpu_info", "A GPU; its value is 1.")
    memory = Metric("rocm_patch_gpu_vram_bytes", "Memory of a GPU.")
    for number, gpu in enumerate(report.gpus):
        address = gpu.pci_address or f"node{gpu.kfd_node or number}"
        labels = {"gfx": gpu.gfx or "", "name": gpu.name or "", "kind": gpu.kind, "driver": gpu.driver or ""}
        gpus.set(1, {"pci": address, **labels})
        memory.set(gpu.vram_bytes, {"pci": address})
    kfd = next((one for one in report.access.devices if one.path == "/dev/kfd"), None)
    usable = Metric("rocm_patch_kfd_usable", "Whether the user that collects may open /dev/kfd.")
    faults = Metric(
        "rocm_patch_fault", "Whether doctor observes this state (problems/common/observations.yml)."
    )
    seen = observe(report)
    for name in OBSERVATIONS:
        faults.set(name in seen, {"name": name})
    version = Metric("rocm_patch_info", "The rocm-patch that collected; its value is 1.")
    loaded = Metric("rocm_patch_driver_loaded", "Whether the module amdgpu is loaded.")
    return [
        version.set(1, {"version": __version__}), gpus, memory, loaded.set(report.driver.loaded),
        usable.set(None if kfd is None or not kfd.exists else kfd.usable), faults,
    ]  # fmt: skip


def _kernel(gathered: Gathered, catalogue: Catalogue) -> list[Metric]:
    """Count the lines of the kernel's log that begin a sign of a GPU error, each once."""
    logs = [one.text for one in gathered.texts if one.name.startswith("kernel log")]
    readable = Metric("rocm_patch_kernel_log_readable", "Whether the kernel's log could be read.")
    errors = Metric(
        "rocm_patch_gpu_errors_total", "Signs of GPU errors in the kernel's log since this boot.", "counter"
    )
    if logs:
        for name in GPU_ERRORS:
            # The first group of each signature: what follows it belongs to the same event.
            firsts = [sign.groups()[0] for sign in catalogue.problems[name].signatures if not sign.fact]
            errors.set(_count([one for group in firsts for one in group], logs), {"problem": name})
    return [readable.set(bool(logs)), errors]


def _count(patterns: list[Pattern], logs: list[str]) -> int:
    lines: set[tuple[int, int]] = set()
    for number, log in enumerate(logs):

        def found(hit: Hit, number: int = number) -> None:
            lines.add((number, hit.line))

        stream = io.BytesIO(log.encode("utf-8", "replace"))
        Matcher(patterns).run(read_lines(stream), found, set(range(len(patterns))))
    return len(lines)


def _applied(state: MachineState) -> list[Metric]:
    """Give what apply and verify did; nothing but whether it is known where it is not."""
    known = Metric("rocm_patch_state_known", "Whether it is known what rocm-patch did here.")
    known.set(not state.unknown)
    if state.unknown:
        return [known]
    applied = Metric("rocm_patch_applied_rules", "Rules that are applied now.")
    last = Metric("rocm_patch_applied_timestamp_seconds", "When something was last applied.")
    durations = Metric(
        "rocm_patch_transaction_seconds_total", "Time that all ended transactions took.", "counter"
    )
    count = Metric("rocm_patch_transactions_total", "Transactions that ended, well or not.", "counter")
    failures = Metric("rocm_patch_failures_total", "Transactions that failed and were put back.", "counter")
    unfinished = Metric("rocm_patch_unfinished_transactions", "Transactions that were cut off and wait.")
    notices = Metric("rocm_patch_open_notices", "What updates did that the owner has not settled.")
    pending = Metric("rocm_patch_pending", "Whether something waits to be applied again.")
    verified = Metric("rocm_patch_verified", "Whether the last verification found all as it was applied.")
    when = Metric("rocm_patch_verified_timestamp_seconds", "When that verification was.")
    drift = Metric("rocm_patch_verification_findings", "What the last verification found changed.")
    return [
        known,
        applied.set(len({rule for one in state.applied for rule in one.rules})),
        last.set(max((one.time for one in state.applied), default=None)),
        count.set(len(state.durations)),
        durations.set(sum(state.durations)),
        failures.set(state.failures),
        unfinished.set(len(state.unfinished)),
        notices.set(len(state.notices)),
        pending.set(state.pending),
        verified.set(state.verified),
        when.set(state.verified_at),
        drift.set(len(state.findings) if state.verified is not None else None),
    ]


def _runs(folder: Path) -> list[Metric]:
    """Give the last run of each subcommand, as the log tells."""
    ended = Metric("rocm_patch_run_timestamp_seconds", "End of the last run of a subcommand, by the log.")
    seconds = Metric("rocm_patch_run_seconds", "How long that run took.")
    codes = Metric("rocm_patch_run_exit_code", "Its exit code (docs/exit-codes.md).")
    began: dict[str, str] = {}
    for record in _records(folder):
        run, event = str(record.get("run")), record.get("event")
        if event == "start":
            began[run] = _subcommand(record.get("argv"))
        elif event == "end" and began.get(run):
            labels = {"command": began[run]}
            try:
                when = datetime.fromisoformat(str(record["time"]).replace("Z", "+00:00")).timestamp()
                values = (when, float(record["seconds"]), float(record["exit"]))
            except (KeyError, TypeError, ValueError):
                continue
            for metric, value in zip((ended, seconds, codes), values, strict=True):
                metric.set(value, labels)
    return [ended, seconds, codes]


def _subcommand(argv: object) -> str:
    """Give the subcommand of a logged call; only a name that exists becomes a label."""
    from rocm_patch.cli import COMMANDS  # noqa: PLC0415  # the table of names, from the top of the package

    words = argv[1:] if isinstance(argv, list) else []
    return next((word for word in words if word in COMMANDS), "")


def _records(folder: Path) -> list[dict[str, Any]]:
    """Give the latest records, the oldest first; lines that are none are left out."""
    found = []
    for name in (f"{JSON_NAME}.1", JSON_NAME):
        try:
            with (folder / name).open("rb") as stream:
                stream.seek(max(0, stream.seek(0, io.SEEK_END) - _LOG_END))
                lines = stream.read(_LOG_END).splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                found.append(record)
    return found
