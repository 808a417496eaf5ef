import gzip
import io
import json
from contextlib import contextmanager

import pytest
import sacrebleu

from rewardlab.cli import main, score


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """Run ``rewardlab score`` on small files in a directory of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").write_text("Guten Tag.\nDanke sehr.\nJa.\n", encoding="utf-8")
    (tmp_path / "hyp").write_text("Good day.\nqqqq\n\n", encoding="utf-8")
    (tmp_path / "ref").write_text("Good day.\nThank you.\nYes.\n", encoding="utf-8")

    def leave(*arguments, stdin=b""):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main(["score", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return caught.value.code, out, err

    return leave


def test_scores_are_a_table_on_stdout_and_a_summary_on_stderr(call):
    code, out, err = call(
        "-s", "src", "-t", "hyp", "-r", "ref", "--reward", "chrf", "--reward", "not_empty"
    )
    assert code == 0
    assert out == (
        "line\tchrf\tnot_empty\tchrf.status\tnot_empty.status\n"
        "1\t100.0000\t1.0000\tok\tok\n"
        "2\t0.0000\t1.0000\tok\tok\n"
        "3\t0.0000\t0.0000\tok\tok\n"
    )
    summary = [line.split() for line in err.splitlines()]
    assert summary[0] == ["reward", "mean", "corpus", "std", "share", "scored"]
    # (100 + 0 + 0) / 3, and the mean of 1, 1, 0; the standard deviations are 100 √2 / 3 and √2 / 3
    assert summary[1][:2] == ["chrf", "33.3333"]
    assert summary[1][3:] == ["47.1405", "50%", "3"]
    assert summary[2] == ["not_empty", "0.6667", "0.4714", "50%", "3"]
    assert "share: the reward's part in the variance of the weighted total of z-scores" in err


def test_a_score_of_the_whole_file_is_sacrebleus(call):
    measured = ("--reward", "chrf", "--reward", "bleu", "--reward", "ter")
    code, _, err = call("-t", "hyp", "-r", "ref", *measured, "--precision", "1")
    assert code == 0
    texts = ["Good day.", "qqqq", ""], [["Good day.", "Thank you.", "Yes."]]
    expected = {
        "chrf": f"{sacrebleu.corpus_chrf(*texts).score:.1f}",
        "bleu": f"{sacrebleu.corpus_bleu(*texts).score:.1f}",
        "ter": f"{-sacrebleu.corpus_ter(*texts).score:.1f}",  # a reward: higher is better
    }
    lines = [line.split() for line in err.splitlines()]
    assert {line[0]: line[2] for line in lines if line[:1] and line[0] in expected} == expected
    assert "corpus: sacrebleu's score of the whole file, in the sign of the reward" in err


def test_json_holds_signature_scores_spans_and_statuses(call):
    code, out, _ = call("-s", "src", "-t", "hyp", "-r", "ref", "--reward", "chrf", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer.keys() == {
        "system", "signature", "means", "corpus", "scores", "spans", "status", "components",
        "gated",
    }  # fmt: skip
    assert answer["system"] == "hyp"
    assert answer["scores"] == {"chrf": [100.0, 0.0, 0.0]}
    assert answer["means"] == {"chrf": pytest.approx(100 / 3)}
    assert answer["corpus"].keys() == {"chrf"}
    assert answer["status"] == {"chrf": ["ok", "ok", "ok"]}
    assert answer["spans"] == {"chrf": [[], [], []]}
    assert answer["components"] == {}
    assert answer["gated"] == [None, None, None]
    assert "chrf" in answer["signature"]


def test_spans_are_code_points_of_the_hypothesis(call, tmp_path):
    (tmp_path / "hyp").write_text("Good day.\nno no no no no no\nYes.\n", encoding="utf-8")
    code, out, _ = call("-s", "src", "-t", "hyp", "--reward", "no_repetition:n=1", "--json")
    assert code == 0
    spans = json.loads(out)["spans"]["no_repetition"]
    assert spans[0] == spans[2] == []
    assert spans[1]
    for span in spans[1]:
        assert set("no no no no no no"[span["start"] : span["end"]]) <= set("no ")
        assert span["side"] == "hypothesis"
        assert span["text"] == "no no no no no no"[span["start"] : span["end"]]


def test_what_is_not_scored_is_null_and_empty(call):
    languages = ("--source-lang", "de")
    arguments = ("-s", "src", "-t", "hyp", "-r", "ref", *languages, "--reward", "target_script")
    code, out, _ = call(*arguments)
    assert code == 0
    assert out.splitlines()[1] == "1\t\tnot_applicable"
    assert json.loads(call(*arguments, "--json")[1])["scores"] == {"target_script": [None] * 3}


def test_a_dash_reads_standard_input(call):
    code, out, _ = call(
        "-s", "src", "-t", "-", "-r", "ref", "--reward", "chrf", stdin=b"Good day.\r\nx\r\ny\r\n"
    )
    assert code == 0
    assert out.splitlines()[1] == "1\t100.0000\tok"


def test_what_was_done_to_the_text_is_said(call):
    _, _, err = call("-s", "src", "-t", "-", "--reward", "not_empty", stdin=b"a\r\nb\r\nc\r\n")
    assert err.startswith("note: stdin: 3 of 3 lines end in CRLF; read as LF\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["-s", "src", "-t", "hyp", "--reward", "chrf"],
            2,
            (
                "error[E042] --reward: chrf reads references, and there are none. "
                "fix: give them with -r FILE\n"
            ),
        ),
        (
            ["-s", "-", "-t", "-", "--reward", "not_empty"],
            2,
            (
                "error[E041] -s, -t: standard input (-) can be read only once, and -s and -t read "
                "it. fix: write one to a file\n"
            ),
        ),
        (
            ["-s", "src", "-t", "hyp", "--reward", "not_empty", "--reward", "not_empty"],
            2,
            (
                "error[E036] --reward: not_empty is asked for twice. "
                "fix: --reward not_empty:name=not_empty_2\n"
            ),
        ),
        (
            ["-s", "none", "-t", ".", "--reward", "not_empty"],
            3,
            (
                "error[E201] none: cannot be read: No such file or directory. fix: check the path\n"
                "error[E201] .: cannot be read: Is a directory. fix: name one of its files\n"
            ),
        ),
        (
            ["-s", "src", "-t", "short", "--reward", "not_empty"],
            3,
            "error[E204] short: 2 lines, but src has 3. fix: look near line 3\n",
        ),
        (
            ["-s", "src", "-t", "latin1", "--reward", "not_empty"],
            3,
            (
                "error[E202] latin1:2: not UTF-8: 1 of 3 rows; at: 2; byte 0xf8 at offset 3; "
                "as WINDOWS-1252 the first one reads 'Køb'. "
                "fix: convert it: iconv -f WINDOWS-1252 -t UTF-8 latin1 > utf8_latin1\n"
            ),
        ),
        (
            ["-s", "src", "-t", "nul", "--reward", "not_empty"],
            3,
            (
                "error[E203] nul:3: NUL characters in 1 of 3 rows; at: 3. "
                "fix: create the file again: it is damaged\n"
            ),
        ),
        (
            ["-s", "src", "-t", "cut.gz", "--reward", "not_empty"],
            3,
            (
                "error[E205] cut.gz: broken gzip: Compressed file ended before the end-of-stream "
                "marker was reached. fix: download or create it again; "
                "test it with: gzip -t cut.gz\n"
            ),
        ),
        (
            ["-s", "empty", "-t", "empty", "--reward", "not_empty"],
            3,
            "error[E206] empty: no rows. fix: give a file with text\n",
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(call, tmp_path, arguments, code, message):
    (tmp_path / "short").write_bytes(b"Guten Tag.\nDanke sehr.\n")
    (tmp_path / "latin1").write_bytes(b"a\nK\xf8b\nc\n")
    (tmp_path / "nul").write_bytes(b"a\nb\n\0\n")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a\nb\nc\n")[:-3])
    (tmp_path / "empty").touch()
    assert call(*arguments) == (code, "", message)


def test_an_unknown_reward_is_refused_before_anything_is_read(call):
    code, out, err = call("-s", "none", "-t", "none", "--reward", "chrff", "--reward", "blue")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert [line[:11] for line in lines] == ["error[E101]", "error[E101]"]
    assert "chrff" in lines[0]
    assert "blue" in lines[1]


def test_a_reward_that_scored_nothing_ends_the_command_with_the_reason(call):
    """Nobody listens on port 9; what the other reward says is printed all the same."""
    gone = "remote:url=http://127.0.0.1:9/score,worst=0,attempts=1"
    code, out, err = call("-s", "src", "-t", "hyp", "--reward", gone, "--reward", "not_empty")
    assert code == 4
    assert out.splitlines()[1:] == [
        "1\t\t1.0000\tunavailable\tok",
        "2\t\t1.0000\tunavailable\tok",
        "3\t\t0.0000\tunavailable\tok",
    ]
    assert "error[E402] reward: remote scored none of 3 rows. fix: start what it needs" in err


def test_languages_are_read_in_any_spelling_and_unknown_ones_are_refused(call):
    command = ("-s", "src", "-t", "hyp", "--reward", "target_script", "--target-lang")
    code, out, _ = call(*command, "Chinese")
    assert (code, [line.split("\t")[1] for line in out.splitlines()[1:]]) == (
        0,
        ["0.0000", "0.0000", "1.0000"],
    )
    assert call(*command, "zho_Hans")[1] == out
    code, out, err = call(*command, "Chinees")
    assert (code, out) == (2, "")
    assert "error[E260] --target-lang: unknown language 'Chinees'. fix: did you mean Chinese" in err
    code, _, err = call(*command, "br")
    assert code == 0
    assert "note: 'br' is Breton, which is not in our table: no language guard applies to it" in err
    code, _, err = call(*command, "German", "--source-lang", "deu_Latn")
    assert code == 0
    assert "note: source and target language are the same, German" in err


# ── several systems, ensembles, forms of output ─────────────────────────────────────────────────


@pytest.fixture
def systems(tmp_path):
    """Two more systems: a perfect one, packed, and one that left a line empty."""
    (tmp_path / "good.txt.gz").write_bytes(gzip.compress(b"Good day.\nThank you.\nYes.\n"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "hyp.txt").write_bytes(b"Bad day.\n\nYes.\n")


@pytest.mark.usefixtures("systems")
def test_several_systems_are_scored_in_the_long_form(call):
    files = ("-t", "hyp", "-t", "good.txt.gz", "-t", "worse=runs/hyp.txt")
    measured = ("--reward", "exact_match", "--reward", "target_script")
    code, out, err = call(*files, "-s", "src", "-r", "ref", *measured, "--precision", "0")
    assert code == 0
    assert out.splitlines() == [
        "system\tsegment\texact_match\ttarget_script",
        "hyp\t1\t1\t", "hyp\t2\t0\t", "hyp\t3\t0\t",
        "good\t1\t1\t", "good\t2\t1\t", "good\t3\t1\t",
        "worse\t1\t0\t", "worse\t2\t0\t", "worse\t3\t1\t",
    ]  # fmt: skip
    rows = [line.split() for line in err.splitlines()]
    assert rows[0] == ["reward", "system", "mean", "std", "share", "scored"]
    assert [row[-4] for row in rows[1:4]] == ["0", "1", "0"]
    assert "not scored by target_script: 3 of 3 rows of good (not_applicable 3)" in err
    missing = "note: no target_lang (--target-lang LANGUAGE): target_script does not apply"
    assert missing in " ".join(err.split())


@pytest.mark.usefixtures("systems")
def test_json_of_several_systems_has_a_line_for_each(call):
    files = ("-t", "hyp", "-t", "good.txt.gz")
    _, out, _ = call(*files, "-r", "ref", "--reward", "exact_match", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["system"] for line in lines] == ["hyp", "good"]
    assert [line["scores"]["exact_match"] for line in lines] == [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


def test_one_system_has_the_long_form_on_request(call):
    _, out, _ = call("-t", "mine=hyp", "-r", "ref", "--reward", "exact_match", "--long")
    assert out.splitlines()[:2] == ["system\tsegment\texact_match", "mine\t1\t1.0000"]


def test_a_path_with_an_equals_sign_is_a_path(call, tmp_path):
    (tmp_path / "lr=1e-4").write_bytes(b"a\nb\nc\n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "lr=1e-5.txt").write_bytes(b"a\nb\nc\n")
    files = ("-t", "lr=1e-4", "-t", "runs/lr=1e-5.txt")
    code, out, _ = call("-s", "src", *files, "--reward", "not_empty")
    assert code == 0
    assert {line.split("\t")[0] for line in out.splitlines()[1:]} == {"lr=1e-4", "lr=1e-5"}


ENSEMBLE = """\
rewards:
  - {reward: chrf, weight: 2}
  - {reward: lexical_spans, weight: 0.5, token_weight: 1}
gates:
  - {reward: not_empty, below: 0.5}
"""


def test_an_ensemble_has_weights_and_gates(call, tmp_path):
    (tmp_path / "rl.yaml").write_text("run: runs/rl\nseed: 1\n" + ENSEMBLE, encoding="utf-8")
    ensemble = ("--ensemble", "rl.yaml")
    code, out, err = call("-s", "src", "-t", "hyp", "-r", "ref", *ensemble)
    assert code == 0
    assert [line.split("\t")[-1] for line in out.splitlines()] == ["gated", "", "", "not_empty"]
    assert "gated: 1 of 3 rows, which have the worst score (not_empty 1)\n" in err
    rows = {line.split()[0]: line.split() for line in err.splitlines()}
    assert rows["reward"][1] == "weight"
    assert (rows["chrf"][1], rows["lexical_spans"][1]) == ("2", "0.5")
    answer = json.loads(call("-s", "src", "-t", "hyp", "-r", "ref", *ensemble, "--json")[1])
    assert answer["gated"] == [None, None, "not_empty"]
    assert answer["scores"]["lexical_spans"][2] == -25.0
    assert "weight:2 token_weight:0" in answer["signature"]
    assert "gate not_empty|" in answer["signature"]


def test_a_reward_beside_an_ensemble_is_only_measured(call, tmp_path):
    (tmp_path / "rl.yaml").write_text(ENSEMBLE, encoding="utf-8")
    asked = ("--ensemble", "rl.yaml", "rewards.0.weight=3", "--reward", "exact_match")
    code, _, err = call("-s", "src", "-t", "hyp", "-r", "ref", *asked)
    assert code == 0
    rows = {line.split()[0]: line.split() for line in err.splitlines()}
    assert rows["chrf"][1] == "3", "an argument replaces a value of the file"
    assert (rows["exact_match"][1], rows["exact_match"][-2]) == ("0", "0%")


def test_finished_rows_are_printed_if_a_reward_breaks(call, monkeypatch):
    def breaks(*_):
        raise KeyboardInterrupt

    original = score.score_in_parts

    def one_part(*arguments):
        yield next(iter(original(*arguments)))
        breaks()

    monkeypatch.setattr("rewardlab.cli.score.score_in_parts", one_part)
    code, out, _ = call("-t", "hyp", "-r", "ref", "--reward", "exact_match")
    assert code == 130
    assert out.splitlines()[1] == "1\t1.0000\tok"


def test_progress_is_told_where_there_is_no_terminal(call, monkeypatch):
    lines = []

    @contextmanager
    def heartbeat(say, line):
        yield
        lines.append(line())

    monkeypatch.setattr("rewardlab.cli.score.heartbeat", heartbeat)
    call("-t", "hyp", "-r", "ref", "--reward", "chrf")
    assert lines == ["scored 3 of 3 rows ..."]
