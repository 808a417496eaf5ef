"""Tables: columns by name, by their usual names, by number, and what cannot be a row."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from rewardlab.data.corpora import read_parallel
from rewardlab.errors import UserError

LANGUAGES = {"source_lang": "en", "target_lang": "de"}


def read(path, form, **options):
    return read_parallel(path, path, format=form, **LANGUAGES, **options)


def texts(corpus):
    return [(row.source, row.reference) for row in corpus.rows]


def problem(path, form, **options):
    with pytest.raises(UserError) as caught:
        read(path, form, **options)
    [found] = caught.value.problems
    return str(found).replace(str(path), "FILE")


PAIR = [("Hello.", "Hallo.")]


@pytest.mark.parametrize(
    "row",
    [
        {"source": "Hello.", "target": "Hallo."},
        {"src": "Hello.", "ref": "Hallo."},
        {"en": "Hello.", "de": "Hallo."},
        {"translation": {"en": "Hello.", "de": "Hallo."}},
    ],
)
def test_usual_columns_are_found(tmp_path, row):
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{json.dumps(row)}\n\n")
    assert texts(read(path, "jsonl")) == PAIR


def test_columns_may_be_named_and_documents_and_pictures_travel_along(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"a": {"x": "Hello."}, "b": "Hallo.", "page": 3, "png": "i.png"}\n')
    columns = {"source": "a.x", "reference": "b", "document": "page", "image": "png"}
    corpus = read(path, "jsonl", columns=columns)
    assert texts(corpus) == PAIR
    assert [(row.document, row.image) for row in corpus.rows] == [("3", "i.png")]


def test_tables_with_and_without_names(tmp_path):
    named, bare = tmp_path / "named.tsv", tmp_path / "bare.tsv"
    named.write_text('source\treference\nHello.\tHallo.\n"Quoted\t"so"\n')
    bare.write_text("x\tHello.\tHallo.\n")
    assert texts(read(named, "tsv")) == [*PAIR, ('"Quoted', '"so"')]
    assert texts(read(bare, "tsv", columns={"source": "2", "reference": "3"})) == PAIR
    named.write_text("source\treference\nHello.\n")
    assert problem(named, "tsv") == (
        "error[E271] FILE:2: 1 columns, but the first line has 2. "
        "fix: a tab between columns, none in a text"
    )


def test_parquet_shards_are_one_corpus(tmp_path):
    for name, text in (("0", "Hello."), ("1", "Bye.")):
        table = pa.table({"source": [text, None], "reference": ["Hallo.", "x"]})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    corpus = read(tmp_path, "parquet")
    assert [row.source for row in corpus.rows] == ["Hello.", "Bye."]
    assert corpus.funnel.steps == (("empty", 2),)


def test_a_hub_data_set_is_streamed_from_a_directory(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"source": "Hello.", "target": "Hallo."}\n')
    assert texts(read(tmp_path, "datasets")) == PAIR


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "error[E271] FILE:1: not JSON"),
        ("[1]", "error[E271] FILE:1: a list, not an object"),
        ('{"source": 1, "target": "x"}', "error[E271] FILE:1: source: the integer 1 is not a text"),
        ('{"text": "x"}', "error[E270] FILE:1: there is no column 'source'"),
        ('{"source": "a\\u0000", "target": "x"}', "error[E271] FILE:1: source: NUL characters"),
    ],
)
def test_what_is_no_row_is_refused(tmp_path, line, message):
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{line}\n")
    assert problem(path, "jsonl").startswith(message)


def test_a_missing_named_column_is_refused(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"source": "a", "target": "b", "sorce": "c"}\n')
    message = problem(path, "jsonl", columns={"source": "scource"})
    assert message.startswith("error[E270] FILE:1: there is no column 'scource'")


def test_no_parquet_and_no_file(tmp_path):
    path = tmp_path / "pairs.parquet"
    path.write_text("text")
    assert problem(path, "parquet").startswith("error[E271]")
    assert problem(tmp_path / "gone.parquet", "parquet").startswith("error[E201]")
    assert problem(tmp_path, "jsonl").startswith("error[E201]")


def test_another_file_of_references_is_refused(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"source": "a", "target": "b"}\n')
    with pytest.raises(UserError, match="E209"):
        read_parallel(path, tmp_path / "other.jsonl", format="jsonl", **LANGUAGES)
