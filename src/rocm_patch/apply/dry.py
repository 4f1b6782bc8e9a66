"""The checks of `apply --dry-run`.

The same questions, asked with a journal in memory, so that nothing is written.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from rocm_patch.apply import checks
from rocm_patch.apply.context import Context
from rocm_patch.apply.engine import Options
from rocm_patch.apply.handlers import handlers_for
from rocm_patch.apply.journal import FOLDER, Journal, tables
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.apply.snapshot import Store
from rocm_patch.errors import RocmPatchError


def reasons(options: Options, actions: list[tuple[str, Any]]) -> list[str]:
    """Give what speaks against doing these actions; nothing if they would be begun."""
    fs = RootFs(options.root)
    base = sqlite3.connect(":memory:", isolation_level=None)
    try:
        tables(base)
        ctx = Context(
            fs,
            Journal(fs, base, readonly=False),
            Store(fs, f"{FOLDER}/snapshots/none"),
            user=options.user,
            proc=options.proc,
        )
        handlers = handlers_for([action for _, action in actions], ctx)
        checks.refuse(
            ctx,
            handlers,
            allow_running=options.allow_running,
            proc=options.proc,
            rules=[rule for rule, _ in actions],
        )
    except (RocmPatchError, OSError) as error:
        return [*str(error).splitlines()] if isinstance(error, RocmPatchError) else [str(error)]
    finally:
        base.close()
        fs.close()
    return []
