"""Tables have their promised columns, whatever is in them."""

import numpy as np
import pandas as pd
import pytest

from blotquant.io.files import plain_rows, table_records
from blotquant.tables import (
    BAND_COLUMNS,
    EXPOSURE_COLUMNS,
    LANE_COLUMNS,
    RATIO_COLUMNS,
    SUMMARY_COLUMNS,
    make_table,
)

# ruff: noqa: E501
PROMISED = {
    "bands": "image strip lane band band_id target origin status row_start row_stop col_start col_stop peak_row peak_col "
    "rf mw_kda area_px volume_raw background_mean volume volume_sd snr lod saturated_px confidence flags blot membrane "
    "probe exposure_s",
    "lanes": "image strip lane role sample col_center col_start col_stop row_start row_stop volume confidence flags",
    "exposures": "blot membrane probe strip lane band band_id target row_start row_stop col_start col_stop rate rate_sd "
    "r2 n_frames n_used flags",
    "ratios": "ratio blot lane sample condition numerator denominator loading_factor value bound ci_low ci_high relative "
    "relative_ci_low relative_ci_high included reason flags",
    "summary": "ratio condition n geometric_mean ci_low ci_high fold_change fold_ci_low fold_ci_high p_value p_adjusted "
    "test scaling",
}
DECLARED = {
    "bands": BAND_COLUMNS,
    "lanes": LANE_COLUMNS,
    "exposures": EXPOSURE_COLUMNS,
    "ratios": RATIO_COLUMNS,
    "summary": SUMMARY_COLUMNS,
}


@pytest.mark.parametrize("table", PROMISED)
def test_column_promised_columns_are_declared(table):
    assert set(PROMISED[table].split()) <= set(DECLARED[table])


@pytest.mark.parametrize("table", PROMISED)
def test_make_table_an_empty_table_has_its_columns_and_types(table):
    frame = make_table([], DECLARED[table])
    assert list(frame.columns) == list(DECLARED[table])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        name: column.dtype for name, column in DECLARED[table].items()
    }


def test_missing_cells_are_empty_and_further_columns_follow():
    frame = make_table([{"lane": 2, "drug": "letrozole"}, {"volume": 3.5}], BAND_COLUMNS)
    assert frame.columns[-1] == "drug"
    assert frame["lane"].tolist() == [2, pd.NA]
    assert frame["volume"].isna().tolist() == [True, False]


def test_plain_rows_are_the_records_of_the_table():
    rows = [
        {
            "image": "a.tif",
            "lane": np.int64(3),
            "volume": np.float64(1.5),
            "snr": float("nan"),
            "flags": "",
            "row": None,
        },
        {"image": "b.tif", "lane": 4, "volume": 2, "status": "detected", "peak_row": np.float32(0.1)},
    ]
    plain = plain_rows(rows, BAND_COLUMNS)
    assert plain == table_records(make_table(rows, BAND_COLUMNS))
    assert [type(value) for value in plain[0].values()].count(float) == 1
    assert list(plain[1]) == list(BAND_COLUMNS)
