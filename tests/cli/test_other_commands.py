"""inspect, info, init and help."""

import subprocess
import sys

import blotquant as package


def test_inspect_tells_what_a_picture_is(blotquant, picture):
    called = blotquant("inspect", picture)
    assert called.code == 0
    assert called.out.startswith("blot.tif: ")
    assert "uint16" in called.out
    assert "bands bright" in called.out
    assert "strip 1: " in called.out


def test_inspect_goes_on_after_a_bad_picture(blotquant, bad_pictures):
    called = blotquant("inspect", bad_pictures, "--json")
    assert called.code == 1
    assert set(called.json["failures"]) == {"b_text.tif", "c_cut.tif", "d_empty.tif", "h_tiny.tif"}
    assert len(called.json["pictures"]) == 5


def test_info_names_versions(blotquant):
    called = blotquant("info", "--json")
    assert called.json["blotquant"] == package.__version__
    assert {"python", "numpy", "napari"} <= set(called.json)


def test_every_command_has_help(blotquant):
    assert blotquant("--help").code == 0
    for command in ("demo", "inspect", "measure", "init", "run", "edit", "verify", "info"):
        called = blotquant(command, "--help")
        assert called.code == 0
        assert "Usage: blotquant " in called.out


def test_the_module_runs(tmp_path):
    done = subprocess.run([sys.executable, "-m", "blotquant", "--version"], capture_output=True, text=True, check=True)
    assert package.__version__ in done.stdout
