"""NTREX: any pair of its languages, with the ids of its documents."""

import pytest

from rewardlab.data.corpora import read_parallel, split
from rewardlab.errors import UserError


@pytest.fixture(params=["repository", "folder"])
def ntrex(request, tmp_path):
    """The layout of the repository, or all files in one directory."""
    texts = tmp_path / "NTREX-128" if request.param == "repository" else tmp_path
    texts.mkdir(exist_ok=True)
    files = {
        "src.eng": ["A dog.", "A cat.", "A cow."],
        "ref.spa": ["Un perro.", "Un gato.", "Una vaca."],
        "ref.spa-MX": ["Un perro MX.", "Un gato MX.", "Una vaca MX."],
        "ref.cat": ["Un gos.", "Un gat.", "Una vaca."],
        "ref.srp-Cyrl": ["Пас.", "Мачка.", "Крава."],
        "ref.srp-Latn": ["Pas.", "Mačka.", "Krava."],
        "ref.zho-CN": ["狗。", "猫。", "牛。"],
    }
    for name, lines in files.items():
        path = texts / f"newstest2019-{name}.txt"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "DOCUMENT_IDS.tsv").write_text("news.1\nnews.1\nnews.2\n")
    return tmp_path


def read(path, source_lang, target_lang):
    return read_parallel(
        path, path, source_lang=source_lang, target_lang=target_lang, format="ntrex"
    )


@pytest.mark.parametrize(
    ("languages", "first"),
    [
        (("en", "es"), ("A dog.", "Un perro.")),
        (("en", "es_MX"), ("A dog.", "Un perro MX.")),
        (("es", "ca"), ("Un perro.", "Un gos.")),
        (("Catalan", "en"), ("Un gos.", "A dog.")),
        (("en", "sr_Latn"), ("A dog.", "Pas.")),
        (("en", "zh"), ("A dog.", "狗。")),
        (("en", "zh_CN"), ("A dog.", "狗。")),
    ],
)
def test_languages_choose_the_files(ntrex, languages, first):
    corpus = read(ntrex, *languages)
    assert corpus.rows[0].texts == first
    assert [row.document for row in corpus.rows] == ["news.1", "news.1", "news.2"]


def test_documents_are_held_out_whole(ntrex):
    train, held = split(read(ntrex, "en", "es"), 1)
    assert [row.document for row in held.rows] == ["news.2"]
    assert {row.document for row in train.rows} == {"news.1"}


def test_two_scripts_need_a_choice_and_a_missing_language_is_named(ntrex):
    with pytest.raises(UserError, match=r"E201.*'sr' has 2 files. fix: one of srp-Cyrl, srp-Latn"):
        read(ntrex, "en", "sr")
    with pytest.raises(UserError, match=r"E201.*'de' has no files"):
        read(ntrex, "en", "de")


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"E201.*newstest2019-src\.eng\.txt"):
        read(tmp_path, "en", "es")
