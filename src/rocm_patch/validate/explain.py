"""The hook for known problems: text of a failure in, the catalogue's entry out.

The catalogue is a part of its own and knows signatures; this module knows only that it may
be asked. Until it is passed in, no failure is called known.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from rocm_patch.validate.model import Run

#: Gives the id of the entry whose signature matches a failure's text, or nothing.
Explain = Callable[[str], str]


def no_catalogue(text: str) -> str:
    """Know no problem."""
    del text
    return ""


def explain(run: Run, catalogue: Explain = no_catalogue) -> None:
    """Name the entry that explains each failure of `run`, where there is one."""
    run.results = [
        attrs.evolve(result, known=catalogue(result.text)) if result.bad else result for result in run.results
    ]
