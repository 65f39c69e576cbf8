"""A reader, background, scaling, comparison, flag, parameter: one entry each. Here each is added, and all heed it."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import test_background
from pydantic import Field

from blotquant.errors import ImageError
from blotquant.experiment.design import Comparison, Contrast
from blotquant.experiment.families import COMPARISONS, Claim, Family, resolve_families
from blotquant.flags import FLAGS, Flag, blocking, join_flags
from blotquant.io import read, read_image
from blotquant.io.read import READERS, RawPicture, Reader
from blotquant.quantification.background import BACKGROUNDS
from blotquant.quantification.background.methods import Constant
from blotquant.settings import QuantificationSettings, Settings
from blotquant.statistics.scaling import SCALINGS, ScalingMethod, blot_scales

PAGES = Path(__file__).parents[2] / "docs" / "_ext" / "from_code.py"


def page(name):
    spec = importlib.util.spec_from_file_location("from_code", PAGES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MAKERS[name]()


def test_read_a_reader_is_one_module_and_one_entry(tmp_path, monkeypatch):
    path = tmp_path / "blot.toy"
    pixels = np.arange(30_000, 30_000 + 40 * 60, dtype=np.uint16).reshape(40, 60)
    path.write_bytes(b"TOY1" + pixels.tobytes())
    with pytest.raises(ImageError, match=r"blot\.toy"):
        read_image(path)

    module = ModuleType("toy_reader")
    module.read = lambda source: RawPicture(pixels=np.frombuffer(source.data[4:], dtype=np.uint16).reshape(40, 60))
    monkeypatch.setitem(sys.modules, "toy_reader", module)
    monkeypatch.setattr(read, "READERS", (*READERS, Reader("Toy", lambda data: data.startswith(b"TOY1"), "toy_reader")))
    assert np.array_equal(read_image(path).pixels, pixels)


class Median(Constant):
    """A background to add."""

    name = "median"


class TestAddedBackground(test_background.TestContract):
    """The whole contract holds for a method that is nothing but an entry in the registry."""

    @pytest.fixture
    def method(self, monkeypatch):
        monkeypatch.setitem(BACKGROUNDS, "median", Median)
        return BACKGROUNDS["median"]


def test_settings_the_contract_can_be_broken():
    """A background in units of its own, as a ball of so many counts is, does not pass."""

    class Broken(Median):
        def __init__(self, ground):
            super().__init__(replace(ground, signal=np.maximum(ground.signal, 500)))

    with pytest.raises(AssertionError):
        test_background.TestContract().test_scale_is_followed(Broken, 1e-3)


def test_blot_scales_a_scaling_is_one_entry(monkeypatch):
    logs = pd.DataFrame({"1": [0.0, 1.0, 5.0], "2": [0.5, 1.5, 2.5]}, index=list("abc"))
    entry = ScalingMethod(lambda logs, _reference, _standards: logs.median(), "each blot over its median", "robust")
    monkeypatch.setitem(SCALINGS, "median", entry)
    assert blot_scales(logs, "median").to_dict() == {"1": 1.0, "2": 1.5}
    assert "each blot over its median" in page("scalings")


def test_resolve_families_a_comparison_is_one_field_and_one_entry(monkeypatch):
    """Every condition against the mean of all: its weights, and what they tell of known values."""

    class More(Contrast):
        to_mean: bool = Field(False, description="Every condition with the mean of all")

    def to_mean(contrast, compare, levels, problems):
        names = [str(name) for name in levels.index]
        claims = [Claim(label=f"{name} / mean", subject=name, against="the mean") for name in names]
        weights = np.eye(len(names)) - 1 / len(names)
        return Family(name="against the mean", kind="chosen", adjust=compare.adjust, conditions=tuple(names),
                      claims=tuple(claims), weights=weights)  # fmt: skip

    monkeypatch.setitem(COMPARISONS, "to_mean", to_mean)
    levels = pd.DataFrame({"drug": list("xyz")}, index=["a", "b", "c"])
    (family,), problems = resolve_families([More(to_mean=True)], Comparison(), levels)
    assert problems == []
    assert family.weights @ [3.0, 0.0, 0.0] == pytest.approx([2.0, -1.0, -1.0])


def test_join_flags_a_flag_is_one_entry(monkeypatch):
    flag = Flag("sparkling", "band", "block", "The band sparkles.", "Clean the window.")
    monkeypatch.setitem(FLAGS, "sparkling", flag)
    assert join_flags(["sparkling"], ["saturated"]) == "saturated;sparkling"
    assert blocking(["hollow", "sparkling"]) == ("sparkling",)
    assert "| `sparkling` | block | The band sparkles. | Clean the window. |" in page("flags")


def test_settings_a_parameter_is_one_field(monkeypatch):
    class More(QuantificationSettings):
        wobble: float = Field(1.5, ge=0, le=9, description="How much to wobble")

    class All(Settings):
        quantification: More = More()

    monkeypatch.setattr("blotquant.settings.Settings", All)
    changed = All().with_overrides(["quantification.wobble=2.5"])
    assert changed.quantification.wobble == 2.5
    assert All.from_toml(changed.to_toml()) == changed
    assert "| `quantification.wobble` | number, ≥ 0, ≤ 9 | `1.5` | How much to wobble |" in page("settings")
