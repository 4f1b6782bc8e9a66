"""What runs on a machine of --host: gathers as doctor does, and prints it as one JSON document.

Sent there by fleet/probe.py with the modules that it needs; knows nothing of ssh. Standard library,
and the pure Python parts of PyYAML and python-debian that are sent along.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rocm_patch.detect.place import opened
from rocm_patch.doctor.gather import gather

#: Characters of each text that travel; the end is kept.
_MOST = 2 << 20
#: What apply publishes for all users of a machine.
_STATUS = "/var/lib/rocm-patch/status.json"


def document(root: Path | None = None) -> dict[str, object]:
    """Look at this machine (or a tree, for tests)."""
    with opened(root, None) as place:
        gathered = gather(place)
        notes = list(gathered.notes)
        status = place.tree.text(_STATUS)
        try:
            from rocm_patch.detect.fixture import save  # noqa: PLC0415  # YAML

            machine = save(place.tree, gathered.report, place.environment)
        except ImportError as error:
            machine = ""
            notes.append(f"no plan can be made of this: {error}")
    return {
        "report": asdict(gathered.report),
        "texts": [{"name": one.name, "text": one.text[-_MOST:]} for one in gathered.texts],
        "notes": notes,
        "machine": machine,
        "status": status,
    }


def main() -> None:
    """Print the document; ASCII, so that no locale of the way matters."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.write(json.dumps(document(root)) + "\n")


if __name__ == "__main__":
    main()
