"""A few hundred mutated files through every door; `tools/fuzz_readers.py` tries hundreds of thousands."""

import pytest
from harness import LONGEST_S, SEEDS, Tally, doors, try_door, try_one
from mutations import mutate

NAMES = ("pictures", "session", "experiment", "workbook", "samples", "sheet", "settings", "table", "manifest")


@pytest.fixture
def door(request, tmp_path):
    return next(door for door in doors(folder=tmp_path) if door.name == request.param)


@pytest.mark.parametrize("door", NAMES, indirect=True)
def test_the_originals_can_be_read(door, tmp_path):
    tally = Tally()
    for name, data in door.originals.items():
        (tmp_path / name).write_bytes(data)
        try_one(door, tmp_path / name, name, tally)
    refused = {"pictures": 3}.get(door.name, 0)  # several pages, two channels, palette colours
    assert not tally.problems
    assert tally.refused <= refused


@pytest.mark.parametrize("door", NAMES, indirect=True)
def test_mutated_files_are_read_or_refused_in_one_line(door, tmp_path):
    tally = Tally()
    n = 10 if door.name == "pictures" else 40
    for name in door.originals:
        try_door(door, name, (f"{SEEDS[0]}/{k}" for k in range(n)), tmp_path, tally)
    assert tally.problems == {}
    assert tally.inputs == n * len(door.originals)
    assert tally.refused > 0
    assert tally.longest_s < LONGEST_S


def test_the_same_seed_gives_the_same_input():
    data = bytes(range(256))
    assert mutate(data, "a/1") == mutate(data, "a/1")
    assert mutate(data, "a/1") != mutate(data, "a/2")
