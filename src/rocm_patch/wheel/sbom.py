"""The wheel's bill of materials: CycloneDX 1.6 as JSON, the same bytes for the same content.

Knows the form. What goes in is given as `Part`s and texts; PEP 770 says where the file lies.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import attrs

from rocm_patch import __version__

FILE = "rocm-patch.cdx.json"


@attrs.frozen
class Part:
    """Something in the wheel that is not its own code; hashes are sha256 in hex.

    `how`: vendored (a library as a file), static (compiled or linked in) or tool (made it).
    """

    how: Literal["vendored", "static", "tool"]
    name: str
    version: str
    purl: str | None = None
    sha256: str | None = None
    #: Files of the wheel -> their hash.
    files: Mapping[str, str] = attrs.field(factory=dict)
    licence: str | None = None
    properties: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Subject:
    """The wheel itself: what it was made from and how that was changed."""

    name: str
    version: str
    licence: str
    epoch: int
    #: Of the environment: lock, compilers, target.
    sdk: Mapping[str, str]
    #: The package URL of what was patched, with its archive's sha256; empty where nothing was.
    ancestor: str = ""
    ancestor_sha256: str = ""
    patches: Sequence[tuple[str, str]] = ()
    #: Its own package URL where it is no Python package.
    purl: str = ""


def render(subject: Subject, parts: Sequence[Part]) -> bytes:
    """Write the bill. Its serial number is made from its content."""
    body = _body(subject, sorted(parts, key=lambda one: (one.how, one.name)))
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    serial = uuid.UUID(bytes=digest[:16], version=4)
    whole = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def _body(subject: Subject, parts: Sequence[Part]) -> dict[str, Any]:
    top = subject.purl or f"pkg:pypi/{subject.name}@{subject.version.replace('+', '%2B')}"
    components = [_component(part) for part in parts]
    when = datetime.fromtimestamp(subject.epoch, tz=timezone.utc)
    sdk = sorted(subject.sdk.items())
    properties = [{"name": f"rocm-patch:sdk:{key}", "value": value} for key, value in sdk]
    return {
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "rocm-patch", "version": __version__}]},
            "component": {
                "type": "library",
                "bom-ref": top,
                "name": subject.name,
                "version": subject.version,
                "purl": top,
                "licenses": [{"license": {"id": subject.licence}}],
                **({"pedigree": _pedigree(subject)} if subject.ancestor else {}),
                "properties": properties,
            },
        },
        "components": components,
        "dependencies": [
            {"ref": top, "dependsOn": [one["bom-ref"] for one in components]},
            *({"ref": one["bom-ref"]} for one in components),
        ],
    }


def _pedigree(subject: Subject) -> dict[str, Any]:
    upstream, _, version = subject.ancestor.rpartition("@")
    return {
        "ancestors": [
            {
                "type": "library",
                "bom-ref": subject.ancestor,
                "name": upstream.rpartition("/")[2],
                "version": version,
                "purl": subject.ancestor,
                "hashes": [_sha256(subject.ancestor_sha256)],
            }
        ],
        "patches": [
            {"type": "unofficial", "diff": {"text": {"contentType": "text/x-diff", "content": text}}}
            for _, text in subject.patches
        ],
        "notes": f"Patched in this order: {', '.join(name for name, _ in subject.patches)}",
    }


def _component(part: Part) -> dict[str, Any]:
    reference = part.purl or f"urn:rocm-patch:{part.how}:{part.name}@{part.version}"
    one: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"{reference}#{part.how}",
        "name": part.name,
        "version": part.version,
    }
    if part.purl:
        one["purl"] = part.purl
    if part.sha256:
        one["hashes"] = [_sha256(part.sha256)]
    properties = {"rocm-patch:how": part.how, **part.properties}
    if part.licence:
        properties["rocm-patch:licence-file"] = part.licence
    one["properties"] = [{"name": key, "value": value} for key, value in sorted(properties.items())]
    if part.files:
        one["components"] = [
            {"type": "file", "name": name, "hashes": [_sha256(digest)]}
            for name, digest in sorted(part.files.items())
        ]
    return one


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def file_hashes(bill: bytes) -> dict[str, str]:
    """Read back the files that a bill lists, with their hashes; empty where it is no bill."""
    try:
        data = json.loads(bill)
    except ValueError:
        return {}
    return {
        entry["name"]: entry["hashes"][0]["content"]
        for component in data.get("components", ())
        for entry in component.get("components", ())
    }
