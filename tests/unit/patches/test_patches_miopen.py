"""What the host's part of MIOpen's series does: its lines, compiled and asked for each card.

That the hunk stands in MIOpen's source where it says is not shown here: `rocm-patch patch check
miopen VERSION --fetch` does. The kernels' part is in tests/integration/miopen.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rocm_patch.series import load_series

FRAME = """
#include <cstdio>
#include <string>
static bool StartsWith(const std::string& text, const char* begin) { return text.rfind(begin, 0) == 0; }
struct Stream { std::string card; std::string GetDeviceName() const { return card; } };
struct Context { Stream stream; const Stream& GetStream() const { return stream; } };
static bool applies(const Context& ctx)
{
@HUNK@
        return false;
    return true;
}
int main(int count, char** words)
{
    for(int i = 1; i < count; ++i)
        std::puts(applies(Context{Stream{words[i]}}) ? "yes" : "no");
}
"""
CARDS = ["gfx1010", "gfx1011", "gfx1012", "gfx1030", "gfx906"]


def answers(work: Path, version: str, which: bytes) -> list[str]:
    """Compile the old or new side of the hunk; say for each card whether the solver applies."""
    (found,) = [one for one in load_series("miopen", version).patches if "winograd" in one.name]
    lines = found.data.split(b"\n@@ ")[1].split(b"\n")[1:]
    hunk = b"\n".join(line[1:] for line in lines if line[:1] in (b" ", which)).decode()
    source = work / f"{which.hex()}.cpp"
    source.write_text(FRAME.replace("@HUNK@", hunk))
    program = source.with_suffix("")
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    return subprocess.run([str(program), *CARDS], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("version", ["5.7.1", "6.4.3", "7.1.1"])
def test_winograd_is_gated(version: str, tmp_path: Path) -> None:
    assert answers(tmp_path, version, b"-") == ["yes"] * 5
    assert answers(tmp_path, version, b"+") == ["no", "no", "no", "yes", "yes"]
