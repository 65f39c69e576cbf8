"""The options that several commands of the command line share, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from blotquant.runs.folder import Workers
    from blotquant.settings import Settings

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _together(*options: Decorator) -> Decorator:
    """Several options as one, listed in this order by --help."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        """Add the options to a command."""
        for option in reversed(options):
            command = option(command)
        return command

    return add


out_option = click.option(
    "-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the results."
)

output_options = _together(
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)

worker_options = _together(
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
    click.option("--scheduler", metavar="ADDRESS", help="Address of a dask scheduler to use instead."),
    click.option("--resume", is_flag=True, help="Redo only what is missing, changed or failed."),
    click.option(
        "--time-limit", type=click.FloatRange(0, min_open=True), metavar="S", help="Longest time for one unit."
    ),
    click.option("--timings", is_flag=True, help="Record the seconds of each stage."),
    click.option("--parquet", is_flag=True, help="Write the tables as Parquet too."),
    click.option(
        "--progress",
        type=click.Choice(["auto", "bar", "plain", "json", "none"]),
        default="auto",
        help="How progress is shown on stderr.",
    ),
)

settings_options = _together(
    click.option("--lanes", type=click.IntRange(1, 60), metavar="N", help="Lanes of each strip, empty ones included."),
    click.option("--polarity", type=click.Choice(["auto", "bright", "dark"]), help="Bands bright or dark."),
    click.option("--channel", help="Colour channel of RGB pictures."),
    click.option("--page", type=click.IntRange(0), help="Page of a multi-page file, from 0."),
    click.option("--rotate", type=float, metavar="DEG", help="Turn pictures, degrees anticlockwise."),
    click.option("--flip", type=click.Choice(["left-right", "top-bottom"]), help="Mirror pictures."),
    click.option("--region", metavar="X0,Y0,X1,Y1", help="Cut pictures to this region of the file's pixels."),
    click.option("--background", help="Background method."),
    click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="Parameters as TOML."),
    click.option(
        "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One parameter, such as detection.min_snr=4."
    ),
)


def folder_of(out: Path | None) -> Path:
    """The folder for the results, which must be named."""
    if out is None:
        msg = "say where the results go: -o FOLDER"
        raise click.UsageError(msg)
    return out


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Settings from a file, the named options and --set, later ones winning."""
    from blotquant.settings import Settings, load_settings

    file = options["settings_file"]
    settings = load_settings(file) if file is not None else Settings()
    named = {
        "detection.n_lanes": options["lanes"],
        "polarity": options["polarity"],
        "channel": options["channel"],
        "page": options["page"],
        "rotate": options["rotate"],
        "flip": options["flip"],
        "region": options["region"],
        "quantification.background": options["background"],
    }
    given = [f"{name}={value}" for name, value in named.items() if value is not None]
    return settings.with_overrides([*given, *options["overrides"]])


def workers_of(options: Mapping[str, Any]) -> Workers:
    """Who does the work, and how it is shown."""
    from blotquant.runs.folder import Workers

    return Workers(
        jobs=options["jobs"],
        scheduler=options["scheduler"],
        resume=options["resume"],
        time_limit_s=options["time_limit"],
        progress=options["progress"],
        timings=options["timings"],
    )
