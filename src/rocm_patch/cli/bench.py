"""`rocm-patch vgpu bench`: the virtual card's speed on one core, beside OpenBLAS.

Options and output only; the work is in rocm_patch.vgpu.bench.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from rocm_patch.sysroot import Sysroot
from rocm_patch.vgpu.bench import Figures, run_bench
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import NOTICE

_TABLE_WIDTH = 100


@click.command("bench")
@click.option(
    "--size", type=click.IntRange(16, 8192), default=1024, show_default=True, help="Of the matrices."
)
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="The best counts.")
@click.option(
    "--loops", type=click.IntRange(min=1), default=100_000, show_default=True, help="Of the FMA loop."
)
@click.option(
    "--json", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures there."
)
def bench(*, size: int, repeat: int, loops: int, target: Path | None) -> None:
    """Measure instructions a second and sgemm on one core, beside OpenBLAS on the same core."""
    library = find_library(_say)
    _say(NOTICE)
    figures = run_bench(Sysroot.open(), library, size=size, repeat=repeat, loops=loops, report=_say)
    if target is not None:
        target.write_text(figures.as_json() + "\n", encoding="utf-8")
    Console(highlight=False, width=_TABLE_WIDTH).print(_table(figures))


def _table(figures: Figures) -> Table:
    title = f"one core of {figures.cpu}, load {figures.load:.1f}, best of {figures.repeat}"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for heading in ("a second of CPU time", "CPU s", "clock s"):
        table.add_column(heading, justify="right")
    name = f"sgemm {figures.size}^3"
    table.add_row(
        "wave32 VALU instructions, FMA loop",
        f"{figures.valu_per_second / 1e6:.0f} M",
        f"{figures.fma_cpu:.3f}",
        f"{figures.fma_wall:.3f}",
    )
    rows = (
        (f"{name}, rocBLAS on the virtual card", figures.card_gflops, figures.card_cpu, figures.card_wall),
        (f"{name}, OpenBLAS on the CPU", figures.host_gflops, figures.host_cpu, figures.host_wall),
    )
    for what, gflops, cpu, wall in rows:
        table.add_row(what, f"{gflops:.2f} GFLOP", f"{cpu:.3f}", f"{wall:.3f}")
    table.add_row("OpenBLAS is faster by", f"{figures.ratio:.1f} times", "", "")
    return table


def _say(line: str) -> None:
    click.echo(line, err=True)
