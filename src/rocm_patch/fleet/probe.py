"""The probe: a zip of fleet/remote.py with what it needs, and the shell line that runs it from its input.

Nothing has to be installed on the other machine but Python 3.10 or newer, and nothing stays there:
the zip is unpacked into a folder that is removed at the end. Only modules in pure Python are sent.
Knows files; nothing of ssh or answers.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from functools import cache
from pathlib import Path

import rocm_patch

#: What of this package travels, below its folder.
_OURS = ("__init__.py", "commands.py", "errors.py", "logbook/*.py", "detect/*.py", "detect/cards.txt")
_OURS_TOO = ("doctor/__init__.py", "doctor/gather.py", "fleet/__init__.py", "fleet/remote.py")
#: What of others: python-debian reads dpkg's status, PyYAML writes the saved machine.
_OTHERS = (("debian", "*.py"), ("yaml", "*.py"))
#: Exit code of the shell line where there is no Python that is new enough.
NO_PYTHON = 97

# One line without quotes, backslashes and exclamation marks: it passes through the login shell of the
# other machine, whichever that is, as one word in single quotes.
_BOOT = (
    "import io,sys,tempfile,zipfile;"
    "sys.dont_write_bytecode=True;"
    "d=tempfile.TemporaryDirectory();"
    "zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall(d.name);"
    "sys.path.insert(0,d.name);"
    "import rocm_patch.fleet.remote as r;"
    "r.main()"
)
_PYTHONS = "python3 python3.14 python3.13 python3.12 python3.11 python3.10"
SCRIPT = (
    f"for p in {_PYTHONS}; do "
    'if $p -c "import sys;sys.exit(sys.version_info<(3,10))" </dev/null >/dev/null 2>&1; then '
    f'exec $p -c "{_BOOT}"; fi; done; '
    f"echo no Python 3.10 or newer in PATH >&2; exit {NO_PYTHON}"
)


@cache
def archive() -> bytes:
    """Make the zip. The same files give the same bytes."""
    here = Path(rocm_patch.__file__).parent
    files = {
        f"rocm_patch/{path.relative_to(here)}": path
        for pattern in (*_OURS, *_OURS_TOO)
        for path in here.glob(pattern)
    }
    for package, pattern in _OTHERS:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            files |= {f"{package}/{path.name}": path for path in Path(folder).glob(pattern)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(files.items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, path.read_bytes())
    return buffer.getvalue()
