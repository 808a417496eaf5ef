"""`rewardlab compare`: two finished outputs, measured without a configuration."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    references = [f"the {n} dogs saw an old cat near the green bridge" for n in range(40)]
    texts = {
        "ref.txt": references,
        "a.txt": [text.replace("old", "new").replace("near", "at") for text in references],
        "b.txt": [text if n % 3 else "a cat" for n, text in enumerate(references)],
        "src.txt": [str(n) for n in range(40)],
    }
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def test_two_outputs_are_compared_to_sacrebleus_printed_digits(outputs, run):
    measured = ("--metric", "bleu", "--metric", "chrf", "--metric", "ter")
    code, out, err = run("compare", "a.txt", "b.txt", "-r", "ref.txt", *measured)
    assert code == 0, err
    result = json.loads(out)
    peer = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "ref.txt", "-i", "a.txt", "b.txt",
         "-m", "bleu", "chrf", "ter", "--paired-bs", "--format", "text"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    shown = []
    for metric in ("bleu", "chrf", "ter"):
        for name in ("a", "b"):
            score = result["scores"]["all"][metric][name]
            half = 0.5 * (score["interval"]["high"] - score["interval"]["low"])
            text = f"{score['value']:.1f} ({score['interval']['mean']:.1f} ± {half:.1f})"
            shown.append(text)
            if score["difference"]:
                shown.append(f"(p = {score['difference']['p']:.4f})")
    assert [text for text in shown if text not in peer] == []
    signatures = [result["metrics"][name]["signature"]["all"] for name in ("bleu", "chrf", "ter")]
    assert [text for text in signatures if text not in peer] == []
    assert "no training record for a, b: whether a metric was used in training is unknown" in err


def test_a_reward_that_reads_the_source_gets_it(outputs, run):
    arguments = ("compare", "a.txt", "b.txt", "--metric", "numbers_kept")
    code, out, _ = run(*arguments, "-s", "src.txt")
    assert code == 0
    scores = json.loads(out)["scores"]["all"]["numbers_kept"]
    assert scores["a"]["value"] == 1.0
    # fourteen lost their number; 0, 3, 6 and 9 might have been written as words
    assert scores["b"]["value"] == pytest.approx(30 / 40)
    assert json.loads(out)["texts"]["all"]["a"]["length_ratio"] is None, "there is no reference"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["a.txt", "b.txt", "--metric", "chrf"],
            2,
            (
                "error[E042] --metric: chrf reads references, and there are none. "
                "fix: give them with -r FILE\n"
            ),
        ),
        (
            ["a.txt", "b.txt", "-r", "ref.txt", "--metric", "numbers_kept"],
            2,
            (
                "error[E074] --metric: numbers_kept reads sources, and there are none. "
                "fix: give them with -s FILE\n"
            ),
        ),
        (
            ["a.txt", "b.txt", "-r", "ref.txt", "--metric", "blue"],
            2,
            (
                "error[E101] --metric: unknown reward 'blue'. "
                "fix: bleu (rewardlab rewards lists all)\n"
            ),
        ),
        (
            ["a.txt", "b.txt", "-r", "ref.txt"],
            2,
            (
                "error[E040] rewardlab compare: no metric is given. "
                "fix: --metric chrf --metric ter\n"
            ),
        ),
        (
            ["a.txt", "a.txt", "-r", "ref.txt", "--metric", "chrf"],
            2,
            "error[E072] A B: 'a.txt' is given twice. fix: give two different files\n",
        ),
        (
            ["a.txt", "one.txt", "-r", "ref.txt", "--metric", "chrf"],
            3,
            "error[E204] one.txt: 1 line, but ref.txt has 40. fix: are ref.txt and one.txt of ",
        ),
        (
            ["a.txt", "none", "-r", "ref.txt", "--metric", "chrf"],
            3,
            "error[E201] none: cannot be read: No such file or directory. fix: check the path\n",
        ),
        (
            ["a.txt", "-r", "ref.txt", "--metric", "chrf"],
            2,
            (
                "error[E040] rewardlab compare: Missing argument 'B'. "
                "fix: see rewardlab compare --help\n"
            ),
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(outputs, run, arguments, code, message):
    (outputs / "one.txt").write_text("a\n")
    found, out, err = run("compare", *arguments)
    assert (found, out) == (code, "")
    assert err.startswith(message)
    assert "Traceback" not in err


def test_a_missing_tokenizer_is_noted(outputs, run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    arguments = ("compare", "a.txt", "b.txt", "-r", "ref.txt", "--metric", "bleu")
    code, out, err = run(*arguments, "--target-lang", "ja")
    assert code == 0
    script, note = json.loads(out)["notes"]
    assert script == "target_lang 'ja': most texts are not in its script (Han, Hiragana, Katakana)"
    assert note.startswith("bleu splits ja into characters: ja-mecab is not installed")
    assert f"note: {note}" in err
    assert "|tok:char|" in json.loads(out)["metrics"]["bleu"]["signature"]["ja"]


def test_json_goes_to_a_file_or_to_stdout(outputs, run):
    arguments = ("compare", "a.txt", "b.txt", "-r", "ref.txt", "--metric", "chrf")
    code, out, err = run(*arguments, "--json", "compared.json")
    assert (code, out) == (0, "")
    assert "b" in err, "the table is printed all the same"
    written = json.loads((outputs / "compared.json").read_text())
    printed = json.loads(run(*arguments, "--json", "-")[1])
    assert written.keys() == printed.keys() == json.loads(run(*arguments)[1]).keys()
    assert written["scores"] == printed["scores"]
    assert run(*arguments, "--json", "a.txt")[2].startswith("error[E118] --json: 'a.txt' is read")


def test_a_terminal_shows_tables_or_json_and_not_both(outputs, run, monkeypatch):
    arguments = ("compare", "a.txt", "b.txt", "-r", "ref.txt", "--metric", "chrf")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert json.loads(run(*arguments)[1]), "stderr is a file"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out, err = run(*arguments)
    assert (code, out) == (0, "")
    assert "chrf" in err
    assert json.loads(run(*arguments, "--json", "-")[1])


def test_systems_of_one_file_name_are_named_by_what_tells_them_apart(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for name, text in (("one", "a b c\n"), ("two", "a b d\n")):
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "out" / "hyp.txt").write_text(text * 3)
    (tmp_path / "three.txt").write_text("a b c\n" * 3)
    code, out, err = run(
        "compare", "one/out/hyp.txt", "two/out/hyp.txt", "-r", "three.txt", "--metric", "chrf"
    )
    assert code == 0, err
    assert [*json.loads(out)["systems"]] == ["one", "two"]
    assert "to one" in err
    assert "copies" not in err  # without sources there are none to count
    assert "peak memory" not in err
