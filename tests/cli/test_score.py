import gzip
import io
import json

import pytest

from rewardlab.cli import main


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
        "1\t100.0\t1.0\tok\tok\n"
        "2\t0.0\t1.0\tok\tok\n"
        "3\t0.0\t0.0\tok\tok\n"
    )
    # (100 + 0 + 0) / 3, and the mean of 1, 1, 0
    assert "chrf                       1    33.333" in err
    assert "not_empty                  1     0.667" in err


def test_json_holds_signature_scores_spans_and_statuses(call):
    code, out, _ = call("-s", "src", "-t", "hyp", "-r", "ref", "--reward", "chrf", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer.keys() == {"signature", "scores", "spans", "status", "components"}
    assert answer["scores"] == {"chrf": [100.0, 0.0, 0.0]}
    assert answer["status"] == {"chrf": ["ok", "ok", "ok"]}
    assert answer["spans"] == {"chrf": [[], [], []]}
    assert answer["components"] == {}
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
    assert out.splitlines()[1] == "1\t100.0\tok"


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
                "error[E041] -s, -t, -r: standard input (-) can be read only once. "
                "fix: write the other text to a file\n"
            ),
        ),
        (
            ["-s", "src", "-t", "hyp", "--reward", "not_empty", "--reward", "not_empty"],
            2,
            (
                "error[E036] --reward: not_empty is asked for twice. "
                "fix: not_empty:name=not_empty_2\n"
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
                "error[E202] latin1:2: not UTF-8: 1 of 3 rows; at: 2; byte 0xf8 at offset 3. "
                "fix: convert it: iconv -f latin1 -t utf-8\n"
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
        "1\t\t1.0\tunavailable\tok",
        "2\t\t1.0\tunavailable\tok",
        "3\t\t0.0\tunavailable\tok",
    ]
    assert "error[E402] reward: remote scored none of 3 rows. fix: start what it needs" in err
