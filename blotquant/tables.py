"""The columns of every table that users get, declared once: name, dtype, unit and meaning.

Column names are a promise: more may follow, none is renamed. An empty table still has its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its pandas dtype, unit and meaning."""

    dtype: str
    unit: str
    meaning: str


_TEXT = "string"
_INT = "Int64"
_REAL = "float64"
_BOOL = "boolean"

_PLACE = {
    "row_start": Column(_INT, "px", "First row of the outline's bounding box"),
    "row_stop": Column(_INT, "px", "Row after its last"),
    "col_start": Column(_INT, "px", "First column of the outline's bounding box"),
    "col_stop": Column(_INT, "px", "Column after its last"),
}
_FLAGS = {"flags": Column(_TEXT, "", "Names of quality flags, joined by ;")}
_MEMBRANE = {
    "blot": Column(_TEXT, "", "Biological replicate, from the experiment file"),
    "membrane": Column(_TEXT, "", "Membrane, from the experiment file"),
    "probe": Column(_TEXT, "", "Antibody or stain that the picture shows"),
    "exposure_s": Column(_REAL, "s", "Exposure time"),
}

BAND_COLUMNS: dict[str, Column] = {
    "image": Column(_TEXT, "", "Name of the picture's file"),
    "strip": Column(_INT, "", "Strip, from 1, top to bottom, left to right"),
    "lane": Column(_INT, "", "Lane of the strip, from 1, left to right"),
    "band": Column(_INT, "", "Band of the lane, from 1, top to bottom"),
    "band_id": Column(_TEXT, "", "Stable name of the band in its session"),
    "row": Column(
        _TEXT, "", "Row of the strip, one protein in every lane; 5a and 5b are the halves of a divided row 5"
    ),
    "target": Column(_TEXT, "", "The protein it was assigned to"),
    "origin": Column(_TEXT, "", "detected, expected, edited or drawn"),
    "status": Column(_TEXT, "", "detected or not_detected"),
    **_PLACE,
    "peak_row": Column(_REAL, "px", "Row of the maximum"),
    "peak_col": Column(_REAL, "px", "Column of the maximum"),
    "rf": Column(_REAL, "", "Relative front: 0 at the strip's top, 1 at its bottom"),
    "mw_kda": Column(_REAL, "kDa", "Molecular weight from the ladder lane"),
    "kda_residual": Column(_REAL, "kDa", "mw_kda - the target's expected molecular weight"),
    "kda_error": Column(
        _REAL, "kDa", "What the ladder misses at this mass when its band beside it is left out (leave one out)"
    ),
    "area_px": Column(_REAL, "px", "Area of the outline, edge pixels by their covered part"),
    "volume_raw": Column(_REAL, "counts", "Sum of counts in the outline"),
    "background_mean": Column(_REAL, "counts", "Mean background per pixel under the outline"),
    "volume": Column(_REAL, "counts", "Background-corrected sum of counts; negative values are kept"),
    "volume_sd": Column(_REAL, "counts", "Standard deviation of the volume"),
    "snr": Column(_REAL, "", "volume / volume_sd"),
    "lod": Column(
        _REAL,
        "counts",
        "Limit of detection: 3 SD of an empty aperture of this shape; where no band was found, with its neighbours' light",
    ),
    "loq": Column(_REAL, "counts", "Limit of quantification: 10 SD of an empty aperture of this shape"),
    "height": Column(_REAL, "counts", "Peak above background of the profile"),
    "width_px": Column(_REAL, "px", "Full width at half maximum along the lane"),
    "aperture_fraction": Column(_REAL, "", "Share of the band's signal inside the outline, from its row's shape"),
    "method_spread": Column(_REAL, "", "(max - min) / median of the volume over several backgrounds"),
    "saturated_px": Column(_INT, "px", "Pixels of the outline at or above the ceiling"),
    "peak_fraction": Column(_REAL, "", "Highest count under the outline / ceiling; 1 or more is saturated"),
    "confidence": Column(_REAL, "", "0 to 1"),
    **_FLAGS,
    "background": Column(_TEXT, "", "Background method used"),
    **_MEMBRANE,
}

LANE_COLUMNS: dict[str, Column] = {
    "image": BAND_COLUMNS["image"],
    "strip": BAND_COLUMNS["strip"],
    "lane": BAND_COLUMNS["lane"],
    "role": Column(_TEXT, "", "sample, ladder, standard, blank or excluded"),
    "sample": Column(_TEXT, "", "Sample, from the sample sheet"),
    "col_center": Column(_REAL, "px", "Column of the centre line in the middle of the lane"),
    **{k: _PLACE[k] for k in ("col_start", "col_stop", "row_start", "row_stop")},
    "volume": Column(_REAL, "counts", "Background-corrected sum of counts over the whole lane"),
    "volume_sd": Column(_REAL, "counts", "Standard deviation of the volume"),
    "lod": BAND_COLUMNS["lod"],
    "loq": BAND_COLUMNS["loq"],
    "saturated_px": Column(_INT, "px", "Pixels of the weighed area at or above the ceiling"),
    "confidence": BAND_COLUMNS["confidence"],
    **_FLAGS,
    **_MEMBRANE,
}

EXPOSURE_COLUMNS: dict[str, Column] = {
    **{k: _MEMBRANE[k] for k in ("blot", "membrane", "probe")},
    **{k: BAND_COLUMNS[k] for k in ("strip", "lane", "band", "band_id", "target")},
    **_PLACE,
    "rate": Column(_REAL, "counts/s", "Slope of volume against exposure time over unsaturated frames"),
    "rate_sd": Column(_REAL, "counts/s", "Standard error of the rate"),
    "r2": Column(_REAL, "", "Share of variance that the line explains"),
    "n_frames": Column(_INT, "", "Exposures of the series"),
    "n_used": Column(_INT, "", "Exposures that the rate rests on: unsaturated, and of the linear part"),
    "lod": Column(
        _REAL,
        "counts/s",
        "Limit of detection: that of the volumes over their exposure time, the lowest of the exposures used",
    ),
    "loq": Column(_REAL, "counts/s", "Limit of quantification, in the same way"),
    "bound": Column(_TEXT, "", "≥ where every exposure is saturated: the rate is a lower bound"),
    "reason": Column(_TEXT, "", "Why there is no rate"),
    **_FLAGS,
}

RATIO_COLUMNS: dict[str, Column] = {
    "ratio": Column(_TEXT, "", "Name of the ratio, from the experiment file"),
    "blot": _MEMBRANE["blot"],
    "lane": BAND_COLUMNS["lane"],
    "sample": LANE_COLUMNS["sample"],
    "condition": Column(_TEXT, "", "Condition, from the sample sheet"),
    "numerator": Column(_REAL, "counts", "Volume of the numerator"),
    "numerator_sd": Column(_REAL, "counts", "Its standard deviation"),
    "denominator": Column(_REAL, "counts", "Volume of the denominator"),
    "denominator_sd": Column(_REAL, "counts", "Its standard deviation"),
    "loading_factor": Column(
        _REAL, "", "Loading of the lane / mean loading; on twin membranes the numerator's / the denominator's"
    ),
    "value": Column(_REAL, "", "The normalised ratio, or its bound"),
    "bound": Column(
        _TEXT,
        "",
        "≥ or ≤ where the value is a bound: a band is saturated, or not above its limit of detection (the value is then the ratio at that limit)",
    ),
    "ci_low": Column(_REAL, "", "Lower end of the 95 % confidence interval (measurement error only)"),
    "ci_high": Column(_REAL, "", "Upper end"),
    "relative": Column(_REAL, "", "value / geometric mean of the reference condition's lanes on this blot"),
    "relative_ci_low": Column(_REAL, "", "Lower end of its 95 % confidence interval"),
    "relative_ci_high": Column(_REAL, "", "Upper end"),
    "included": Column(_BOOL, "", "Whether it enters means as a value"),
    "reason": Column(_TEXT, "", "Why it does not"),
    "limit": Column(
        _REAL,
        "",
        "Where the numerator is not above its limit of detection (a reference: of quantification): the ratio at that limit, which the true one is at most",
    ),
    "enters_as_bound": Column(_BOOL, "", "Whether it enters the comparison of conditions as a bound"),
    **_FLAGS,
    "formula": Column(_TEXT, "", "The formula used"),
}

_LEVEL = "95 %, or 1 - alpha of the experiment"

SUMMARY_COLUMNS: dict[str, Column] = {
    "ratio": RATIO_COLUMNS["ratio"],
    "condition": RATIO_COLUMNS["condition"],
    "n": Column(_INT, "", "Biological replicates, those with a bound included; a sample on several blots counts once"),
    "geometric_mean": Column(_REAL, "", "Geometric mean over the replicates after scaling"),
    "ci_low": Column(_REAL, "", f"Lower end of its confidence interval: {_LEVEL}"),
    "ci_high": Column(_REAL, "", "Upper end"),
    "fold_change": Column(_REAL, "", "Against the reference condition"),
    "fold_ci_low": Column(_REAL, "", f"Lower end of its confidence interval for this comparison alone: {_LEVEL}"),
    "fold_ci_high": Column(_REAL, "", "Upper end"),
    "p_value": Column(_REAL, "", "Exact p of the log-ratio comparison with the reference, for this comparison alone"),
    "p_adjusted": Column(_REAL, "", "Adjusted for many-to-one comparisons"),
    "test": Column(_TEXT, "", "The test used, or why there is none"),
    "scaling": Column(_TEXT, "", "How blots were put on one scale"),
    "n_excluded": Column(_INT, "", "Values left out, with their reasons in the ratio table"),
    "bound": Column(_TEXT, "", "≥ or ≤ where the fold change is only known to be at least or at most this"),
    "simultaneous_ci_low": Column(
        _REAL, "", "Lower end of the interval that holds for all comparisons at once: it belongs to p_adjusted"
    ),
    "simultaneous_ci_high": Column(_REAL, "", "Upper end"),
    "mean_bound": Column(
        _TEXT, "", "≥ or ≤ where every value of the condition is a bound, and so is its geometric mean"
    ),
    "n_bounds": Column(_INT, "", "Replicates that are only a bound: not detected or saturated"),
    "test_note": Column(_TEXT, "", "What to know about the comparison"),
}

CONTRAST_COLUMNS: dict[str, Column] = {
    "ratio": RATIO_COLUMNS["ratio"],
    "family": Column(_TEXT, "", "Comparisons whose p-values are adjusted together, from the experiment file"),
    "contrast": Column(_TEXT, "", "What is compared with what"),
    "estimate_fold": Column(
        _REAL, "", "Fold change; of an interaction the ratio of fold changes; of a trend the fold per step"
    ),
    "ci_low": Column(_REAL, "", f"Lower end of its confidence interval for this contrast alone: {_LEVEL}"),
    "ci_high": Column(_REAL, "", "Upper end"),
    "simultaneous_ci_low": Column(
        _REAL, "", "Lower end of the interval that holds for the whole family at once: it belongs to p_adjusted"
    ),
    "simultaneous_ci_high": Column(_REAL, "", "Upper end"),
    "p_value": Column(_REAL, "", "Exact p of this contrast alone"),
    "p_adjusted": Column(_REAL, "", "Adjusted for the family"),
    "n": Column(_INT, "", "Biological replicates: the smallest number among the conditions compared"),
    "test": Column(_TEXT, "", "The test used, or why there is none"),
    "quantity": Column(_TEXT, "", "fold change, ratio of fold changes, or fold change per step of a trend"),
    "bound": SUMMARY_COLUMNS["bound"],
    "se_log": Column(_REAL, "", "Standard error of the natural logarithm of estimate_fold"),
    "df": Column(_REAL, "", "Its degrees of freedom"),
    "detectable_fold": Column(
        _REAL,
        "",
        "Smallest change upwards that this design finds with 80 % power after adjustment, at the spread that was seen",
    ),
    "ic50": Column(_REAL, "", "Half-effective dose of a four-parameter fit, in the column's unit"),
    "ic50_ci_low": Column(_REAL, "", f"Lower end of its profile interval: {_LEVEL}"),
    "ic50_ci_high": Column(_REAL, "", "Upper end"),
    "test_note": SUMMARY_COLUMNS["test_note"],
    "family_f": Column(_REAL, "", "F of the whole family at once: whether any of its contrasts differs from 1"),
    "family_df": Column(_INT, "", "Its numerator's degrees of freedom; the denominator's stand in df"),
    "family_p": Column(_REAL, "", "Its p; empty where a contrast of the family was refused or spread is unequal"),
    "sentence": Column(_TEXT, "", "The contrast in one sentence"),
}

DILUTION_COLUMNS: dict[str, Column] = {
    "target": Column(_TEXT, "", "Protein (or stain) that was diluted"),
    "exposure_s": Column(_REAL, "s", "Exposure time of the series; the range in counts grows with it"),
    "n_loads": Column(_INT, "", "Different loads of the series"),
    "model": Column(_TEXT, "", "Best model by AICc: proportional, linear or hyperbolic"),
    "load_low_ug": Column(_REAL, "ug", "Smallest load of the proportional range"),
    "load_high_ug": Column(_REAL, "ug", "Largest load of the proportional range"),
    "volume_low": Column(_REAL, "counts", "Volume on the proportional line at the smallest load"),
    "volume_high": Column(_REAL, "counts", "Volume on the proportional line at the largest load"),
    "slope": Column(_REAL, "counts/ug", "Slope of the proportional line"),
    "log_slope": Column(_REAL, "", "Slope of log volume against log load over the range"),
    "reason": Column(_TEXT, "", "Why there is no proportional range"),
}

ALTERNATIVE_COLUMNS: dict[str, Column] = {
    "image": BAND_COLUMNS["image"],
    "band_id": BAND_COLUMNS["band_id"],
    "background": Column(_TEXT, "", "Background method"),
    "aperture": Column(_REAL, "", "Height of the outline / the height that was used"),
    "volume": BAND_COLUMNS["volume"],
    **_MEMBRANE,
}

SENSITIVITY_COLUMNS: dict[str, Column] = {
    "ratio": RATIO_COLUMNS["ratio"],
    "condition": RATIO_COLUMNS["condition"],
    "background": ALTERNATIVE_COLUMNS["background"],
    "aperture": ALTERNATIVE_COLUMNS["aperture"],
    "scaling": Column(_TEXT, "", "How blots were put on one scale; any where it makes no difference"),
    "fold_change": Column(_REAL, "", "Against the reference condition, analysed that way"),
    "n": Column(_INT, "", "Biological replicates that have a value when analysed that way"),
}

CARRY_OVER_COLUMNS: dict[str, Column] = {
    **{k: _MEMBRANE[k] for k in ("blot", "membrane")},
    "first": Column(_TEXT, "", "Probe of the earlier picture"),
    "first_image": Column(_TEXT, "", "The earlier picture"),
    "second": Column(_TEXT, "", "Probe of the later picture"),
    "second_image": Column(_TEXT, "", "The later picture"),
    "fraction": Column(_REAL, "", "Signal of the first probe's bands that is left in the later picture / their signal"),
    "fraction_sd": Column(_REAL, "", "Its standard error, from the spread between bands"),
    "correlation": Column(_REAL, "", "Correlation, pixel by pixel, of what is left with the first picture"),
    "n_bands": Column(_INT, "", "Bands of the first picture that do not lie in the second probe's own rows"),
    "carried_over": Column(_BOOL, "", "Whether the first probe still shows; empty where it cannot be told"),
    "reason": Column(_TEXT, "", "Why it cannot be told"),
}


def make_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Build a table with exactly the declared columns first, in order and dtype, then any further ones.

    Parameters
    ----------
    rows : iterable of mappings
        One a row; a missing key is an empty cell.
    columns : mapping of str to Column
        The declared columns.

    Returns
    -------
    DataFrame
        With all columns even for no rows.
    """
    import pandas as pd

    # Declared columns first; what a row brings beyond them follows in order of appearance.
    lines = list(rows)
    extra = list(dict.fromkeys(name for line in lines for name in line if name not in columns))
    cells: dict[str, Any] = {}
    for name, column in columns.items():
        values: Any = [line.get(name) for line in lines]
        # numpy takes None for NaN at once; pandas looks at every cell for that.
        cells[name] = np.array(values, dtype=float) if column.dtype == _REAL else pd.array(values, dtype=column.dtype)
    return pd.DataFrame(cells | {name: [line.get(name) for line in lines] for name in extra})


def rows_by_band(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows of a band table as plain values, by band id."""
    columns = [table[name].tolist() for name in table]
    names = [str(name) for name in table]
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return {row["band_id"]: row for row in rows}
