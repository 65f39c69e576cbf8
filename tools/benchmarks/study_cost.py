"""What each stage of `run` costs: processor seconds of the sample study, in this one process.

``OMP_NUM_THREADS=1 python tools/benchmarks/study_cost.py [EXPERIMENT] [--repeats 3]``. A stage stands below the one
that calls it, and its seconds are part of that one's. Each is the least of all repeats but the first, which imports and
fills what is kept between calls; the first stands beside it, as a user pays it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAGES = (
    ("blotquant.runs.study", "run_experiments", 0),
    ("blotquant.runs.membranes", "measure_membrane", 1),
    ("blotquant.analysis", "analyze_membrane", 2),
    ("blotquant.detection.membranes", "find_membrane", 3),
    ("blotquant.analysis", "quantify", 3),
    ("blotquant.runs.membranes", "_make_part", 2),
    ("blotquant.report.blot", "render_blot", 3),
    ("blotquant.report.blot", "render_identity", 3),
    ("blotquant.runs.carry_over", "check_membrane", 2),
    ("blotquant.quantification.alternatives", "measure_alternatives", 2),
    ("blotquant.runs.study", "assemble_run", 1),
    ("blotquant.normalization.normalize", "normalize", 2),
    ("blotquant.statistics.compare", "compare", 2),
    ("blotquant.statistics.contrasts", "compare_contrasts", 2),
    ("blotquant.statistics.sensitivity", "vary_analysis", 2),
    ("blotquant.export.workbook", "write_prism", 2),
    ("blotquant.export.workbook", "write_workbook", 2),
    ("blotquant.report.page", "write_report", 2),
    ("blotquant.report.page", "contrast_blocks", 3),
    ("blotquant.report.page", "ratio_blocks", 3),
    ("blotquant.runs.panels", "write_figures_of", 1),
    ("blotquant.export.panel", "draw_panel", 2),
    ("blotquant.export.graph", "draw_graph", 2),
    ("blotquant.export.source_blots", "whole_picture", 2),
    ("blotquant.export.source_blots", "draw_source_pdf", 2),
)
"""Module, function, and how deep it stands in the list."""


def watch(seconds: dict[str, float]) -> None:
    """Put a clock around each stage, wherever it was imported to."""
    for module, _, _ in STAGES:
        importlib.import_module(module)
    for module, name, _ in STAGES:
        key, function = f"{module}.{name}", getattr(sys.modules[module], name)

        def clocked(*args: Any, _key: str = key, _function: Any = function, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return _function(*args, **kwargs)
            finally:
                seconds[_key] = seconds.get(_key, 0.0) + time.process_time() - started

        functools.update_wrapper(clocked, function)
        for other in [m for n, m in sys.modules.items() if n.startswith("blotquant")]:
            if getattr(other, name, None) is function:
                setattr(other, name, clocked)


def main() -> None:
    from blotquant.threads import collect_garbage_seldom, keep_freed_memory

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default=str(ROOT / "sample_images" / "experiment.toml"))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    # As the command line does.
    keep_freed_memory()
    collect_garbage_seldom()
    seconds: dict[str, float] = {}
    started = time.process_time()
    watch(seconds)
    imports = time.process_time() - started
    from blotquant.runs import study

    runs = []
    for _ in range(options.repeats):
        seconds.clear()
        with tempfile.TemporaryDirectory() as folder:
            study.run_experiments([Path(options.experiment)], Path(folder) / "out")
        runs.append(dict(seconds))
    print(f"{'stage':52} {'first':>7} {'later':>7}   processor seconds; imports beforehand {imports:.2f}")
    for module, name, depth in STAGES:
        key = f"{module}.{name}"
        later = min(run.get(key, 0.0) for run in runs[1:] or runs)
        print(f"{'  ' * depth + name:52} {runs[0].get(key, 0.0):7.2f} {later:7.2f}")


if __name__ == "__main__":
    main()
