"""A wheel as a folder and back: unpacked safely, packed so that the same files give the same bytes.

Knows zip files, RECORD and names. Knows nothing of what the files are.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import time
import zipfile
from pathlib import Path, PurePosixPath

from rocm_patch.errors import WheelError

#: deflate level; the same bytes need the same zlib as well, which the record of a build names.
LEVEL = 6
_CHUNK = 1 << 20
#: The earliest time a zip file can hold, 1980-01-01, in seconds since 1970.
_ZIP_FIRST = 315532800


def unpack_wheel(wheel: Path, folder: Path) -> Path:
    """Unpack into an empty folder, keeping the executable bit; gives its .dist-info folder.

    WheelError where a member would leave the folder, or there is not one .dist-info.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                name = PurePosixPath(info.filename)
                if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
                    raise WheelError(f"{wheel.name} holds an unsafe name", cause=repr(info.filename))
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                path.chmod(0o755 if info.external_attr >> 16 & 0o111 else 0o644)
    except (zipfile.BadZipFile, EOFError) as error:
        raise WheelError(
            f"{wheel.name} is no whole zip file", cause=str(error), step="build it again"
        ) from error
    return dist_info(folder)


def dist_info(folder: Path) -> Path:
    """Give the one .dist-info folder of an unpacked wheel. WheelError where there is not one."""
    found = sorted(folder.glob("*.dist-info"))
    if len(found) != 1:
        raise WheelError(f"an unpacked wheel has {len(found)} .dist-info folders, not one")
    return found[0]


def files_of(folder: Path) -> list[str]:
    """Give the files' names below a folder, sorted, .dist-info last as the standard advises."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(names, key=lambda name: (".dist-info/" in name, name))


def file_hash(path: Path) -> tuple[str, int]:
    """Give a file's hash in RECORD's form, and its bytes."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"sha256={text}", size


def write_record(folder: Path) -> None:
    """Write RECORD anew over all files."""
    record = dist_info(folder) / "RECORD"
    own = record.relative_to(folder).as_posix()
    record.write_text("", encoding="utf-8")
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name in files_of(folder):
        rows.writerow([name, "", ""] if name == own else [name, *file_hash(folder / name)])
    record.write_text(text.getvalue(), encoding="utf-8")


def record_problems(folder: Path) -> list[str]:
    """Compare RECORD with the files; gives one sentence for each difference."""
    record = dist_info(folder) / "RECORD"
    if not record.is_file():
        return ["there is no RECORD"]
    own = record.relative_to(folder).as_posix()
    said = {row[0]: tuple(row[1:]) for row in csv.reader(record.read_text("utf-8").splitlines()) if row}
    names = set(files_of(folder))
    problems = [f"{name} is not in RECORD" for name in sorted(names - said.keys())]
    problems += [f"{name} is in RECORD only" for name in sorted(said.keys() - names)]
    for name in sorted(names & said.keys() - {own}):
        digest, size = file_hash(folder / name)
        if said[name] != (digest, str(size)):
            problems.append(f"{name} differs from RECORD")
    return problems


def pack_wheel(folder: Path, wheel: Path, *, epoch: int) -> None:
    """Pack a folder: RECORD made anew, names sorted, one time for all, fixed modes.

    `epoch` in seconds since 1970, UTC; times before 1980 become 1980's first second.
    """
    write_record(folder)
    when = time.gmtime(max(epoch, _ZIP_FIRST))[:6]
    part = wheel.with_name(f".{wheel.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name in files_of(folder):
            path = folder / name
            info = zipfile.ZipInfo(name, date_time=when)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whatever packs it
            info.file_size = path.stat().st_size  # 2 GiB and more need the larger form
            info.external_attr = (0o100755 if path.stat().st_mode & 0o111 else 0o100644) << 16
            with path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    part.replace(wheel)
