"""The page's two drawings as inline SVG: errors against tolerances, and loss curves.

Plain numbers in, SVG text out; every text is escaped. Knows nothing of tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, EDGE = 720, 260, 46
COLOURS = ("#1b6ca8", "#c8553d", "#3d8b37", "#7b4fa3", "#a67c00", "#2a9d8f", "#8d5524", "#555555")
#: Ratios are drawn between these powers of ten.
LOWEST, HIGHEST = -6.0, 3.0
#: Ratios above this have their name in the page: a title a point costs size.
TITLED = 0.5


def scatter(groups: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """Draw every comparison's error/tolerance, one column a group, on a logarithmic scale.

    The line at 1 is the tolerance; what lies above it failed.
    """
    names = list(groups)
    if not names:
        return ""
    column = (WIDTH - EDGE - 10) / len(names)
    parts = [_frame(HEIGHT + 60)]
    for power in range(int(LOWEST), int(HIGHEST) + 1):
        y = _log_y(10.0**power)
        style = "#b00020" if power == 0 else "#dddddd"
        parts.append(f'<line x1="{EDGE}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="{style}"/>')
        label = "tolerance" if power == 0 else f"1e{power}"
        parts.append(f'<text x="{EDGE - 4}" y="{y + 4:.1f}" text-anchor="end" class="t">{label}</text>')
    for place, name in enumerate(names):
        points = groups[name]
        left = EDGE + place * column
        colour = COLOURS[place % len(COLOURS)]
        for number, (label, ratio) in enumerate(points):
            x = left + column * (number + 0.5) / max(len(points), 1)
            wrong = ratio > 1
            size, fill = (3, "#b00020") if wrong else (1.6, colour)
            mark = f'<circle cx="{x:.1f}" cy="{_log_y(ratio):.1f}" r="{size}" fill="{fill}"'
            parts.append(
                f"{mark}><title>{escape(label)}: {ratio:.3g}</title></circle>"
                if ratio > TITLED
                else mark + "/>"
            )
        x = left + column / 2
        parts.append(
            f'<text transform="translate({x:.1f},{HEIGHT + 4}) rotate(30)" class="t">{escape(name)}</text>'
        )
    return "".join(parts) + "</svg>"


def curves(lines: Mapping[str, Sequence[float]]) -> str:
    """Draw loss over steps, each line to the same scale, with its name beside its colour."""
    if not lines:
        return ""
    top = max((max(line) for line in lines.values() if line), default=1.0) or 1.0
    longest = max(len(line) for line in lines.values())
    parts = [_frame(HEIGHT + 10 + 16 * math.ceil(len(lines) / 3))]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = HEIGHT - 10 - share * (HEIGHT - 30)
        parts.append(f'<line x1="{EDGE}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{EDGE - 4}" y="{y + 4:.1f}" text-anchor="end" class="t">{top * share:.2g}</text>'
        )
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 3"' if number >= len(COLOURS) else ""
        points = " ".join(
            f"{EDGE + (WIDTH - EDGE - 10) * step / max(longest - 1, 1):.1f},"
            f"{HEIGHT - 10 - min(value / top, 1.0) * (HEIGHT - 30):.1f}"
            for step, value in enumerate(line)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}/>')
        x, y = EDGE + (number % 3) * 220, HEIGHT + 8 + 16 * (number // 3)
        parts.append(f'<text x="{x}" y="{y}" class="t" fill="{colour}">{escape(name)}</text>')
    return "".join(parts) + "</svg>"


def _frame(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
        "<style>.t{font:11px sans-serif}</style>"
    )


def _log_y(ratio: float) -> float:
    power = math.log10(ratio) if ratio > 0 else LOWEST
    share = (min(max(power, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return HEIGHT - 10 - share * (HEIGHT - 30)
