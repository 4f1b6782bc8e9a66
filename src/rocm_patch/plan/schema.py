"""The JSON schema of plans, generated from the model. `python -m rocm_patch.plan.schema` writes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from rocm_patch.paths import data_root
from rocm_patch.plan.model import Plan


def schema() -> dict[str, Any]:
    """Give the schema."""
    made = Plan.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "rocm-patch plan"
    return made


def text() -> str:
    """Give the published file's text."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    place = data_root() / "schemas" / "plan.schema.json"
    place.write_text(text(), "utf-8")
    sys.stdout.write(f"{place}\n")
