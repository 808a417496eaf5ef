"""`rewardlab rl` from a YAML file to a run directory, on real sentences in two scripts."""

import json
import re

import pyarrow.parquet as pq
import pytest

from rewardlab.cli import main

PAIRS = [
    ("the dog runs across the bridge", "собака бежит через мост"),
    ("the cat sleeps in the house", "кошка спит в доме"),
    ("the boy reads a book", "мальчик читает книгу"),
    ("the girl writes a letter", "девочка пишет письмо"),
    ("a bird sings in the garden", "птица поёт в саду"),
    ("the woman buys bread", "женщина покупает хлеб"),
    ("the man drinks cold water", "мужчина пьёт холодную воду"),
    ("children play near the river", "дети играют у реки"),
    ("he came home at 7", "он пришёл домой в 7"),
    ("we saw an old ship", "мы видели старый корабль"),
]
CONFIG = """
run: {run}
data:
  source: {source}
  reference: {reference}
  source_lang: en
  target_lang: ru
  heldout: 2
prompt: arrow
policy:
  from_scratch:
    vocab_size: 300
    hidden_size: 32
    layers: 1
    heads: 2
    sft: {{max_steps: 60, learning_rate: 1e-2, batch_size: 8}}
rewards:
  - {{reward: chrf, weight: 1.0}}
  - {{reward: lexical_spans, weight: 0.0, token_weight: 0.5}}
gates:
  - {{reward: not_empty, below: 0.5}}
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 32
  max_steps: 2
  logging_steps: 1
  save_strategy: "no"
  activation_checkpointing: false
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "en.txt").write_text("".join(f"{en}\n" for en, _ in PAIRS), encoding="utf-8")
    (tmp_path / "ru.txt").write_text("".join(f"{ru}\n" for _, ru in PAIRS), encoding="utf-8")
    (tmp_path / "rl.yaml").write_text(
        CONFIG.format(
            run=tmp_path / "run", source=tmp_path / "en.txt", reference=tmp_path / "ru.txt"
        )
    )
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


def test_a_run_from_yaml_to_its_directory(files, capsys):
    assert run("rl", files / "rl.yaml", "trainer.max_steps=3") == 0
    summary = json.loads(capsys.readouterr().out)
    assert set(summary["rewards"]) == {"chrf", "lexical_spans"}
    directory = files / "run"
    for name in ("config.yaml", "signature.txt", "versions.json", "metrics.jsonl", "model"):
        assert (directory / name).exists(), name
    assert "max_steps: 3" in (directory / "config.yaml").read_text()
    assert "lexical_spans" in (directory / "signature.txt").read_text()
    steps = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps[:3]] == [1, 2, 3]
    rows = pq.read_table(directory / "tokens" / "tokens_00003-00.parquet").to_pylist()
    sources = {en for en, _ in PAIRS[:8]}
    assert {row["source"] for row in rows} <= sources, "held-out rows are not trained on"
    assert any(re.search("[а-я]", row["reference"]) for row in rows)
    spans = [(row, span) for row in rows for span in row["spans"] if span["side"] == "hypothesis"]
    assert spans
    for row, span in spans:
        assert row["hypothesis"][span["start"] : span["end"]]
        covered = [
            token
            for token, (start, end) in enumerate(
                zip(row["token_starts"], row["token_ends"], strict=True)
            )
            if start < span["end"] and end > span["start"]
        ]
        assert covered
    assert all(len(row["token_advantages"]) == len(row["token_starts"]) for row in rows)


def test_dry_run_checks_and_writes_nothing(files, capsys):
    assert run("rl", files / "rl.yaml", "--dry-run") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 8
    assert not (files / "run").exists()


def test_a_directory_that_holds_a_run_is_refused(files, capsys):
    (files / "run").mkdir()
    (files / "run" / "model").write_text("precious")
    assert run("rl", files / "rl.yaml") == 2
    shown = capsys.readouterr().err
    assert "E030" in shown
    assert "Traceback" not in shown
    assert (files / "run" / "model").read_text() == "precious"


def test_a_typo_in_trls_options_is_answered_with_the_nearest(files, capsys):
    text = (files / "rl.yaml").read_text().replace("num_generations", "num_generation")
    (files / "rl.yaml").write_text(text)
    assert run("rl", files / "rl.yaml") == 2
    shown = capsys.readouterr().err
    assert re.search(r"error\[E\d+\] .*rl\.yaml:\d+:\d+ trainer\.num_generation", shown)
    assert "num_generations" in shown
    assert "Traceback" not in shown
