"""One table over all machines. Knows finished answers and rich; asks and judges nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rocm_patch.detect.model import Report
from rocm_patch.fleet.answers import Host

_SHOWN = 3


def show(command: str, hosts: list[Host], console: Console) -> None:
    """Print a row a machine, then what the command itself said where that does not fit a row."""
    table = Table(box=None, pad_edge=False, title=f"{len(hosts)} machines", title_justify="left")
    last = {"doctor": "problems", "plan": "to do"}.get(
        command, "says" if command in {"status", "apply"} else ""
    )
    facts = command in {"detect", "doctor", "plan"}
    columns = [
        "host",
        *(("system", "GPUs", "driver", "ROCm", "PyTorch") if facts else ()),
        *([last] if last else []),
    ]
    for column in columns:
        table.add_column(column, overflow="fold", header_style="dim")
    for host in hosts:
        cells = [host.name]
        if host.trouble:
            # Without facts the reason takes the place of all columns, below the table.
            cells += ["not asked or failed", *([""] * (len(columns) - 2))]
        else:
            cells += _facts(host.gathered.report) if facts and host.gathered else []
            cells += [_last(command, host)] if last else []
        table.add_row(*(Text(cell, style="red" if host.trouble else "") for cell in cells))
    console.print(table)
    for host in hosts:
        if host.trouble:
            console.print(Text(f"{host.name}: {host.trouble}", style="red"))


def _facts(report: Report) -> list[str]:
    system = f"{report.os.id or '?'} {report.os.version or ''}".strip()
    gpus = ", ".join(gpu.gfx or gpu.name or gpu.pci_id or "?" for gpu in report.gpus) or "none"
    kfd = next((one for one in report.access.devices if one.path == "/dev/kfd"), None)
    right = "no kfd" if kfd is None or not kfd.exists else "usable" if kfd.usable else "refused"
    driver = f"{report.driver.origin}, {right}" if report.driver.loaded else "not loaded"
    rocm = ", ".join(dict.fromkeys(one.version or "?" for one in report.rocm)) or "-"
    torch = ", ".join(dict.fromkeys(one.version for one in report.wheels if one.name == "torch")) or "-"
    return [system, gpus, driver, rocm, torch]


def _last(command: str, host: Host) -> str:
    if command == "doctor" and host.checkup is not None:
        found = [f"{one.problem.id} {one.confidence:.2f}" for one in host.checkup.diagnosis.findings]
        return "\n".join(found[:_SHOWN]) or "nothing known"
    if command == "plan" and isinstance(host.result, dict):
        items = [one for one in host.result.get("items", []) if one["state"] in {"needed", "by-hand"}]
        return "\n".join(f"{one['rule']} ({one['state']})" for one in items) or "nothing"
    if command == "status" and isinstance(host.result, dict):
        return _state(host.result)
    if isinstance(host.result, str):
        return "\n".join(host.result.splitlines()[-_SHOWN:])
    return "done"


def _state(result: dict[str, Any]) -> str:
    if not result.get("known"):
        return "nothing was ever applied"
    applied = result.get("applied") or []
    rules = [str(rule) for one in applied if isinstance(one, dict) for rule in one.get("rules") or []]
    now = result.get("verified")
    verified = "verified" if now is True else "changed since" if now is False else "not verified"
    parts = [", ".join(dict.fromkeys(rules)) or "nothing applied", verified]
    parts += [f"{result['failures']} failures"] if result.get("failures") else []
    parts += ["a run was cut off"] if result.get("unfinished") else []
    return "\n".join(parts)
