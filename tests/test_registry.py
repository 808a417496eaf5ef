import importlib
import sys

import pytest

from rewardlab.registry import Registry

GROUP = "rewardlab.toys"
MODULE = """
WORD = "from the plug-in"


def shout(text):
    return text.upper()
"""
TOYS = Registry(GROUP, {"squares": "math:isqrt", "ends": "os.path:basename"})


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An installed package with entry points, in a directory of its own on the path."""
    (tmp_path / "toy.py").write_text(MODULE)
    installed = tmp_path / "toy-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text(
        f"[{GROUP}]\n"
        "word = toy:WORD\n"
        "shout = toy:shout\n"
        "squares = toy:shout\n"
        "broken = toy_that_is_not_there:thing\n"
        "[another.group]\nother = toy:WORD\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield installed
    sys.modules.pop("toy", None)


def test_without_plug_ins_there_are_the_built_in_names_in_their_order():
    assert TOYS.names() == ["squares", "ends"]
    assert TOYS.load("squares")(26) == 5
    assert TOYS.load("ends")("a/b.txt") == "b.txt"


@pytest.mark.usefixtures("toy")
def test_an_entry_point_adds_a_name():
    assert TOYS.names() == ["squares", "ends", "broken", "shout", "word"]
    assert TOYS.load("word") == "from the plug-in"
    assert TOYS.load("shout")("hej") == "HEJ"


@pytest.mark.usefixtures("toy")
def test_a_built_in_name_wins():
    assert TOYS.load("squares")(26) == 5
    assert TOYS.names().count("squares") == 1


@pytest.mark.usefixtures("toy")
def test_names_import_nothing_and_a_broken_plug_in_harms_no_other():
    assert "toy" not in sys.modules
    TOYS.names()
    assert "toy" not in sys.modules
    assert TOYS.load("ends")("a/b.txt") == "b.txt"
    assert "toy" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="toy_that_is_not_there"):
        TOYS.load("broken")


@pytest.mark.usefixtures("toy")
def test_other_groups_and_unknown_names_are_not_loaded():
    for name in ("other", "os:system", "math:isqrt", ""):
        with pytest.raises(KeyError):
            TOYS.load(name)
