"""List every target band of the real pictures with its volume, SD, method spread and flags, widest spread first.

    python tools/benchmarks/real_spread.py [--folder DIR] [--top N]

Lanes and bands are found as `blotquant measure` finds them; nothing is corrected by hand. The last lines count which
flags go with a spread above 10 %.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pandas as pd
from real_layouts import REAL

from blotquant.detection.picture import find_layout
from blotquant.flags import split_flags
from blotquant.io import read_image
from blotquant.quantification.bands import measure_bands

COLUMNS = [
    "image", "strip", "lane", "row", "status", "row_start", "row_stop", "col_start", "col_stop", "volume", "volume_sd",
    "snr", "method_spread", "flags",
]  # fmt: skip


def weigh_found(path: Path) -> pd.DataFrame:
    """Find and weigh all bands of one picture."""
    image = read_image(path)
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    return measure_bands(image, layout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=REAL / "adrenergic")
    parser.add_argument("--top", type=int, default=0, help="only so many of the widest; all when 0")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.tif"))
    if not paths:
        message = f"no TIFF pictures in {options.folder}"
        raise SystemExit(message)
    table = pd.concat([weigh_found(path) for path in paths], ignore_index=True)
    table = table.sort_values("method_spread", ascending=False, kind="stable", na_position="last")
    shown = table.head(options.top) if options.top else table
    print(shown[COLUMNS].to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    wide = table[table["method_spread"] > 0.10]
    print(f"\n{len(table)} bands, {len(wide)} with a spread above 10 %; their flags:")
    for flag, count in Counter(f for cell in wide["flags"] for f in split_flags(cell)).most_common():
        print(f"{count:5d}  {flag}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
