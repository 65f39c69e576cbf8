"""The registry of flags."""

from pathlib import Path

import pytest

from blotquant import flags
from blotquant.flags import FLAGS, blocking, join_flags, split_flags


def test_flag_every_flag_says_what_it_means_and_what_to_do():
    for name, flag in FLAGS.items():
        assert name == flag.name
        assert flag.meaning.endswith(".")
        assert flag.advice.endswith(".")


def test_flag_every_flag_is_raised_somewhere():
    root = Path(flags.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in root.rglob("*.py") if path != Path(flags.__file__))
    assert [name for name in FLAGS if f'"{name}"' not in code] == []


def test_cells_round_trip_in_registry_order():
    cell = join_flags(["hollow"], ["saturated", "hollow"], ())
    assert cell == "saturated;hollow"
    assert split_flags(cell) == ("saturated", "hollow")


@pytest.mark.parametrize("cell", ["", None, float("nan")])
def test_split_flags_empty_cells_hold_no_flags(cell):
    assert split_flags(cell) == ()


def test_unknown_names_are_refused():
    with pytest.raises(KeyError, match="sparkling"):
        join_flags(["saturated", "sparkling"])


def test_blocking_only_block_level_flags_block():
    assert blocking(["saturated", "hollow", "below_lod"]) == ("saturated",)
