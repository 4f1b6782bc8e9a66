"""Where this machine stands, in ten lines. Knows detect's report and doctor's observations.

Reads no catalogue and no text: it must answer within half a second.
"""

from __future__ import annotations

from rocm_patch.detect.model import Gpu, Report
from rocm_patch.detect.tree import clean
from rocm_patch.doctor.observe import observe

_GIB = 1 << 30
Row = tuple[str, str, str]


def rows(report: Report, *, version: str, applied: str, first: bool, plans: bool = True) -> list[Row]:
    """Give ten rows: a name, a text, and the text's style (rich's; empty for plain).

    `plans` says whether this rocm-patch makes plans.
    """
    seen = observe(report)
    amd = [gpu for gpu in report.gpus if gpu.vendor == "amd"]
    out = [
        ("rocm-patch", f"{version}; this machine at a glance", "bold"),
        ("system", _system(report), ""),
        ("GPU", _gpus(report, amd), ""),
        ("driver", _driver(report), "red" if _hampered(seen) else ""),
        ("ROCm", _rocm(report), ""),
        ("PyTorch", _torch(report), ""),
        ("applied", applied, ""),
        _seen(seen),
        ("next", _next(report, amd, seen, plans=plans), "bold"),
        ("help", _help(first=first), "dim"),
    ]
    return [(name, clean(text.encode("utf-8", "replace")), style) for name, text, style in out]


def about_machine(report: Report) -> list[tuple[str, str]]:
    """Give the rows that describe the machine alone."""
    return [(name, text) for name, text, _ in rows(report, version="", applied="", first=False)[1:6]]


def _system(report: Report) -> str:
    place = " in WSL2" if report.os.wsl else f" in {report.os.container}" if report.os.container else ""
    return f"{report.os.name or 'not known'}{place}, kernel {report.kernel.release or 'not known'}"


def _gpus(report: Report, amd: list[Gpu]) -> str:
    gpus = sorted(amd, key=lambda gpu: gpu.kind != "card") or report.gpus
    if not gpus:
        return "none found"
    best = gpus[0]
    memory = f", {best.vram_bytes / _GIB:.1f} GiB" if best.vram_bytes else ""
    more = f"; {len(report.gpus) - 1} more: rocm-patch detect" if len(report.gpus) > 1 else ""
    return f"{best.name or best.pci_id or 'not known'} ({best.gfx or best.vendor}){memory}{more}"


def _hampered(seen: dict[str, list[str]]) -> bool:
    return any(name in seen for name in ("kfd-refused", "module-not-loaded", "container-without-kfd"))


def _driver(report: Report) -> str:
    if not report.driver.loaded:
        return "amdgpu is not loaded"
    kfd = next((one for one in report.access.devices if one.path == "/dev/kfd"), None)
    user = report.access.user or "you"
    if kfd is None or not kfd.exists:
        right = "/dev/kfd is absent"
    else:
        right = f"/dev/kfd is {'open' if kfd.usable else 'closed'} to {user}"
    version = f" {report.driver.version}" if report.driver.version else ""
    return f"amdgpu ({report.driver.origin}{version}); {right}"


def _rocm(report: Report) -> str:
    places = [f"{one.version or 'of unknown version'} in {one.path}" for one in report.rocm]
    own = [
        one for one in report.packages if one.name in {"librocblas4", "librocblas5", "librocblas0", "rocblas"}
    ]
    places += [f"{one.name} {one.version} ({one.origin})" for one in own[:2] if not report.rocm]
    return "; ".join(places[:3]) or "none found"


def _torch(report: Report) -> str:
    torches = [one for one in report.wheels if one.name == "torch"]
    if not torches:
        return "none found in the usual places"
    more = f"; {len(torches) - 1} more" if len(torches) > 1 else ""
    return f"{torches[0].version}, built for {torches[0].build}, in {torches[0].folder}{more}"


def _seen(seen: dict[str, list[str]]) -> Row:
    if not seen:
        return ("seen", "no known fault in the files; doctor also reads logs and libraries", "")
    first = next(iter(seen.values()))[0]
    return ("seen", f"{first}{f' (and {len(seen) - 1} more)' if len(seen) > 1 else ''}", "yellow")


def _next(report: Report, amd: list[Gpu], seen: dict[str, list[str]], *, plans: bool) -> str:
    if seen:
        more = "; rocm-patch plan shows what it can do itself" if plans else ""
        return f"rocm-patch doctor says what to do about it{more}"
    if not amd and not report.os.wsl:
        return "no AMD GPU here; build, audit and vgpu need none: rocm-patch --help"
    if not any(one.name == "torch" and one.build == "rocm" for one in report.wheels):
        return "a PyTorch for the card: docs/install.md, or rocm-patch build --help"
    return "rocm-patch doctor, then rocm-patch validate on the card"


def _help(*, first: bool) -> str:
    if first:
        return (
            'first time here? rocm-patch --help; completion: eval "$(rocm-patch completion bash)"; '
            "nothing is changed unless you say apply"
        )
    return "rocm-patch --help; a failing program's output: PROGRAM 2>&1 | rocm-patch diagnose"
