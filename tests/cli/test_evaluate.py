"""`rewardlab evaluate` from models, runs and files to numbers, and what it refuses."""

import json
import re

import pytest
import sacrebleu
import tiny_checkpoint

from rewardlab.generate import local
from rewardlab.store.lineage import Stage, TrainedOn, Training, write_training

CONFIG = """\
run: out
data: {data}
prompt: arrow
generation: {{max_new_tokens: 12, batch_size: 2}}
systems:
  - {{name: copy, copy: true}}
  - {{name: sft, model: sft}}
  - {{name: rl-1, model: rl, group: rl}}
  - {{name: rl-2, translations: two.txt, group: rl}}
baseline: sft
metrics: [chrf, ter, exact_match]
bootstrap: {{resamples: 100}}
"""


@pytest.fixture
def files(data, tmp_path):
    """A fine-tuned model, one that was reinforced by chrF on the test set itself, and a file."""
    section = {"source": "en.txt", "reference": "ru.txt", "source_lang": "en", "target_lang": "ru"}
    sft = Stage("sft", None, data=({**section, "heldout": 2},))
    rl = Stage(
        "rl",
        "sft/model",
        data=({**section, "heldout": 0},),
        rewards=(
            TrainedOn("chrf", "ngram_overlap", weight=1.0, token_weight=0.0),
            TrainedOn("ter", "edit_distance", weight=0.0, token_weight=0.0),
        ),
    )
    runs = (("sft", sft, None), ("rl", rl, Training((sft,))))
    for seed, (name, stage, before) in enumerate(runs):
        (tmp_path / name).mkdir()
        model = tiny_checkpoint.save(tmp_path / name / "model", seed=seed)
        write_training(model, stage, before=before)
    (tmp_path / "two.txt").write_text("дети играют\nмы видели старый корабль\n", encoding="utf-8")
    (tmp_path / "evaluate.yaml").write_text(CONFIG.format(data=data), encoding="utf-8")
    return tmp_path


def test_models_files_and_the_source_are_measured_and_compared(files, pairs, run):
    code, out, err = run("evaluate", "evaluate.yaml")
    assert code == 0, err
    result = json.loads(out)
    assert json.loads((files / "out" / "evaluation.json").read_text("utf-8")) == result
    scores = result["scores"]["en-ru"]
    sources, references = zip(*pairs[-2:], strict=True)
    assert scores["chrf"]["copy"]["value"] == sacrebleu.corpus_chrf(sources, [references]).score
    ter = sacrebleu.corpus_ter(["дети играют", references[1]], [references]).score
    assert scores["ter"]["rl-2"]["value"] == ter > 0
    assert scores["exact_match"]["rl-2"]["value"] == 0.5
    group = scores["exact_match"]["rl"]
    assert group["value"] == (scores["exact_match"]["rl-1"]["value"] + 0.5) / 2
    assert group["spread"]["members"] == 2
    assert scores["chrf"]["sft"]["difference"] is None
    assert group["difference"]["rows"] == 2
    assert result["groups"] == {"rl": ["rl-1", "rl-2"]}
    assert result["texts"]["en-ru"]["copy"]["copy_rate"] == 1.0
    assert result["peak_memory_mb"] > 1
    hypotheses = (files / "out" / "hypotheses" / "sft.jsonl").read_text("utf-8")
    decoded = [json.loads(line) for line in hypotheses.splitlines()]
    assert [entry["id"] for entry in decoded] == ["9", "10"]
    assert result["systems"]["sft"]["decoding"]["tokens"] > 2
    assert result["systems"]["copy"]["decoding"] is None
    assert "Traceback" not in err


def test_what_a_system_was_trained_on_is_told(files, run):
    code, out, err = run("evaluate", "evaluate.yaml")
    assert code == 0, err
    result = json.loads(out)
    assert result["relations"]["rl-1"] == {
        "chrf": "optimised", "ter": "independent", "exact_match": "independent",
    }  # fmt: skip
    assert result["relations"]["rl"]["chrf"] == "optimised"
    assert {*result["relations"]["rl-2"].values()} == {"unknown"}
    assert {*result["relations"]["sft"].values()} == {"independent"}
    assert result["systems"]["rl-1"]["trained_on"] == [["chrf", "ngram_overlap"]]
    # the reinforced model saw both test rows, the fine-tuned one held them out
    assert result["systems"]["sft"]["train_test_overlap"]["rows"] == 0
    assert result["systems"]["rl-1"]["train_test_overlap"] == {
        "sources": 2, "references": 2, "rows": 2,
    }  # fmt: skip
    assert "rl-1 was trained on texts of 2 of 2 test rows" in err
    assert "* chrf is no independent check of rl-1, optimised by it" in err
    assert "no training record for rl-2" in err
    assert re.search(r"ter ↓ +copy", err)
    assert re.search(r"rl-1 \* ", err)


def test_training_files_that_are_gone_are_said_and_do_no_harm(files, run):
    (files / "elsewhere.txt").write_text("a\nb\n")
    (files / "en.txt").rename(files / "moved.txt")
    argument = "data={source: moved.txt, reference: ru.txt, source_lang: en, target_lang: ru}"
    code, out, err = run("evaluate", "evaluate.yaml", argument, "data.heldout=2")
    assert code == 0, err
    assert json.loads(out)["systems"]["rl-1"]["train_test_overlap"] is None
    assert "rl-1: overlap with its training data not checked: cannot be read" in err


def test_an_interrupted_evaluation_goes_on_without_decoding_again(files, run, monkeypatch):
    _, out, _ = run("evaluate", "evaluate.yaml")
    result = files / "out" / "evaluation.json"
    result.rename(result.with_name(".evaluation.json.partial"))  # killed just before the end

    def decoded_again(*_):
        raise AssertionError

    monkeypatch.setattr(local, "load_model", decoded_again)
    code, again, err = run("evaluate", "evaluate.yaml")
    assert code == 0, err
    assert "resuming in out" in err
    assert json.loads(again)["scores"] == json.loads(out)["scores"]
    assert result.is_file()


def test_a_finished_evaluation_is_not_overwritten(files, run):
    (files / "out").mkdir()
    (files / "out" / "evaluation.json").write_text("precious")
    code, out, err = run("evaluate", "evaluate.yaml")
    assert (code, out) == (2, "")
    assert err == (
        "error[E030] run 'out': exists and is not an empty directory. "
        "fix: give another one: run=out-2\n"
    )
    assert (files / "out" / "evaluation.json").read_text() == "precious"


def test_another_evaluation_does_not_go_on_in_its_place(files, run):
    run("evaluate", "evaluate.yaml")
    (files / "out" / "evaluation.json").unlink()
    code, _, err = run("evaluate", "evaluate.yaml", "seed=1")
    assert code == 2
    assert err.startswith("error[E030] run 'out': holds the beginnings of an evaluation with")


def test_dry_run_reads_everything_and_writes_nothing(files, run):
    code, out, _ = run("evaluate", "evaluate.yaml", "--dry-run")
    assert code == 0
    told = json.loads(out)
    assert (told["dry_run"], told["rows"], told["run"]) == (True, 2, "out")
    assert told["systems"] == ["copy", "sft", "rl-1", "rl-2"]
    assert not (files / "out").exists()


def test_several_directions_and_their_mean(files, run):
    sections = [
        "{source: en.txt, reference: ru.txt, source_lang: en, target_lang: ru, heldout: 2}",
        "{source: ru.txt, reference: en.txt, source_lang: ru, target_lang: en, heldout: 2}",
    ]
    systems = "[{name: copy, copy: true}, {name: sft, model: sft}]"
    code, out, err = run(
        "evaluate", "evaluate.yaml", f"data=[{', '.join(sections)}]", f"systems={systems}"
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["rows"] == {"en-ru": 2, "ru-en": 2}
    there, back, mean = (
        result["scores"][place]["ter"]["sft"]["value"] for place in ("en-ru", "ru-en", "macro")
    )
    assert mean == pytest.approx((there + back) / 2)
    assert "mean of directions" in err


@pytest.mark.parametrize("given", ["rerank", "rerank/translations.jsonl"])
def test_a_translation_run_is_matched_by_id_and_remembers_its_model_and_rewards(files, run, given):
    rerank = files / "rerank"
    rerank.mkdir()
    (rerank / "config.yaml").write_text("model: rl\nrewards:\n- {reward: ter, weight: 1.0}\n")
    cost = {
        "sampling": {"tokens": 70, "seconds": 1.0},
        "scoring": {"seconds": 0.5},
        "oracle": "the rewards read the test references",
    }
    (rerank / "cost.json").write_text(json.dumps(cost))
    lines = [
        {"id": "10", "texts": ["старый корабль", "x"]},
        {"id": "9", "texts": ["он пришёл"]},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (rerank / "translations.jsonl").write_text(text)
    systems = f"systems=[{{name: best, translations: {given}}}]"
    code, out, err = run("evaluate", "evaluate.yaml", systems, "baseline=best", "metrics=[ter]")
    assert code == 0, err
    result = json.loads(out)
    assert result["systems"]["best"]["decoding"] == {"tokens": 70, "seconds": 1.5}
    assert "best: 70 tokens in 1.5 s" in err
    note = "best is an upper bound and no system: the rewards read the test references"
    assert note in result["notes"]
    assert f"note: {note}" in err
    assert result["relations"] == {"best": {"ter": "optimised"}}
    assert result["systems"]["best"]["trained_on"] == [
        ["chrf", "ngram_overlap"], ["ter", "edit_distance"],
    ]  # fmt: skip
    # "он пришёл домой в 7" and "мы видели старый корабль": three words and two of nine are missing
    assert result["scores"]["en-ru"]["ter"]["best"]["value"] == pytest.approx(100 * 5 / 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["metrics=[chrff]"],
            (
                "error[E101] argument metrics=[chrff]: unknown reward 'chrff'. "
                "fix: chrf (rewardlab rewards lists all)"
            ),
        ),
        (
            ["metrics=[{reward: chrf, word_ordr: 2}]"],
            (
                "error[E102] argument metrics=[{reward: chrf, word_ordr: 2}]: no such option. "
                "fix: word_order: 2"
            ),
        ),
        (
            ["metrics=[chrf, ter, chrf]"],
            (
                "error[E036] argument metrics=[chrf, ter, chrf]: chrf is listed twice, first as "
                "metrics.0. fix: remove one, or give it a name of its own, name: chrf_2"
            ),
        ),
        (
            ["systems.2.name=sft"],
            (
                "error[E072] argument systems.2.name=sft: 'sft' names this system and systems.1. "
                "fix: systems.2.name=sft-2"
            ),
        ),
        (
            ["systems.1.name=rl", "baseline=copy"],
            (
                "error[E072] argument systems.1.name=rl: 'rl' names a system and a group. "
                "fix: systems.1.name=rl-1"
            ),
        ),
        (
            ["systems.1.name=../sft", "baseline=copy"],
            (
                "error[E073] argument systems.1.name=../sft: '../sft' cannot name a file. "
                "fix: take letters, digits, spaces and - _ . + only"
            ),
        ),
        (
            ["baseline=sfg"],
            (
                "error[E071] argument baseline=sfg: 'sfg' is neither a system nor a group. "
                "fix: baseline=sft"
            ),
        ),
        (
            ["data={source: en.txt, source_lang: en, target_lang: ru}", "metrics=[ter]"],
            (
                "error[E032] argument metrics=[ter]: ter reads references, and data has none. "
                "fix: add reference: to the data, or remove the metric"
            ),
        ),
        (
            ["independent=[chrf]"],
            (
                "error[E070] argument independent=[chrf]: chrf is no independent check of rl-1: "
                "rl/model was optimised by chrf (family ngram_overlap). "
                "fix: take chrf out of independent, or measure with another family"
            ),
        ),
        (
            ["metrics=[bleu]", "independent=[bleu]"],
            (
                "error[E070] argument independent=[bleu]: bleu is no independent check of rl-1: "
                "rl/model was optimised by chrf (family ngram_overlap). "
                "fix: take bleu out of independent, or measure with another family"
            ),
        ),
        (
            ["independent=[bleu]"],
            (
                "error[E026] argument independent=[bleu]: 'bleu' is not a metric of this file. "
                "fix: one of chrf, ter, exact_match"
            ),
        ),
        (
            ["systems.1.model=none"],
            (
                "error[E080] argument systems.1.model=none: 'none' is not a directory, so it is "
                "neither a saved checkpoint nor a finished run. fix: give the directory that "
                "save_pretrained wrote, or a run directory with model/ in it"
            ),
        ),
        (
            ["systems.1={name: sft, model: sft, copy: true}"],
            (
                "error[E027] argument systems.1={name: sft, model: sft, copy: true}: needs exactly "
                "one of model, translations and copy. fix: keep one, remove the other"
            ),
        ),
        (
            ["systems.1={name: sft, copi: true}"],
            (
                "error[E023] argument systems.1={name: sft, copi: true}: unknown key. systems.1 "
                "has copy. fix: systems.1.copy=true"
            ),
        ),
        (
            ["generation={backend: server, url: 'http://localhost:1/v1', server_model: m}"],
            (
                "error[E075] evaluate.yaml:8:18 systems.2.model: a server answers for one model, "
                "and 2 systems have one. fix: translate with each (rewardlab translate), then "
                "evaluate their translations"
            ),
        ),
        (
            ["bootstrap.resamples=10"],
            (
                "error[E026] argument bootstrap.resamples=10: the integer 10 is out of range. "
                "fix: write a number of at least 40"
            ),
        ),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(files, run, arguments, message):
    code, out, err = run("evaluate", "evaluate.yaml", *arguments)
    assert (code, out) == (2, "")
    assert message in err.splitlines()
    assert "Traceback" not in err
    assert not (files / "out").exists()


def test_a_prompt_is_needed_where_a_model_is_decoded(files, run):
    text = (files / "evaluate.yaml").read_text("utf-8").replace("prompt: arrow\n", "")
    (files / "evaluate.yaml").write_text(text, encoding="utf-8")
    code, _, err = run("evaluate", "evaluate.yaml")
    assert code == 2
    assert err == (
        "error[E024] evaluate.yaml:1:1 prompt: is missing: a model is decoded with it. "
        "fix: add prompt: to the file\n"
    )
    systems = "systems=[{name: copy, copy: true}]"
    assert run("evaluate", "evaluate.yaml", systems, "baseline=copy", "--dry-run")[0] == 0


def test_a_rewritten_configuration_reads_back(files, run):
    code, _, err = run("evaluate", "evaluate.yaml", "metrics.0={reward: chrf, word_order: 2}")
    assert code == 0, err
    again = files / "out" / "config.yaml"
    code, out, err = run("evaluate", again, "run=twice")
    assert code == 0, err
    signature = json.loads(out)["metrics"]["chrf"]["signature"]["en-ru"]
    assert signature.startswith("nrefs:1|bs:100|seed:12345|case:mixed|eff:yes|nc:6|nw:2|")
    assert again.read_text("utf-8").replace("run: out", "run: twice") == (
        files / "twice" / "config.yaml"
    ).read_text("utf-8")


# ── translations of more rows, and such as do not belong ──────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "two.txt",
            "один\n",
            (
                "error[E209] two.txt: 1 line, but the test set has 2 rows. "
                "fix: translate exactly these rows, or give their ids in a .jsonl file"
            ),
        ),
        (
            "two.jsonl",
            (
                '{"id": "9", "texts": ["a"]}\n{"id": "9", "texts": ["b"], "source": "a ship"}\n'
                '{"id": "x", "texts": ["c"]}\n'
            ),
            (
                "error[E209] two.jsonl: 1 id without a translation (10); 1 id not in the test "
                "set (x); 1 id with several translations (9); 1 id with another source text (9). "
                "fix: translate exactly the rows of this test set: same data, same split"
            ),
        ),
        (
            "two.jsonl",
            '{"id": "9"}\n',
            (
                'error[E209] two.jsonl:1: \'{"id": "9"}\' is no translation: there is no texts. '
                'fix: write {"id": "1", "texts": ["..."]} on each line'
            ),
        ),
        (
            "two.jsonl",
            '{"id": "1", "texts": ["x"], "source": 5}\n',
            (
                'error[E209] two.jsonl:1: \'{"id": "1", "texts": ["x"], "source": 5}\' is no '
                "translation: source is the number 5, not text. "
                'fix: write {"id": "1", "texts": ["..."]} on each line'
            ),
        ),
        (
            "two.jsonl",
            "дети\n",
            (
                "error[E209] two.jsonl:1: 'дети' is no translation: Expecting value: "
                "line 1 column 1 (char 0). "
                'fix: write {"id": "1", "texts": ["..."]} on each line'
            ),
        ),
    ],
)
def test_translations_of_other_rows_are_refused(files, run, name, text, message):
    (files / name).write_text(text, encoding="utf-8")
    code, out, err = run("evaluate", "evaluate.yaml", f"systems.3.translations={name}")
    assert (code, out) == (3, "")
    assert err == f"{message}\n"
    assert not (files / "out").exists()


def test_translations_of_more_rows_are_taken_where_their_sources_say_so(files, pairs, run):
    """As `translate` with ``split: all`` writes them, which reads no reference."""
    lines = [
        {"id": str(n), "source": source, "texts": [reference]}
        for n, (source, reference) in enumerate(pairs, start=1)
    ]

    def evaluated():
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (files / "all.jsonl").write_text(text)
        systems = "systems=[{name: all, translations: all.jsonl}]"
        return run("evaluate", "evaluate.yaml", systems, "baseline=all", "metrics=[exact_match]")

    del lines[-1]["source"]
    code, _, err = evaluated()
    assert code == 3
    unknown = "error[E209] all.jsonl: 8 ids not in the test set (1, 2, 3, 4, 5, ...). fix: "
    assert err.startswith(unknown)
    lines[-1]["source"] = "another ship"
    code, _, err = evaluated()
    assert code == 3
    assert "1 id with another source text (10)" in err
    lines[-1]["source"] = pairs[-1][0]
    code, out, err = evaluated()
    assert code == 0, err
    assert json.loads(out)["scores"]["en-ru"]["exact_match"]["all"]["value"] == 1.0
    assert "all.jsonl: 8 translations of other rows left out" in err.splitlines()


def test_translations_that_are_not_there(files, run):
    (files / "run").mkdir()
    code, _, err = run("evaluate", "evaluate.yaml", "systems.3.translations=run")
    assert code == 3
    assert err == (
        "error[E201] run/translations.jsonl: cannot be read: No such file or directory. "
        "fix: check the path\n"
    )


# ── the command line ────────────────────────────────────────────────────────────────────────────


def test_a_comparison_of_two_outputs_is_another_command(run):
    measured = ("-r", "ref.txt", "--metric", "chrf")
    code, out, err = run("evaluate", "--compare", "a.txt", "b.txt", *measured)
    assert (code, out) == (2, "")
    assert err == (
        "error[E040] rewardlab evaluate: No such option: --compare. "
        "fix: rewardlab compare A B --metric chrf\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error[E040] rewardlab evaluate: Missing argument 'CONFIG'. fix: see rewardlab eva"),
        (("x.yaml", "--metric", "chrf"), "error[E040] rewardlab evaluate: No such option: --metr"),
        (("x.yaml",), "error[E001] x.yaml: cannot be read: No such file or directory. "),
    ],
)
def test_what_names_no_configuration_is_refused(tmp_path, monkeypatch, run, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("evaluate", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert "Traceback" not in err
