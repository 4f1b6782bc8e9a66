"""Writes manual pages (roff, man macros) from the click commands, one for each top-level command.

Knows click's description of commands, the errors' exit codes and roff's escapes; no command by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import jinja2

from rocm_patch import errors

_TEMPLATE = """\
.\\" Written by `rocm-patch man` from the commands themselves.
.TH {{ title }} 1 "{{ date }}" "rocm-patch {{ version }}" "rocm-patch"
.SH NAME
{{ name }} \\- {{ short }}
.SH SYNOPSIS
.B {{ name }}
{{ usage }}
.SH DESCRIPTION
{{ description }}
{% for command in commands %}
.SS {{ command.name }} {{ command.usage }}
{{ command.description }}
{% for option in command.options %}
.TP
.B {{ option.names }}
{{ option.help }}
{% endfor %}
{% endfor %}
{% if options %}
.SH OPTIONS
{% for option in options %}
.TP
.B {{ option.names }}
{{ option.help }}
{% endfor %}
{% endif %}
{% if codes %}
.SH EXIT STATUS
{% for code, text in codes %}
.TP
.B {{ code }}
{{ text }}
{% endfor %}
.SH ENVIRONMENT
{% for variable, text in variables %}
.TP
.B {{ variable }}
{{ text }}
{% endfor %}
{% endif %}
.SH SEE ALSO
{{ others }}
"""

VARIABLES = (
    ("ROCM_PATCH_DATA", "A checkout whose recipes, patches and problems are used."),
    ("ROCM_PATCH_CACHE", "The folder for what can be fetched or made again."),
    ("ROCM_PATCH_STATE", "The folder of the logs and of what must outlive the cache."),
    ("ROCM_PATCH_DIST", "The folder for finished artefacts."),
    ("ROCM_PATCH_LOG", "off: write no log."),
    ("NO_COLOR", "If set, nothing is coloured."),
)


def pages(root: click.Group, *, version: str, date: str) -> dict[str, str]:
    """Give every page's file name and text."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701  # roff, escaped below
    template = environment.from_string(_TEMPLATE)
    context = click.Context(root, info_name="rocm-patch")
    names = root.list_commands(context)
    out = {}
    for name in ("", *names):
        command = root.get_command(context, name) if name else root
        if command is None or command.hidden:
            continue
        title = f"rocm-patch-{name}" if name else "rocm-patch"
        others = [f"rocm-patch-{one}" for one in names if one != name] if not name else ["rocm-patch"]
        text = template.render(
            title=escape(title.upper()),
            name=escape(title),
            version=escape(version),
            date=date,
            short=escape(command.get_short_help_str(200).rstrip(".")),
            others=",\n".join(f".BR {escape(one)} (1)" for one in others).replace(",\n", " ,\n"),
            codes=[(code, escape(text)) for code, text in exit_codes()] if not name else [],
            variables=[(escape(one), escape(text)) for one, text in VARIABLES],
            commands=list(_nested(command, context)) if name else _table(root, context),
            **_described(command, context),
        )
        out[f"{title}.1"] = re.sub(r"\n{2,}", "\n", text)
    return out


def exit_codes() -> list[tuple[int, str]]:
    """Give every exit code with the words of the error that has it."""
    found: dict[int, str] = {0: "Done.", 1: "The answer is no, or an unexplained failure."}
    waiting = [errors.RocmPatchError]
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if kind is not errors.RocmPatchError:
            found.setdefault(kind.exit_code, (kind.__doc__ or "").strip().split("\n")[0])
    return sorted(found.items())


def escape(text: str) -> str:
    """Escape what roff would act on."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def _described(command: click.Command, parent: click.Context) -> dict[str, Any]:
    context = click.Context(command, info_name=command.name, parent=parent)
    return {
        "usage": escape(" ".join(command.collect_usage_pieces(context))),
        "description": _paragraphs(command.help or command.short_help or ""),
        "options": [option for one in command.get_params(context) if (option := _option(one, context))],
    }


def _option(parameter: click.Parameter, context: click.Context) -> dict[str, str] | None:
    record = parameter.get_help_record(context)
    return {"names": escape(record[0]), "help": escape(record[1] or "")} if record else None


def _nested(command: click.Command, parent: click.Context) -> Iterator[dict[str, Any]]:
    """Give a group's subcommands, and theirs."""
    if not isinstance(command, click.Group):
        return
    context = click.Context(command, info_name=command.name, parent=parent)
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        if one is not None and not one.hidden:
            yield {"name": escape(name), **_described(one, context)}
            for deeper in _nested(one, context):
                yield deeper | {"name": f"{escape(name)} {deeper['name']}"}


def _table(root: click.Group, context: click.Context) -> list[dict[str, Any]]:
    """Give the list of commands for the main page."""
    rows = []
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if command is not None:
            short = command.get_short_help_str(200)
            rows.append({"name": escape(name), "usage": "", "description": escape(short), "options": []})
    return rows


def _paragraphs(text: str) -> str:
    """Give a help text with its paragraphs; click's mark for lines kept as they are becomes a block."""
    out = []
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        out += [".PP"] if number else []
        lines = [escape(line.strip()) for line in paragraph.split("\n")]
        out += [".nf", *lines[1:], ".fi"] if lines[0] == "\b" else lines
    return "\n".join(out)
