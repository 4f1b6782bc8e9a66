"""What a plan may ask for: a closed list of actions, each narrow enough to be checked and undone.

There is no action that runs a command of the plan's choice. Files are written only below
WRITABLE, and no package name can be taken for an option. Knows nothing of how it is done.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

#: Where a plan may write or drop lines; a folder ends in `/`, and what lies deeper is not meant.
WRITABLE = (
    "/etc/environment",
    "/etc/environment.d/",
    "/etc/profile.d/",
    "/etc/udev/rules.d/",
    "/etc/modprobe.d/",
    "/etc/apt/preferences.d/",
)
#: Where a file may be moved aside for another.
DIVERTIBLE = re.compile(
    r"(/opt/rocm[-0-9.a-z]*|/usr/lib(64|/x86_64-linux-gnu)?)(/[A-Za-z0-9_+][A-Za-z0-9_.+-]*)+"
)
_PATH = re.compile(r"(/[A-Za-z0-9_+@.-]{1,120}){1,24}")
_LARGEST = 256 << 10
_MOST = 200


class Strict(BaseModel):
    """Unknown keys are errors, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _path(text: str) -> str:
    if not _PATH.fullmatch(text) or {"..", "."} & set(text.split("/")):
        raise ValueError(f"{text!r} is no plain absolute path")
    return text


def _writable(text: str) -> str:
    _path(text)
    folder, _, _ = text.rpartition("/")
    if text not in WRITABLE and f"{folder}/" not in WRITABLE:
        raise ValueError(f"{text} is not in a place that a plan may write to")
    return text


def _divertible(text: str) -> str:
    _path(text)
    if not DIVERTIBLE.fullmatch(text):
        raise ValueError(f"{text} is not in a place whose files a plan may replace")
    return text


def _mode(text: str) -> str:
    if int(text, 8) & 0o022:
        raise ValueError(f"{text} would let others than the owner write")
    return text


Path = Annotated[str, AfterValidator(_path)]
WritablePath = Annotated[str, AfterValidator(_writable)]
DivertiblePath = Annotated[str, AfterValidator(_divertible)]
Mode = Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$"), AfterValidator(_mode)]
PackageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]{0,120}$")]
#: A name, or name=version.
PackageWish = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]{0,120}(=[0-9A-Za-z][0-9A-Za-z.+~:-]{0,120})?$"),
]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,80}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Group = Annotated[str, StringConstraints(pattern=r"^(render|video)$")]
User = Annotated[str, StringConstraints(pattern=r"^(@caller|[a-z_][a-z0-9_-]{0,31})$")]


class WriteFile(Strict):
    """Have a file with exactly this content, owned by root."""

    kind: Literal["write-file"]
    path: WritablePath
    content: Annotated[str, StringConstraints(max_length=_LARGEST)]
    mode: Mode = "0644"


class RemoveFile(Strict):
    """Have no such file."""

    kind: Literal["remove-file"]
    path: WritablePath


class DropLines(Strict):
    """Take the lines that begin with these words out of files."""

    kind: Literal["drop-lines"]
    files: Annotated[list[WritablePath], Field(min_length=1, max_length=_MOST)]
    words: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,60}$")]],
        Field(min_length=1, max_length=8),
    ]


class UnsetVariable(Strict):
    """Take a variable's assignments (with or without `export`) out of files."""

    kind: Literal["unset-variable"]
    name: Variable
    files: Annotated[list[WritablePath], Field(min_length=1, max_length=_MOST)]


class JoinGroup(Strict):
    """Have a user in GPU groups; `@caller` is who runs apply, behind sudo too."""

    kind: Literal["join-group"]
    groups: Annotated[list[Group], Field(min_length=1, max_length=2)]
    user: User = "@caller"


class Packages(Strict):
    """Install and remove packages through the system's manager."""

    kind: Literal["packages"]
    install: Annotated[list[PackageWish], Field(max_length=_MOST)] = Field(default_factory=list)
    remove: Annotated[list[PackageName], Field(max_length=_MOST)] = Field(default_factory=list)
    #: What the version of each package to install must match, as *gfx1010*: no other is taken for it.
    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.+~:*-]{1,80}$")] | None = None
    #: Each of their GPU libraries must hold code for it afterwards.
    target: Annotated[str, StringConstraints(pattern=r"^gfx[0-9a-f]{3,4}$")] | None = None


class Divert(Strict):
    """Put a file in the place of a package's, which is moved aside (dpkg-divert)."""

    kind: Literal["divert"]
    path: DivertiblePath
    #: The file to put there, and its hash: another one is refused.
    source: Path
    sha256: Sha256


class Hold(Strict):
    """Keep packages at their version (on), or let them go again."""

    kind: Literal["hold"]
    packages: Annotated[list[PackageName], Field(min_length=1, max_length=_MOST)]
    on: bool = True


class Hook(Strict):
    """Have the package manager tell rocm-patch of updates.

    The files are rocm-patch's own, none of the plan's.
    """

    kind: Literal["hook"]
    manager: Literal["apt", "dnf", "dnf5", "zypper"]
    #: The rocm-patch that the hook calls; without a name the one that applies this.
    command: Path | None = None


Action = Annotated[
    WriteFile | RemoveFile | DropLines | UnsetVariable | JoinGroup | Packages | Divert | Hold | Hook,
    Field(discriminator="kind"),
]
#: kind -> its class, for checks of a rule's keys before its blanks are filled.
KINDS: dict[str, type[Strict]] = {
    "write-file": WriteFile,
    "remove-file": RemoveFile,
    "drop-lines": DropLines,
    "unset-variable": UnsetVariable,
    "join-group": JoinGroup,
    "packages": Packages,
    "divert": Divert,
    "hold": Hold,
    "hook": Hook,
}


def in_words(action: Any) -> str:  # noqa: PLR0911  # one for each kind
    """Say in one line what an action does."""
    match action:
        case WriteFile():
            return f"write {action.path}"
        case RemoveFile():
            return f"remove {action.path}"
        case DropLines():
            return f"take `{' '.join(action.words)}` out of {', '.join(action.files)}"
        case UnsetVariable():
            return f"take {action.name} out of {', '.join(action.files)}"
        case JoinGroup():
            return f"put {'you' if action.user == '@caller' else action.user} into {', '.join(action.groups)}"
        case Packages():
            parts = [f"install {', '.join(action.install)}"] if action.install else []
            parts += [f"remove {', '.join(action.remove)}"] if action.remove else []
            return "; ".join(parts) or "no packages"
        case Divert():
            return f"replace {action.path}, the packaged one moved aside"
        case Hold():
            return f"{'hold' if action.on else 'unhold'} {', '.join(action.packages)}"
        case Hook():
            return f"have {action.manager} tell of updates"
    return str(action)
