"""What the host's part of MIOpen's series does: its lines, compiled and asked for each card.

That the hunks stand in MIOpen's source where they say is not shown here: `rocm-patch patch check
miopen VERSION --fetch` does. The kernels' part is in tests/integration/miopen.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from rocm_patch.series import load_series

FRAME = """
#include <cstdio>
#include <string>
static bool StartsWith(const std::string& text, const char* begin) { return text.rfind(begin, 0) == 0; }
struct Stream { std::string card; std::string GetDeviceName() const { return card; } };
struct Context
{
    Stream stream;
    const Stream& GetStream() const { return stream; }
    const Context& GetConvContext(int) const { return *this; }
};
static Context ctx, context, conv_ctx;
[[maybe_unused]] static const int conv_problem = 0;
"""
ASKED = """
static bool @NAME@()
{
@HUNK@
        return false;
    return true;
}
"""
MAIN = """
int main(int count, char** words)
{
    bool (*const asked[])() = {@NAMES@};
    for(const auto applies : asked)
    {
        for(int i = 1; i < count; ++i)
        {
            ctx.stream.card = context.stream.card = conv_ctx.stream.card = words[i];
            std::fputs(applies() ? "yes " : "no ", stdout);
        }
        std::puts("");
    }
}
"""
#: How upstream goes on where a hunk ends above its condition.
REST = '    if(!(StartsWith(name, "gfx9") || StartsWith(name, "gfx10") || StartsWith(name, "gfx12")))'
CARDS = ["gfx1010", "gfx1011", "gfx1012", "gfx1030", "gfx906"]
VERSIONS = ["5.7.1", "6.0.2", "6.1.2", "6.2.4", "6.3.3", "6.4.3", "7.0.2", "7.1.1"]
#: The solvers whose own conditions let gfx10 through: of one convolution, and of one fused with what follows.
FILES = ["conv_winoRxS.cpp", "conv_winoRxS_fused.cpp"]


def hunks(version: str) -> dict[str, list[bytes]]:
    """Give each file's one hunk as its lines."""
    (found,) = [one for one in load_series("miopen", version).patches if "winograd" in one.name]
    sections = found.data.split(b"\n--- a/")[1:]
    assert all(section.count(b"\n@@ ") == 1 for section in sections)
    return {
        section.split(b"\n")[0].decode().rpartition("/")[2]: section.split(b"\n@@ ")[1].split(b"\n")[1:]
        for section in sections
    }


def side(lines: list[bytes], which: bytes) -> str:
    """Give the old (-) or new (+) side of a hunk, up to a condition whose branch is `return false`."""
    text = [line[1:].decode() for line in lines if line[:1] in (b" ", which)]
    return "\n".join(text if text[-1].startswith("    if(!(") else [*text, REST])


def test_winograd_is_gated(tmp_path: Path) -> None:
    """Both sides of every hunk of every version in one program, since a compiler's start costs most."""
    names, functions = [], []
    for version in VERSIONS:
        found = hunks(version)
        assert list(found) == FILES
        for file in FILES:
            for which, word in ((b"-", "old"), (b"+", "new")):
                names.append(f"{word}_{version.replace('.', '_')}_{file.partition('.')[0]}")
                hunk = side(found[file], which)
                functions.append(ASKED.replace("@NAME@", names[-1]).replace("@HUNK@", hunk))
    source = tmp_path / "asked.cpp"
    source.write_text(FRAME + "".join(functions) + MAIN.replace("@NAMES@", ", ".join(names)))
    program = source.with_suffix("")
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    out = subprocess.run([str(program), *CARDS], check=True, capture_output=True, text=True).stdout
    answers = dict(zip(names, map(str.split, out.splitlines()), strict=True))
    assert len(answers) == 4 * len(VERSIONS)
    for name, said in answers.items():
        patched = name.startswith("new")
        assert said == (["no"] * 3 if patched else ["yes"] * 3) + ["yes", "yes"], name
