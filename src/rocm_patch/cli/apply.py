"""`rocm-patch apply`, `rollback`, `status`, `history`, `verify`, `hold`, `unhold`.

Options and output only; the work is in rocm_patch.apply.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rocm_patch.cli.progress import progress
from rocm_patch.errors import CheckError, DriftError, UsageError

ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Act on the tree in this folder.",
)
USER = click.option(
    "--user", default=None, help="Who is put into groups. Default: who calls, behind sudo too."
)
WAIT = click.option(
    "--wait", default=0.0, metavar="SECONDS", help="Wait so long for another rocm-patch or package manager."
)


def _options(
    root: Path,
    *,
    user: str | None = None,
    wait: float = 0.0,
    allow_running: bool = False,
) -> Any:
    from rocm_patch.apply.engine import Options  # noqa: PLC0415  # pydantic
    from rocm_patch.plan.machine import caller  # noqa: PLC0415

    root = Path("/") if str(root) == "/" else root.absolute()
    if user is None:
        user = caller() if str(root) == "/" else _first_user(root)
    return Options(
        root=root,
        user=user,
        wait=wait,
        allow_running=allow_running,
        say=lambda line: click.echo(_plain(line), err=True),
        progress=progress(),
    )


def _first_user(root: Path) -> str | None:
    """Give the tree's first person, as detect does."""
    from rocm_patch.detect.access import find_access  # noqa: PLC0415
    from rocm_patch.detect.tree import Tree  # noqa: PLC0415

    return find_access(Tree(root), None).user


def _plain(text: str) -> str:
    from rocm_patch.plan.show import plain  # noqa: PLC0415  # pydantic

    return plain(text)


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path, dir_okay=False))
@ROOT
@USER
@WAIT
@click.option("--dry-run", is_flag=True, help="Say what would be done; run the checks; change nothing.")
@click.option("--only", multiple=True, metavar="RULE", help="Only this item. May be given again.")
@click.option("--exclude", multiple=True, metavar="RULE", help="Not this item. May be given again.")
@click.option(
    "--with", "extra", multiple=True, metavar="RULE", help="This optional item too. May be given again."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--again", is_flag=True, help="Do again what an update replaced since.")
@click.option("--allow-running", is_flag=True, help="Although programs are using the GPU.")
@click.option(
    "--python",
    "python",
    default=None,
    metavar="PATH",
    help="Validate with this Python's torch. Default: the one that has this project's, if GPU code comes.",
)
@click.option("--no-validate", is_flag=True, help="Do not run the quick validation on the card afterwards.")
def apply(
    *,
    plan: Path | None,
    root: Path,
    user: str | None,
    wait: float,
    dry_run: bool,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    extra: tuple[str, ...],
    yes: bool,
    again: bool,
    allow_running: bool,
    python: str | None,
    no_validate: bool,
) -> None:
    """Do what PLAN says, or what this machine needs, as one transaction.

    Everything that is touched is kept first; if anything fails, all of it is put back. A run that
    was cut off is settled by the next one.
    """
    from rocm_patch.apply import front  # noqa: PLC0415  # pydantic

    options = _options(root, user=user, wait=wait, allow_running=allow_running)
    if not dry_run:
        # Before the plan: what a cut off run left is no fact of this machine.
        _settle(options)
    if again:
        options = _with_validation(options, _named(root, python))
        outcome = front.apply_again(options)
        click.echo(
            "all is as it was left" if outcome is None else f"applied again as transaction {outcome.tx}"
        )
        return
    made, report = front.get_plan(plan, options.root, user=options.user, progress=options.progress)
    items = front.choose(made, front.Choice(only, exclude, extra))
    done = front.applied_already(made, items, options.root) if items else None
    if done is not None:
        click.echo(f"nothing to do: transaction {done} did this")
        return
    if not items:
        left = [item.rule for item in made.items if item.state in {"by-hand", "unknown"}]
        click.echo(
            "nothing to do: all that rocm-patch could put right is right"
            if not left
            else f"nothing to do for rocm-patch itself; rocm-patch plan says what is left: {', '.join(left)}"
        )
        return
    _tell(items)
    if not no_validate:
        gpu = front.touch_gpu_code(items)
        options = _with_validation(options, _named(root, python) or (_found(root, report) if gpu else None))
    if dry_run:
        _dry(options, front.actions_of(items, front.policy_of(options.root)))
        return
    if not yes and not click.confirm("Do this?"):
        raise UsageError(
            "nothing was changed",
            cause="the question was not answered with yes",
            step="give --yes where nobody can answer",
        )
    outcome = front.apply_items(options, made, items)
    click.echo(f"applied as transaction {outcome.tx}; take it back: sudo rocm-patch rollback {outcome.tx}")
    for item in items:
        if item.afterwards:
            click.echo(_plain(f"then: {item.afterwards} ({item.rule})"))


def _settle(options: Any) -> None:
    """Finish or undo what a cut off run left, and say so."""
    from rocm_patch.apply import engine  # noqa: PLC0415  # pydantic

    if _unfinished(options.root):
        with engine.session(options) as ctx:
            for line in engine.recover(ctx, options):
                click.echo(line)


def _tell(items: list[Any]) -> None:
    from rocm_patch.plan.actions import in_words  # noqa: PLC0415

    for item in items:
        for action in item.actions:
            click.echo(_plain(f"{item.rule}: {in_words(action)}"))


def _dry(options: Any, actions: list[tuple[str, Any]]) -> None:
    """Run the checks on a journal that is not written."""
    from rocm_patch.apply.dry import reasons  # noqa: PLC0415

    found = reasons(options, actions)
    if found:
        raise CheckError(
            "it would be refused",
            cause=found[0],
            detail=found[1:],
            step="put that right; nothing was changed",
        )
    click.echo("the checks pass; nothing was changed")


def _unfinished(root: Path) -> bool:
    from rocm_patch.machine_state import machine_state  # noqa: PLC0415

    return bool(machine_state(root).unfinished)


def _with_validation(options: Any, runner: Any) -> Any:
    """Add the quick validation on the card, and say that it will be run, and how."""
    if runner is None:
        return options
    import attrs  # noqa: PLC0415

    from rocm_patch.apply.validation import quick  # noqa: PLC0415

    click.echo(_plain(f"afterwards: the quick validation with {runner} (--no-validate leaves it out)"))
    return attrs.evolve(options, validate=lambda: quick(runner))


def _card(root: Path) -> bool:
    return str(root) == "/" and Path("/dev/kfd").exists()


def _named(root: Path, python: str | None) -> Any:
    """Give the Python that the caller named, if there is a card. UsageError if root must not run it."""
    if python is None or not _card(root):
        return None
    from rocm_patch.apply.validation import runner_for  # noqa: PLC0415
    from rocm_patch.plan.machine import caller  # noqa: PLC0415

    runner = runner_for(str(Path(shutil.which(python) or python).absolute()), caller())
    if isinstance(runner, str):
        raise UsageError(
            "the validation is not run", cause=runner, step="name a Python of yours or of root's"
        )
    return runner


def _found(root: Path, report: Any) -> Any:
    """Give the Python that has this project's torch, if there is a card; or say why there is none."""
    if not _card(root):
        return None
    from rocm_patch.apply.validation import choose  # noqa: PLC0415
    from rocm_patch.plan.machine import caller  # noqa: PLC0415

    runner = choose(report, caller())
    if isinstance(runner, str):
        click.echo(_plain(f"afterwards: no validation on the card, since {runner}"))
        return None
    return runner


@click.command()
@click.argument("number", required=False, type=int)
@ROOT
@WAIT
@click.option(
    "--force",
    is_flag=True,
    help="Although others changed it since: put back what was there before rocm-patch.",
)
def rollback(*, number: int | None, root: Path, wait: float, force: bool) -> None:
    """Take transaction NUMBER back, or the last one: files, modes, owners and dates as they were."""
    from rocm_patch.apply import engine  # noqa: PLC0415

    outcome = engine.rollback(_options(root, wait=wait), number, force=force)
    for line in outcome.recovered:
        click.echo(line)
    if outcome.tx is not None:
        click.echo(f"transaction {outcome.tx} is rolled back")


@click.command()
@ROOT
@click.option("--json", "as_json", is_flag=True, help="Write rocm_patch.machine_state's model as JSON.")
def status(*, root: Path, as_json: bool) -> None:
    """Say how this machine stands: what is applied, what was cut off, what an update replaced."""
    from rocm_patch.machine_state import machine_state  # noqa: PLC0415

    state = machine_state(root)
    if as_json:
        click.echo(json.dumps(asdict(state), indent=2))
        return
    if state.unknown:
        click.echo(_plain(f"not known: {state.unknown}"))
    for one in state.applied:
        click.echo(_plain(f"applied   {one.id:>4}  {_date(one.time)}  {one.kind}: {', '.join(one.rules)}"))
    for number in state.unfinished:
        click.echo(f"cut off   {number:>4}  the next rocm-patch apply or rollback settles it")
    if not state.applied and not state.unfinished and not state.unknown:
        click.echo("nothing is applied")
    if state.verified_at is not None:
        click.echo(
            f"verified        {_date(state.verified_at)}  {'as' if state.verified else 'not as'} it was left"
        )
    for line in [*state.findings, *state.notices]:
        click.echo(_plain(f"  {line}"))
    click.echo(f"updates         {state.policy}{', waiting to be applied again' if state.pending else ''}")


@click.command()
@click.argument("number", required=False, type=int)
@ROOT
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def history(*, number: int | None, root: Path, as_json: bool) -> None:
    """List all transactions; with NUMBER, everything that happened in one, programs' output too."""
    from rocm_patch.apply.rootfs import RootFs  # noqa: PLC0415
    from rocm_patch.apply.statefolder import read_journal  # noqa: PLC0415

    fs = RootFs(root)
    try:
        with read_journal(fs) as book:
            if book is None:
                if fs.status("/var/lib/rocm-patch/journal.db") is not None:
                    raise UsageError("only root may read the journal", step="sudo rocm-patch history")
                click.echo("[]" if as_json else "nothing was ever applied")
                return
            if number is None:
                rows = [
                    {
                        "id": tx.id,
                        "kind": tx.kind,
                        "state": tx.state,
                        "begun": tx.begun,
                        "ended": tx.ended,
                        "who": tx.who,
                        "note": tx.note,
                    }
                    for tx in book.transactions()
                ]
            else:
                rows = [
                    {"time": time, "step": step, "what": what, "data": data}
                    for time, _, step, what, data in book.events(number)
                ]
    finally:
        fs.close()
    if number is not None and not rows:
        raise UsageError(f"there is no transaction {number}", step="rocm-patch history lists them")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        if number is None:
            click.echo(
                _plain(
                    f"{row['id']:>4}  {_date(row['begun'])}  {row['kind']:<8} {row['state']:<12} "
                    f"{row['who']}  "
                    f"{str(row['note']).partition(chr(10))[0]}"
                )
            )
        else:
            _event(row)


def _event(row: dict[str, Any]) -> None:
    step = "" if row["step"] is None else f" step {row['step']}"
    click.echo(_plain(f"{_date(row['time'])}{step}  {row['what']}"))
    data = row["data"] if isinstance(row["data"], dict) else {}
    if "argv" in data:
        click.echo(_plain(f"    $ {' '.join(str(one) for one in data['argv'])}   (exit {data.get('exit')})"))
    for line in [*str(data.get("out", "")).splitlines(), *str(data.get("err", "")).splitlines()]:
        click.echo(_plain(f"    | {line}"))


@click.command()
@ROOT
@WAIT
@click.option(
    "--python",
    "python",
    default=None,
    metavar="PATH",
    help="Also run the quick validation with this Python's torch.",
)
def verify(*, root: Path, wait: float, python: str | None) -> None:
    """See whether all that was applied is still as it was left: versions, files, GPU code, holds."""
    from rocm_patch.apply import engine  # noqa: PLC0415

    options = _options(root, wait=wait)
    with engine.session(options) as ctx:
        for line in engine.recover(ctx, options):
            click.echo(line)
        findings = engine.verify(ctx)
        engine.publish(ctx)
    runner = _named(root, python)
    if runner is not None:
        from rocm_patch.apply.validation import quick  # noqa: PLC0415

        findings += quick(runner)
    if findings:
        raise DriftError(
            "what was applied is not as it was left",
            cause=findings[0],
            detail=findings[1:],
            step="sudo rocm-patch apply --again, or sudo rocm-patch rollback",
        )
    click.echo("all is as it was left")


def _hold(packages: tuple[str, ...], root: Path, wait: float, *, on: bool) -> None:
    from pydantic import ValidationError  # noqa: PLC0415

    from rocm_patch.apply import engine  # noqa: PLC0415
    from rocm_patch.plan.actions import Hold  # noqa: PLC0415
    from rocm_patch.plan.model import digest_of  # noqa: PLC0415

    try:
        action = Hold(kind="hold", packages=list(packages), on=on)
    except ValidationError as error:
        raise UsageError(
            "these are no names of packages",
            cause=error.errors()[0]["msg"],
            step="give names as the package manager shows them",
        ) from error
    kind = "hold" if on else "unhold"
    outcome = engine.run(_options(root, wait=wait), kind, {}, digest_of([kind, *packages]), [(kind, action)])
    click.echo(f"{', '.join(packages)} {'is held' if on else 'is let go'} (transaction {outcome.tx})")


@click.command()
@click.argument("packages", nargs=-1, required=True)
@ROOT
@WAIT
def hold(*, packages: tuple[str, ...], root: Path, wait: float) -> None:
    """Keep PACKAGES at their version: apt's hold, dnf's versionlock, zypper's lock."""
    _hold(packages, root, wait, on=True)


@click.command()
@click.argument("packages", nargs=-1, required=True)
@ROOT
@WAIT
def unhold(*, packages: tuple[str, ...], root: Path, wait: float) -> None:
    """Let PACKAGES be updated again."""
    _hold(packages, root, wait, on=False)


def _date(time: Any) -> str:
    return dt.datetime.fromtimestamp(time, dt.timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M")
