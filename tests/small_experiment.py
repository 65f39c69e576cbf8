"""A small experiment on disk, and measured tables to go with it; numbers are chosen, pictures are empty files."""

from pathlib import Path

from blotquant.experiment.read import read_experiment
from blotquant.flags import split_flags
from blotquant.normalization.normalize import normalize
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table

SHEET = """blot,lane,sample,condition,role,load_ug,drug
1,1,,,ladder,,
1,2,A,vehicle,sample,20,none
1,3,B,drug,sample,20,x
1,4,C,other,sample,20,y
"""


def image(file, probe, blot=1, **more):
    lines = [f'file = "{file}"', f'blot = "{blot}"', f'probe = "{probe}"']
    lines += [f"{key} = {value!r}" for key, value in more.items()]
    return "[[images]]\n" + "\n".join(lines).replace("'", '"') + "\n"


def ratio(name, numerator, denominator=None, loading=None):
    lines = [f'name = "{name}"', f'numerator = "{numerator}"']
    lines += [f"denominator = {denominator!r}"] if denominator else []
    lines += [f"loading = {loading!r}"] if loading else []
    return "[[ratios]]\n" + "\n".join(lines).replace("'", '"') + "\n"


def write(folder, toml, sheet=SHEET, *, pictures=()):
    """Write the experiment; every file named in it, and `pictures`, is made."""
    folder = Path(folder)
    names = [line.split('"')[1] for line in toml.splitlines() if line.startswith("file = ")]
    for name in [*names, *pictures]:
        (folder / name).touch()
    (folder / "experiment.toml").write_text('samples = "samples.csv"\n' + toml, encoding="utf-8")
    if isinstance(sheet, bytes):
        (folder / "samples.csv").write_bytes(sheet)
    else:
        (folder / "samples.csv").write_text(sheet, encoding="utf-8")
    return folder / "experiment.toml"


def experiment(folder, toml, sheet=SHEET):
    return read_experiment(write(folder, toml, sheet))


def bands(file, probe, volumes, *, blot="1", membrane=None, target=None, band=1, sd=None, **more):
    """Bands of one picture: volumes by lane; `sd` is 1 % of the volume unless given, LOD 30 and LOQ 100 counts."""
    rows = []
    for lane, volume in volumes.items():
        row = {"image": file, "probe": probe, "blot": blot, "membrane": membrane or blot, "strip": 1, "lane": lane}
        row |= {"band": band, "target": target or probe, "volume": volume}
        row |= {"volume_sd": abs(volume) * 0.01 if sd is None else sd, "lod": 30.0, "loq": 100.0, "status": "detected"}
        row |= {key: value.get(lane) if isinstance(value, dict) else value for key, value in more.items()}
        rows.append(row)
    return rows


def lanes(file, probe, volumes, *, blot="1", membrane=None, **more):
    """Lanes of one picture: volumes by lane, SD 1 %."""
    rows = []
    for lane, volume in volumes.items():
        row = {"image": file, "probe": probe, "blot": blot, "membrane": membrane or blot, "strip": 1, "lane": lane}
        row |= {"volume": volume, "volume_sd": abs(volume) * 0.01, "role": "sample"}
        row |= {key: value.get(lane) if isinstance(value, dict) else value for key, value in more.items()}
        rows.append(row)
    return rows


def band_table(*groups):
    return make_table([row for group in groups for row in group], BAND_COLUMNS)


def lane_table(*groups):
    return make_table([row for group in groups for row in group], LANE_COLUMNS)


ONE = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("pAKT/AKT", "pAKT", "AKT")
REFERENCE = '[compare]\nreference = "vehicle"\n'
TWIN = (
    image("p.tif", "pAKT", membrane="a")
    + image("t.tif", "AKT", membrane="b")
    + image("sa.tif", "total_protein", membrane="a")
    + image("sb.tif", "total_protein", membrane="b")
)
P = {2: 1000.0, 3: 3000.0, 4: 2000.0}
T = {2: 2000.0, 3: 2000.0, 4: 1000.0}


def one_membrane(tmp_path, toml=ONE, *, p=P, t=T, p_more=None, t_more=None, **kwargs):
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pAKT", p, **(p_more or {})), bands("t.tif", "AKT", t, **(t_more or {})))
    return normalize(study, table, kwargs.pop("lanes", lane_table()), **kwargs)


def twin(tmp_path, toml, *, la=None, lb=None, sheet=None):
    study = experiment(tmp_path, toml, sheet) if sheet else experiment(tmp_path, toml)
    table = band_table(
        bands("p.tif", "pAKT", P, membrane="a"),
        bands("t.tif", "AKT", T, membrane="b"),
    )
    stains = lane_table(
        lanes("sa.tif", "total_protein", la or {1: 9e9, 2: 1e6, 3: 2e6, 4: 3e6}, membrane="a"),
        lanes("sb.tif", "total_protein", lb or {1: 9e9, 2: 2e6, 3: 2e6, 4: 2e6}, membrane="b"),
    )
    return normalize(study, table, stains)


def flags_of(row):
    return set(split_flags(row["flags"]))
