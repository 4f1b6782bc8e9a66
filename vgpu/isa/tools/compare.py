"""Compare our disassembler with LLVM's over every gfx1010 instruction of files, packages and folders.

For each code object the .text section goes to vgpu-dis and the file to
llvm-objdump; the two texts must agree at every offset. A difference is printed
with both spellings, and the exit status is 1. Code for gfx10-1-generic counts
too: the loader gives it to a gfx1010. Knows how to enter the sysroot (where LLVM
is); nothing of what instructions mean.

    python vgpu/isa/tools/compare.py --dis build/isa/vgpu-dis [--json OUT] [--sample N] FILE...
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rocm_patch.audit.elf import Elf
from rocm_patch.isa.report import code_objects
from rocm_patch.sysroot import Bind, Sysroot

SHOWN = 5
#: What vgpu-dis writes for a word that is no instruction.
PADDING = "illegal"


def ours(dis: Path, text: bytes, folder: Path) -> dict[int, str]:
    """Disassemble a .text section with vgpu-dis: text by offset."""
    raw = folder / "text.bin"
    raw.write_bytes(text)
    done = subprocess.run([str(dis), str(raw)], capture_output=True, text=True, check=True)
    lines = {}
    for line in done.stdout.splitlines():
        offset, _length, words = line.split(" ", 2)
        lines[int(offset, 16)] = words
    return lines


def llvm(root: Sysroot, objdump: str, data: bytes, base: int, folder: Path) -> dict[int, str]:
    """Disassemble a code object with llvm-objdump in the sysroot: text by offset from `base`."""
    (folder / "object.co").write_bytes(data)
    done = root.run(
        [objdump, "-d", "--disassemble-zeroes", "--mcpu=gfx1010", "/w/object.co"],
        binds=[Bind(folder, "/w", "ro")],
    )
    lines = {}
    for line in done.stdout.splitlines():
        if line.startswith("\t"):
            words, _, comment = line.partition("//")
            # LLVM names the zero words between kernels v_illegal: they are padding to both.
            lines[int(comment.split(":", 1)[0], 16) - base] = words.strip().replace("v_illegal", PADDING)
    return lines


def say(line: str) -> None:
    """Write a line at once: a full run takes long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Compare what the command line names; 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--dis", type=Path, required=True, help="the vgpu-dis to test")
    parser.add_argument("--json", type=Path, help="write the counts here")
    parser.add_argument("--sample", type=int, default=0, help="code objects to take of each file; 0: all")
    options = parser.parse_args()
    root = Sysroot.open()
    objdump = "/" + str(max(root.path.glob("usr/lib/llvm-*/bin/llvm-objdump")).relative_to(root.path))
    total: Counter[str] = Counter()
    mnemonics: Counter[str] = Counter()
    per_file: dict[str, dict[str, int]] = {}
    for path in options.files:
        counts: Counter[str] = Counter()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for where, view in code_objects(path):
                data = bytes(view)
                text = Elf(view, where).named(".text")
                if text is None:
                    continue
                body = data[text.offset : text.offset + text.size]
                mine = ours(options.dis, body, folder)
                theirs = llvm(root, objdump, data, text.address, folder)
                code = [words for words in theirs.values() if words != PADDING]
                mnemonics.update(words.split(" ", 1)[0] for words in code)
                wrong = [at for at in sorted(mine.keys() | theirs.keys()) if mine.get(at) != theirs.get(at)]
                counts.update(objects=1, instructions=len(code), padding=len(theirs) - len(code))
                counts.update(differences=len(wrong))
                for at in wrong[:SHOWN]:
                    say(f"{where} .text+{at:#x}: ours {mine.get(at)!r}, LLVM {theirs.get(at)!r}")
                if counts["objects"] == options.sample:
                    break
        per_file[path.name] = dict(counts)
        total.update(counts)
        say(f"{path.name}: {dict(counts)}")
    plain = {re.sub("_(e32|e64|sdwa|dpp)$", "", name) for name in mnemonics}
    say(f"total: {dict(total)}, {len(mnemonics)} mnemonics, {len(plain)} without encoding suffix")
    if options.json:
        report = {"total": total, "files": per_file, "mnemonics": dict(mnemonics.most_common())}
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if total["differences"] or not total["instructions"] else 0


if __name__ == "__main__":
    sys.exit(main())
