"""Makes texts fit for a log: no secrets, no home paths, no character that could forge a line.

Knows forms of secrets (diagnose/redact.py) and control characters; nothing of files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

#: Characters kept of a program's output: its beginning and its end; the middle is counted.
HEAD, TAIL = 16_000, 48_000
#: Characters kept of any other field.
MOST = 8_000
#: A larger output is cut before it is looked at.
_LARGE = 1 << 20
#: Levels of lists and mappings in a record.
_DEEP = 6
# Controls, and what changes the direction of writing or ends a line for some readers.
_FORGING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SECRET_OPTION = re.compile(r"(?i)^--?[a-z0-9-]{0,30}(?:password|passwd|token|secret|passphrase|api-?key)$")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY")
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY")


class Cleaner:
    """Cleans the records of one run: the same secret gets the same stand-in throughout."""

    def __init__(self, home: str | None = None) -> None:
        """Take the home folder whose path is to be hidden; the user's own by default."""
        home = os.path.normpath(home or str(Path("~").expanduser()))
        # A home of / would turn every path into one below ~.
        self._home = None if home in {"/", "~", "."} else re.compile(rf"{re.escape(home)}(?=[/:\s\"',;)]|$)")
        self._redactor: Any = None

    def text(self, text: str, most: int = MOST) -> str:
        """Clean one text, and cut it; line ends stay, for the writer to deal with."""
        if len(text) > most:
            text = f"{text[:most]}... ({len(text) - most} more characters)"
        if self._redactor is None:
            from rocm_patch.diagnose.redact import Redactor  # noqa: PLC0415  # only runs that log need it

            self._redactor = Redactor()
        text = self._redactor.redact_private(text)
        return self._home.sub("~", text) if self._home else text

    def words(self, argv: list[str]) -> list[str]:
        """Clean the words of a command: the word after an option like --password is a secret."""
        cleaned: list[str] = []
        hidden = False
        for word in argv:
            cleaned.append("<secret>" if hidden else self.text(word))
            hidden = bool(_SECRET_OPTION.match(word)) and not hidden
        return cleaned

    def value(self, value: Any, deep: int = 0) -> Any:
        """Clean whatever a record may hold."""
        if isinstance(value, str):
            return self.text(value)
        if deep < _DEEP and isinstance(value, dict):
            return {str(key): self.value(one, deep + 1) for key, one in value.items()}
        if deep < _DEEP and isinstance(value, list | tuple):
            return [self.value(one, deep + 1) for one in value]
        return value if value is None or isinstance(value, bool | int | float) else self.text(str(value))


class Capture:
    """A program's output in bounded memory: its beginning, its end, and how much lies between."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._head: list[str] = []
        self._tail: list[str] = []
        self._sizes = [0, 0]
        self._left_out = 0
        self._key = False

    def line(self, line: str) -> None:
        """Take one line. A private key is left out here, since its middle alone could not be recognised."""
        if self._key or _KEY_BEGINS.search(line):
            begins = not self._key
            self._key = not _KEY_ENDS.search(line)
            if not begins:
                return
            line = "<private-key>"
        line = line[:HEAD]
        if self._sizes[0] < HEAD and not self._tail:
            self._head.append(line)
            self._sizes[0] += len(line) + 1
            return
        self._tail.append(line)
        self._sizes[1] += len(line) + 1
        while self._sizes[1] > TAIL and len(self._tail) > 1:
            self._sizes[1] -= len(self._tail.pop(0)) + 1
            self._left_out += 1

    def text(self) -> str:
        """Give what was kept."""
        between = [f"... ({self._left_out} lines left out)"] if self._left_out else []
        return "\n".join([*self._head, *between, *self._tail])


def captured(*outputs: str | bytes | None) -> str:
    """Give whole outputs in the same bounded form."""
    capture = Capture()
    for whole in outputs:
        # What lies between is not looked at: an output may have gigabytes.
        output = whole
        if whole and len(whole) > _LARGE:
            capture.line(f"... (an output of {len(whole)}; its first and last {_LARGE // 2} follow)")
            output = whole[: _LARGE // 2] + whole[-_LARGE // 2 :]  # type: ignore[operator]  # one of both
        text = output.decode(errors="replace") if isinstance(output, bytes) else output
        for line in (text or "").splitlines():
            capture.line(line)
    return capture.text()


def one_line(text: str) -> str:
    """Escape what could end a line or steer a terminal, so that a record stays one line."""
    return escaped(text).replace("\n", "\\n")


def escaped(text: str) -> str:
    """Escape what could steer a terminal or forge a record; line ends stay."""
    return _FORGING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
