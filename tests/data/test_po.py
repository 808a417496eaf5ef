"""gettext catalogues as parallel text."""

import pytest

from rewardlab.data.corpora import read_parallel
from rewardlab.errors import UserError

CATALOGUE = r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\n"

#: src/menu.c:10
msgid "Open a file"
msgstr "Eine Datei öffnen"

#: src/menu.c:20
msgid "Close"
msgstr ""

#: src/window.c:5
#, fuzzy
msgid "Window"
msgstr "Fesnter"

#: src/window.c:9
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

msgid "First line\nSecond line"
msgstr "Erste Zeile\nZweite Zeile"

#: src/window.c:30
msgid "Two  spaces "
"and more"
msgstr "Zwei Leerzeichen und mehr"

#~ msgid "Old"
#~ msgstr "Alt"
"""


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "de.po"
    path.write_text(CATALOGUE, encoding="utf-8")
    return path


def read(path, reference):
    return read_parallel(path, reference, source_lang="en", target_lang="de", format="po")


def test_translated_messages_are_rows_with_their_program_file(catalogue):
    corpus = read(catalogue, catalogue)
    assert [(*row.texts, row.document) for row in corpus.rows] == [
        ("Open a file", "Eine Datei öffnen", "src/menu.c"),
        ("Two  spaces and more", "Zwei Leerzeichen und mehr", "src/window.c"),
    ]
    lines = catalogue.read_text(encoding="utf-8").splitlines()
    assert [lines[row.line - 1] for row in corpus.rows] == [
        "#: src/menu.c:10",
        "#: src/window.c:30",
    ]


def test_what_is_left_out_is_counted(catalogue):
    notes = [note.partition(": ")[2] for note in read(catalogue, catalogue).notes]
    assert notes == [
        "1 untranslated messages",
        "1 fuzzy translations",
        "1 messages with plural forms",
        "1 messages of several lines",
        "1 obsolete messages",
    ]


def test_without_references_untranslated_messages_are_sources(catalogue):
    assert [row.source for row in read(catalogue, None).rows] == [
        "Open a file",
        "Close",
        "Two  spaces and more",
    ]


def test_what_is_no_catalogue_is_refused(tmp_path, catalogue):
    text = tmp_path / "text.po"
    text.write_text("just a text\n")
    with pytest.raises(UserError, match="E209"):
        read(text, text)
    with pytest.raises(UserError, match="E201"):
        read(tmp_path / "no.po", tmp_path / "no.po")
    with pytest.raises(UserError, match=r"E209.*translations of its own.*fix: reference: "):
        read(catalogue, text)
