"""`rocm-patch` without a command: where this machine stands, in ten lines."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rocm_patch import __version__
from rocm_patch.cli import COMMANDS
from rocm_patch.detect.machine import examine
from rocm_patch.detect.place import opened
from rocm_patch.face.standing import rows
from rocm_patch.face.state import applied_in_words
from rocm_patch.logbook.book import active
from rocm_patch.machine_state import machine_state


def standing() -> None:
    """Print the ten lines."""
    with opened(None, None) as place:
        report = examine(place.tree, environment=place.environment)
    book = active()
    console = Console(highlight=False, soft_wrap=True)
    for name, text, style in rows(
        report,
        version=__version__,
        applied=applied_in_words(machine_state()),
        first=book is not None and book.first,
        plans="plan" in COMMANDS,
    ):
        # On a terminal ten lines are ten lines, however narrow it is.
        room = max(20, console.width - 12) if console.is_terminal else len(text)
        shown = text if len(text) <= room else f"{text[: room - 3]}..."
        console.print(Text.assemble((f"{name:<11} ", "bold"), (shown, style)))
