"""CSV's quotes in tables, and tables separated by commas. All texts are made up."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.data.lines import lines_of
from rewardlab.errors import UserError
from rewardlab.human.formats import read_gold
from rewardlab.human.metric_scores import read_scores
from rewardlab.human.quoting import plain_cells
from rewardlab.types import ErrorSpan


def plain(text):
    return plain_cells(lines_of(text.encode(), "f.tsv"))


MQM = """\
system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity
A\td\t1\t1\tr1\t"She said ""yes""."\t"Sie sagte <v>""ja""</v>."\tFluency/Punctuation\tMinor
B\td\t1\t1\tr1\t"She said ""yes""."\t"Sie sagte ""ja""."\tNo-error\tNo-error
A\td\t2\t2\tr1\tGo.\tGeh.\tNo-error\tNo-error
B\td\t2\t2\tr1\tGo.\t<v>Halt</v>.\tAccuracy/Mistranslation\tMajor
"""


def test_texts_and_marks_of_quoted_cells_are_those_of_the_text(tmp_path):
    path = tmp_path / "mqm.tsv"
    path.write_text(MQM)
    gold = read_gold(path)
    assert gold.sources == ('She said "yes".', "Go.")
    assert gold.hypotheses["A", "d:1"] == 'Sie sagte "ja".'
    assert gold.spans["A", "d:1"] == ((ErrorSpan(10, 14, "Minor", "Fluency/Punctuation"),),)
    note = "cells of 'source', 'target' are quoted as in CSV: read without the quotes"
    assert f"{path}: {note}" in gold.notes


def test_a_lone_quote_and_a_whole_quotation_are_characters():
    text = 'system\tsource\ttarget\nA\t"Yes."\t"Ja\nB\t"No."\tEr sagte "ja"\n'
    file = plain(text)
    assert file.lines == text.splitlines()
    assert file.notes == ()


def test_columns_are_judged_one_by_one():
    file = plain('system\tsource\ttarget\nA\t"a ""b"" c"\t"Ja", sagte er\nB\t"x"\t"Nein"\n')
    assert file.lines[1:] == ['A\ta "b" c\t"Ja", sagte er', 'B\tx\t"Nein"']


def test_a_column_with_cells_of_both_kinds_is_kept_with_a_note():
    text = 'system\ttarget\nA\t"a ""b"" c"\nB\t"Ja", sagte er\n'
    file = plain(text)
    assert file.lines == text.splitlines()
    assert file.notes == (
        "f.tsv: some cells of 'target' look quoted as in CSV and others do not: quotes kept",
    )


def test_where_the_header_is_quoted_every_cell_may_be():
    file = plain('"system"\t"seg_id"\t"score"\n"A"\t"1"\t90\n"B"\t"1"\t"80"\n')
    assert file.lines == ["system\tseg_id\tscore", "A\t1\t90", "B\t1\t80"]


def test_tabs_and_line_breaks_inside_quoted_cells_become_spaces_and_lines_keep_numbers():
    file = plain('system\ttarget\tscore\nA\t"one\ntwo"\t1\nB\t"a\tb"\t2\nC\t"x\n\ny"\t3\n')
    assert file.lines == [
        "system\ttarget\tscore",
        "A\tone two\t1",
        "",
        "B\ta b\t2",
        "C\tx  y\t3",
        "",
        "",
    ]
    assert file.notes == (
        "f.tsv: cells are quoted as in CSV: read without the quotes",
        "f.tsv: 3 cells with a tab or line break: read as a space",
    )


@pytest.mark.parametrize("separator", [",", ";"])
def test_tables_with_commas_or_semicolons_are_read(tmp_path, separator):
    cells = (("system", "seg_id", "source", "score"), ("A", "1", '"Yes, ""it"" is; so"', "90"))
    rows = [*cells, ("B", "1", '"Yes, ""it"" is; so"', "80")]
    path = tmp_path / "esa.csv"
    path.write_text("\n".join(map(separator.join, rows)))
    gold = read_gold(path)
    assert gold.scores.values.tolist() == [[90.0], [80.0]]
    assert gold.sources == ('Yes, "it" is; so',)
    assert "separate the cells: read as CSV" in gold.notes[0]


def test_commas_with_an_open_quote_are_refused_with_the_line():
    with pytest.raises(UserError) as caught:
        plain('system,target\nA,"x"y\n')
    assert str(caught.value).startswith("error[E221] f.tsv:2: quotes of this row are not closed")


@pytest.mark.parametrize(
    "text",
    ["A 0.5\nB 0.6\n", '{"system_id": "A", "x": "\t"}\n', "", "plain text, with a comma\n"],
)
def test_files_that_are_no_tables_are_left_alone(text):
    file = lines_of(text.encode(), "f")
    assert plain_cells(file) is file


TEXT = st.text(st.sampled_from("ab \"'<>,;.\u00e4"), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.booleans())
def test_what_a_csv_library_writes_is_read_back(rows, everything):
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter="\t", quoting=quoting, lineterminator="\n")
    table = [("system", "source", "target"), *(("A", *row) for row in rows)]
    writer.writerows(table)
    assert [tuple(line.split("\t")) for line in plain(out.getvalue()).lines] == table


def test_quoted_files_of_scores_are_read(tmp_path):
    gold = tmp_path / "gold.tsv"
    gold.write_text("system\tseg_id\tscore\nA\t1\t90\nB\t1\t80\n")
    for name, text in {
        "rows.tsv": '"system"\t"segment"\t"chrf"\n"A"\t"1"\t0.5\n"B"\t"1"\t"0.25"\n',
        "table.tsv": '"system"\t"1"\n"A"\t0.5\n"B"\t0.25\n',
        "table.csv": "system,1\nA,0.5\nB,0.25\n",
        "lists.txt": '"A"\t0.5\n"B"\t0.25\n',
    }.items():
        path = tmp_path / name
        path.write_text(text)
        found = read_scores(path, read_gold(gold), name="m")
        np.testing.assert_array_equal(found.scores.values, [[0.5], [0.25]])
        assert len(found.notes) == 1
