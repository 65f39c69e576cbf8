"""The sample experiment in one command: written from fixed seeds, run, and ready to look at."""

from __future__ import annotations

from pathlib import Path

from blotquant.errors import OutputError
from blotquant.runs.folder import FolderResult, Workers
from blotquant.runs.progress import say


def run_demo(folder: Path, *, workers: Workers | None = None) -> FolderResult:
    """Write the synthetic sample experiment into a folder and run it into ``results`` below.

    Parameters
    ----------
    folder : pathlib.Path
        New, empty, or one that an earlier demo wrote.
    workers : Workers, optional
        Who does the work.

    Raises
    ------
    OutputError
        If the folder holds something else, which is left alone.
    """
    from blotquant.runs.study import run_experiments
    from blotquant.synthetic.study_files import write_study

    study = folder / "study"
    present = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strangers = [name for name in present if name not in ("study", "results")]
    if strangers:
        msg = f"{folder}: holds other files ({', '.join(strangers[:3])}); name a new folder"
        raise OutputError(msg)
    say("writing the sample experiment (synthetic pictures, invented numbers)")
    write_study(study)
    say("running it")
    return run_experiments([study], folder / "results", workers=workers)
