"""`rocm-patch isa`: say what gfx1010 kernels consist of, and what in them gfx1010 cannot execute rightly.

Options and output only; the work is in rocm_patch.isa.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import attrs
import click

from rocm_patch.errors import UsageError
from rocm_patch.isa.library import Loop, load
from rocm_patch.isa.report import KernelCode, kernels


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kernel", "pattern", default="", metavar="REGEX", help="Only kernels whose name matches.")
@click.option("--disassemble", is_flag=True, help="Print the instructions of each kernel.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line and kernel.")
def isa(files: tuple[Path, ...], *, pattern: str, disassemble: bool, as_json: bool) -> None:
    """Decode the gfx1010 kernels in FILES: instruction mix, inner loops, hazards of the hardware.

    Exits 1 where a kernel breaks a rule: an instruction that gfx1010 does not have,
    or a hardware hazard that the code does not work around.
    """
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"not a regular expression: {pattern!r}", cause=str(error)) from error
    library = load()
    count = broken = 0
    for path in files:
        for kernel in kernels(path, library):
            if not wanted.search(kernel.name):
                continue
            count += 1
            broken += bool(kernel.report.findings)
            click.echo(_json(kernel) if as_json else _text(kernel))
            if disassemble and not as_json:
                for offset, _length, text in library.disassemble(kernel.code, kernel.wave):
                    click.echo(f"    {offset:6x}  {text}")
    if not as_json:
        click.echo(f"{count} kernels, {broken} with findings")
    if broken:
        sys.exit(1)


def _json(kernel: KernelCode) -> str:
    row = {"where": kernel.where, "kernel": kernel.name, "wave": kernel.wave, **attrs.asdict(kernel.report)}
    return json.dumps(row, separators=(",", ":"))


def _text(kernel: KernelCode) -> str:
    report = kernel.report
    mix = ", ".join(f"{name} {n}" for name, n in sorted(report.mix.items(), key=lambda one: -one[1]))
    lines = [kernel.name, f"  {report.instructions} instructions, wave{kernel.wave}: {mix}"]
    lines += [f"  {_loop(loop)}" for loop in report.inner_loops]
    lines += [f"  {finding.rule} at +0x{finding.offset:x}: {finding.text}" for finding in report.findings]
    return "\n".join(lines)


def _loop(loop: Loop) -> str:
    share = f", FMA {loop.fma_share:.0%} of {loop.valu} vector instructions" if loop.valu else ""
    return f"inner loop +0x{loop.first:x}..+0x{loop.last:x}: {loop.instructions} instructions{share}"
