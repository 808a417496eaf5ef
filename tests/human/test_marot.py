"""Translations go out to annotators in Marot's form and come back with marks."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.data.lines import read_lines
from rewardlab.data.rows import Row
from rewardlab.human.marot import visible, write_marot
from rewardlab.human.mqm import MQM
from rewardlab.types import WMT_MQM, ErrorSpan


def read_back(path):
    return MQM.read(read_lines(path), WMT_MQM)


def rows(*documents):
    return [
        Row(str(number), f"Hej nr. {number}.", None, "da", "pt-BR", document)
        for number, document in enumerate(documents, start=1)
    ]


def test_translations_stand_segment_by_segment_and_wait_for_a_rater(tmp_path):
    path = tmp_path / "out.tsv"
    systems = {"A": ["um", "dois", "três"], "B": ["1", "2", "3"]}
    assert write_marot(path, rows("news", "talk", "news"), systems, document="run") == 0
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    assert lines[0] == [
        "system", "doc", "docSegId", "globalSegId", "rater",
        "source", "target", "category", "severity", "metadata",
    ]  # fmt: skip
    assert [line[:7] for line in lines[1:]] == [
        ["A", "news:da-pt_BR", "1", "1", "", "Hej nr. 1.", "um"],
        ["B", "news:da-pt_BR", "1", "1", "", "Hej nr. 1.", "1"],
        ["A", "talk:da-pt_BR", "1", "2", "", "Hej nr. 2.", "dois"],
        ["B", "talk:da-pt_BR", "1", "2", "", "Hej nr. 2.", "2"],
        ["A", "news:da-pt_BR", "2", "3", "", "Hej nr. 3.", "três"],
        ["B", "news:da-pt_BR", "2", "3", "", "Hej nr. 3.", "3"],
    ]
    assert {tuple(line[7:9]) for line in lines[1:]} == {("", "")}
    assert json.loads(lines[-1][9]) == {"segment": {"id": "3"}}


def test_what_was_written_is_read_back_without_ratings(tmp_path):
    path = tmp_path / "out.tsv"
    write_marot(path, rows(None, None), {"A": ["um", 'd"ois'], "B": ["", " x "]}, document="run")
    file = read_back(path)
    assert file.scores.segments == ("run:da-pt_BR:1", "run:da-pt_BR:2")
    assert file.sources == ("Hej nr. 1.", "Hej nr. 2.")
    assert list(file.hypotheses.values()) == ["um", "", 'd"ois', " x "]
    assert file.spans == {}
    assert (file.source_lang, file.target_lang) == ("da", "pt_BR")
    assert "4 of 4 translations without one; rows without a rating: 4" in file.funnel


def test_marks_of_an_annotator_are_spans(tmp_path):
    path = tmp_path / "out.tsv"
    systems = {"A": ["olá\tmundo <v>", "dois"], "B": ["x", "y"]}
    assert write_marot(path, rows("d", "d"), systems, document="run") == 1
    lines = path.read_text("utf-8").splitlines()
    assert lines[1].split("\t")[6] == "olá⇥mundo ‹v›"

    def annotated(number, category, severity, *, source=None, target=None):
        cells = lines[number].split("\t")
        cells[4], cells[7], cells[8] = "me", category, severity
        cells[5], cells[6] = source or cells[5], target or cells[6]
        return "\t".join(cells)

    lines += [
        annotated(1, "Style/Awkward", "Minor", target="olá⇥<v>mundo</v> ‹v›"),
        annotated(1, "Accuracy/Omission", "Major", source="<v>Hej</v> nr. 1."),
        annotated(2, "No-error", "No-error"),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file = read_back(path)
    (spans,) = file.spans["A", "d:da-pt_BR:1"]
    assert spans == (
        ErrorSpan(4, 9, "Minor", "Style/Awkward"),
        ErrorSpan(0, 3, "Major", "Accuracy/Omission", side="source"),
    )
    assert "olá\tmundo <v>"[4:9] == "mundo"  # signs keep the offsets of the text itself
    assert file.scores.values[:, 0].tolist() == [-6.0, 0.0]
    assert file.spans["B", "d:da-pt_BR:1"] == ((),)
    assert file.hypotheses["A", "d:da-pt_BR:2"] == "dois"
    assert file.raters == 1


def test_corpora_with_names_are_documents_and_pairs_are_not_said_twice(tmp_path):
    path = tmp_path / "out.tsv"
    mixed = [
        Row("da-nb:1", "a", None, "da", "nb"),
        Row("da-sv:1", "b", None, "da", "sv"),
        Row("3", "c", None, "da", "sv", "news:da-sv"),
    ]
    write_marot(path, mixed, {"A": ["x", "y", "z"]}, document="run")
    assert read_back(path).documents == ("da-nb:da-nb", "da-sv:da-sv", "news:da-sv")


def test_every_system_translates_every_row(tmp_path):
    with pytest.raises(ValueError, match="1 translations of A for 2 rows"):
        write_marot(tmp_path / "out.tsv", rows("d", "d"), {"A": ["x"]}, document="run")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1))
def test_any_text_goes_out_and_comes_back_with_signs_alone_changed(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("marot") / "out.tsv"
    sources = [Row(str(n), text, None, "da", "nb") for n, text in enumerate(texts)]
    write_marot(path, sources, {"A": texts}, document="run")
    file = read_back(path)
    assert list(file.hypotheses.values()) == [visible(text) for text in texts]
    assert list(file.sources or [""] * len(texts)) == [visible(text) for text in texts]
    assert all(len(visible(text)) == len(text) for text in texts)
