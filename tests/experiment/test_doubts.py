"""What is said of an experiment before it runs."""

from small_experiment import SHEET, experiment, image, ratio

TWO = SHEET + SHEET.split("\n", 1)[1].replace("\n1,", "\n2,").replace("1,1,,,ladder", "2,1,,,ladder", 1)
BLOT1 = image("p1.tif", "pAKT") + image("t1.tif", "AKT")
RATIO = ratio("pAKT/AKT", "pAKT", "AKT")


def doubts(folder, toml, sheet=TWO):
    return experiment(folder, toml, sheet).warnings


def test_read_experiment_a_sound_experiment_raises_no_doubt(tmp_path):
    toml = BLOT1 + image("p2.tif", "pAKT", blot=2) + image("t2.tif", "AKT", blot=2) + RATIO
    assert doubts(tmp_path, toml + '[compare]\nreference = "vehicle"\n') == ()


def test_read_experiment_a_misspelt_probe_is_told_with_the_blot_it_costs(tmp_path):
    toml = BLOT1 + image("p2.tif", "pAKT", blot=2) + image("t2.tif", "AKTT", blot=2) + RATIO
    assert doubts(tmp_path, toml) == (
        "experiment.toml: ratios: pAKT/AKT: blot 2 has no picture of AKT and gives no such ratio; its probes are pAKT, "
        "AKTT",
    )
    toml = BLOT1 + image("p2.tif", "pAKTT", blot=2) + image("t2.tif", "AKT", blot=2) + RATIO
    assert "blot 2 has no picture of pAKT" in doubts(tmp_path, toml)[0]


def test_read_experiment_a_shared_control_and_a_doublets_part_are_no_doubt(tmp_path):
    toml = BLOT1 + image("e2.tif", "pERK", blot=2) + image("t2.tif", "AKT", blot=2) + RATIO
    toml += ratio("pERK/AKT", "pERK", "AKT") + "[targets.pERK]\nmw_kda = [44, 42]\n"
    assert doubts(tmp_path, toml) == ()


def test_read_experiment_a_blot_without_the_reference(tmp_path):
    toml = BLOT1 + image("p2.tif", "pAKT", blot=2) + image("t2.tif", "AKT", blot=2) + RATIO
    sheet = TWO.replace("2,2,A,vehicle", "2,2,A,untreated")
    found = doubts(tmp_path, toml + '[compare]\nreference = "vehicle"\n', sheet)
    assert found == (
        "samples.csv: blot 2 has no lane of the reference condition 'vehicle': its lanes have no relative value and "
        "enter no p-value",
    )


def test_copies_of_one_picture(tmp_path):
    for name, content in (("p1.tif", b"one"), ("t1.tif", b"two"), ("p2.tif", b"one"), ("t2.tif", b"other")):
        (tmp_path / name).write_bytes(content)
    toml = BLOT1 + image("p2.tif", "pAKT", blot=2) + image("t2.tif", "AKT", blot=2) + RATIO
    assert doubts(tmp_path, toml) == (
        "experiment.toml: images: p1.tif and p2.tif are copies of one picture; check which file belongs where",
    )


def test_read_experiment_commas_are_overlooked_but_decimal_ones_are_not(tmp_path):
    sheet = 'blot,lane,condition\n1,1,"MCF7, drug"\n1,2,mcf-7 drug\n1,3,"1,5 nM"\n1,4,15 nM\n'
    found = doubts(tmp_path, BLOT1, sheet)
    assert len(found) == 1
    assert "'MCF7, drug' and 'mcf-7 drug'" in found[0]
