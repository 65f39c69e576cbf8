"""Pages' tables written from the code itself, so that they cannot lag behind it.

A line ``<!-- from code: NAME -->`` in a page is replaced by what the maker of that name returns (Markdown).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

PLACE = re.compile(r"^<!-- from code: ([\w ]+) -->$", re.MULTILINE)

SCOPES = {
    "image": "Flags of a picture",
    "lane": "Flags of a strip or lane",
    "band": "Flags of a band",
    "ratio": "Flags of a ratio",
}
TABLES = {
    "bands.csv": "BAND_COLUMNS",
    "lanes.csv": "LANE_COLUMNS",
    "exposures.csv": "EXPOSURE_COLUMNS",
    "ratios.csv": "RATIO_COLUMNS",
    "summary.csv": "SUMMARY_COLUMNS",
    "contrasts.csv": "CONTRAST_COLUMNS",
    "sensitivity.csv": "SENSITIVITY_COLUMNS",
    "carry_over.csv": "CARRY_OVER_COLUMNS",
    "dilution.csv": "DILUTION_COLUMNS",
}


def fill(text: str) -> str:
    """Replace every place of a page.

    Raises
    ------
    KeyError
        If there is no maker of that name.
    """
    return PLACE.sub(lambda match: MAKERS[match[1]](), text)


def flags() -> str:
    """Every flag under its scope: name, level, meaning, what to do."""
    from blotquant.flags import FLAGS

    parts = []
    for scope, title in SCOPES.items():
        own = [flag for flag in FLAGS.values() if flag.scope == scope]
        rows = [(f"`{flag.name}`", flag.level, flag.meaning, flag.advice) for flag in own]
        parts += [f"## {title}", "", *_table(("flag", "level", "what was seen", "what to do"), rows), ""]
    return "\n".join(parts)


def columns() -> str:
    """Every column of every table."""
    from blotquant import tables

    parts = []
    for file, name in TABLES.items():
        rows = [
            (f"`{column}`", _KINDS[about.dtype], about.unit, about.meaning)
            for column, about in getattr(tables, name).items()
        ]
        parts += [f"## {file}", "", *_table(("column", "kind", "unit", "meaning"), rows), ""]
    return "\n".join(parts)


_KINDS = {"string": "text", "Int64": "whole number", "float64": "number", "boolean": "true or false"}


def settings() -> str:
    """Every parameter of an analysis."""
    from blotquant.settings import Settings

    rows = [
        (f"`{name}`", _allowed(field), _shown(field.default), field.description or "")
        for name, field in _fields(Settings)
    ]
    return "\n".join(_table(("parameter", "allowed", "default", "meaning"), rows))


def experiment() -> str:
    """Every key of experiment.toml."""
    from blotquant.experiment import design

    tables = {
        "[[images]]": design.ImageEntry,
        "[targets.NAME]": design.TargetEntry,
        "[[ratios]]": design.Ratio,
        "[compare]": design.Comparison,
        "[[contrasts]]": design.Contrast,
        "[dilution]": design.Dilution,
    }
    parts = []
    for title, model in tables.items():
        rows = [
            (f"`{name}`", _allowed(field), _shown(field.get_default()), field.description or "")
            for name, field in _fields(model)
        ]
        parts += [f"### `{title}`", "", *_table(("key", "allowed", "default", "meaning"), rows), ""]
    return "\n".join(parts)


def scalings() -> str:
    """Every way of putting blots on one scale, with its cost."""
    from blotquant.statistics.scaling import SCALINGS

    rows = [(f"`{name}`", method.does, method.costs) for name, method in SCALINGS.items()]
    return "\n".join(_table(("scaling", "what it does", "what it costs"), rows))


def backgrounds() -> str:
    """Every background method in the methods paragraph's words."""
    from blotquant.report.methods import BACKGROUND_WORDS

    return "\n".join(_table(("background", "what it is"), [(f"`{k}`", v) for k, v in BACKGROUND_WORDS.items()]))


def ladders() -> str:
    """Every ladder that is known by its product name."""
    from blotquant.identification.presets import LADDERS_KDA

    rows = [(f"`{name}`", ", ".join(f"{kda:g}" for kda in masses)) for name, masses in LADDERS_KDA.items()]
    return "\n".join(_table(("ladder", "apparent masses, kDa"), rows))


def commands() -> str:
    """Every command with its arguments and options, as click knows them."""
    from blotquant.cli import cli

    return "\n".join(line for name, command in cli.commands.items() for line in _command(name, command))


GROUPS = {
    "Read and analyse": "read_image analyze analyze_membrane run_experiment read_experiment",
    "Find": "find_layout find_membrane_layouts",
    "Measure": "measure_bands measure_lanes",
    "Name": "Target assign_targets fit_ladder",
    "Compare": "fit_exposure_series fit_dilution_series",
    "Keep": "Session save_session load_session",
    "Values": "BlotImage Layout Strip Lane Band Analysis Expected Naming Picture Settings BlotQuantError",
    "Synthetic pictures": "make_blot",
}


def api() -> str:
    """Every public name with its docstring.

    Raises
    ------
    ValueError
        If a public name stands in no group, or a group names one that is not public.
    """
    import inspect

    import blotquant

    grouped = [name for names in GROUPS.values() for name in names.split()]
    public = set(blotquant.__all__) - {"__version__", "FLAGS"}
    if set(grouped) != public:
        msg = f"public names and the groups of the API page differ: {sorted(set(grouped) ^ public)}"
        raise ValueError(msg)
    parts = []
    for title, names in GROUPS.items():
        parts += [f"## {title}", ""]
        for name in names.split():
            thing = getattr(blotquant, name)
            kind = "autoclass" if inspect.isclass(thing) else "autofunction"
            parts += [f"### {name}", "", "```{eval-rst}", f".. {kind}:: blotquant.{name}", "```", ""]
    return "\n".join(parts)


def layers() -> str:
    """The layers as the architecture's test states them, lowest first."""
    import ast
    import importlib
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent.parent
    tree = ast.parse((root / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    stated = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "LAYERS")
    rows = []
    for layer in ast.literal_eval(stated):
        names = [name for name in sorted(layer) if name not in ("__main__", "blotquant")]
        about = [(importlib.import_module(f"blotquant.{name}").__doc__ or "").partition("\n")[0] for name in names]
        rows += [(f"`{name}`", text) for name, text in zip(names, about, strict=True)]
    return "\n".join(_table(("package or module", "what it is"), rows))


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"blotquant {name}")
    usage = " ".join([f"blotquant {name}", *command.collect_usage_pieces(context)])
    yield from (f"## blotquant {name}", "", command.help or "", "", f"```text\n{usage}\n```", "")
    options = [record for p in command.params if (record := p.get_help_record(context))]
    options = [record for record in options if record[1]]
    yield from _table(("option", "meaning"), [(f"`{left}`", right) for left, right in options])
    yield ""


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _allowed(field: FieldInfo) -> str:
    """What values a field takes, in words."""
    words = _kind(field.annotation)
    limits = {}
    for item in field.metadata + [m for a in get_args(field.annotation) for m in getattr(a, "__metadata__", ())]:
        limits |= {sign: getattr(item, key) for key, sign in _SIGNS.items() if getattr(item, key, None) is not None}
    return words + "".join(f", {sign} {value:g}" for sign, value in limits.items() if isinstance(value, (int, float)))


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _kind(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        return {int: "whole number", float: "number", str: "text", bool: "true or false"}.get(annotation, "text")
    if str(origin) == "typing.Literal":
        return ", ".join(f"`{value}`" for value in args)
    if origin is tuple:
        return f"{_kind(args[0])}, or a list"
    kinds = [_kind(arg) for arg in args if arg is not type(None) and not hasattr(arg, "gt")]
    return kinds[0]


def _shown(value: object) -> str:
    if value in (None, "", ()) or repr(value) == "PydanticUndefined":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


MAKERS: Mapping[str, Callable[[], str]] = {
    maker.__name__: maker
    for maker in (flags, columns, settings, experiment, scalings, backgrounds, ladders, commands, api, layers)
}


def setup(app: Any) -> dict[str, bool]:
    """Fill the pages as they are read."""

    def on_read(_app: Any, _page: str, source: list[str]) -> None:
        source[0] = fill(source[0])

    app.connect("source-read", on_read)
    return {"parallel_read_safe": True}
