"""`rewardlab rerank` from a YAML file to a run directory, with a model of random numbers."""

import json
from pathlib import Path

import pytest
import tiny_checkpoint

from rewardlab.cli import main
from rewardlab.rewards import ChrF, NotEmpty
from rewardlab.types import Candidate

TEXT = "the dog runs across the old bridge and she says the translation is not good enough"
SOURCES = [TEXT[: n % 15 * 5 + 3].strip() for n in range(10)]
CONFIG = """
run: run
data: {source: src.txt, source_lang: en, target_lang: ru}
prompt: arrow
model: model
samples: 4
generation: {max_new_tokens: 6, batch_size: 8}
rewards:
  - {reward: chrf}
gates:
  - {reward: not_empty, below: 0.5}
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint.save(tmp_path_factory.mktemp("checkpoint") / "model")


@pytest.fixture
def call(tmp_path, checkpoint, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(checkpoint)
    Path("src.txt").write_text("".join(f"{text}\n" for text in ["", *SOURCES]))
    Path("ref.txt").write_text("".join(f"{text}\n" for text in ["", *SOURCES]))
    Path("r.yaml").write_text(CONFIG)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, json.loads(out) if out else None, err

    return run


def read(path):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_the_best_of_the_samples_by_each_other_is_chosen_and_nothing_lost(call):
    code, told, _ = call("rerank", "r.yaml")
    assert code == 0
    samples, chosen = read("run/samples.jsonl"), read("run/translations.jsonl")
    selection = read("run/selection.jsonl")
    assert [row["source"] for row in chosen] == SOURCES
    for row, best, choice in zip(samples, chosen, selection, strict=True):
        at = choice["chosen"]
        assert best == {
            **row,
            "texts": [row["texts"][at]],
            "tokens": [row["tokens"][at]],
            "finished": [row["finished"][at]],
        }
        texts = row["texts"]
        by_hand = [
            ChrF()(
                [Candidate(row["source"], text, other) for n, other in enumerate(texts) if n != own]
            ).scores.mean()
            for own, text in enumerate(texts)
        ]
        open_ = [n for n in range(4) if choice["gated"][n] is None]
        kept = NotEmpty()([Candidate(row["source"], text) for text in texts]).scores >= 0.5
        assert open_ == kept.nonzero()[0].tolist()
        for n in open_:
            assert choice["scores"]["chrf"][n] == pytest.approx(by_hand[n])
        assert at == max(open_, key=lambda n: round(by_hand[n], 9), default=0)
        assert choice["failed"] == [False] * 4
    hypotheses = Path("run/hypotheses.txt").read_text("utf-8").split("\n")
    assert hypotheses[0] == ""
    assert len(hypotheses) == 12
    assert "oracle" not in told
    assert told["references"] == "samples"
    assert told["chose_another_than_the_first"] == sum(row["chosen"] > 0 for row in selection)
    first = [row["scores"]["chrf"][0] for row in selection]
    assert told["rewards"]["chrf"]["first"] == pytest.approx(sum(first) / 10, abs=1e-4)
    tokens = sum(sum(row["tokens"]) for row in samples)
    one = sum(sum(row["tokens"]) for row in chosen)
    assert told["sampling"]["tokens"] == tokens
    assert told["tokens_by_those_of_one_translation"] == round(tokens / one, 2)
    assert told["sampling"]["seconds"] > 0
    assert told["scoring"]["seconds"] > 0
    assert json.loads(Path("run/cost.json").read_text()) == {
        key: value for key, value in told.items() if key != "run"
    }
    assert "ChrF" in Path("run/signature.txt").read_text()
    assert "transformers|" in Path("run/signature.txt").read_text()


def test_a_run_whose_reward_failed_goes_on_where_it_was(call, monkeypatch):
    monkeypatch.setattr(
        "rewardlab.decoding.rerank.CANDIDATES_PER_CALL", 24
    )  # 12 pairs: two rows a call
    asked = []
    real = ChrF.__call__

    def fails_at_the_fourth_call(reward, candidates):
        asked.append(len(candidates))
        if len(asked) == 4:  # the first one is the check of the rewards
            raise RuntimeError("broken")
        return real(reward, candidates)

    monkeypatch.setattr(ChrF, "__call__", fails_at_the_fourth_call)
    code, _, err = call("rerank", "r.yaml")
    assert (code, len(asked)) == (4, 4)
    assert "error[E401] reward: reward chrf raised RuntimeError('broken')" in err
    assert not Path("run/cost.json").exists()
    code, told, err = call("rerank", "r.yaml")
    assert code == 0
    assert len(asked) == 4 + 1 + 3, "the check, and the three calls of five that were missing"
    again = call("rerank", "r.yaml")
    assert again[:2] == (0, told)
    assert "nothing is left to do" in again[2]


def test_reading_the_references_of_the_data_is_called_an_oracle(call):
    arguments = ["data.reference=ref.txt", "references=data"]
    code, told, _ = call("rerank", "r.yaml", *arguments)
    assert code == 0
    assert told["oracle"] == "the rewards read the test references"
    scores = read("run/selection.jsonl")
    texts = {row["id"]: row for row in read("run/samples.jsonl")}
    for choice in scores:
        row = texts[choice["id"]]
        if choice["gated"][0] is None:
            (by_hand,) = ChrF()(
                [Candidate(row["source"], row["texts"][0], row["source"])]
            ).scores.tolist()
            assert choice["scores"]["chrf"][0] == pytest.approx(by_hand)
    code, _, err = call("rerank", "r.yaml", "references=data", "run=other")
    assert code == 2
    assert "error[E032] r.yaml:9:5 rewards.0: chrf reads references, and data has none" in err


def test_other_references_are_another_run(call):
    arguments = ["data.reference=ref.txt", "references=data"]
    assert call("rerank", "r.yaml", *arguments)[0] == 0
    Path("ref.txt").write_text("".join(f"{text}!\n" for text in ["", *SOURCES]))
    code, told, err = call("rerank", "r.yaml", *arguments)
    assert (code, told) == (2, None)
    assert "error[E083] run/journal.sqlite: holds work done with other settings: refer" in err
    assert "reference_texts was '" in err


def test_another_number_of_taken_samples_is_said_as_a_number(call):
    call("rerank", "r.yaml")
    arguments = ["samples_from=run", "model=null", "run=taken"]
    assert call("rerank", "r.yaml", *arguments, "samples=3")[0] == 0
    code, _, err = call("rerank", "r.yaml", *arguments, "samples=2")
    assert code == 2
    assert "samples was 3 and is 2" in err
    assert "taken_samples was '" in err


def test_samples_of_an_earlier_run_are_taken_without_the_model(call, checkpoint):
    Path("t.yaml").write_text(
        CONFIG[: CONFIG.index("rewards:")].replace("run: run", "run: samples")
    )
    assert call("translate", "t.yaml", "generation.temperature=1.0", "seed=3")[0] == 0
    call("rerank", "r.yaml", "seed=3")
    Path("model").unlink()
    arguments = ["samples_from=samples", "model=null", "run=taken"]
    code, told, err = call("rerank", "r.yaml", *arguments)
    assert code == 0
    assert "taking 4 samples of each source from samples" in err
    for name in ("selection.jsonl", "translations.jsonl", "hypotheses.txt"):
        assert Path("taken", name).read_bytes() == Path("run", name).read_bytes()
    assert not Path("taken/samples.jsonl").exists()
    assert "model: model" in Path("taken/config.yaml").read_text()
    cost = json.loads(Path("samples/cost.json").read_text())
    assert told["sampling"]["tokens"] == cost["tokens"]
    assert told["sampling"]["seconds"] == pytest.approx(cost["seconds"], abs=0.01)
    code, two, _ = call("rerank", "r.yaml", "samples_from=run", "model=null", "samples=2", "run=b")
    assert code == 0
    assert two["sampling"]["tokens"] == sum(
        sum(row["tokens"][:2]) for row in read("run/samples.jsonl")
    )
    assert two["sampling"]["seconds"] < told["sampling"]["seconds"] * 2


def test_samples_of_something_else_are_refused(call):
    assert call("rerank", "r.yaml")[0] == 0
    taking = ["rerank", "r.yaml", "samples_from=run", "run=other"]

    def refused(*arguments):
        code, told, err = call(*taking, *arguments)
        assert (code, told) == (3, None)
        assert not Path("other").exists()
        return err.splitlines()[-1]

    assert refused("samples=5") == (
        "error[E085] samples_from 'run': has 4 of the 5 samples asked for. fix: samples=4"
    )
    Path("model2").symlink_to(Path("model").resolve())
    assert refused("model=model2").startswith(
        "error[E085] samples_from 'run': used model 'model', and this run names 'model2'. fix: "
    )
    Path("src.txt").write_text("\n" + "".join(f"{text}!\n" for text in SOURCES))
    assert refused() == (
        "error[E085] samples_from 'run': translated another text: row 2 is 'the!' here and 'the' "
        "there. fix: rerank the data that was translated there"
    )
    Path("src.txt").write_text("".join(f"{text}\n" for text in ["", *SOURCES, "more"]))
    assert "lacks 1 of 11 rows, first '12'" in refused()
    Path("run/samples.jsonl").write_text("{}\n")
    assert "error[E085] run/samples.jsonl: line 1 is no translation: '{}'" in refused()
    Path("run/cost.json").unlink()
    assert "is no finished translate or rerank run. fix: give its directory" in refused()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["generation.temperature=0"],
            "error[E082] r.yaml:6:1 samples: samples: 4 with temperature: 0 would be one text",
        ),
        (["samples=1"], "error[E026] argument samples=1: the integer 1 is out of range"),
        (["rewards.0.weight=0"], "E038] r.yaml:8:1 rewards: every weight is 0"),
        (["rewards.0.reward=chfr"], "E101] r.yaml:9:5 rewards.0: unknown reward 'chfr'"),
        (["references=none"], "E026] argument references=none: 'none' is not a choice"),
        (["model=null"], "E024] argument model=null: is missing: a checkpoint or a run directory"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(call, arguments, message):
    code, told, err = call("rerank", "r.yaml", *arguments)
    assert (code, told) == (2, None)
    assert message in err
    assert " fix: " in err
    assert not Path("run").exists()


def test_dry_run_asks_the_rewards_and_writes_nothing(call):
    code, told, _ = call("rerank", "r.yaml", "--dry-run")
    assert code == 0
    assert {"dry_run": True, "rows": 10, "run": "run"}.items() <= told.items()
    assert not Path("run").exists()
