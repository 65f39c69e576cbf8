"""The quantification graph as files for a journal."""

import io
import re
from xml.etree import ElementTree

import pandas as pd
import pytest
from figure_texts import cut_texts
from PIL import Image

from blotquant.export.graph import COLUMN_WIDTHS_MM, draw_graph, graph_legend, graph_name, log_ticks


def tables(n_conditions):
    names = [f"condition {k}" for k in range(n_conditions)]
    ratios = pd.DataFrame(
        [
            {"blot": blot, "condition": name, "value": 1.0 + k, "relative": (1.0 + k) * factor, "included": True}
            for blot, factor in (("1", 1.0), ("2", 1.1), ("3", 0.9))
            for k, name in enumerate(names)
        ]
    )
    summary = pd.DataFrame(
        [{"ratio": "pAKT/AKT", "condition": name, "fold_change": 1.0 + k, "fold_ci_low": 0.8 + k,
          "fold_ci_high": 1.3 + k, "geometric_mean": 1.0 + k, "ci_low": 0.8 + k, "ci_high": 1.3 + k}
         for k, name in enumerate(names)]
    )  # fmt: skip
    return ratios, summary


@pytest.mark.parametrize(("n_conditions", "width"), [(3, 85.0), (8, 85.0), (12, 114.0), (30, 174.0)])
def test_draw_graph_has_a_journals_column_width(n_conditions, width):
    files = draw_graph(*tables(n_conditions), reference="condition 0")
    assert width in COLUMN_WIDTHS_MM
    with Image.open(io.BytesIO(files[".tif"])) as picture:
        assert picture.info["dpi"] == (600, 600)
        assert picture.mode == "RGB"
        assert picture.size[0] == pytest.approx(width / 25.4 * 600, abs=1)
    root = ElementTree.fromstring(files[".svg"])
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(width / 25.4 * 72, abs=0.01)


def test_draw_graph_keeps_text_as_text_and_the_same_bytes():
    files = draw_graph(*tables(3), reference="condition 0")
    assert files == draw_graph(*tables(3), reference="condition 0")
    texts = re.findall(rb"<text[^>]*>([^<]+)</text>", files[".svg"])
    assert {b"condition 1", b"pAKT/AKT", b"blot 3"} <= set(texts)
    assert b"Arial" in files[".svg"]
    assert files[".pdf"].startswith(b"%PDF")
    assert b"/Type3" not in files[".pdf"]  # outlines in place of letters cannot be edited


@pytest.mark.parametrize("n_conditions", [2, 30])
def test_draw_graph_cuts_no_text(n_conditions):
    ratios, summary = (table.replace({"condition": {"condition 0": "doxorubicin 10 µM in DMSO, 48 h after"}})
                       for table in tables(n_conditions))  # fmt: skip
    ratios = ratios.assign(blot=ratios["blot"].replace({"1": "of the second week, by another hand"}))
    assert cut_texts(draw_graph(ratios, summary, reference=summary["condition"][0])[".svg"].decode()) == []


def test_graph_name_is_safe_for_files():
    assert graph_name("pAKT/AKT") == "graph_pAKT_AKT"


def test_graph_legend_says_what_is_drawn():
    _, summary = tables(2)
    summary = summary.assign(n=[3, 3], test=["reference", "linear model, Dunnett"], p_adjusted=[None, 0.0123])
    told = graph_legend(summary, reference="condition 0", unit="blot", level="95 %")
    assert told.startswith("pAKT/AKT by condition, relative to “condition 0”, on a log scale.")
    assert "n = 3 blots per condition" in told
    assert "vertical lines: 95 % confidence interval of each comparison alone, over blots" in told
    assert "Adjusted p-values (linear model, Dunnett): condition 1, p = 0.012." in told
    unpaired = graph_legend(summary.assign(p_adjusted=None), reference=None, unit="blot", level="95 %")
    assert "Horizontal bars: geometric mean" in unpaired
    assert "p-values" not in unpaired


def test_draw_graph_of_values_without_bounds_is_drawn_to_the_edge():
    ratios, summary = tables(3)
    endless = draw_graph(ratios, summary.assign(fold_ci_high=float("inf")), reference="condition 0")[".svg"].decode()
    assert "inf" not in endless
    assert "nan" not in endless
    assert endless.count("<path") == draw_graph(ratios, summary, reference="condition 0")[".svg"].decode().count(
        "<path"
    )


@pytest.mark.parametrize(("low", "high", "labels"), [
    (0.8, 1.6, ["0.8", "0.9", "1"]),
    (0.5, 20, ["0.5", "1", "2", "5", "10", "20"]),
    (1e-3, 1e3, ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]),
    (1e-20, 1e20, [f"{10.0**k:g}" for k in range(-18, 21, 6)]),
])  # fmt: skip
def test_log_ticks_are_as_many_as_can_be_read(low, high, labels):
    assert [label for _, label in log_ticks(low, high) if label] == labels
