"""Settings: one place for every parameter, and clear words for a wrong one."""

import pytest
from pydantic import BaseModel

from blotquant.errors import SheetError
from blotquant.settings import Settings, load_settings


def fields(model: type[BaseModel], prefix: str = ""):
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from fields(info.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, info


def test_settings_every_parameter_says_what_it_means():
    assert all(info.description for _, info in fields(Settings))


def test_load_settings_toml_round_trip(tmp_path):
    settings = Settings.model_validate({"polarity": "dark", "detection": {"n_lanes": 12}})
    file = tmp_path / "settings.toml"
    file.write_text(settings.to_toml())
    assert load_settings(file) == settings


def test_all_mistakes_at_once():
    with pytest.raises(SheetError) as caught:
        Settings.from_toml('polarity = "up"\n[detection]\nn_lanes = 0\nn_lines = 3\n', where="my.toml")
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert lines[0].startswith("my.toml: polarity: ")
    assert "'up'" in lines[0]
    assert any("n_lines" in line for line in lines)


def test_settings_broken_toml_names_the_file():
    with pytest.raises(SheetError, match=r"my\.toml: not valid TOML"):
        Settings.from_toml("a = = 1", where="my.toml")


def test_settings_overrides_from_the_command_line():
    changed = Settings().with_overrides(["detection.n_lanes=9", "polarity = dark", "channel=none"])
    assert changed.detection.n_lanes == 9
    assert changed.polarity == "dark"
    assert changed.channel is None
    assert Settings().with_overrides(["channel=red", "channel=none"]).channel is None
    assert Settings().with_overrides(["quantification.background=none"]).quantification.background == "none"


@pytest.mark.parametrize("text", ["detection.n_lines=9", "nothing", "detection=3", "a.b.c=1"])
def test_unknown_override_lists_the_names(text):
    with pytest.raises(SheetError, match=r"no such parameter.*detection\.n_lanes"):
        Settings().with_overrides([text])


def test_settings_override_out_of_range():
    with pytest.raises(SheetError, match=r"detection\.n_lanes.*got '0'"):
        Settings().with_overrides(["detection.n_lanes=0"])


def test_settings_only_what_was_set_counts_as_set():
    changed = Settings.from_toml('polarity = "dark"').with_overrides(["detection.min_snr=7"])
    assert changed.model_dump(exclude_unset=True) == {"polarity": "dark", "detection": {"min_snr": 7.0}}


def test_settings_read_the_earlier_names_of_sections() -> None:
    written = Settings.from_toml('[weighing]\nbackground = "lane"\n[naming]\nladder = "BLUeye"\n')
    assert written == Settings.from_toml('[quantification]\nbackground = "lane"\n[identification]\nladder = "BLUeye"\n')
    assert Settings().with_overrides(["weighing.background=none"]).quantification.background == "none"
