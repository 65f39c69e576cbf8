"""The command line: results and paths on stdout, words and progress on stderr, one line for an expected error.

Only this module knows click. Heavy imports happen inside the commands, so that ``--help`` stays quick.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blotquant._version import __version__
from blotquant.threads import collect_garbage_seldom, keep_freed_memory

if TYPE_CHECKING:
    from blotquant.runs.folder import FolderResult, Workers
    from blotquant.settings import Settings

EXIT_DATA = 1
"""Something is wrong with the data."""
EXIT_USAGE = 2
"""Something is wrong with the command."""
EXIT_INTERRUPTED = 130
"""A person stopped it: 128 and the number of the signal."""
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

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
    "-o", "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results."
)

output_options = _together(
    click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)

worker_options = _together(
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
    click.option("--scheduler", metavar="ADDRESS", help="Address of a dask scheduler to use instead."),
    click.option("--resume", is_flag=True, help="Redo only what is missing, changed or failed."),
    click.option(
        "--time-limit",
        "time_limit_s",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Longest time for one unit.",
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

    return Workers(**{field.name: options[field.name] for field in fields(Workers)})


def _emit(document: dict[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print a result on stdout: as JSON where asked for, else as lines."""
    from blotquant.text import harmless

    if as_json:
        head = {"schema_version": 1, "blotquant": __version__}
        click.echo(json.dumps({**head, **document}, indent=1, ensure_ascii=False, default=str))
    else:
        for line in lines:
            click.echo(harmless(line))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="blotquant")
def cli() -> None:
    """Western blot densitometry: volumes with uncertainty, and normalised ratios."""


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("blotquant_demo"))
@output_options
def demo(folder: Path, *, as_json: bool) -> None:
    """Write the (synthetic) sample experiment, run it, and say where the results are."""
    from blotquant.cli.summary_text import summary_lines
    from blotquant.runs.study import run_demo

    result = run_demo(folder)
    lines = [*summary_lines(folder / "results"), *_paths(result.files)]
    _emit(_document("demo", result), lines, as_json=as_json)
    _say_what_to_open(result)


@cli.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@settings_options
@output_options
def inspect(images: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Say what a picture is: format, depth, ceiling, polarity, strips, lanes, and what is wrong with it."""
    from blotquant.runs.inspection import describe, inspect_picture
    from blotquant.runs.pictures import find_inputs
    from blotquant.text import say

    settings = settings_of(options)
    reports, failures = [], {}
    for item in find_inputs(images):
        report = inspect_picture(item, settings)
        if "error" in report:
            failures[item.name] = report["error"]
            error = report["error"]
            say(error if error.startswith(f"{item.name}: ") else f"{item.name}: {error}")
        else:
            reports.append(report)
    lines = [line for report in reports for line in describe(report)]
    _emit({"command": "inspect", "pictures": reports, "failures": failures}, lines, as_json=as_json)
    sys.exit(EXIT_DATA if failures else 0)


@cli.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE|FOLDER|SESSION...")
@out_option
@settings_options
@worker_options
@output_options
def measure(images: tuple[str, ...], out: Path, *, as_json: bool, **options: Any) -> None:
    """Measure pictures into bands.csv, lanes.csv and sessions/ (globs and @list.txt work too)."""
    from blotquant.runs.folder import measure_folder
    from blotquant.runs.pictures import find_inputs

    settings = settings_of(options)
    inputs = find_inputs(images, leave_out=out)
    result = measure_folder(inputs, out, settings=settings, workers=workers_of(options), parquet=options["parquet"])
    _finish("measure", result, as_json=as_json)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@output_options
def init(folder: Path, *, as_json: bool) -> None:
    """Draft experiment.toml and samples.csv from the pictures that lie in a folder."""
    from blotquant.experiment.draft import write_draft
    from blotquant.runs.inspection import look
    from blotquant.text import say

    written, todo = write_draft(folder, look=look)
    files = [str(path) for path in written]
    document = {"command": "init", "files": files, "todo": todo}
    _emit(document, files, as_json=as_json)
    say("\n".join(todo))


@cli.command()
@click.argument("experiments", nargs=-1, required=True, metavar="EXPERIMENT...", type=click.Path(path_type=Path))
@out_option
@settings_options
@worker_options
@output_options
def run(experiments: tuple[Path, ...], out: Path, *, as_json: bool, **options: Any) -> None:
    """Run experiments (experiment.toml, its folder, or an .xlsx): normalised ratios, summary, report."""
    from blotquant.cli.summary_text import dilution_lines, summary_lines
    from blotquant.runs.study import run_experiments

    result = run_experiments(
        experiments,
        out,
        settings=settings_of(options),
        workers=workers_of(options),
        parquet=options["parquet"],
    )
    lines = [] if len(experiments) > 1 else [*summary_lines(out), *dilution_lines(out)]
    _finish("run", result, lines=lines, as_json=as_json)


def _say_what_to_open(result: FolderResult) -> None:
    from blotquant.text import say

    for path in result.files:
        if path.suffix == ".html":
            say(f"open {path} in a browser: it shows every blot, every number and what speaks against it")


@cli.command()
@click.argument("target", type=click.Path(path_type=Path, exists=True), metavar="IMAGE|SESSION|OUT")
def edit(target: Path) -> None:
    """Open a picture, a session or a results folder in napari, ready to correct."""
    import subprocess

    from blotquant.errors import BlotQuantError

    if find_spec("napari") is None:
        msg = 'editing needs napari: pip install "blotquant[napari]"'
        raise BlotQuantError(msg)
    code = subprocess.call([sys.executable, "-m", "napari_blotquant.reader", str(target)])
    sys.exit(code)


@cli.command()
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder where the originals lie now, if they were moved apart from the results.",
)
@click.option("--checksum", metavar="SHA256", help="Checksum of manifest.json that was noted elsewhere.")
@output_options
def verify(out: Path, *, images: Path | None, checksum: str | None, as_json: bool) -> None:
    """Recompute every number of a results folder from the original files and say equal or different."""
    from blotquant.cli.summary_text import verdict_lines
    from blotquant.runs.verify import verify_folder
    from blotquant.text import say

    verdict = verify_folder(out, images=images, checksum=checksum)
    document = {
        "command": "verify",
        "folder": str(out),
        "equal": verdict.equal,
        "differences": [str(finding) for finding in verdict.differences],
        "compared": list(verdict.compared),
        "not_compared": [str(finding) for finding in verdict.not_compared],
        "not_known": list(verdict.not_known),
        "parameters": dict(verdict.parameters),
        "checksums": dict(verdict.checksums),
    }
    _emit(document, verdict_lines(out, verdict), as_json=as_json)
    say(f"compared with what the originals give: {len(verdict.compared)} files")
    for name, value in verdict.checksums.items():
        say(f"SHA-256 of {name}: {value}; noted elsewhere, it shows whether this record was exchanged (--checksum)")
    sys.exit(0 if verdict.equal else EXIT_DATA)


@cli.command()
@output_options
def info(*, as_json: bool) -> None:
    """Versions, for a bug report."""
    from blotquant.runs.inspection import environment

    facts = environment()
    _emit({"command": "info", **facts}, [f"{name}: {value}" for name, value in facts.items()], as_json=as_json)


def _paths(files: Sequence[Path]) -> Iterator[str]:
    """One line a file; those of the figures' folder in one line."""
    figures = [path for path in files if path.parent.name == "figures"]
    yield from (str(path) for path in files if path.parent.name != "figures")
    for folder in dict.fromkeys(path.parent for path in figures):
        n = sum(path.parent == folder for path in figures)
        yield f"{folder}{os.sep}  {n} files: panels and graphs of the ratios, source blots"


def _document(command: str, result: FolderResult) -> dict[str, Any]:
    return {
        "command": command,
        "files": [str(path) for path in result.files],
        "units": list(result.units),
        "failures": dict(result.failures),
        "kept": result.n_kept,
    }


def _finish(command: str, result: FolderResult, *, as_json: bool, lines: Sequence[str] = ()) -> None:
    """Print what was done and leave with the promised exit code."""
    from blotquant.flags import FLAGS
    from blotquant.text import say

    document = _document(command, result) if as_json else {}
    empty = {picture["image"]: picture["problem"] for picture in _pictures(result) if picture["problem"]}
    # Causes before what follows from them: what could not be measured leaves ratios without values.
    for name, error in {**empty, **result.failures}.items():
        say(f"failed: {error}" if error.startswith(f"{name}: ") else f"failed: {name}: {error}")
    for picture in _pictures(result):
        if "not_a_blot" in picture["flags"] and not picture["problem"]:
            say(f"doubted: {picture['image']}: {FLAGS['not_a_blot'].meaning} {FLAGS['not_a_blot'].advice}")
    told = itertools.chain(map(_picture_line, _pictures(result)), lines, _paths(result.files))
    _emit(document, told, as_json=as_json)
    if result.n_kept:
        say(f"{result.n_kept} finished earlier and kept")
    _say_what_to_open(result)
    sys.exit(EXIT_DATA if result.failures or empty else 0)


def _pictures(result: FolderResult) -> Iterator[Mapping[str, Any]]:
    """What is known of each picture, one at a time."""
    return (picture for unit in result.units for picture in unit.get("pictures", ()))


def _picture_line(picture: Mapping[str, Any]) -> str:
    lanes = "+".join(map(str, picture["lanes"])) or "0"
    parts = [f"{picture['strips']} strip(s)", f"{lanes} lanes", f"{picture['bands']} bands"]
    if picture["not_detected"]:
        parts.append(f"{picture['not_detected']} not detected")
    if picture["hand_edits"]:
        parts.append(f"{picture['hand_edits']} hand corrections")
    flags = f"  [{' '.join(picture['flags'])}]" if picture["flags"] else ""
    return f"{picture['image']}  {', '.join(parts)}{flags}"


def open_closed_streams() -> None:
    """Give the program somewhere to print where it was started with stdin, stdout or stderr closed (``2>&-``).

    Otherwise the next file that is opened takes the closed one's place, and what is printed goes into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  as long as the program


def _tell(error: Exception) -> int:
    """Print an error in one line, and what to do; the exit code that it stands for."""
    from blotquant.errors import BlotQuantError

    if isinstance(error, BlotQuantError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror}; make room, then run again with --resume")
        return EXIT_USAGE
    text = " ".join(str(error).split())
    _complain(f"unexpected {type(error).__name__}: {text}\nthis is a bug: run again with --debug and report it")
    return EXIT_DATA


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a batch system's time limit, a shutdown) end the work as Ctrl-C does: tidily."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(text: str) -> None:
    from blotquant.text import say

    say("\n".join(f"blotquant: {line}" for line in text.split("\n")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every expected error becomes one line here."""
    open_closed_streams()
    keep_freed_memory()
    collect_garbage_seldom()
    # Of this program alone: pydantic would look through every installed package for plugins, 30 ms of each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if debug:
        import logging

        logging.basicConfig(level=logging.WARNING)
        logging.getLogger("blotquant").setLevel(logging.DEBUG)

    try:
        with _termination_as_interrupt():
            return int(cli.main(args=arguments, prog_name="blotquant", standalone_mode=False) or 0)
    except (KeyboardInterrupt, click.exceptions.Abort):
        _complain("interrupted; what was finished is kept: run again with --resume")
        return EXIT_INTERRUPTED
    except SystemExit as leave:
        return int(leave.code or 0)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except Exception as error:
        if debug:
            raise
        return _tell(error)


if __name__ == "__main__":
    sys.exit(main())
