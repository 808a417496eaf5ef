"""Finished runs become files for annotators. The command is called as the command line calls it."""

import json
from pathlib import Path

import pytest
import typer

from rewardlab.cli import export_mqm
from rewardlab.data.lines import read_lines
from rewardlab.decoding.files import write_translations
from rewardlab.decoding.translate import Translation
from rewardlab.errors import UserError
from rewardlab.human.mqm import MQM
from rewardlab.types import WMT_MQM

TRANSLATE = """\
run: {run}
data: {{source: en.txt, source_lang: en, target_lang: ru, documents: docs.tsv}}
prompt: arrow
model: model
"""
EVALUATE = """\
run: out
data: {data}
systems:
  - {{name: copy, copy: true}}
  - {{name: two, translations: two.txt}}
metrics: [chrf]
bootstrap: {{resamples: 40}}
"""


@pytest.fixture
def export(capsys):
    """Run the command on words; what it printed."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("export-mqm")(export_mqm.command)

    def call(*words):
        app([str(word) for word in words], standalone_mode=False)
        out, err = capsys.readouterr()
        return json.loads(out), err

    return call


def refused(export, *words):
    with pytest.raises(UserError) as caught:
        export(*words)
    return caught.value.exit_code, [str(problem) for problem in caught.value.problems]


@pytest.fixture
def translated(data, pairs):
    """A translate run as `rewardlab translate` leaves it, with a line break in one text."""
    Path("docs.tsv").write_text("".join(f"doc{n // 4}\n" for n in range(len(pairs))))
    run = Path("runs/best")
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(TRANSLATE.format(run=run))
    texts = [(" первая\nстрока " if n == 1 else ru) for n, (_, ru) in enumerate(pairs)]
    write_translations(
        run / "translations.jsonl",
        [Translation(str(n), (text,), (1,), (True,)) for n, text in enumerate(texts, start=1)],
        {str(n): en for n, (en, _) in enumerate(pairs, start=1)},
    )
    return run


def test_a_translate_run_is_one_system_with_its_documents(export, translated, pairs):
    told, err = export(translated, "--out", "annotate.tsv")
    assert told == {
        "out": "annotate.tsv", "systems": ["best"], "segments": 10, "texts_with_signs": 1,
    }  # fmt: skip
    assert "note: 1 texts have signs for tabs, line breaks or <v> marks: ⇥ ↵ ‹v›" in err
    file = MQM.read(read_lines("annotate.tsv"), WMT_MQM)
    assert file.scores.systems == ("best",)
    assert file.scores.segments[:5] == (
        "doc0:en-ru:1", "doc0:en-ru:2", "doc0:en-ru:3", "doc0:en-ru:4", "doc1:en-ru:1",
    )  # fmt: skip
    assert list(file.sources) == [en for en, _ in pairs]
    assert file.hypotheses["best", "doc0:en-ru:1"] == pairs[0][1]
    assert file.hypotheses["best", "doc0:en-ru:2"] == " первая↵строка "
    assert file.spans == {}


def test_an_evaluation_exports_all_its_systems(export, run, data, pairs, tmp_path):
    Path("two.txt").write_text("раз\nдва\n", encoding="utf-8")
    Path("evaluate.yaml").write_text(EVALUATE.format(data=data))
    code, _, err = run("evaluate", "evaluate.yaml")
    assert code == 0, err
    told, _ = export("out", "--out", "annotate.tsv")
    assert told["systems"] == ["copy", "two"]
    file = MQM.read(read_lines("annotate.tsv"), WMT_MQM)
    assert list(file.hypotheses.values()) == [pairs[8][0], "раз", pairs[9][0], "два"]
    assert file.scores.segments == ("out:en-ru:1", "out:en-ru:2")


def test_what_a_model_wrote_is_taken_from_the_evaluation(export, data):
    out = Path("out")
    (out / "hypotheses").mkdir(parents=True)
    (out / "evaluation.json").write_text("{}")
    model = "systems:\n  - {name: rl, model: gone}\n"
    (out / "config.yaml").write_text(
        EVALUATE.format(data=data)
        .replace("systems:\n", model)
        .replace("run: out", "prompt: arrow\nrun: out")
    )
    Path("two.txt").write_text("раз\nдва\n", encoding="utf-8")
    lines = [{"id": "10", "texts": ["десять"]}, {"id": "9", "texts": ["девять"]}]
    (out / "hypotheses" / "rl.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    export(out, "--out", "annotate.tsv")
    file = MQM.read(read_lines("annotate.tsv"), WMT_MQM)
    assert file.scores.systems == ("rl", "copy", "two")
    assert file.hypotheses["rl", "out:en-ru:1"] == "девять"


def test_a_rerank_run_is_read_with_the_rows_it_had(export, translated):
    config = translated / "config.yaml"
    config.write_text(
        config.read_text().replace("source: en.txt", "source: en.txt, reference: ru.txt")
        + "rewards: [{reward: chrf}]\nreferences: data\n"
    )
    assert export(translated, "--out", "annotate.tsv")[0]["segments"] == 10


def test_a_file_that_exists_is_never_overwritten(export, translated):
    Path("annotate.tsv").write_text("precious")
    assert refused(export, translated, "--out", "annotate.tsv") == (
        3,
        [
            (
                "error[E231] --out 'annotate.tsv': exists, perhaps with annotations. "
                "fix: give another one: annotate-2.tsv"
            )
        ],
    )
    assert Path("annotate.tsv").read_text() == "precious"
    assert refused(export, translated, "--out", "none/annotate.tsv") == (
        3,
        ["error[E231] --out 'none/annotate.tsv': has no directory. fix: mkdir -p none"],
    )
    assert refused(export, translated, "--out", ".") == (
        3,
        ["error[E231] --out '.': is a directory. fix: name a file: annotate.tsv"],
    )


def test_what_is_no_finished_run_is_refused(export, translated, tmp_path):
    fix = "fix: give the directory that such a run has written"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(export, empty, "--out", "a.tsv") == (
        3,
        [
            (
                f"error[E232] RUN '{empty}': is no finished run of translate, rerank or evaluate: "
                f"it holds neither translations.jsonl nor evaluation.json. {fix}"
            )
        ],
    )
    (translated / "config.yaml").rename("elsewhere")
    code, (message,) = refused(export, translated, "--out", "a.tsv")
    assert (code, message.partition(": it ")[2]) == (3, f"holds no config.yaml. {fix}")


def test_data_that_has_changed_since_is_refused(export, translated):
    lines = Path("en.txt").read_text().splitlines()
    Path("en.txt").write_text("".join(f"{line}\n" for line in ["new", *lines[1:]]))
    code, (message,) = refused(export, translated, "--out", "a.tsv")
    assert code == 3
    assert "1 id with another source text (1)" in message
    assert not Path("a.tsv").exists()


def test_help_says_where_to_call_it(capsys):
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command("export-mqm")(export_mqm.command)
    app(["--help"], standalone_mode=False)
    assert "where the run was started" in " ".join(capsys.readouterr().out.split())
