"""The configuration of ``rewardlab train-reward``."""

import subprocess
import sys
from pathlib import Path

import pytest

from rewardlab.config.load import load, to_yaml
from rewardlab.config.strict_yaml import load as load_yaml
from rewardlab.config.train_reward import (
    TrainRewardConfig,
    check_train_reward,
    family_of,
    stage_options,
)
from rewardlab.errors import UserError
from rewardlab.scorers.document_split import Fold

TEXT = """\
run: runs/metricx
scorer:
  metricx: {mode: qe}
model:
  from_scratch: {layers: 1}
stages:
  - name: warm-up
    damaged: 2
    texts: {source: en.txt, reference: de.txt, source_lang: en, target_lang: de}
    trainer: {max_steps: 10}
  - name: mqm
    judgements: {file: mqm.tsv}
    patience: 3
trainer:
  learning_rate: 1e-3
  max_steps: 40
"""
WARM_UP = TEXT[TEXT.index("  - name: warm-up") : TEXT.index("  - name: mqm")]


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def reading(text, *overrides):
        (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
        return load(TrainRewardConfig, "run.yaml", overrides, check=check_train_reward)

    return reading


def refused(read, text, *overrides):
    with pytest.raises(UserError) as caught:
        read(text, *overrides)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_defaults(read):
    config = read(TEXT)
    assert config.scorer.family == "metricx"
    assert (config.split.validation, config.split.test_side) == (0.1, 0.2)
    assert [stage.name for stage in config.stages] == ["warm-up", "mqm"]
    assert config.stages[1].judgements[0].severities == "wmt"
    assert not config.scorer.needs_reference


@pytest.mark.parametrize(
    ("scorer", "name", "needs_reference"),
    [
        ("{metricx: {}}", "metricx", False),
        ("{metricx: {mode: hybrid}}", "metricx", True),
        ("{automqm: {chat: false, prompt: automqm_short}}", "automqm", False),
        ("{automqm: {reference: true}}", "automqm", True),
        ("{generalist: {smallest_margin: 2.0}}", "generalist", False),
    ],
)
def test_each_family_takes_its_options(read, scorer, name, needs_reference):
    text = TEXT.replace("  metricx: {mode: qe}\n", "").replace("scorer:", f"scorer: {scorer}")
    text = text.replace("{file: mqm.tsv}", "{file: mqm.tsv, reference_system: ref}")
    config = read(text)
    assert config.scorer.needs_reference is needs_reference
    family = family_of(config)
    assert family.name == name
    options = stage_options(config, config.stages[0], config.run, use_cpu=True, bf16=False)
    assert isinstance(options, family.options_class)


@pytest.mark.parametrize(
    ("scorer", "problem"),
    [
        (
            "metricx: {max_length: 1.5}",
            "error[E025] run.yaml:3:13 scorer.metricx.max_length: the number 1.5 is not an integer",
        ),
        (
            "metricx: {tokenizer: ''}",
            "error[E025] run.yaml:3:13 scorer.metricx.tokenizer: the text '' is not a path",
        ),
        (
            "automqm: {chat: no}",
            "error[E025] run.yaml:3:13 scorer.automqm.chat: the text 'no' is not true or false",
        ),
        (
            "automqm: {no_errors: 1}",
            (
                "error[E026] run.yaml:3:13 scorer.automqm.no_errors: the integer 1 is out of "
                "range. fix: write a number below 1.0"
            ),
        ),
        (
            "generalist: {smallest_margin: 0}",
            (
                "error[E026] run.yaml:3:16 scorer.generalist.smallest_margin: the integer 0 is "
                "out of range. fix: write a number above 0.0"
            ),
        ),
        ("generalist: 3", "error[E025] run.yaml:3:3 scorer.generalist: the integer 3 is not a"),
    ],
)
def test_the_dataclass_of_a_family_is_the_schema_of_its_options(read, scorer, problem):
    (found,) = refused(read, TEXT.replace("metricx: {mode: qe}", scorer))
    assert found.startswith(problem)


def test_all_options_of_a_family_are_recorded(read):
    text = to_yaml(read(TEXT, "scorer.metricx.tokenizer=words"))
    scorer = {"mode": "qe", "version": "24", "max_length": 0, "failures": 0.0, "span_weight": 0.0}
    scorer |= {"tokenizer": "words", "pickle_sha256": ""}
    assert load_yaml(text, "out.yaml").value["scorer"]["metricx"] == scorer
    again = read(text)
    assert again == read(TEXT, "scorer.metricx.tokenizer=words")
    assert family_of(again).tokenizer == Path("words")


def test_families_are_imported_when_one_is_configured():
    code = "import sys, rewardlab.config.train_reward; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_stages_options_stand_over_those_of_the_file(read, tmp_path):
    config = read(TEXT)
    first, last = (
        stage_options(config, stage, tmp_path, use_cpu=True, report_to=[])
        for stage in config.stages
    )
    assert (first.max_steps, last.max_steps) == (10, 40)
    assert first.learning_rate == last.learning_rate == 1e-3
    assert (first.eval_steps, first.save_steps, last.save_steps) == (1, 1, 4)
    assert (first.load_best_model_at_end, last.load_best_model_at_end) == (False, True)
    assert last.restore_callback_states_from_checkpoint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  metricx: {mode: qe}\n",
            "  metricx: {mode: qe}\n  automqm: {}\n",
            (
                "error[E027] run.yaml:2:1 scorer: needs exactly one of metricx, automqm, "
                "xcomet and generalist. fix: keep one, remove the other"
            ),
        ),
        (
            "mode: qe",
            "mode: both",
            "error[E026] run.yaml:3:13 scorer.metricx.mode: 'both' is not a choice. fix: one of",
        ),
        (
            "mode: qe",
            "failure: 0.1",
            (
                "error[E023] run.yaml:3:13 scorer.metricx.failure: unknown key. scorer.metricx has "
                "failures. fix: failures: 0.1"
            ),
        ),
        (
            "mode: qe",
            'mode: hybrid, version: "23"',
            "error[E048] run.yaml:3:13 scorer.metricx.mode: only version 24 reads",
        ),
        (
            "    judgements: {file: mqm.tsv}\n",
            "",
            "error[E048] run.yaml:11:5 stages.1: the stage has nothing to learn from",
        ),
        (
            "name: mqm",
            "name: warm-up",
            "error[E036] run.yaml:11:5 stages.1.name: two stages are named warm-up. fix: rename",
        ),
        (
            "name: mqm",
            "name: ../mqm",
            "error[E026] run.yaml:11:5 stages.1.name",
        ),
        (
            "damaged: 2",
            "damaged: 0",
            "error[E048] run.yaml:7:5 stages.0: texts are only used with damaged, which is 0",
        ),
        (
            "reference: de.txt, ",
            "",
            "error[E032] run.yaml:9:5 stages.0.texts.0: damaged needs references",
        ),
        (
            "    texts: {source: en.txt, reference: de.txt, source_lang: en, target_lang: de}\n",
            "",
            "error[E048] run.yaml:7:5 stages.0: damaged needs parallel text",
        ),
        (
            "mode: qe",
            "mode: reference",
            "error[E042] run.yaml:12:5 stages.1.judgements.0: the scorer reads references",
        ),
        (
            "{file: mqm.tsv}\n",
            "{file: mqm.tsv}\n    preferences: {file: pairs.jsonl}\n",
            "error[E048] run.yaml:11:5 stages.1: a metricx learns from judgements",
        ),
        (
            "patience: 3",
            "damaged: 3",
            "error[E042]",
        ),
        (
            "learning_rate: 1e-3",
            "save_steps: 10",
            "error[E033] run.yaml:15:3 trainer.save_steps: 10 cannot be set here",
        ),
        (
            "learning_rate: 1e-3",
            "num_generations: 4",
            "error[E023] run.yaml:15:3 trainer.num_generations: unknown key. transformers's",
        ),
        (
            "{max_steps: 10}",
            "{output_dir: x}",
            "error[E033] run.yaml:10:15 stages.0.trainer.output_dir: 'x' cannot be set here",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(read, old, new, message):
    problems = refused(read, TEXT.replace(old, new, 1))
    assert any(problem.startswith(message) for problem in problems), problems


def test_a_run_with_judgements_ends_with_them(read):
    judged = TEXT[TEXT.index("  - name: mqm") : TEXT.index("trainer:\n  learning")]
    text = TEXT.replace(judged, "").replace("stages:\n", f"stages:\n{judged}")
    (problem,) = refused(read, text)
    assert problem.startswith("error[E048] run.yaml:11:5 stages.1.damaged: the last stage learns")


def test_a_run_without_judgements_is_measured_on_its_texts(read):
    judged = TEXT[TEXT.index("  - name: mqm") : TEXT.index("trainer:\n  learning")]
    assert read(TEXT.replace(judged, "")).stages[0].damaged == 2
    for scorer in ("automqm: {}", "generalist: {}"):
        (problem,) = refused(read, TEXT.replace(judged, "").replace("metricx: {mode: qe}", scorer))
        assert "E048" in problem
    fold = "split.fold={number: 1, of: 3}"
    (problem,) = refused(read, TEXT.replace(judged, ""), fold)
    assert "cross-validation needs human judgements" in problem


@pytest.mark.parametrize(
    "name", ["human.txt", "out/damaged.jsonl.gz", "[rules.txt, out/rules.txt]"]
)
def test_a_machine_has_a_name_of_its_own(read, name):
    (problem,) = refused(read, TEXT, f"stages.0.texts.machine={name}")
    assert problem.startswith("error[E036] run.yaml:9:5 stages.0.texts.0.machine: ")
    assert "other translations are already named" in problem


def test_machines_are_named_after_their_files(read, tmp_path):
    (tmp_path / "runs/qwen-2.5").mkdir(parents=True)
    machine = "stages.0.texts.machine=[out/apertium.txt, policy.jsonl.gz, runs/qwen-2.5]"
    (texts,) = read(TEXT, machine).stages[0].texts
    assert [name for name, _ in texts.systems] == ["apertium", "policy", "qwen-2.5"]


def test_preferences_have_no_control(read):
    text = TEXT.replace("metricx: {mode: qe}", "generalist: {}")
    preferences = "stages.1.preferences={file: pairs.jsonl}"
    (problem,) = refused(read, text, preferences, "shuffle_sources=true")
    assert "E048" in problem
    assert "preferences cannot be exchanged" in problem
    assert read(text, preferences).stages[1].preferences


def test_shares_must_leave_something(read):
    (problem,) = refused(read, TEXT, "split.validation=0.5", "split.test=0.6")
    assert "write shares that leave something to train on" in problem


def test_a_stage_reads_a_file_once(read):
    twice = "[{file: mqm.tsv}, {file: mqm.tsv, severities: google}]"
    (problem,) = refused(read, TEXT, f"stages.1.judgements={twice}")
    assert "the stage reads mqm.tsv twice" in problem
    Path("link.tsv").symlink_to("mqm.tsv")
    twice = "[{file: mqm.tsv}, {file: link.tsv}]"
    (problem,) = refused(read, TEXT, f"stages.1.judgements={twice}")
    assert "the stage reads mqm.tsv twice" in problem
    one = "source: a, reference: b, source_lang: en, target_lang: de"
    twice = f"[{{{one}}}, {{{one}}}]"
    assert any("reads a twice" in one for one in refused(read, TEXT, f"stages.0.texts={twice}"))


def test_a_digest_has_64_digits(read):
    (problem,) = refused(read, TEXT, "scorer.metricx.pickle_sha256=xyz")
    assert "write the 64 hexadecimal digits of sha256sum" in problem


def test_a_fold_is_a_test_side(read):
    fold = ("split.fold.number=2", "split.fold.of=3")
    assert read(TEXT, *fold).split.test_side == Fold(2, 3)
    (problem,) = refused(read, TEXT, *fold, "split.test=0.3")
    assert "takes test or fold, not both. fix: keep one, remove the other" in problem
    (problem,) = refused(read, TEXT, *fold, "split.validation=0.7")
    assert "write shares that leave something to train on" in problem
    (problem,) = refused(read, TEXT, "split.fold.number=4", "split.fold.of=3")
    assert "4 is out of range. fix: write one from 1 to `of`" in problem


def test_a_start_that_is_no_checkpoint(read):
    (problem,) = refused(read, TEXT.replace("from_scratch: {layers: 1}", "path: nowhere"))
    assert problem.startswith(
        "error[E028] run.yaml:5:3 model.path: 'nowhere' is no saved checkpoint"
    )
