"""A format of another package: one entry point, and everything behind the reader is shared."""

import pytest

from rewardlab.config import DataConfig, read_data
from rewardlab.data.corpora import read_parallel
from rewardlab.data.readers import READERS

READER = '''
"""Sources and references side by side, below a line of headings."""

from pathlib import Path

from rewardlab.data.readers import Files, ParallelText, Segment


def read_table(files: Files) -> ParallelText:
    segments = []
    for line, text in enumerate(Path(files.source).read_text("utf-8").splitlines(), start=1):
        if line > 1:
            source, reference = text.split("|")
            segments.append(Segment(line, source, reference if files.reference else None))
    return ParallelText(segments, (f"{files.source_lang} beside {files.target_lang}",))
'''


@pytest.fixture
def table(tmp_path, monkeypatch):
    """An installed package with a reader, and a file of its format."""
    metadata = tmp_path / "toy_tables-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-tables\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[rewardlab.corpus_readers]\ntable = toy_tables:read_table\nlines = toy_tables:read_table\n"
    )
    (tmp_path / "toy_tables.py").write_text(READER)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "corpus.table"
    path.write_text("da|nb\nHej.|Hei.\nFarvel.|\nJa.|Ja.\nEn lang en.|En lang en.\n")
    return path


def test_a_reader_of_another_package_serves_all_that_corpora_do(table):
    options = {"source_lang": "da", "target_lang": "nb", "max_characters": 8, "heldout": 1}
    data = DataConfig(source=table, reference=table, format="table", **options)
    train, heldout = read_data([data])
    assert [(row.id, row.line, row.source, row.reference) for row in train.rows] == [
        ("2", 2, "Hej.", "Hei.")
    ]
    assert [row.id for row in heldout.rows] == ["4"]
    assert train.funnel.start == 4
    assert train.funnel.steps == (("empty", 1), ("over 8 characters", 1), ("held out", 1))
    assert train.notes == ("da beside nb", "source equals reference in 1 of 2 rows; at: 4")


def test_without_a_file_of_references_there_are_none(table):
    corpus = read_parallel(table, source_lang="da", target_lang="nb", format="table")
    assert [row.reference for row in corpus.rows] == [None] * 4


def test_a_built_in_format_cannot_be_replaced(table):
    assert READERS.names().count("lines") == 1
    assert READERS.names()[-1] == "table"
    corpus = read_parallel(table, source_lang="da", target_lang="nb", format="lines")
    assert corpus.rows[0].source == "da|nb"


def test_an_unknown_format_is_not_read(table):
    with pytest.raises(KeyError, match="tabel"):
        read_parallel(table, source_lang="da", target_lang="nb", format="tabel")
