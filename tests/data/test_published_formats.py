"""The layouts in which test sets and corpora are published, in small files of the same form."""

import json

import pytest

from rewardlab.data.corpora import read_parallel
from rewardlab.errors import UserError


def read(path, source_lang="en", target_lang="de", *, reference=True, **options):
    given = path if reference else None
    languages = {"source_lang": source_lang, "target_lang": target_lang}
    return read_parallel(path, given, **languages, **options)


def texts(corpus):
    return [(row.source, row.reference) for row in corpus.rows]


def documents(corpus):
    return [row.document for row in corpus.rows]


def json_lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def refused(path, *args, **options):
    with pytest.raises(UserError) as caught:
        read(path, *args, **options)
    assert caught.value.exit_code == 3
    return [problem.code for problem in caught.value.problems]


def test_flores_200_has_a_file_for_each_language_and_pages_beside_the_split(tmp_path):
    split = tmp_path / "devtest"
    split.mkdir()
    (split / "eng_Latn.devtest").write_text("A dog.\nA cat.\n")
    (split / "deu_Latn.devtest").write_text("Ein Hund.\nEine Katze.\n")
    (split / "zho_Hans.devtest").write_text("狗。\n猫。\n")
    (split / "zho_Hant.devtest").write_text("狗。\n貓。\n")
    (tmp_path / "metadata_devtest.tsv").write_text("URL\tdomain\nu1\tnews\nu2\tnews\n")
    corpus = read(split, format="flores")
    assert texts(corpus) == [("A dog.", "Ein Hund."), ("A cat.", "Eine Katze.")]
    assert documents(corpus) == ["u1", "u2"]
    assert texts(read(split, "de", "zh_Hant", format="flores"))[1] == ("Eine Katze.", "貓。")
    assert refused(split, "en", "zh", format="flores") == ["E201"]
    assert refused(tmp_path, format="flores") == ["E201"]


def test_flores_plus_is_joined_by_id(tmp_path):
    rows = [{"id": 1, "text": "A dog.", "url": "u1"}, {"id": 2, "text": "A cat.", "url": "u2"}]
    json_lines(tmp_path / "eng_Latn.jsonl", *rows)
    json_lines(tmp_path / "deu_Latn.jsonl", rows[0] | {"text": "Ein Hund."}, rows[1])
    assert documents(read(tmp_path, format="flores")) == ["u1", "u2"]
    json_lines(tmp_path / "deu_Latn.jsonl", *rows[::-1])
    assert refused(tmp_path, format="flores") == ["E204"]


def test_wmt24pp_leaves_out_bad_sources_and_is_read_in_both_directions(tmp_path):
    good = {"source": "A dog.", "target": "Ein Hund.", "document_id": "d1", "is_bad_source": False}
    bad = good | {"source": "CANARY", "is_bad_source": True}
    json_lines(tmp_path / "en-de_DE.jsonl", bad, good)
    corpus = read(tmp_path, format="wmt24pp")
    assert texts(corpus) == [("A dog.", "Ein Hund.")]
    assert documents(corpus) == ["d1"]
    assert any("1 segments with is_bad_source" in note for note in corpus.notes)
    assert texts(read(tmp_path, "de", "en", format="wmt24pp")) == [("Ein Hund.", "A dog.")]
    assert refused(tmp_path, "de", "fr", format="wmt24pp") == ["E281"]
    assert refused(tmp_path, "en", "fr", format="wmt24pp") == ["E201"]


@pytest.mark.parametrize(
    ("row", "pairs"),
    [
        ({"id": 5, "srcs": ["a", "b"], "trgs": ["x", "y"]}, [("a", "x"), ("b", "y")]),
        ({"id": 5, "src": "a", "trg": "x"}, [("a", "x")]),
        ({"src": "a", "trgs": ["x", "y"]}, [("a", "x"), ("a", "y")]),
    ],
)
def test_smol_has_documents_sentences_and_words(tmp_path, row, pairs):
    json_lines(tmp_path / "en_ha.jsonl", {"sl": "en", "tl": "ha", **row})
    corpus = read(tmp_path, "en", "ha", format="smol")
    assert texts(corpus) == pairs
    assert set(documents(corpus)) == {str(row.get("id", "a"))}
    assert texts(read(tmp_path, "ha", "en", format="smol")) == [pair[::-1] for pair in pairs]
    assert refused(tmp_path, "en", "yo", format="smol") == ["E201"]


def test_a_damaged_smol_row_is_refused(tmp_path):
    json_lines(tmp_path / "en_ha.jsonl", {"srcs": ["a", "b"], "trgs": ["x"]})
    assert refused(tmp_path, "en", "ha", format="smol") == ["E271"]


def test_madlad_gives_lines_or_blobs(tmp_path):
    json_lines(
        tmp_path / "de_clean_0000.jsonl", {"text": "Eins.\\nZwei.\n\nDrei."}, {"text": "Vier."}
    )
    lines = read(tmp_path, "de", "en", reference=False, format="madlad")
    assert [row.source for row in lines.rows] == ["Eins.", "Zwei.", "Drei.", "Vier."]
    assert len(set(documents(lines))) == 2
    blobs = read(tmp_path, "de", "en", reference=False, format="madlad_blobs")
    assert [row.source for row in blobs.rows] == ["Eins.\nZwei.\nDrei.", "Vier."]
    assert refused(tmp_path, "de", "en", format="madlad") == ["E209"]


TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header/><body>
<tu><tuv xml:lang="en">
<seg>A <bpt i="1">&lt;b&gt;</bpt>big<ept i="1">&lt;/b&gt;</ept> dog.</seg></tuv>
<tuv xml:lang="DE-DE"><seg>Ein <hi>großer</hi> Hund.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>A cat.</seg></tuv></tu>
</body></tmx>
"""


def test_tmx_units_lose_their_markup(tmp_path):
    path = tmp_path / "memory.tmx"
    path.write_text(TMX)
    corpus = read(path, format="tmx")
    assert texts(corpus) == [("A big dog.", "Ein großer Hund.")]
    assert any("1 units without one of the languages" in note for note in corpus.notes)
    path.write_text(TMX[:-20])
    assert refused(path, format="tmx") == ["E271"]
    path.write_text("<html/>")
    assert refused(path, format="tmx") == ["E271"]
    assert refused(tmp_path / "gone.tmx", format="tmx") == ["E201"]


def test_chat_rows_are_one_question_and_one_answer(tmp_path):
    turn = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    shared = [{"from": "human", "value": "Q2"}, {"from": "gpt", "value": "A2"}]
    picture = [{"role": "user", "content": [{"type": "image"}]}, turn[1]]
    path = json_lines(
        tmp_path / "chat.jsonl",
        {"messages": turn},
        {"conversations": shared},
        {"messages": turn * 2},
        {"messages": picture},
    )
    corpus = read(path, "en", "en", format="chat")
    assert texts(corpus) == [("Q", "A"), ("Q2", "A2")]
    assert sum("left out" in note for note in corpus.notes) == 2
    json_lines(path, {"text": "Q"})
    assert refused(path, "en", "en", format="chat") == ["E271"]


def test_vistra_texts_keep_their_picture(tmp_path):
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    known = {"transcript": ["EXIT", "PUSH"], "translation": {"de": ["Ausgang", "Drücken"]}}
    (annotations / "a1.json").write_text(json.dumps(known))
    corpus = read(tmp_path, format="vistra")
    assert texts(corpus) == [("EXIT", "Ausgang"), ("PUSH", "Drücken")]
    assert {row.image for row in corpus.rows} == {str(tmp_path / "images" / "a1.png")}
    assert documents(corpus) == ["a1", "a1"]
    assert refused(tmp_path, "de", "en", format="vistra") == ["E281"]
    assert refused(tmp_path, "en", "fr", format="vistra") == ["E271"]
    (annotations / "a1.json").write_text("{")
    assert refused(tmp_path, format="vistra") == ["E271"]
