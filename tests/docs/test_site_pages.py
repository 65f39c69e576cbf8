"""Pages that are written from the code name everything; links of the plain pages lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from blotquant import tables
from blotquant.cli import cli
from blotquant.flags import FLAGS
from blotquant.settings import Settings

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


from_code = load("from_code")


def test_every_flag_stands_on_its_page_once():
    page = from_code.flags()
    assert [page.count(f"| `{name}` |") for name in FLAGS] == [1] * len(FLAGS)


def test_every_table_that_users_get_has_its_columns_there():
    declared = {name for name in vars(tables) if name.endswith("_COLUMNS")} - {"ALTERNATIVE_COLUMNS"}
    assert set(from_code.TABLES.values()) == declared
    page = from_code.columns()
    for name in declared:
        assert all(f"| `{column}` |" in page for column in getattr(tables, name))


def test_every_command_with_every_option():
    page = from_code.commands()
    for name, command in cli.commands.items():
        assert f"## blotquant {name}\n" in page
        assert all(option in page for p in command.params for option in p.opts if option.startswith("--"))


def test_every_parameter_with_its_limits():
    page = from_code.settings()
    assert "| `detection.n_lanes` | whole number, ≥ 1, ≤ 60 |" in page
    assert page.count("\n") == 1 + sum(1 for _ in from_code._fields(Settings))


def test_every_public_name_stands_in_a_group(monkeypatch):
    assert "### read_image" in from_code.api()
    monkeypatch.setitem(from_code.GROUPS, "Measure", "measure_bands")
    with pytest.raises(ValueError, match="measure_lanes"):
        from_code.api()


def test_a_place_without_a_maker_is_an_error():
    assert from_code.fill("a\n<!-- from code: ladders -->\nb").startswith("a\n| ladder |")
    with pytest.raises(KeyError, match="wishes"):
        from_code.fill("<!-- from code: wishes -->")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_what_a_run_writes_stands_on_the_page_of_files():
    page = (ROOT / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    assert all(f"`{file}`" in page for file in (*from_code.TABLES, "prism.csv", "results.xlsx", "report.html"))


def test_cells_of_the_worked_example():
    run_example = load("run_example")
    text = "# %% [markdown]\n# # Title\n#\n# words\n\n# %%\nx = 1\n"
    assert list(run_example.cells(text)) == [("markdown", "# Title\n\nwords"), ("code", "x = 1")]
