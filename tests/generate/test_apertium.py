"""The Apertium backend, on a language pair whose programs are written here in sed."""

import os
import shutil
import stat

import pytest

from rewardlab.errors import UserError
from rewardlab.generate import Sampling
from rewardlab.generate.apertium import ApertiumGenerator, drawn_alternatives, judged

PROGRAMS = {
    # each word becomes a unit; "house" has two translations, "frob" is unknown
    "analyse": r"""sed -E 's/([a-z]+)/^\1\/\1$/g'""",
    "bilingual": r"""sed -E 's/\^([a-z]+)\/[a-z]+\$/^\1\/<\1>$/g;
        s/<house>/casa\/hogar/g; s/<dog>/perro/g; s/<the>/el/g; s/<frob>/*frob/g'""",
    "select": r"""sed -E 's/\^([a-z]+)\/([^$\/]+)(\/[^$]+)?\$/^\2$/g'""",
    "generate": r"""sed -E 's/\^([^$]+)\$/\1/g'""",
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Programs named as Apertium's, and the mode of the pair eng-spa."""
    bin_, modes = tmp_path / "bin", tmp_path / "modes"
    bin_.mkdir()
    modes.mkdir()
    program(bin_ / "apertium", "cat")
    program(bin_ / "apertium-destxt", r"sed -E ':a;N;$!ba;s/\n\n/[][\n\n]/g'")
    program(bin_ / "apertium-retxt", r"sed -E 's/\[\]\[//; s/^\]//'")
    for name, line in PROGRAMS.items():
        program(bin_ / name, line)
    for data in ("a.bin", "eng-spa.autobil.bin"):
        (tmp_path / data).write_text(data)
    stages = [
        f"analyse '{tmp_path}/a.bin'",
        f"bilingual '{tmp_path}/eng-spa.autobil.bin'",
        "select",
        "generate $1",
    ]
    (modes / "eng-spa.mode").write_text(" | ".join(stages))
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    return tmp_path


def program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def texts(generator, sources, **options):
    outputs = generator(sources, Sampling(**options), seeds=range(len(sources)))
    return [[one.text for one in row] for row in outputs]


def test_sources_are_translated_in_their_order(installed):
    apertium = ApertiumGenerator("eng-spa")
    sources = ["the dog", "", "the\nhouse"]
    assert texts(apertium, sources) == [["el perro"], [""], ["el casa"]]


def test_an_unknown_word_is_a_failure_unless_it_is_kept(installed):
    ((failed,),) = ApertiumGenerator("eng-spa")(["the frob"], Sampling(), seeds=[0])
    assert (failed.text, failed.finished) == ("", False)
    assert texts(ApertiumGenerator("eng-spa", "keep"), ["the frob"]) == [["el frob"]]


def test_samples_depend_on_their_seed_alone(installed):
    apertium = ApertiumGenerator("eng-spa")
    options = {"temperature": 2.0, "samples": 8}
    many = texts(apertium, ["the house"] * 6, **options)
    assert {text for row in many for text in row} == {"el casa", "el hogar"}
    again = apertium(["the dog", "the house"], Sampling(**options), seeds=[9, 3])
    assert [one.text for one in again[1]] == many[3]


def test_a_program_that_the_pair_needs_and_lacks_is_named(installed, monkeypatch):
    monkeypatch.setenv("PATH", str(installed / "bin"))  # cg3 may be installed elsewhere
    mode = installed / "modes" / "eng-spa.mode"
    mode.write_text(mode.read_text().replace("select", "cg-proc -w 'x.bin' | select"))
    with pytest.raises(UserError, match=r"E086.*not installed: cg-proc\. fix: apt-get install cg3"):
        ApertiumGenerator("eng-spa").ready()


def test_a_pipeline_that_writes_nothing_fails(installed):
    program(installed / "bin" / "generate", "cat > /dev/null")
    outputs = ApertiumGenerator("eng-spa")(["the dog", "the house"], Sampling(), seeds=[0, 0])
    assert [row[0].finished for row in outputs] == [False, False]


def test_one_text_that_loses_its_place_does_not_move_the_others(installed):
    program(installed / "bin" / "generate", r"sed -E 's/\^([^$]+)\$/\1/g; /perro/{N;d}'")
    outputs = texts(ApertiumGenerator("eng-spa"), ["the house", "the dog", "house"])
    assert outputs == [["el casa"], [""], ["casa"]]


def test_ask_says_why_there_is_no_text(installed):
    ours = ApertiumGenerator("eng-spa").ask(["the dog", "frob"], Sampling(), seeds=[0, 0])
    assert ours[0].text == "el perro"
    assert (ours[1].reason, ours[1].fault) == ("Apertium has no translation", "text")


def test_the_signature_depends_on_dictionaries_and_options(installed):
    one = ApertiumGenerator("eng-spa").signature
    assert ApertiumGenerator("eng-spa", "keep").signature != one
    (installed / "a.bin").write_text("other")
    assert ApertiumGenerator("eng-spa").signature != one


def test_a_pair_that_is_not_installed_is_named(installed, monkeypatch):
    with pytest.raises(UserError, match=r"E086.*eng-spa. fix: generation.pair=eng-spa"):
        ApertiumGenerator("en-spa").ready()
    with pytest.raises(UserError, match=r"E086.*fix: apt-get install apertium-dan-nor"):
        ApertiumGenerator("dan-nor").ready()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"E086.*Apertium is not installed"):
        ApertiumGenerator("eng-spa").ready()


def test_beam_search_is_refused(installed):
    with pytest.raises(UserError, match="E086"):
        ApertiumGenerator("eng-spa")(["the dog"], Sampling(beams=4), seeds=[0])


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("a dog", "un perro", "un perro"),
        ("a frob", "un *frob", ""),
        ("a dog", "un #perro", ""),
        ("a dog", "un @dog", ""),
        ("a dog", "", ""),
        ("*a* dog", "*un* perro", "*un* perro"),
        ("mail a@b.org", "mail a@b.org", "mail a@b.org"),
        ("2 * 3", "2 * 3", "2 * 3"),
    ],
)
def test_marks_are_failures_and_signs_of_the_source_are_not(source, text, expected):
    found = judged(source, text)
    assert (found.text, found.finished) == (expected, bool(expected))


def test_alternatives_are_drawn_by_their_order():
    line = "^a/x/y$ ^b/z$ ^c\\/d/u\\/v/w$"
    drawn = [drawn_alternatives(line, 1.0, seed) for seed in range(400)]
    share = sum("^a/x$" in one for one in drawn) / 400
    assert abs(share - 1 / (1 + 2.718281828**-1)) < 0.07
    assert all("^b/z$" in one for one in drawn)
    assert {one.split(" ")[2] for one in drawn} == {"^c\\/d/u\\/v$", "^c\\/d/w$"}
