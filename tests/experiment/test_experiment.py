"""Reading experiments: everything that was written, and every mistake with its place."""

# ruff: noqa: E501  (a message stands on one line, as the user reads it)
import openpyxl
import pytest
from small_experiment import SHEET, band_table, bands, experiment, image, ratio, write

from blotquant.errors import SheetError
from blotquant.experiment.read import find_experiment, read_experiment

BASE = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("pAKT/AKT", "pAKT", "AKT")


def complaints(path):
    with pytest.raises(SheetError) as caught:
        read_experiment(path)
    return str(caught.value).splitlines()


def test_read_experiment_everything_written_is_read(tmp_path):
    toml = (
        'name = "A study"\nladder = "PageRuler"\n'
        + image("p.tif", "pAKT", membrane="1a", exposure_s=60, strip=2, channel="red", page=1, polarity="dark")
        + image("t.tif", "AKT", membrane="1b")
        + ratio("r", "pAKT", "AKT", ["total_protein"])
        + image("a.tif", "total_protein", membrane="1a")
        + "[targets.pAKT]\nmw_kda = 60\n[targets.pERK]\nmw_kda = [44, 42]\n[targets.Dye]\nstain = true\n"
        + '[compare]\nreference = "vehicle"\nscaling = "fixed_point"\nadjust = "holm"\nalpha = 0.01\n'
        + '[settings.quantification]\nbackground = "lane"\n'
    )
    study = experiment(tmp_path, toml)
    assert (study.name, study.ladder, study.blots) == ("A study", "PageRuler", ("1",))
    first = study.images[0]
    assert first.model_dump() == {
        "file": "p.tif", "blot": "1", "membrane": "1a", "probe": "pAKT", "exposure_s": 60.0, "strip": 2,
        "first_lane": None, "at": None,
        "channel": "red", "page": 1, "polarity": "dark", "ladder_image": None,
        "rotate": None, "flip": None, "region": None,
    }  # fmt: skip
    assert study.mw_of("pERK") == (44, 42)
    assert study.mw_of("GAPDH") == (37,)  # a preset
    assert study.ratios[0].loading == ("total_protein",)
    assert (study.compare.reference, study.compare.scaling, study.compare.adjust) == ("vehicle", "fixed_point", "holm")
    assert study.settings.quantification.background == "lane"
    assert study.image_path(first) == tmp_path / "p.tif"
    assert (study.is_stain("total_protein"), study.is_stain("Dye"), study.is_stain("pAKT")) == (True, True, False)


def test_lanes_of_membranes(tmp_path):
    study = experiment(tmp_path, image("p.tif", "pAKT", blot=1) + image("t.tif", "AKT", blot=1))
    assert [(blot, membrane, len(images)) for blot, membrane, images in study.membranes()] == [("1", "1", 2)]
    assert study.n_lanes("1", "1") == 4
    assert study.n_lanes("9", "9") is None
    assert study.roles_of("1", "1") == {1: "ladder", 2: "sample", 3: "sample", 4: "sample"}
    assert study.samples_of("1", "1")["drug"].tolist()[1:] == ["none", "x", "y"]


def test_membranes_with_rows_of_their_own(tmp_path):
    sheet = "blot,membrane,lane,condition\n1,a,1,v\n1,a,2,w\n1,b,1,w\n"
    study = experiment(tmp_path, image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b"), sheet)
    assert (study.n_lanes("1", "a"), study.n_lanes("1", "b")) == (2, 1)


def test_attach_sheet_the_sheets_columns_travel(tmp_path):
    study = experiment(tmp_path, BASE)
    table = band_table(bands("p.tif", "pAKT", {3: 1.0, 1: 2.0, 9: 3.0}))
    result = study.attach_sheet(table)
    assert result["drug"].fillna("-").tolist() == ["x", "-", "-"]
    assert result["sample"].fillna("-").tolist() == ["B", "-", "-"]
    assert result["volume"].tolist() == [1.0, 2.0, 3.0]
    assert {"sample", "condition", "load_ug", "drug"} <= set(study.attach_sheet(band_table()).columns)


def test_folder_file_and_absence(tmp_path):
    path = write(tmp_path, BASE)
    assert find_experiment(tmp_path) == path
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SheetError, match=r"no experiment.toml and no .xlsx in this folder; `blotquant init"):
        read_experiment(empty)
    with pytest.raises(SheetError, match="there is no such file"):
        read_experiment(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (BASE.replace("probe", "prob", 1), "images no. 1 (p.tif): prob: unknown key; did you mean 'probe'?"),
        (BASE.replace("probe", "prob", 1), "images no. 1 (p.tif): probe is missing"),
        (BASE + "[compar]\n", "compar: unknown key; did you mean 'compare'? allowed: name, samples, ladder"),
        (BASE + '[compare]\nscaling = "aligned"\n', "compare: scaling: input should be 'none', 'fixed_point'"),
        (BASE + '[compare]\nscaling = "aligned"\n', "(got 'aligned')"),
        (BASE + '[compare]\nreference = "vehicel"\n',
         "compare: reference 'vehicel' is no condition of the sample sheet; did you mean 'vehicle'? allowed: vehicle, drug, other"),
        (BASE + '[compare]\nscaling = "fixed_point"\n', "compare: scaling 'fixed_point' needs a reference condition"),
        (BASE + '[compare]\nscaling = "interblot_control"\n', "needs a lane of role standard on every blot"),
        (BASE + ratio("x", "pAKT", "ATK"), "ratios: x: denominator 'ATK' is the probe of no image; did you mean 'AKT'?"),
        (BASE + ratio("x", "pAKT", "AKT", "actin"), "ratios: x: loading 'actin' is the probe of no image; allowed: pAKT, AKT"),
        (BASE + ratio("x", "pAKT"), "ratios: x: needs a denominator, a loading, or both"),
        (BASE + ratio("x", "AKT", "AKT"), "ratios: x: numerator and denominator are both 'AKT'"),
        (BASE + ratio("pAKT/AKT", "AKT", "pAKT"), "ratios: the name 'pAKT/AKT' stands there twice"),
        (BASE + image("t2.tif", "AKT"),
         "images: 2 pictures of AKT on blot 1, membrane 1 (t.tif, t2.tif); tell them apart by exposure_s, strip or membrane"),
        (BASE + image("q.tif", "X", blot=7), "images: blot '7' has no lanes in samples.csv; allowed: 1"),
        (BASE + image("q.tif", "X", exposure_s=-1), "images no. 3 (q.tif): exposure_s: input should be greater than 0 (got -1)"),
        (BASE + image("q.tif", "X", strip=0), "images no. 3 (q.tif): strip: input should be greater than or equal to 1 (got 0)"),
        (BASE + "[targets.AKT]\nmw_kda = -3\n", "targets.AKT: mw_kda.1: input should be greater than 0 (got -3)"),
        (BASE + "[targets.AKT]\nkda = 60\n", "targets.AKT: kda: unknown key; did you mean 'mw_kda'?"),
        ("ladder = [1]\n" + BASE, "ladder: give a product name or a list of two or more kDa values (got [1])"),
        (BASE + "[settings.quantification]\nbackgroud = 3\n", "settings: quantification.backgroud: unknown key; did you mean 'background'?"),
    ],
)  # fmt: skip
def test_read_experiment_each_mistake_says_where_what_and_what_is_allowed(tmp_path, toml, message):
    lines = complaints(write(tmp_path, toml))
    assert any(line.startswith("experiment.toml: ") and message in line for line in lines), lines


def test_missing_pictures_are_all_named(tmp_path):
    path = write(tmp_path, BASE)
    (tmp_path / "p.tif").rename(tmp_path / "P1.tif")
    (tmp_path / "t.tif").unlink()
    assert complaints(path) == [
        "experiment.toml: images: file 'p.tif' is not there; did you mean 'P1.tif'?",
        "experiment.toml: images: file 't.tif' is not there; did you mean 'P1.tif'?",
    ]


def test_read_experiment_mistakes_of_all_files_come_at_once(tmp_path):
    sheet = SHEET.replace("condition", "conditon").replace("1,3,B", "1,2,B")
    path = write(
        tmp_path, BASE.replace("pAKT", "pAKT ", 1) + ratio("x", "pAKT", "nope") + "[compare]\nalfa = 1\n", sheet
    )
    (tmp_path / "t.tif").unlink()
    lines = complaints(path)
    assert len(lines) == 6, lines
    assert sum(line.startswith("samples.csv") for line in lines) == 3


def test_read_experiment_a_blot_without_picture_and_a_membrane_without_lanes(tmp_path):
    sheet = "blot,membrane,lane,condition\n1,a,1,v\n2,,1,v\n1,c,1,v\n"
    lines = complaints(
        write(tmp_path, image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b"), sheet)
    )
    assert "samples.csv: blot '2' has no picture in experiment.toml; allowed: 1" in lines
    assert "samples.csv: membrane 'c' of blot 1 has no picture; allowed: a, b" in lines
    assert "samples.csv: membrane 'b' of blot 1 has no lanes listed" in lines


def test_one_biological_replicate_on_two_blots_is_refused(tmp_path):
    sheet = "blot,lane,condition,replicate\n1,1,v,r1\n2,1,v,r1\n"
    lines = complaints(write(tmp_path, image("p.tif", "pAKT", blot=1) + image("q.tif", "pAKT", blot=2), sheet))
    assert lines == [
        "samples.csv: replicate 'r1' of condition v stands on blots 1, 2; if it is one sample loaded on each, give these "
        "lanes one name in the sample column, if not, give every biological replicate a name of its own"
    ]


def test_files_that_cannot_be_read(tmp_path):
    path = write(tmp_path, BASE)
    path.write_text("name = \n", encoding="utf-8")
    with pytest.raises(SheetError, match=r"experiment.toml: not valid TOML: Invalid value \(at line 1"):
        read_experiment(path)
    path.write_text('samples = "a\\q.csv"\n', encoding="utf-8")
    with pytest.raises(SheetError, match="write paths with / or in single quotes"):
        read_experiment(path)
    path.write_text('samples = "gone.csv"\n' + BASE, encoding="utf-8")
    with pytest.raises(SheetError, match=r"gone.csv: cannot be read: No such file"):
        read_experiment(path)
    path.write_text(BASE, encoding="utf-8")
    with pytest.raises(
        SheetError, match=r"samples: name the sample sheet, such as samples = \"samples.csv\" \(got None\)"
    ):
        read_experiment(path)
    path.write_text('samples = "samples.csv"\nimages = 3\n', encoding="utf-8")
    with pytest.raises(SheetError, match=r"images: write each as a table of its own, \[\[images\]\] \(got 3\)"):
        read_experiment(path)


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


SHEETS = {
    "experiment": [["key", "value"], ["name", "A study"], ["ladder", "250; 150; 100"]],
    "images": [["file", "blot", "membrane", "probe", "exposure_s", "strip"], ["p.tif", 1, "1a", "pERK", 60, None],
               ["t.tif", 1, "1b", "ERK", "2,5", 1], ["s.tif", 1, "1a", "Revert", None, None]],
    "Targets": [["target", "mw_kda"], ["pERK", "44; 42"], ["ERK", 43]],
    "ratios": [["name", "numerator", "denominator", "loading"], ["r", "pERK", "ERK", "Revert"]],
    "compare": [["reference", "vehicle"], ["alpha", 0.01]],
    "samples": [line.split(",") for line in SHEET.splitlines()],
    "Notes": [["anything"]],
}  # fmt: skip


def test_read_experiment_a_workbook_holds_the_same(tmp_path):
    for name in "pts":
        (tmp_path / f"{name}.tif").touch()
    workbook(tmp_path / "study.xlsx", SHEETS)
    study = read_experiment(tmp_path)
    assert (study.name, study.ladder) == ("A study", (250.0, 150.0, 100.0))
    assert [(i.file, i.blot, i.membrane, i.exposure_s, i.strip) for i in study.images] == [
        ("p.tif", "1", "1a", 60.0, None), ("t.tif", "1", "1b", 2.5, 1), ("s.tif", "1", "1a", None, None),
    ]  # fmt: skip
    assert (study.mw_of("pERK"), study.mw_of("ERK")) == ((44.0, 42.0), (43.0,))
    assert (study.ratios[0].denominator, study.ratios[0].loading) == (("ERK",), ("Revert",))
    assert (study.compare.reference, study.compare.alpha) == ("vehicle", 0.01)
    assert study.samples["condition"].fillna("").tolist() == ["", "vehicle", "drug", "other"]


def test_read_experiment_mistakes_in_a_workbook(tmp_path):
    sheets = {**SHEETS, "images": [["file", "blot", "probe", "exposure_s"], ["p.tif", 1, "pERK", "long"]]}
    sheets["sampels"] = sheets.pop("samples")
    workbook(tmp_path / "study.xlsx", sheets)
    lines = complaints(tmp_path / "study.xlsx")
    assert any("sheet 'samples' is missing; did you mean 'sampels'?" in line for line in lines)
    assert "study.xlsx, sheet images: row 2: exposure_s: 'long' is not a number" in lines
    assert any("file 'p.tif' is not there" in line for line in lines)


def test_files_of_one_name_in_two_folders_are_called_by_their_paths(tmp_path):
    for folder in ("short", "long"):
        (tmp_path / folder).mkdir()
    toml = image("short/p.tif", "pAKT", exposure_s=10) + image("long/p.tif", "pAKT", exposure_s=60)
    study = read_experiment(write(tmp_path, toml + image("t.tif", "AKT")))
    assert [entry.name for entry in study.images] == ["short/p.tif", "long/p.tif", "t.tif"]
    assert study.images[0].describe() == "short/p.tif, 10 s"
    assert "name" not in study.images[0].model_dump()


def test_read_experiment_every_picture_of_an_exposure_series_needs_its_time(tmp_path):
    for folder in ("short", "long"):
        (tmp_path / folder).mkdir()
    toml = image("short/p.tif", "pAKT", exposure_s=10) + image("long/p.tif", "pAKT")
    assert complaints(write(tmp_path, toml)) == [
        "experiment.toml: images: file 'long/p.tif': has no exposure_s, but pAKT on blot 1, membrane 1 is an exposure "
        "series; give the time of each picture in s"
    ]


def test_read_experiment_a_file_is_not_listed_both_whole_and_by_strip(tmp_path):
    toml = image("p.tif", "pAKT") + image("p.tif", "pAKT", strip=1)
    assert complaints(write(tmp_path, toml)) == [
        "experiment.toml: images: file 'p.tif': pAKT on blot 1, membrane 1 is listed with and without a strip; say "
        "which strip each entry means"
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [("exposure_s = 36,282", "decimals stand behind a point: exposure_s = 36.282"),
     ("file = “a.tif”", 'curly quotes: write straight ones, as a plain-text editor does: file = "a.tif"'),
     ("blot = 1a", 'text stands in quotes: blot = "1a"'), ("name = My study", 'text stands in quotes: name = "My study"'),
     ("name = ", None)],
)  # fmt: skip
def test_text_without_quotes_is_told(tmp_path, line, hint):
    path = write(tmp_path, BASE)
    path.write_text(line + "\n" + BASE, encoding="utf-8")
    (told,) = complaints(path)
    assert told.startswith("experiment.toml: not valid TOML")
    assert told.endswith(f"; {hint}") if hint else "quotes" not in told


def test_read_experiment_a_picture_is_no_experiment(tmp_path):
    (tmp_path / "pAKT.scn").touch()
    with pytest.raises(SheetError, match=r"pAKT\.scn: a picture, not an experiment; `blotquant measure .*` measures"):
        read_experiment(tmp_path / "pAKT.scn")


@pytest.mark.parametrize("twin", ["Vehicle", "VEHICLE ", "vehi-cle", "ｖehicle"])
def test_read_experiment_conditions_that_differ_in_spelling_only_are_told(tmp_path, twin):
    study = read_experiment(write(tmp_path, BASE, SHEET.replace("drug,sample", f"{twin},sample")))
    (warning,) = study.warnings
    assert warning.startswith("samples.csv: conditions 'vehicle' and ")
    assert "differ in spelling only" in warning
    assert len(set(study.samples["condition"].dropna())) == 3


def test_read_experiment_micro_signs_are_told_apart_by_their_characters(tmp_path):
    sheet = SHEET.replace("drug,sample", "10 \u00b5M,sample").replace("other,sample", "10 \u03bcM,sample")
    (warning,) = read_experiment(write(tmp_path, BASE, sheet)).warnings
    assert "(U+00B5)" in warning
    assert "(U+03BC)" in warning
    lines = complaints(write(tmp_path, BASE + '[compare]\nreference = "Vehicle"\n', sheet))
    assert lines == ["experiment.toml: compare: reference 'Vehicle' is no condition of the sample sheet; did you mean "
                     "'vehicle'? It differs in spelling only"]  # fmt: skip


def test_read_experiment_conditions_that_differ_are_no_twins(tmp_path):
    assert read_experiment(write(tmp_path, BASE)).warnings == ()


@pytest.mark.parametrize(
    ("probe", "stain"),
    [("TPSAB1", False), ("TPS", True), ("TP53", False), ("Revert 700", True), ("Ponceau S", True), ("No-Stain", True),
     ("Total Protein", True), ("TPI1", False), ("nonameX", False)],
)  # fmt: skip
def test_stains_by_name(tmp_path, probe, stain):
    study = read_experiment(write(tmp_path, BASE + image("q.tif", probe)))
    assert study.is_stain(probe) == stain


def test_one_file_may_show_two_probes_but_has_one_time_and_one_membrane(tmp_path):
    rows = "[targets.pAKT]\nrow = 1\n[targets.actin]\nrow = 2\n"
    both = image("p.tif", "actin") + image("p.tif", "GAPDH", strip=2)
    study = read_experiment(write(tmp_path, BASE + both + rows))
    names = [entry.session_name for entry in study.images]
    assert names[0] == "p.tif__pAKT.blot.json"
    assert names[1] == "t.tif.blot.json"
    assert len(set(names)) == 4
    assert len(read_experiment(write(tmp_path, BASE + both)).images) == 4  # 60 and 42 kDa: their order tells
    (unclear,) = complaints(write(tmp_path, BASE + both + rows.replace("2", "1")))
    assert unclear.startswith(
        "experiment.toml: images: file 'p.tif' shows pAKT and actin: say which row of the picture each one is, such as "
        '[targets."pAKT"] row = 1 (from the top, as `blotquant inspect` lists them)'
    )
    same = BASE + both + "[targets.actin]\nmw_kda = 60\n"
    assert complaints(write(tmp_path, same)) == [unclear]
    assert read_experiment(write(tmp_path, 'ladder = "PageRuler"\n' + BASE + both)).ladder == "PageRuler"
    lines = complaints(write(tmp_path, image("p.tif", "pAKT", exposure_s=10) + image("p.tif", "pAKT", exposure_s=60)))
    assert lines == ["experiment.toml: images: file 'p.tif': listed with exposure_s = 10 and 60; a picture has one "
                     "exposure time: name the file of each exposure, or its page"]  # fmt: skip
    lines = complaints(write(tmp_path, image("p.tif", "pAKT", membrane="a") + image("p.tif", "AKT", membrane="b")))
    assert lines == ["experiment.toml: images: file 'p.tif': listed for blot 1, membrane a and for blot 1, membrane b; "
                     "say which strip of the picture each means, such as strip = 1"]  # fmt: skip
