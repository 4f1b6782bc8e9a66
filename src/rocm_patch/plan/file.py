"""Plan files: writing, signing, and reading them with the care that a file from elsewhere needs.

Root acts only on a plan that root alone can have written, or that a key of the
machine's own keyring signed (gpgv). Knows nothing of what the actions do.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from pydantic import ValidationError

from rocm_patch import commands
from rocm_patch.errors import FactsDifferError, MissingToolError, PlanError, PlanTrustError
from rocm_patch.plan.conditions import Facts
from rocm_patch.plan.model import Plan

#: Keys whose plans this machine accepts, below its root.
KEYRING = "etc/rocm-patch/plan-keys.gpg"
_LARGEST = 4 << 20
_SECONDS = 30
_SHOWN = 12


def write_plan(plan: Plan, place: Path) -> None:
    """Write a plan beside its place and move it there, readable by all and writable by its owner alone."""
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(plan_text(plan))
            os.fchmod(stream.fileno(), 0o644)
        Path(name).replace(place)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def plan_text(plan: Plan) -> str:
    """Give the file's text."""
    return json.dumps(plan.model_dump(mode="json"), indent=2) + "\n"


def parse_plan(data: bytes, name: str = "the plan") -> Plan:
    """Read a plan. PlanError for anything else, whatever the bytes are."""
    try:
        return Plan.model_validate(json.loads(data))
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"[:300] for one in error.errors()[:20]
        ]
        raise PlanError(
            f"{name} is not a plan that can be used",
            cause=lines[0],
            detail=lines[1:],
            step="make it anew: rocm-patch plan --out FILE",
        ) from error
    except (ValueError, RecursionError) as error:
        raise PlanError(
            f"{name} is not a plan", cause=str(error)[:300], step="make one: rocm-patch plan --out FILE"
        ) from error


def read_plan(place: Path, *, root: Path, trusted: bool | None = None) -> Plan:
    """Read a plan file for acting on it.

    As root (or with `trusted=False`) it must be root's own or signed.
    """
    data, status = _read(place)
    strict = os.geteuid() == 0 if trusted is None else not trusted
    signature = next(
        (one for one in (Path(f"{place}.asc"), Path(f"{place}.sig")) if one.exists() or one.is_symlink()),
        None,
    )
    if signature is not None:
        # A signature that is there is looked at, whoever owns the file.
        verify(data, signature, root / KEYRING)
    elif strict:
        cause = None
        if status.st_uid not in {0, os.geteuid()}:
            cause = f"it belongs to user {status.st_uid}"
        elif status.st_mode & 0o022:
            cause = f"its mode {stat.S_IMODE(status.st_mode):04o} lets others write it"
        if cause:
            raise PlanTrustError(
                f"{place} is not trusted",
                cause=f"{cause}, and there is no signature beside it",
                step=f"review it and copy it as root, or have it signed: gpg --detach-sign --armor {place}",
            )
    return parse_plan(data, str(place))


def _read(place: Path) -> tuple[bytes, os.stat_result]:
    """Read a regular file that the last part of the path names itself.

    And its state from the same open file.
    """
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PlanError(
            f"{place} cannot be read",
            cause=error.strerror or str(error),
            step="name a plan file that is no symbolic link",
        ) from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PlanError(f"{place} is no regular file", step="name a plan file")
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise PlanError(f"{place} is longer than {_LARGEST} bytes", step="name a plan file")
    return data, status


def sign(place: Path, key: str) -> Path:
    """Have gpg sign a plan file with a key of the caller's; gives the signature's place."""
    gpg = shutil.which("gpg")
    if gpg is None:
        raise MissingToolError(
            "plans are signed by gpg", cause="it is not installed", step="sudo apt install gnupg"
        )
    signature = Path(f"{place}.asc")
    done = commands.run(
        [
            *(gpg, "--batch", "--yes", "--local-user", key, "--armor"),
            *("--output", str(signature), "--detach-sign", "--", str(place)),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PlanError(
            f"{place} was not signed",
            cause=_last(done.stderr),
            step=f"see that gpg has the key: gpg --list-secret-keys {key}",
        )
    return signature


def verify(data: bytes, signature: Path, keyring: Path) -> None:
    """Have gpgv check a detached signature of exactly these bytes. PlanTrustError unless it is good."""
    gpgv = shutil.which("gpgv")
    if gpgv is None:
        raise MissingToolError(
            "signatures are checked by gpgv", cause="it is not installed", step="sudo apt install gpgv"
        )
    try:
        status = keyring.lstat()
    except OSError as error:
        raise PlanTrustError(
            "the plan's signature cannot be checked",
            cause=f"{keyring}: {error.strerror}",
            step=f"put the signer's public key there: gpg --export KEY > {keyring}",
        ) from error
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        raise PlanTrustError(
            f"{keyring} is not trusted",
            cause="others than root can write it",
            step=f"sudo chown root {keyring}; sudo chmod 0644 {keyring}",
        )
    mark, _ = _read(signature)
    with tempfile.TemporaryDirectory(prefix="rocm-patch-plan-") as folder:
        # gpgv reads copies: what is checked is what was read.
        plan, sign_file = Path(folder, "plan"), Path(folder, "signature")
        plan.write_bytes(data)
        sign_file.write_bytes(mark)
        done = commands.run(
            [gpgv, "--keyring", str(keyring.absolute()), str(sign_file), str(plan)],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
    if done.returncode:
        raise PlanTrustError(
            "the plan's signature is not good",
            cause=_last(done.stderr),
            step="get the plan again from whom you trust, or sign it",
        )


def check_facts(plan: Plan, facts: Facts) -> None:
    """See that the machine is as the plan says. FactsDifferError lists what differs."""
    differ = [name for name, value in plan.facts.items() if facts.get(name) != value]
    if differ:
        lines = [
            f"{name}: the plan says {plan.facts[name]!r}, here it is {facts.get(name)!r}"[:300]
            for name in differ[:_SHOWN]
        ]
        raise FactsDifferError(
            "the plan was made for other facts than this machine's",
            cause=f"{len(differ)} of {len(plan.facts)} facts differ",
            detail=lines,
            step="make a plan here: rocm-patch plan --out FILE",
        )


def _last(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "no reason was given"
