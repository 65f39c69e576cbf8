"""What `run` tells a person whose experiment file is not finished, or whose membrane failed."""

from tiny_study import write_tiny_study


def rewrite(path, *pairs):
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def test_run_without_ratios_says_so(blotquant, tmp_path):
    study = write_tiny_study(tmp_path / "study", n_blots=1)
    toml = study / "experiment.toml"
    text = toml.read_text(encoding="utf-8")
    start = text.index("[[ratios]]")
    toml.write_text(text[:start] + text[text.index("[compare]") :], encoding="utf-8")
    called = blotquant("run", study, "-o", tmp_path / "out")
    assert called.code == 0
    assert "note: experiment.toml: no [[ratios]] is declared: bands and lanes are measured" in called.err
    assert "no ratio: the experiment declares no [[ratios]]; bands and lanes are measured" in called.out


def test_run_says_that_conditions_are_still_the_drafts(blotquant, tmp_path):
    study = write_tiny_study(tmp_path / "study", n_blots=1)
    rewrite(study / "samples.csv", ("control", "lane 1"))
    rewrite(study / "experiment.toml", ('reference = "control"\n', ""))
    called = blotquant("run", study, "-o", tmp_path / "out")
    assert "note: 3 lanes still have the draft's condition, such as 'lane 1': write what was loaded" in called.err


def test_run_names_a_failed_membrane_before_what_follows_from_it(blotquant, tmp_path):
    study = write_tiny_study(tmp_path / "study", n_blots=1)
    (study / "blot1_pAKT.tif").write_bytes(b"no picture")
    called = blotquant("run", study, "-o", tmp_path / "out")
    assert called.code == 1
    assert called.err.count("failed: ") == 1
    about = [line for line in called.out.splitlines() if line.startswith("pAKT/AKT  ")]
    assert len(about) == 1
    assert about[0].startswith("pAKT/AKT  no value in any condition")
