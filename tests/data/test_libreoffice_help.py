import pytest

from rewardlab.data.corpora import read_parallel
from rewardlab.errors import UserError

PAGE = """\
<!DOCTYPE html><html lang="LANG"><head><title>Title</title></head><body>
<header id="TopLeftHeader"><p dir="auto">Help 7.4</p></header>
<h1 id="hd_id1" dir="auto"><a name="x"></a>HEADING</h1>
<p id="par_id2" class="paragraph">Open <span class="menuitem">MENU</span> &amp;
   FIRST<br>SECOND.</p>
<div id="par_box"><p id="par_id3">=SUM(A1)</p></div>
<p id="par_id4">   </p>
<p id="footer">no paragraph of the page</p>
<p id="par_id5">UNCLOSED
<p id="par_id6">LAST
"""
WORDS = {
    "en-US": {"HEADING": "Cells", "MENU": "Edit", "FIRST": "press", "SECOND": "Enter"},
    "es": {"HEADING": "Celdas", "MENU": "Editar", "FIRST": "pulse", "SECOND": "Intro"},
}
WORDS["en-US"] |= {"UNCLOSED": "One more", "LAST": "The end"}
WORDS["es"] |= {"UNCLOSED": "Uno más", "LAST": "El fin"}


@pytest.fixture
def packages(tmp_path):
    """Two unpacked packages: one page in both languages, and one in English only."""
    root = tmp_path / "usr/share/libreoffice/help"
    for language, words in WORDS.items():
        text = PAGE
        for marker, word in words.items():
            text = text.replace(marker, word)
        page = root / language / "text/scalc/01/page.html"
        page.parent.mkdir(parents=True)
        page.write_text(text, encoding="utf-8")
    (root / "en-US/text/scalc/01/zebra.html").write_text('<p id="par_id1">Alone</p>')
    (root / "media").mkdir()
    return tmp_path


def read(path, *, source_lang="en", target_lang="es", reference=True, **options):
    reference = path if reference else None
    languages = {"source_lang": source_lang, "target_lang": target_lang}
    return read_parallel(path, reference, format="libreoffice_help", **languages, **options)


def test_paragraphs_of_one_id_are_translations(packages):
    corpus = read(packages)
    assert [(row.source, row.reference) for row in corpus.rows] == [
        ("Cells", "Celdas"),
        ("Open Edit & press Enter.", "Open Editar & pulse Intro."),
        ("One more", "Uno más"),
        ("The end", "El fin"),
    ]
    assert {row.document for row in corpus.rows} == {"text/scalc/01/page.html"}
    notes = " ".join(corpus.notes)
    assert "1 paragraphs that one language has" in notes
    assert "1 paragraphs that are equal in both languages" in notes


def test_one_language_is_a_text(packages):
    inside = packages / "usr/share/libreoffice/help"
    rows = read(inside, source_lang="es", target_lang="de", reference=False).rows
    assert [row.source for row in rows][:2] == ["Celdas", "Open Editar & pulse Intro."]
    assert {row.reference for row in rows} == {None}


@pytest.mark.parametrize("language", ["fr", "pt_BR"])
def test_a_language_that_is_not_there(packages, language):
    with pytest.raises(UserError) as caught:
        read(packages, target_lang=language)
    problem = caught.value.problems[0]
    assert (problem.code, "has no folders" in problem.what) == ("E201", True)


def test_a_directory_without_help(tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "dpkg -x" in caught.value.problems[0].fix


def test_its_pages_are_its_documents(packages):
    (packages / "ids").write_text("1\n")
    with pytest.raises(UserError) as caught:
        read(packages, documents=packages / "ids")
    assert caught.value.problems[0].code == "E209"
