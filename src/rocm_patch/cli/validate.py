"""`rocm-patch validate`: run the GPU training suite on the GPU that torch sees, and report.

Options and output only; the work is in rocm_patch.validate and tests/gpu.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.errors import UsageError
from rocm_patch.sysroot import Sysroot
from rocm_patch.validate import history
from rocm_patch.validate.explain import explain, from_catalogue
from rocm_patch.validate.libraries import find_libraries, open_libraries
from rocm_patch.validate.model import Result, Run
from rocm_patch.validate.page import write_page
from rocm_patch.validate.report import write_json, write_junit
from rocm_patch.validate.runner import Runner, Settings
from rocm_patch.validate.virtual import VENV, VirtualCommand, executed, find_wheel, prepare
from rocm_patch.validate.workers import Command
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import NOTICE
from rocm_patch.vgpu.settings import Settings as VgpuSettings

#: Failures shown in full on the terminal; the report has all of them.
SHOWN = 20


@click.command()
@click.option(
    "--tier",
    type=click.Choice(["quick", "slice", "full"]),
    default="quick",
    show_default=True,
    help="How much runs: quick (a minute on a card), slice (ten minutes on the virtual GPU), full.",
)
@click.option(
    "--device",
    default="cuda:0",
    show_default=True,
    help="The GPU, by torch's name (cuda:N under ROCm as well).",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder for report.html, report.json, junit.xml and the logs. Default: dist/validation.",
)
@click.option(
    "--only", multiple=True, metavar="TEXT", help="Run the tests whose id contains TEXT; may be repeated."
)
@click.option(
    "--python",
    default=sys.executable,
    metavar="PATH",
    help="The Python that has torch, pytest and numpy. Default: this one.",
)
@click.option(
    "--suite",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    help="The suite's folder. Default: tests/gpu of the project.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that share the GPU."
)
@click.option(
    "--memory",
    type=float,
    default=6.0,
    show_default=True,
    metavar="GIB",
    help="Device memory that the tests of the edge may take.",
)
@click.option(
    "--test-limit",
    type=float,
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="Time after which a test counts as hung.",
)
@click.option(
    "--mutate",
    default=None,
    metavar="NAME",
    help="Plant a defect of tests/gpu/suite/mutations.py: the suite must then fail.",
)
@click.option(
    "--virtual",
    is_flag=True,
    help="Test a built wheel on the virtual gfx1010, in the sysroot: a test instrument, not a way to train.",
)
@click.option(
    "--wheel",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="The wheel (--virtual). Default: the newest torch for gfx10 in dist/.",
)
@click.option(
    "--library",
    "libraries",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A library's archive to test the wheel with (--virtual). Default: every whole one in dist/.",
)
@click.option("--stock", is_flag=True, help="Test with the sysroot's libraries alone (--virtual).")
@click.option(
    "--devices", type=click.IntRange(1, 16), default=1, show_default=True, help="Virtual cards (--virtual)."
)
@click.option(
    "--inject",
    default=None,
    metavar="DEFECT",
    help="Plant a defect in the virtual card: the suite must then fail.",
)
@click.option(
    "--strict", is_flag=True, help="With the virtual card's checks: races, unset reads (--virtual)."
)
@click.option(
    "--bench",
    is_flag=True,
    help="Also measure throughput and judge it by the history; with --virtual, count instructions instead.",
)
@click.option(
    "--history",
    "history_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The benchmark's history. Default: history.jsonl beside the report.",
)
def validate(
    *,
    tier: str,
    device: str,
    report: Path | None,
    only: tuple[str, ...],
    python: str,
    suite: Path | None,
    jobs: int,
    memory: float,
    test_limit: float,
    mutate: str | None,
    virtual: bool,
    wheel: Path | None,
    libraries: tuple[Path, ...],
    stock: bool,
    devices: int,
    inject: str | None,
    strict: bool,
    bench: bool,
    history_file: Path | None,
) -> None:
    """Run the GPU training suite with the torch at hand, on the GPU that it sees.

    Exits 0 where everything passed, 1 where a test failed, crashed or hung or the
    benchmark is slower than usual, 90 where the suite cannot run, 91 where there is no GPU.
    """
    folder = _folder(report)
    catalogue = load_catalogue()  # before the run: a broken entry must not cost its report
    options = ["--tier", tier, "--device", device, "--memory", str(memory)]
    options += ["--bench"] if bench else []
    options += ["--mutate", mutate] if mutate else []
    options += ["--virtual"] if virtual else []
    # Each process has its share of the cores: threads that wait for each other's core take most of the time.
    share = str(max(1, (os.cpu_count() or 1) // jobs))
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", share)}
    console = Console(highlight=False, soft_wrap=True)
    command = Command(python, (suite or _suite()).resolve(), options, threads)
    facts: dict[str, str] = {}
    if virtual and history_file is not None:
        raise UsageError(
            "--history keeps times, and the virtual card has none",
            step="leave it out: --bench --virtual counts what a step executes",
        )
    if virtual:
        cards = VgpuSettings(devices=devices, inject=inject, strict=strict)
        archives = [] if stock else find_libraries(libraries)
        command, facts = _virtual(command, wheel, archives, cards, folder, console)
    elif wheel is not None or inject is not None or devices != 1 or libraries or stock or strict:
        raise UsageError(
            "--wheel, --library, --stock, --devices, --inject and --strict are for the virtual card",
            step="add --virtual",
        )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("starting", total=None)

        def listen(run: Run, result: Result, total: int) -> None:
            count = len(run.results)
            progress.update(bar, total=total, completed=count, description=f"{len(run.bad)} failed")
            if result.bad:
                progress.console.print(f"[red]{result.outcome}[/] {escape(result.id)}")
            elif not console.is_terminal and count % 100 == 0:
                console.print(f"{count} of {total}, {len(run.bad)} failed")

        run = Runner(command, folder, Settings(jobs=jobs, test_limit=test_limit, only=only), listen).run()
    run.about |= facts
    if isinstance(command, VirtualCommand):
        run.about |= {f"executed {name}": f"{value:,}" for name, value in executed(command.scratch).items()}
    run.settings = {
        "tier": tier,
        "only": ", ".join(only),
        "jobs": jobs,
        "memory": memory,
        "mutation": mutate,
        "defect": inject,
        "strict": strict,
    }
    explain(run, from_catalogue(catalogue, run.about))
    past = history_file or folder / "history.jsonl"
    run.verdicts = history.judge(run, history.read(past))
    if run.verdicts:
        history.append(run, past)
    write_json(run, folder / "report.json")
    write_junit(run, folder / "junit.xml")
    write_page(run, folder / "report.html")
    _show(run, folder, console)
    if not run.passed:
        sys.exit(1)


def _virtual(  # noqa: PLR0917  (the options, as they came)
    command: Command,
    wheel: Path | None,
    archives: list[Path],
    settings: VgpuSettings,
    folder: Path,
    console: Console,
) -> tuple[VirtualCommand, dict[str, str]]:
    """Give the command that runs the suite in the sysroot, and what the report says of the wheel."""
    chosen = find_wheel(wheel)
    library = find_library(lambda line: console.print(escape(line)))
    console.print(NOTICE)
    root = Sysroot.open()
    inside = prepare(chosen, root, lambda line: console.print(escape(line)))
    libraries = open_libraries(archives, lambda line: console.print(escape(line)))
    scratch = folder / "virtual"
    shutil.rmtree(scratch, ignore_errors=True)
    made = VirtualCommand(
        python=f"{VENV}/bin/python",
        suite=command.suite,
        options=command.options,
        environment=command.environment,
        root=root,
        inside=inside,
        library=library,
        settings=settings,
        scratch=scratch,
        libraries=libraries,
    )
    ours = {f"library {one.name}": one.sha256 for one in libraries}
    return made, {"wheel": chosen.name, "wheel sha256": inside.sha256, **ours}


def _suite() -> Path:
    """Give the suite of the project; imported late, since only a checkout is asked for its folders."""
    from rocm_patch.paths import data_root  # noqa: PLC0415

    folder = data_root() / "tests" / "gpu"
    if not (folder / "feed.py").is_file():
        raise UsageError(
            "the GPU suite was not found", cause=f"{folder} is not there", step="name its folder by --suite"
        )
    return folder


def _folder(report: Path | None) -> Path:
    if report is None:
        from rocm_patch.paths import dist_root  # noqa: PLC0415

        report = dist_root() / "validation"
    try:
        report.mkdir(parents=True, exist_ok=True)
        for log in report.glob("worker-*.log"):
            log.unlink()
    except OSError as error:
        raise UsageError(
            f"{report} cannot be written", cause=str(error), step="name another folder by --report"
        ) from error
    return report.resolve()


def _show(run: Run, folder: Path, console: Console) -> None:
    for result in run.bad[:SHOWN]:
        reason = [
            line for line in result.text.splitlines() if line.startswith("E  ")
        ] or result.text.splitlines()
        console.print(
            f"[red]{result.outcome}[/] {escape(result.id)}\n    {escape(reason[0] if reason else '')}"
        )
        for entry in result.known:
            console.print(f"    known problem: {entry.title} (docs/problems/{entry.id}.md)")
    if len(run.bad) > SHOWN:
        console.print(f"... and {len(run.bad) - SHOWN} more in the report")
    for step in run.steps:
        share = f"{100 * step['fma_share']:.1f} % fused multiply-adds"
        console.print(f"{escape(step['name'])}: {step['instructions']:,} wave instructions a step, {share}")
    for verdict in run.verdicts:
        word = "[red]slower[/]" if verdict["regressed"] else "as usual" if verdict["earlier"] else "first"
        console.print(f"{escape(verdict['name'])}: {verdict['value']:.4g} {verdict['unit']} ({word})")
    counts = ", ".join(
        f"{run.count(outcome)} {word}"
        for outcome, word in (
            ("passed", "passed"),
            ("failed", "failed"),
            ("crashed", "crashed"),
            ("hung", "hung"),
            ("skipped", "not applicable"),
        )
    )
    about = run.about
    runtime = f"ROCm {about['rocm']}" if about.get("rocm") else f"CUDA {about.get('cuda', '')}"
    console.print(
        f"{escape(str(about.get('name', '')))}, torch {about.get('torch', '')}, {runtime}: {counts}"
    )
    console.print(f"{run.compared} results compared, {run.seconds:.0f} s; report: {folder / 'report.html'}")
