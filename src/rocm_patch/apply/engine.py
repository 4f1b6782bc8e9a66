"""One transaction: checks, snapshots, steps, verification; or everything put back.

Each step is announced in the journal with all that undoing needs before it is done. A run
that was cut off is found by the next one, which finishes it if its verification had passed
and undoes it otherwise. Knows handlers by what they can do, not what they are for.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.apply import checks, journal, state, statefolder
from rocm_patch.apply.context import Context
from rocm_patch.apply.handlers import (
    Handler,
    action_of,
    drifted,
    handler_for,
    handlers_for,
    named,
    newest_first,
    record_of,
    things,
)
from rocm_patch.apply.journal import FOLDER, Journal, Transaction
from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.apply.snapshot import Store
from rocm_patch.errors import (
    ApplyError,
    ChangedSinceError,
    RocmPatchError,
    UndoError,
    UsageError,
)
from rocm_patch.plan.actions import in_words


@attrs.frozen
class Options:
    """How a run goes about it."""

    root: Path = Path("/")
    user: str | None = None
    wait: float = 0.0
    allow_running: bool = False
    proc: Path = Path("/proc")
    #: Called with one line for each thing that begins.
    say: Callable[[str], None] = lambda _line: None
    #: Called with one line for each part of it that may take long.
    progress: Callable[[str], None] = lambda _line: None
    #: Further verification of the whole (the suite on the card); gives findings.
    validate: Callable[[], list[str]] | None = None


@attrs.frozen
class Outcome:
    """What a run came to."""

    tx: int | None
    #: What an earlier, cut off run left, and what was done about it.
    recovered: list[str]


@contextmanager
def session(options: Options) -> Iterator[Context]:
    """Open root and journal for changing, and settle what a cut off run left."""
    try:
        fs = RootFs(options.root)
    except OSError as error:
        raise UsageError(
            f"{options.root} cannot be opened",
            cause=error.strerror or str(error),
            step="name a folder: --root DIR",
        ) from error
    try:
        with statefolder.open_journal(fs, wait=options.wait) as book:
            ctx = Context(
                fs,
                book,
                Store(fs, f"{FOLDER}/snapshots/none"),
                user=options.user,
                proc=options.proc,
                progress=options.progress,
            )
            yield ctx
    finally:
        fs.close()


def run(options: Options, kind: str, plan: Any, digest: str, actions: list[tuple[str, Any]]) -> Outcome:
    """Do actions, each named with its rule, as one transaction."""
    actions = [(rule, named(action, options.user)) for rule, action in actions]
    with session(options) as ctx:
        recovered = recover(ctx, options)
        handlers = handlers_for([action for _, action in actions], ctx)
        ctx.progress("checking: locks, holds, room, and what the package manager would do")
        checks.refuse(
            ctx,
            handlers,
            allow_running=options.allow_running,
            proc=options.proc,
            wait=options.wait,
            # Only a plan's items can be left out by name.
            rules=[rule for rule, _ in actions] if kind == "apply" else [],
        )
        tx: int | None = None
        try:
            statefolder.reserve(ctx.fs)
            plain = [(rule, action.model_dump(mode="json")) for rule, action in actions]
            tx = ctx.journal.begin(kind, plan, digest, _who(options), plain)
            _enter(ctx, tx)
            _act(ctx, options, tx, handlers)
        except (Exception, KeyboardInterrupt) as error:
            # Whatever it was, a bug of ours included: the machine is put back first.
            statefolder.release(ctx.fs)
            if tx is None:
                raise _plainly(error) from error
            _undo_all(ctx, options, tx, error)
        finally:
            _finish(ctx)
    return Outcome(tx, recovered)


def _act(ctx: Context, options: Options, tx: int, handlers: list[Handler]) -> None:
    """Take every step, then verify, then call it applied."""
    book = ctx.journal
    book.move(tx, "acting")
    for step, handler in zip(book.steps(tx), handlers, strict=True):
        options.say(f"{step.rule}: {in_words(handler.action)}")
        kept = book.step(step, "begun", before=handler.prepare())
        reached(f"step {step.n} begins")
        done = handler.do(kept.before)
        reached(f"step {step.n} is done")
        book.step(kept, "done", after=done)
    book.move(tx, "verifying")
    ctx.progress("verifying what was done")
    findings = [
        line
        for step, later in newest_first(book, [tx])
        for line in handlers[step.n].verify(record_of(step.after), later)
    ]
    if not findings and options.validate is not None:
        options.say("validating on the card")
        findings = options.validate()
    if findings:
        raise ApplyError(
            "what was installed is not what it should be",
            cause=findings[0],
            detail=findings[1:],
            step="report this with rocm-patch history",
        )
    book.verified([])
    book.move(tx, "applied")


def _undo_all(ctx: Context, options: Options, tx: int, error: BaseException) -> None:
    """Put everything back after a failure, and raise what led to it."""
    known = _plainly(error)
    options.say(f"failed: {known.what}; putting everything back")
    try:
        _undo(ctx, tx, later=False, force=False, end="undone", note=str(known))
    except (RocmPatchError, OSError, sqlite3.Error) as second:
        raise _stuck(tx, second, f"{known.what}: {known.cause}") from second
    raise ApplyError(
        f"{known.what}; everything was put back",
        cause=known.cause,
        detail=known.detail,
        step=known.step or "see rocm-patch history",
    ) from error


def _stuck(tx: int, error: BaseException, first: str) -> UndoError:
    known = _plainly(error)
    return UndoError(
        f"transaction {tx} could not be put back wholly",
        cause=f"{known.what}: {known.cause}",
        detail=[f"it began with: {first}", *known.detail],
        step=known.step or "put the cause right; the next call of rocm-patch goes on",
    )


def _plainly(error: BaseException) -> RocmPatchError:
    """Make an explained error of any that is met."""
    if isinstance(error, RocmPatchError):
        return error
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return ApplyError(
            f"the disk refuses{where}",
            cause=error.strerror or str(error),
            step="see that there is room and that it can be written",
        )
    if isinstance(error, KeyboardInterrupt):
        return ApplyError("you interrupted it", step="call rocm-patch again when you like")
    if not isinstance(error, sqlite3.Error):
        return ApplyError(
            "rocm-patch has a fault",
            cause=f"{type(error).__name__}: {error}",
            step="report this with rocm-patch history",
        )
    return ApplyError(
        "the journal cannot be written",
        cause=str(error),
        step="see that the disk has room and can be written",
    )


def _undo(ctx: Context, tx: int, *, later: bool, force: bool, end: str, note: str | None = None) -> None:
    """Undo a transaction's steps, the last first; each is noted, so that a cut off undoing goes on."""
    book = ctx.journal
    _enter(ctx, tx)
    book.move(tx, "undoing", note)
    for step in reversed(book.steps(tx)):
        if step.state not in {"begun", "done"}:
            continue
        handler = handler_for(action_of(step), ctx)
        ctx.progress(f"undoing {step.rule}: {in_words(handler.action)}")
        handler.undo(
            record_of(step.before), record_of(step.after), later=later and step.state == "done", force=force
        )
        book.step(step, "undone")
    book.move(tx, end)
    ctx.store.drop()


def recover(ctx: Context, options: Options, *, force: bool = False) -> list[str]:
    """Settle what cut off runs left: drop what had not begun, finish what had passed, undo the rest."""
    _sweep(ctx)
    said = []
    for tx in ctx.journal.transactions(*journal.UNFINISHED):
        _enter(ctx, tx.id)
        statefolder.release(ctx.fs)
        if tx.state == "open":
            ctx.journal.move(tx.id, "abandoned", "cut off before it changed anything")
            ctx.store.drop()
            said.append(f"transaction {tx.id} was cut off before it changed anything")
            continue
        options.say(f"transaction {tx.id} was cut off; undoing it")
        rollback_ = tx.state == "undoing" and tx.note.startswith(_ROLLBACK)
        try:
            _undo(
                ctx,
                tx.id,
                later=rollback_,
                force=force,
                end="rolled back" if rollback_ else "undone",
                note=tx.note if rollback_ else "cut off",
            )
        except (RocmPatchError, OSError, sqlite3.Error) as error:
            raise _stuck(tx.id, error, "it was cut off") from error
        said.append(f"transaction {tx.id} was cut off, and was undone")
    if said:
        _finish(ctx)
    return said


def _sweep(ctx: Context) -> None:
    """Drop what a run leaves that is cut off before its first line or after its last."""
    statefolder.release(ctx.fs)
    ctx.fs.tidy(state.STATUS)
    kept = {str(tx.id) for tx in ctx.journal.transactions(*journal.UNFINISHED, "applied")}
    for name in ctx.fs.names(f"{FOLDER}/snapshots"):
        if name not in kept:
            Store(ctx.fs, f"{FOLDER}/snapshots/{name}").drop()


_ROLLBACK = "rollback"


def rollback(options: Options, number: int | None = None, *, force: bool = False) -> Outcome:
    """Undo an applied transaction, the last one if none is named."""
    with session(options) as ctx:
        recovered = recover(ctx, options, force=force)
        applied = ctx.journal.transactions("applied")
        if not applied:
            if recovered:
                return Outcome(None, recovered)
            raise UsageError(
                "there is nothing to roll back",
                cause="no transaction is applied",
                step="rocm-patch history lists them",
            )
        chosen = next((tx for tx in applied if tx.id == number), None) if number is not None else applied[-1]
        if chosen is None:
            raise UsageError(
                f"transaction {number} is not applied",
                cause=f"applied: {', '.join(str(tx.id) for tx in applied)}",
                step="name one of these",
            )
        _not_below(ctx, chosen, [tx for tx in applied if tx.id > chosen.id])
        if not force:
            ctx.progress(f"looking whether what transaction {chosen.id} did is as it was left")
            _unchanged(ctx, chosen.id)
        try:
            _undo(ctx, chosen.id, later=True, force=force, end="rolled back", note=_ROLLBACK)
        except (RocmPatchError, OSError, sqlite3.Error) as error:
            raise _stuck(chosen.id, error, "a rollback") from error
        finally:
            _finish(ctx)
    return Outcome(chosen.id, recovered)


def _not_below(ctx: Context, chosen: Transaction, later: list[Transaction]) -> None:
    """Refuse to undo what a later transaction built on."""
    mine = _touched(ctx.journal, chosen.id)
    for tx in later:
        both = mine & _touched(ctx.journal, tx.id)
        if both:
            raise ChangedSinceError(
                f"transaction {tx.id} came after {chosen.id} and touched the same",
                cause=", ".join(sorted(both)[:5]),
                step=f"first: rocm-patch rollback {tx.id}",
            )


def _unchanged(ctx: Context, number: int) -> None:
    """Refuse to run over what others changed since: all steps are asked before the first is undone."""
    gentle = {"join-group", "hold"}
    lines = [
        line
        for step, found in drifted(ctx, number)
        if step.action.get("kind") not in gentle
        for line in found
    ]
    if lines:
        raise ChangedSinceError(
            f"what transaction {number} did was changed since",
            cause=lines[0],
            detail=lines[1:],
            step=f"take that back by hand, or: rocm-patch rollback {number} --force",
        )


def _touched(book: Journal, tx: int) -> set[str]:
    found: set[str] = set()
    for step in book.steps(tx):
        found |= things(step)
    return found


def verify(ctx: Context) -> list[str]:
    """Compare what is applied with what is there, and note the outcome."""
    findings = [
        f"transaction {step.tx}, {step.rule}: {line}" for step, lines in drifted(ctx) for line in lines
    ]
    if not ctx.journal.readonly:
        ctx.journal.verified(findings)
    return findings


def _enter(ctx: Context, tx: int) -> None:
    """Turn the context to a transaction's own kept contents."""
    ctx.tx = tx
    ctx.store = Store(ctx.fs, f"{FOLDER}/snapshots/{tx}")


def publish(ctx: Context) -> None:
    """Tell every user how things stand."""
    _finish(ctx)


def _finish(ctx: Context) -> None:
    """Give the room back, and tell those who may not read the journal how things stand.

    A full disk is no reason to fail.
    """
    try:
        statefolder.release(ctx.fs)
        state.publish(ctx.fs, ctx.journal)
    except (OSError, sqlite3.Error):
        return


def _who(options: Options) -> str:
    name = options.user or os.environ.get("SUDO_USER") or ""
    return f"{name or 'uid'} {os.getuid()}, pid {os.getpid()}, {time.strftime('%Y-%m-%d %H:%M:%S')}"
