"""Every error that a user can meet: what went wrong, its cause, the next step, an exit code.

This module knows nothing of the parts that raise its errors. Exit codes are
grouped by part (tens digit) so that a script can tell which part failed;
docs/exit-codes.md lists them.
"""

from __future__ import annotations


class RocmPatchError(Exception):
    """A failure that is explained: `what` failed, its `cause`, and the `step` to take next.

    `detail` holds lines too long for the sentence (addresses tried, hunks, logs).
    """

    exit_code = 1

    def __init__(
        self, what: str, *, cause: str = "", step: str = "", detail: list[str] | None = None
    ) -> None:
        """Keep the parts; the command line prints them on lines of their own."""
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.step = step
        self.detail = detail or []

    def __str__(self) -> str:
        """Give the whole explanation as plain text."""
        lines = [self.what]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        lines += [f"    {line}" for line in self.detail]
        if self.step:
            lines.append(f"  next:  {self.step}")
        return "\n".join(lines)


class UsageError(RocmPatchError):
    """The words of a call do not fit."""

    exit_code = 2


class MissingToolError(RocmPatchError):
    """A program that this machine must have is absent; `step` holds the install command."""

    exit_code = 3


class BusyError(RocmPatchError):
    """Another run holds the lock of the same piece of work."""

    exit_code = 4


class DiskSpaceError(RocmPatchError):
    """Not enough room for what is about to be written."""

    exit_code = 5


class HostError(RocmPatchError):
    """Of several machines, at least one could not be asked or failed."""

    exit_code = 6


class DataError(RocmPatchError):
    """A data file of the project (recipe, lock, target) breaks its schema."""

    exit_code = 10


class SourceError(RocmPatchError):
    """No provider gave the pinned bytes."""

    exit_code = 20


class ArchiveError(RocmPatchError):
    """An archive holds a member that must not be unpacked."""

    exit_code = 21


class SeriesError(RocmPatchError):
    """A patch series or its header is malformed."""

    exit_code = 30


class HunkError(SeriesError):
    """A hunk does not apply exactly."""

    exit_code = 31


class SysrootError(RocmPatchError):
    """The sysroot cannot be made, entered or verified."""

    exit_code = 40


class LockDriftError(SysrootError):
    """A package differs from the lock file."""

    exit_code = 41


class AuditError(RocmPatchError):
    """A file cannot be read as what it claims to be."""

    exit_code = 50


class BuildError(RocmPatchError):
    """A build step failed; `detail` holds the end of its log."""

    exit_code = 60


class ConfigureError(BuildError):
    """The configured build is not the one asked for (ROCm off, MIOpen off, ...)."""

    exit_code = 61


class WheelError(RocmPatchError):
    """The wheel breaks a rule of what may be shipped."""

    exit_code = 70


class PackageError(RocmPatchError):
    """A distribution package cannot be made, or what it would hold is not what was described."""

    exit_code = 71


class RepositoryError(PackageError):
    """A repository cannot be made, signed or served."""

    exit_code = 72


class VgpuError(RocmPatchError):
    """The virtual GPU cannot be built, found or started."""

    exit_code = 80


class ValidationError(RocmPatchError):
    """The GPU suite cannot be run, or what it ran speaks against the build."""

    exit_code = 90


class NoGpuError(ValidationError):
    """torch sees no GPU that could be validated."""

    exit_code = 91


class PlanError(RocmPatchError):
    """A plan file is not a plan, or asks for what a plan may not ask."""

    exit_code = 100


class PlanTrustError(PlanError):
    """A plan that root must not act on: others could have written it, and no good signature is there."""

    exit_code = 101


class FactsDifferError(PlanError):
    """The plan was made from other facts than this machine's."""

    exit_code = 102


class ApplyError(RocmPatchError):
    """A step failed, and everything was put back."""

    exit_code = 110


class UndoError(ApplyError):
    """Something could not be put back; the journal and the snapshots are kept."""

    exit_code = 111


class CheckError(ApplyError):
    """The checks before the first step refuse; nothing was touched."""

    exit_code = 112


class ChangedSinceError(ApplyError):
    """What a rollback would put back was changed by somebody else in the meantime."""

    exit_code = 113


class DriftError(ApplyError):
    """What was applied is no longer as it was applied."""

    exit_code = 114


class StateFolderError(ApplyError):
    """The state folder or its journal is not safe to use, or is damaged."""

    exit_code = 115
