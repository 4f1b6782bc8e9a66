"""The JSON schema of the report, generated from the model. `python -m rocm_patch.detect.schema` writes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from rocm_patch.detect.model import SCHEMA_VERSION, Report
from rocm_patch.paths import data_root


def schema() -> dict[str, Any]:
    """Give the schema; every field is always there, and no other."""
    from pydantic import TypeAdapter  # noqa: PLC0415  # detect itself does without pydantic

    made = TypeAdapter(Report).json_schema(mode="serialization")
    for part in [made, *made.get("$defs", {}).values()]:
        if part.get("type") == "object" and "properties" in part:
            part["required"] = sorted(part["properties"])
            part["additionalProperties"] = False
            for field in part["properties"].values():
                field.pop("default", None)
                field.pop("title", None)
    made["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "rocm-patch detect --json"
    return made


def text() -> str:
    """Give the published file's text."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    place = data_root() / "schemas" / "detect.schema.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(text(), "utf-8")
    sys.stdout.write(f"{place}\n")
