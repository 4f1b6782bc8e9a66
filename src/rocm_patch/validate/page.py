"""The report for people: one HTML page that needs nothing besides itself.

Fills report.html.j2, whose text jinja2 escapes; the drawings come from charts.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from rocm_patch import __version__
from rocm_patch.validate import charts
from rocm_patch.validate.model import OUTCOMES, Run


def groups_of(run: Run) -> list[dict[str, Any]]:
    """Give a line for each part of the suite: counts, comparisons, the largest ratio, seconds."""
    rows: dict[str, dict[str, Any]] = {}
    for result in run.results:
        row = rows.setdefault(
            result.group,
            {
                "name": result.group,
                "tests": 0,
                "compared": 0,
                "worst": 0.0,
                "seconds": 0.0,
                **dict.fromkeys(OUTCOMES, 0),
            },
        )
        row["tests"] += 1
        row[result.outcome] += 1
        row["compared"] += result.compared
        row["seconds"] += result.seconds
        row["worst"] = max([row["worst"], *(error["ratio"] for error in result.errors)])
    return [rows[name] for name in sorted(rows)]


def points_of(run: Run) -> dict[str, list[tuple[str, float]]]:
    """Give each test's largest error/tolerance, by part of the suite, without exact ones that held."""
    points: dict[str, list[tuple[str, float]]] = {}
    for result in sorted(run.results, key=lambda r: r.id):
        ratios = [error["ratio"] for error in result.errors]
        if ratios and max(ratios) > 0:
            points.setdefault(result.group, []).append((result.id.partition("::")[2], max(ratios)))
    return dict(sorted(points.items()))


def write_page(run: Run, path: Path) -> None:
    """Write the page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rocm_patch.validate", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lines = {name: line for result in run.results for name, line in result.curves.items()}
    text = environment.get_template("report.html.j2").render(
        run=run,
        tool=__version__,
        groups=groups_of(run),
        scatter=Markup(charts.scatter(points_of(run))),  # noqa: S704  (charts escapes its texts)
        curves=Markup(charts.curves(dict(sorted(lines.items())))),  # noqa: S704
        skipped=[result for result in run.results if result.outcome == "skipped"],
    )
    path.write_text(text, encoding="utf-8")
