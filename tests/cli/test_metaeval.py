"""`rewardlab metaeval` from files to numbers, and what it refuses."""

import json
import math

import pytest

HEADER = "system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity"
TEXTS = {
    "A": ("ein Hund", "zwei Katzen"),
    "B": ("ein <v>Hand</v>", "zwei Katzen"),
    "C": ("<v>eine</v> Hund", "zwei <v>Kater</v>"),
    "refA": ("ein Hund", "zwei Katzen."),
}
ERRORS = {
    ("A", 1): ("Style/Awkward", "Minor"),
    ("B", 1): ("Accuracy/Mistranslation", "Major"),
    ("C", 1): ("Accuracy/Mistranslation", "Major"),
    ("C", 2): ("Fluency/Grammar", "Minor"),
}
SOURCES = ("a dog", "two cats")
SCORES = {"A": (9.0, 5.0), "B": (3.0, 5.5), "C": (1.0, 4.0)}


def gold_lines():
    """Errors of A 1, 0; of B 5, 0; of C 6, 1, with a minor error more; of the reference none."""
    for system, texts in TEXTS.items():
        for number, text in enumerate(texts, start=1):
            category, severity = ERRORS.get((system, number), ("No-error", "No-error"))
            row = (system, "d", number, number, "r1", SOURCES[number - 1], text, category, severity)
            yield "\t".join(map(str, row))
    yield f"C\td\t1\t1\tr1\t{SOURCES[0]}\teine <v>Hund</v>\tStyle/Awkward\tMinor"


def score_lines(scores=SCORES):
    return "".join(f"{system}\t{score!r}\n" for system, row in scores.items() for score in row)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mqm.tsv").write_text("\n".join([HEADER, *gold_lines(), ""]), encoding="utf-8")
    (tmp_path / "good.seg.score").write_text(score_lines())
    bad = {system: [-score for score in row] for system, row in SCORES.items()}
    (tmp_path / "bad.seg.score").write_text(score_lines(bad))
    return tmp_path


GOLD = ("--gold", "mqm.tsv", "--exclude-references")


def test_scores_of_a_file_are_compared_with_people(files, run):
    code, out, err = run("metaeval", *GOLD, "--scores", "good=good.seg.score")
    assert code == 0, err
    result = json.loads(out)
    assert result["gold"]["systems"] == {"A": 0.5, "B": 2.5, "C": 3.5, "refA": 0.0}
    assert result["gold"]["n_segments"] == 2
    assert result["gold"]["n_raters"] == 1
    assert result["gold"]["compared"] == ["A", "B", "C"]
    assert "9 rows" in result["gold"]["funnel"]
    good = result["metrics"]["good"]
    # means of people -0.5 -2.5 -3.5, of the metric 7 4.25 2.5: deviations 5/3 -1/3 -4/3 and
    # 29/12 -4/12 -25/12
    pearson = (83 / 12) / math.sqrt(14 / 3 * 247 / 24)
    assert good["system"]["pearson"] == pytest.approx(pearson, abs=1e-12)
    assert good["system"]["kendall"] == good["system"]["pairwise_accuracy"] == 1.0
    # the second text: A and B tie for people and differ by 0.5, C is worse for both sides
    assert good["segment"]["item"]["acc_eq"] == 1.0
    assert good["segment"]["item"]["epsilon"] == 0.5
    assert {*good["segment"]} == {"none", "item", "system"}
    for group in good["segment"].values():
        assert {*group} == {"pearson", "spearman", "kendall", "acc_eq", "epsilon"}
    assert good["spans"] is None
    assert result["comparisons"] == []
    assert "Traceback" not in err


def test_the_constant_metric_is_always_there(files, run):
    _, out, err = run("metaeval", *GOLD, "--scores", "good=good.seg.score")
    constant = json.loads(out)["constant"]
    # one of three pairs of the second text is a tie, none of the first
    assert constant["segment"]["item"] == {
        "pearson": None, "spearman": None, "kendall": None,
        "acc_eq": pytest.approx(1 / 6), "epsilon": 0.0,
    }  # fmt: skip
    assert constant["system"]["pearson"] is None
    assert constant["system"]["pairwise_accuracy"] == 0.0
    assert "people tie 16.7% of the pairs" in err
    rows = [line.split()[0] for line in err.splitlines() if line.startswith(("good", "constant"))]
    assert rows == ["good", "constant"]


def test_rewards_are_asked_about_the_texts(files, run):
    code, out, err = run(
        "metaeval", "--gold", "mqm.tsv", "--reference-system", "refA",
        "--reward", "chrf", "--reward", "lexical_spans", "--scores", "good=good.seg.score",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert list(result["metrics"]) == ["chrf", "lexical_spans", "good"]
    assert result["gold"]["reference_system"] == "refA"
    assert result["gold"]["compared"] == ["A", "B", "C"]
    assert result["metrics"]["chrf"]["signature"].endswith("|reference_system:'refA'")
    assert result["metrics"]["chrf"]["spans"] is None
    spans = result["metrics"]["lexical_spans"]["spans"]
    assert 0.0 < spans["f1"] <= 1.0
    assert "severities:wmt" in result["signature"]
    assert "error spans" in err


def test_the_same_numbers_go_to_files(files, run):
    code, out, _ = run(
        "metaeval", *GOLD, "--scores", "good=good.seg.score", "--json", "out.json",
        "--tsv", "out.tsv", "--export", "exported", "--intervals", "20",
    )  # fmt: skip
    assert (code, out) == (0, "")
    result = json.loads((files / "out.json").read_text(encoding="utf-8"))
    lines = [line.split("\t") for line in (files / "out.tsv").read_text("utf-8").splitlines()]
    assert lines[0] == ["metric", "level", "grouping", "statistic", "value"]
    values = {tuple(line[:4]): line[4] for line in lines[1:]}
    assert values["good", "segment", "item", "epsilon"] == "0.5"
    assert values["constant", "segment", "item", "pearson"] == ""
    assert float(values["good", "system", "", "spa"]) == result["metrics"]["good"]["system"]["spa"]
    low, high = result["metrics"]["good"]["intervals"]["segment"]["item"]["acc_eq"]
    assert float(values["good", "segment", "item", "acc_eq.low"]) == low <= high
    exported = {path.name: path.read_text() for path in (files / "exported").iterdir()}
    assert exported.keys() == {
        "human.seg.score", "human.sys.score", "good.seg.score", "good.sys.score",
    }  # fmt: skip
    assert exported["good.seg.score"] == score_lines()
    assert exported["human.sys.score"] == "A\t-0.5\nB\t-2.5\nC\t-3.5\n"


def test_exported_scores_are_read_back_to_the_same_numbers(files, run):
    _, out, _ = run("metaeval", *GOLD, "--scores", "good=good.seg.score", "--export", "exported")
    code, again, err = run(
        "metaeval", "--gold", "exported/human.seg.score",
        "--scores", "good=exported/good.seg.score",
    )  # fmt: skip
    assert code == 0, err
    first, second = json.loads(out), json.loads(again)
    for key in ("system", "segment"):
        assert second["metrics"]["good"][key] == first["metrics"]["good"][key]


def test_metrics_are_compared_with_each_other(files, run):
    code, out, err = run(
        "metaeval", *GOLD, "--compare", "--scores", "good=good.seg.score",
        "--scores", "bad=bad.seg.score",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert {one["statistic"] for one in result["comparisons"]} == {
        "acc_eq", "spa", "pairwise_accuracy",
    }  # fmt: skip
    [one] = [one for one in result["comparisons"] if one["statistic"] == "pairwise_accuracy"]
    assert (one["first"], one["second"], one["difference"]) == ("good", "bad", 1.0)
    assert 0.0 <= one["p"] <= 1.0
    assert result["ranks"]["acc_eq"]["good"] == 1
    assert "rank" in err


def test_tables_fit_the_terminal_and_notes_are_wrapped(files, run, monkeypatch):
    metric = ("--scores", "good=good.seg.score", "--scores", "bad=bad.seg.score")
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        code, out, err = run("metaeval", *GOLD, *metric, "--compare", "--intervals", "20")
        assert code == 0, err
        assert max(map(len, err.splitlines())) <= width
        good = json.loads(out)["metrics"]["good"]
        for group in good["segment"].values():
            assert f"{group['kendall']:.3f}" in err
        low, high = good["intervals"]["system"]["spa"]
        assert f"{low:.3f} … {high:.3f}" in err
        words = " ".join(err.split())
        assert "note: 3 systems are few: what is said of systems rests on 3 pairs" in words


def test_the_tables_are_written_as_markdown_and_html(files, run):
    code, out, err = run(
        "metaeval", *GOLD, "--scores", "good=good.seg.score", "--markdown", "m.md",
        "--html", "m.html",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    markdown = (files / "m.md").read_text(encoding="utf-8")
    html = (files / "m.html").read_text(encoding="utf-8")
    pearson = f"{result['metrics']['good']['system']['pearson']:.3f}"
    for text in (markdown, html):
        assert pearson in text
        assert "human mean, as published (lower is better)" in text
        assert "people tie 16.7% of the pairs" in text
        assert "constant" in text
    assert "| system | human mean, as published (lower is better) |  |" in markdown
    assert html.count("<table>") == 2
    assert "<script" not in html
    assert "http" not in html


# ── what is odd, and no error ───────────────────────────────────────────────────────────────────


def test_scores_that_point_the_wrong_way_are_noticed(files, run):
    _, _, err = run(
        "metaeval", *GOLD, "--scores", "good=good.seg.score", "--scores", "bad=bad.seg.score"
    )
    assert "note: bad correlates negatively with the human scores" in err
    assert "note: good correlates" not in err


def test_human_scores_that_are_errors_are_noticed(files, run):
    table = "system\t1\t2\nA\t1\t0\nB\t5\t0\nC\t6\t1\n"
    (files / "errors.tsv").write_text(table)
    metric = ("--scores", "good=good.seg.score")
    code, out, err = run("metaeval", "--gold", "errors.tsv", *metric)
    assert code == 0
    assert json.loads(out)["metrics"]["good"]["system"]["kendall"] == -1.0
    assert "every metric correlates negatively with the human scores" in err
    assert "--lower-is-better" in err
    code, out, err = run("metaeval", "--gold", "errors.tsv", "--lower-is-better", *metric)
    result = json.loads(out)
    assert result["metrics"]["good"]["system"]["kendall"] == 1.0
    assert result["gold"]["systems"] == {"A": 0.5, "B": 2.5, "C": 3.5}
    assert "--lower-is-better" not in err


def test_a_constant_metric_has_no_correlation_and_says_so(files, run):
    (files / "same.tsv").write_text("system\td:1\td:2\nA\t7\t7\nB\t7\t7\nC\t7\t7\n")
    code, out, err = run("metaeval", *GOLD, "--scores", "same=same.tsv")
    assert code == 0
    result = json.loads(out)
    same = result["metrics"]["same"]
    assert same["system"]["pearson"] is same["system"]["kendall"] is None
    assert same["segment"] == result["constant"]["segment"]
    assert "note: same gives every translation the same score" in err


def test_a_reward_that_applies_to_nothing_has_no_numbers(files, run):
    code, out, err = run("metaeval", *GOLD, "--compare", "--reward", "target_script")
    assert code == 0
    script = json.loads(out)["metrics"]["target_script"]
    assert {*script["system"].values(), *script["segment"]["item"].values()} == {None}
    assert script["unscored"] == {"not_applicable": 6}
    assert "note: target_script has no score for 6: 6 not_applicable" in err
    assert "note: target_script scored nothing" in err
    _, out, _ = run("metaeval", *GOLD, "--reward", "target_script", "--target-lang", "de")
    assert json.loads(out)["metrics"]["target_script"]["unscored"] == {}


def test_few_systems_and_missing_scores_are_said(files, run):
    (files / "gold.tsv").write_text("system\t1\t2\nA\t1\t0\nB\t-5\t\nC\t-6\t-1\n")
    (files / "metric.tsv").write_text("system\t1\t2\nA\tNone\t5\nB\t3\t5\nC\t1\t4\n")
    code, out, err = run("metaeval", "--gold", "gold.tsv", "--scores", "m=metric.tsv")
    assert code == 0
    assert json.loads(out)["metrics"]["m"]["segment"]["none"]["kendall"] is not None
    assert "note: 3 systems are few: what is said of systems rests on 3 pairs" in err
    assert "note: 1 of 6 translations have no human score" in err
    assert "note: m has no score for 1 translations that people scored" in err


def test_too_many_pairs_are_left_out_with_a_note(files, run, monkeypatch):
    from rewardlab.metaeval import ties

    monkeypatch.setitem(ties.MOST_PAIRS, "none", 10)
    code, out, err = run("metaeval", *GOLD, "--scores", "good=good.seg.score")
    assert code == 0
    segment = json.loads(out)["metrics"]["good"]["segment"]
    assert segment["none"]["acc_eq"] is segment["none"]["epsilon"] is None
    assert segment["none"]["kendall"] is not None
    assert segment["item"]["acc_eq"] == 1.0
    assert err.count("note: acc_eq by none is left out: 15 pairs") == 1
    monkeypatch.setitem(ties.MOST_PAIRS, "item", 5)
    metrics = ("--scores", "good=good.seg.score", "--scores", "bad=bad.seg.score")
    code, out, err = run("metaeval", *GOLD, *metrics, "--compare")
    assert code == 0
    assert json.loads(out)["metrics"]["good"]["segment"]["item"]["acc_eq"] is None
    assert json.loads(out)["ranks"].keys() == {"spa", "pairwise_accuracy"}
    assert "note: acc_eq is not compared: 6 pairs" in err


# ── what is refused ─────────────────────────────────────────────────────────────────────────────

GOOD = ("--scores", "good=good.seg.score")
SEVERITIES = "wmt, wmt-no-source, xcomet"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            GOLD,
            2,
            (
                "error[E040] rewardlab metaeval: no metric to compare with human judgements. "
                "fix: --reward chrf, or --scores NAME=FILE\n"
            ),
        ),
        (
            (*GOLD, "--scores", "good.seg.score"),
            2,
            (
                "error[E115] --scores: 'good.seg.score' is not NAME=FILE. "
                "fix: --scores good=good.seg.score\n"
            ),
        ),
        (
            (*GOLD, "--scores", "=good.seg.score"),
            2,
            (
                "error[E115] --scores: '=good.seg.score' is not NAME=FILE. "
                "fix: --scores good=good.seg.score\n"
            ),
        ),
        (
            (*GOLD, *GOOD, *GOOD),
            2,
            "error[E036] --scores: good is asked for twice. fix: --scores good_2=good.seg.score\n",
        ),
        (
            (*GOLD, "--reference-system", "refA", "--reward", "ter", "--scores", "ter=good.tsv"),
            2,
            "error[E036] --scores: ter is asked for twice. fix: --scores ter_2=good.tsv\n",
        ),
        (
            (*GOLD, "--scores", "constant=good.seg.score", "--scores", "a/b=good.seg.score"),
            2,
            (
                "error[E116] --scores: 'a/b' cannot name a file. "
                "fix: take letters, digits, spaces and - _ . + only\n"
                "error[E116] --scores: 'constant' is a row of the table already. "
                "fix: --scores constant_2=good.seg.score\n"
            ),
        ),
        (
            (*GOLD, *GOOD, "--json", "new/out.json"),
            2,
            (
                "error[E117] --json: 'new/out.json' is to be written into a directory that is not "
                "there. fix: mkdir -p new\n"
            ),
        ),
        (
            (*GOLD, *GOOD, "--export", "there"),
            2,
            "error[E118] --export: 'there' exists. fix: give another one: there-2\n",
        ),
        (
            (*GOLD, *GOOD, "--tsv", "./mqm.tsv", "--json", "good.seg.score"),
            2,
            (
                "error[E118] --json: 'good.seg.score' is read, and would be overwritten. "
                "fix: name another file: metaeval.json\n"
                "error[E118] --tsv: 'mqm.tsv' is read, and would be overwritten. "
                "fix: name another file: metaeval.tsv\n"
            ),
        ),
        (
            (*GOLD, *GOOD, "--markdown", "mqm.tsv", "--html", "new/out.html"),
            2,
            (
                "error[E118] --markdown: 'mqm.tsv' is read, and would be overwritten. "
                "fix: name another file: metaeval.md\n"
                "error[E117] --html: 'new/out.html' is to be written into a directory that is not "
                "there. fix: mkdir -p new\n"
            ),
        ),
        (
            (*GOLD, *GOOD, "--export", "table.tsv"),
            2,
            "error[E118] --export: 'table.tsv' exists. fix: give another one: table.tsv-2\n",
        ),
        (
            (*GOLD, *GOOD, "--tsv", "there"),
            2,
            "error[E118] --tsv: 'there' is a directory. fix: name a file: there/metaeval.tsv\n",
        ),
        (
            (*GOLD, *GOOD, "--severity", "wtm"),
            2,
            "error[E026] --severity: 'wtm' is neither a severity table nor a file. fix: wmt\n",
        ),
        (
            (*GOLD, "--reward", "chrf"),
            2,
            (
                "error[E042] --reward: chrf reads references, and no system is named as one. "
                "fix: --reference-system refA\n"
            ),
        ),
        (
            ("--gold", "mqm.tsv", "--reference-system", "refB", "--reward", "chrf"),
            3,
            (
                "error[E250] --reference-system: no system 'refB' in the human judgements. "
                "fix: refA\n"
            ),
        ),
        (
            (*GOLD, "--exclude-systems", "A, B", "--reward", "not_copied"),
            3,
            (
                "error[E251] --gold: 1 of 4 systems left to compare: C. "
                "fix: leave out fewer than A, B, refA\n"
            ),
        ),
        (
            ("--gold", "table.tsv", "--reward", "not_copied"),
            3,
            (
                "error[E252] --gold: holds scores and no texts for not_copied. fix: give ratings "
                "with texts (MQM), or scores of the metric: --scores NAME=FILE\n"
            ),
        ),
        (
            (*GOLD, "--scores", "marks=mqm.tsv", "--scores", "commas=commas.csv"),
            3,
            (
                f"error[E220] mqm.tsv:1: no file of scores begins with {HEADER!r}. "
                "fix: write system and score lines, or a table separated by tabs\n"
                "error[E225] commas.csv: commas is not of these translations: 2 systems "
                "missing ('B', 'C'). fix: score every translation of the gold file, under its "
                "names\n"
            ),
        ),
        (
            ("--gold", "none.tsv", *GOOD),
            3,
            (
                "error[E201] none.tsv: cannot be read: No such file or directory. "
                "fix: check the path\n"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(files, run, arguments, code, message):
    (files / "table.tsv").write_text("system\t1\t2\nA\t1\t0\nB\t-5\t1\n")
    (files / "commas.csv").write_text("system,d:1,d:2\nA,9,5\n")
    (files / "there").mkdir()
    found, out, err = run("metaeval", *arguments)
    err = "".join(line for line in err.splitlines(keepends=True) if line.startswith("error"))
    assert (found, out, err) == (code, "", message)


def test_an_unknown_reward_is_refused_before_anything_is_read(files, run):
    code, out, err = run("metaeval", "--gold", "none.tsv", "--reward", "chrff", "--scores", "x")
    assert (code, out) == (2, "")
    assert [line[:11] for line in err.splitlines()] == ["error[E101]", "error[E115]"]
    assert "'chrff'. fix: chrf" in err


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ("A 1\nA 2\nB 1\nB 2\n", "1 system missing ('C')"),
        ("A 1\nB 1\nC 1\n", "1 scores for each system, and the human scores are of 2 segments"),
    ],
)
def test_scores_of_other_translations_are_refused(files, run, scores, says):
    (files / "other.seg.score").write_text(scores)
    code, out, err = run("metaeval", *GOLD, "--scores", "other=other.seg.score", *GOOD)
    assert (code, out) == (3, "")
    assert "error[E225] other.seg.score: " in err
    assert says in err
    assert "fix: " in err
    assert "Traceback" not in err


def test_segments_that_are_missing_are_refused(files, run):
    (files / "short.tsv").write_text("system\td:1\td:3\nA\t1\t2\nB\t1\t2\nC\t1\t2\n")
    code, _, err = run("metaeval", *GOLD, "--scores", "short=short.tsv")
    assert code == 3
    assert "1 segment missing ('d:2'); 1 segment without human scores ('d:3')" in err


def test_files_that_are_wrong_are_all_named(files, run):
    (files / "word.seg.score").write_text("A 1\nA x\nB 1\nB 2\nC 1\nC 2\n")
    code, _, err = run("metaeval", *GOLD, "--scores", "a=none.tsv", "--scores", "b=word.seg.score")
    assert code == 3
    errors = [line[:26] for line in err.splitlines() if line.startswith("error")]
    assert errors == ["error[E201] none.tsv: cann", "error[E222] word.seg.score"]


def test_names_that_a_score_file_cannot_hold_are_refused(files, run):
    (files / "gold.tsv").write_text("system\t1\t2\nA B\t1\t0\nC\t-5\t1\n")
    (files / "metric.tsv").write_text("system\t1\t2\nA B\t1\t0\nC\t-5\t1\n")
    code, out, err = run(
        "metaeval", "--gold", "gold.tsv", "--scores", "m=metric.tsv", "--export", "exported"
    )
    assert (code, out) == (3, "")
    assert (
        "error[E230] --export: names of systems with white space cannot stand in such a file: "
        "'A B'. fix: rename them in the files they come from\n"
    ) in err


def test_an_unknown_format_is_refused(files, run):
    code, _, err = run("metaeval", "--gold", "mqm.tsv", "--format", "xml", *GOOD)
    assert code == 2
    assert "error[E040]" in err
    assert "xml" in err


# ── long tables, extra rows and other languages ─────────────────────────────────────────────────

LONG = "system\tsegment\tgood\tbad\n" + "".join(
    f"{system}\t{number}\t{score}\t{-score}\n"
    for system, row in {**SCORES, "extra": (0.0, 0.0)}.items()
    for number, score in enumerate(row, start=1)
)


def test_columns_of_a_long_table_are_metrics(files, run):
    (files / "long.tsv").write_text(LONG)
    scores = ("--scores", "good=long.tsv", "--scores", "other=long.tsv:bad")
    code, out, err = run("metaeval", *GOLD, *scores)
    assert code == 0, err
    result = json.loads(out)
    assert result["metrics"]["good"]["system"]["kendall"] == 1.0
    assert result["metrics"]["other"]["system"]["kendall"] == -1.0
    left_out = "left out 1 system without human scores ('extra')"
    assert f"good: {left_out}" in result["notes"]
    assert f"note: other: {left_out}" in err
    numbers = "long.tsv: segments are found by their number in the test set"
    assert result["notes"].count(numbers) == 1


def test_a_column_that_is_missing_is_refused_with_the_others(files, run):
    (files / "long.tsv").write_text(LONG)
    code, out, err = run("metaeval", *GOLD, "--scores", "m=long.tsv:comet")
    assert (code, out) == (3, "")
    assert (
        "error[E283] long.tsv: there is no column 'comet'; columns with scores: good, bad. "
        "fix: --scores m=long.tsv:good\n"
    ) in err


def test_the_file_with_a_column_is_not_overwritten(files, run):
    (files / "long.tsv").write_text(LONG)
    code, _, err = run("metaeval", *GOLD, "--scores", "m=long.tsv:good", "--tsv", "long.tsv")
    assert code == 2
    assert "error[E118] --tsv: 'long.tsv' is read, and would be overwritten" in err


def test_the_languages_choose_the_rows(files, run):
    rows = [
        f"{system}\t1\ten\t{target}\t{score}\n"
        for target, scores in (("de", (3, 2, 1)), ("ja", (1, 2, 3)))
        for system, score in zip("ABC", scores, strict=True)
    ]
    header = "system\tsegment_id\tsource_lang\ttarget_lang\toverall\n"
    (files / "esa.tsv").write_text(header + "".join(rows))
    arguments = ("metaeval", "--gold", "esa.tsv", "--scores", "m=esa.tsv")
    code, out, err = run(*arguments)
    assert (code, out) == (3, "")
    assert "(en-de: 3 rows, en-ja: 3 rows). fix: choose one: --source-lang en" in err
    for target, best in (("de", 3.0), ("ja", 1.0)):
        code, out, err = run(*arguments, "--target-lang", target)
        assert code == 0, err
        assert json.loads(out)["gold"]["systems"]["A"] == best
        assert json.loads(out)["metrics"]["m"]["system"]["kendall"] == 1.0
