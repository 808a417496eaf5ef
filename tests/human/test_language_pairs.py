"""Files with several language pairs: read by pair, or refused with the pairs named."""

import json

import pytest

from rewardlab.data.lines import lines_of
from rewardlab.errors import UserError
from rewardlab.human.formats import read_gold
from rewardlab.human.language_pairs import of_one_pair
from rewardlab.human.metric_scores import read_scores

ESA = """\
system_id\tdoc_id\tsegment_id\tsource_lang\ttarget_lang\toverall
A\tx\t1\ten\tde\t90
A\tx\t1\ten\tja\t10
B\tx\t1\ten\tde\t50
B\tx\t1\ten\tja\t60
"""
BY_COLUMN = """\
system\tdoc\tseg_id\tLang Pair\tscore
A\tx\t1\ten-de\t90
A\tx\t1\ten-ja\t10
B\tx\t1\ten-de\t50
B\tx\t1\ten-ja\t60
"""
MQM = """\
system\tdoc\tdocSegId\tglobalSegId\trater\tsource\ttarget\tcategory\tseverity
A\tx:en-de\t1\t1\tr\tdog\t<v>Hund</v>\tOther\tMinor
B\tx:en-de\t1\t1\tr\tdog\tHund\tNo-error\tNo-error
A\tx:en-ja\t1\t1\tr\tdog\t犬\tNo-error\tNo-error
B\tx:en-ja\t1\t1\tr\tdog\t<v>犬</v>\tOther\tMajor
"""


def json_lines():
    for target in ("de", "ja"):
        for system in "AB":
            rating = {
                "source": "dog", "hypothesis": target, "system_id": system, "segment_id": 0,
                "src_lang": "en", "tgt_lang": target, "errors": [],
            }  # fmt: skip
            yield json.dumps(rating)


FILES = {
    "esa.tsv": ESA,
    "lp.tsv": BY_COLUMN,
    "esa.csv": ESA.replace("\t", ","),
    "mqm.tsv": MQM,
    "marot.tsv": MQM.partition("\n")[2],
    "ratings.jsonl": "\n".join(json_lines()),
}


@pytest.fixture
def write(tmp_path):
    def file(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return file


def refused(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == 3
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(("name", "text"), FILES.items(), ids=FILES)
def test_several_pairs_are_refused_with_their_names_and_one_is_read(write, name, text):
    path = write(name, text)
    problem = refused(read_gold, path)
    assert problem.code == "E281"
    assert problem.what == (
        "rows of 2 language pairs, whose scores cannot be mixed (en-de: 2 rows, en-ja: 2 rows)"
    )
    assert problem.fix == (
        "choose one: --source-lang en --target-lang de (in YAML source_lang: en, target_lang: de)"
    )
    assert refused(read_gold, path, source_lang="en").code == "E281"
    gold = read_gold(path, source_lang="eng", target_lang="Japanese")
    assert (gold.source_lang, gold.target_lang) == ("en", "ja")
    assert len(gold.scores.segments) == 1
    assert "2 rows of other language pairs left out ('en-de')" in "\n".join(gold.notes)
    problem = refused(read_gold, path, target_lang="zh")
    assert problem.what == "no rows of ?-zh; the file has en-de: 2 rows, en-ja: 2 rows"


def test_the_scores_are_those_of_the_pair(write):
    path = write("esa.tsv", ESA)
    assert read_gold(path, target_lang="de").scores.values.tolist() == [[90.0], [50.0]]
    assert read_gold(path, target_lang="ja").scores.values.tolist() == [[10.0], [60.0]]
    path = write("mqm.tsv", MQM)
    assert read_gold(path, target_lang="de").scores.values.tolist() == [[-1.0], [0.0]]
    assert read_gold(path, target_lang="ja").scores.values.tolist() == [[0.0], [-5.0]]


def test_a_file_of_scores_is_read_in_the_languages_of_the_human_ones(write):
    path = write("esa.tsv", ESA)
    gold = read_gold(path, target_lang="ja")
    assert read_scores(path, gold, name="m").scores.values.tolist() == [[10.0], [60.0]]
    table = write("h.tsv", "system\tx:1\nA\t1\nB\t2\n")
    assert refused(read_scores, path, read_gold(table), name="m").code == "E281"
    gold = read_gold(table, source_lang="en", target_lang="de")
    assert read_scores(path, gold, name="m").scores.values.tolist() == [[90.0], [50.0]]


def test_languages_of_the_name_of_a_file_are_compared_too(write):
    path = write("en-de.mqm.seg.score", "A 1\nB 2\n")
    assert read_gold(path, target_lang="deu").target_lang == "de"
    assert refused(read_gold, path, target_lang="ja").what == "no rows of ?-ja; the file has en-de"


def test_a_file_of_one_pair_or_none_is_not_changed():
    for text in (BY_COLUMN.replace("en-ja", "en-de"), "system\tseg_id\tscore\nA\t1\t2\n", "A 1\n"):
        file = lines_of(text.encode(), "f")
        assert of_one_pair(file, None, None).file is file


@pytest.mark.parametrize(
    ("word", "pair"),
    [
        ("en-zh_CN", ("en", "zh_CN")),
        ("eng_Latn-deu_Latn", ("eng_Latn", "deu_Latn")),
        ("en_de", ("en", "de")),
        ("en→de", ("en", "de")),
        ("pt-BR > en", ("pt-BR", "en")),
        ("English to German", ("English", "German")),
    ],
)
def test_pairs_are_written_in_many_ways(word, pair):
    text = f"system\tsegment\tlp\tscore\nA\t1\t{word}\t2\n"
    assert of_one_pair(lines_of(text.encode(), "f"), None, None)[1:] == pair


def test_of_two_variants_the_one_that_is_written_is_read():
    rows = "".join(f"A\t1\ten-{code}\t2\n" for code in ("zh_CN", "zh_TW"))
    file = lines_of(f"system\tsegment\tlp\tscore\n{rows}".encode(), "f")
    assert of_one_pair(file, "en", "zh_TW").target_lang == "zh_TW"
    assert refused(of_one_pair, file, "en", "zh").code == "E281"
