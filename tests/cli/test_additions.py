"""What another package adds: a corpus reader, a format of judgements and a trainer, one file each.

Nothing of the library is edited or patched: the package is installed, as far as Python can tell,
with its entry points, and the commands find the names.
"""

import json
import shutil

import pytest
import taught_policies

ENTRY_POINTS = """
[rewardlab.corpus_readers]
blocks = toy_reader:read_blocks
[rewardlab.judgement_formats]
stars = toy_format:STARS
[rewardlab.trainers]
half = toy_trainer:HalfTrainer
"""
READER = '''
"""Blocks of two lines, source and reference, with a blank line between them."""

from pathlib import Path

from rewardlab.data.readers import Files, ParallelText, Segment


def read_blocks(files: Files) -> ParallelText:
    segments, line = [], 1
    for block in Path(files.source).read_text("utf-8").strip().split("\\n\\n"):
        source, reference = block.split("\\n")
        segments.append(Segment(line, source, reference))
        line += 3
    return ParallelText(segments)
'''
FORMAT = '''
"""A line for each translation: system, segment, and as many stars as people gave it."""

from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
from rewardlab.human.score_matrix import ScoreMatrix


def read(file, severities):
    cells = {}
    for line in file.lines:
        system, segment, stars = line.split()
        cells[system, segment] = float(stars.count("*"))
    systems, segments = (sorted({key[at] for key in cells}) for at in (0, 1))
    scores = ScoreMatrix.of_cells(systems, segments, cells, "stars")
    return Gold(scores, (), f"{len(cells)} ratings")


STARS = Format(lambda name, lines: Match.NAME if name.endswith(".stars") else Match.NO, read)
'''
TRAINER = '''
"""GRPO whose advantages count half."""

from rewardlab.trainers.grpo import GRPOTrainer


class HalfTrainer(GRPOTrainer):
    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        batch["advantages"] = batch["advantages"] / 2
        self._metrics["train"]["half/rows"].append(float(len(batch["advantages"])))
        return batch

    @staticmethod
    def refused_options(args):
        refused = ["temperature: is fixed"] if args.temperature != 1.0 else []
        return [*GRPOTrainer.refused_options(args), *refused]
'''
RL = """
run: run
data:
  {source: corpus.blocks, reference: corpus.blocks, format: blocks,
   source_lang: en, target_lang: ru}
prompt: cpt
algorithm: half
policy: {path: start}
rewards: [{reward: chrf}]
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 16
  max_steps: 1
  logging_steps: 1
  save_strategy: "no"
  activation_checkpointing: false
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A directory on the path with the toy package, installed."""
    site = tmp_path / "site"
    metadata = site / "toy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, text in (("reader", READER), ("format", FORMAT), ("trainer", TRAINER)):
        (site / f"toy_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    return site


@pytest.fixture(scope="module")
def start(tmp_path_factory, pairs):
    return taught_policies.half_taught(tmp_path_factory.mktemp("taught"), pairs)


@pytest.fixture
def rl(package, tmp_path, start, pairs):
    shutil.copytree(start, tmp_path / "start")
    text = "\n\n".join(f"{source}\n{reference}" for source, reference in pairs[:8])
    (tmp_path / "corpus.blocks").write_text(text, encoding="utf-8")
    (tmp_path / "rl.yaml").write_text(RL)
    return tmp_path


def test_a_corpus_reader_and_a_trainer_of_another_package_train(rl, run):
    code, out, err = run("rl", "rl.yaml")
    assert code == 0, err
    assert "8 rows" in err
    first = json.loads((rl / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["half/rows"] == 8
    assert "algorithm: half" in (rl / "run" / "config.yaml").read_text()
    assert set(json.loads(out)["rewards"]) == {"chrf"}


def test_translations_stand_line_by_line_beside_its_segments(rl, run):
    """Eight segments in a file of 23 lines are eight lines of hypotheses."""
    data = "{source: corpus.blocks, format: blocks, source_lang: en, target_lang: ru}"
    generation = "{max_new_tokens: 4, batch_size: 8}"
    config = f"run: out\ndata: {data}\nprompt: cpt\nmodel: start\ngeneration: {generation}\n"
    (rl / "t.yaml").write_text(config)
    code, out, err = run("translate", "t.yaml")
    assert code == 0, err
    assert json.loads(out)["lines"] == 8
    assert json.loads(out)["lines_without_source"] == 0
    assert len((rl / "out" / "hypotheses.txt").read_text(encoding="utf-8").split("\n")) == 9


def test_its_refused_options_are_told_before_training(rl, run):
    code, _, err = run("rl", "rl.yaml", "trainer.temperature=0.7", "--dry-run")
    assert code == 2
    assert "error[E034] argument trainer.temperature=0.7: temperature: is fixed" in err


@pytest.mark.parametrize(
    ("override", "choices"),
    [
        ("algorithm=ppo", "grpo, half"),
        ("data.format=xliff", "chat, vistra, blocks"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(rl, run, override, choices):
    code, _, err = run("rl", "rl.yaml", override)
    assert code == 2
    assert "error[E026]" in err
    assert choices in err


def test_a_format_of_judgements_of_another_package_is_read(package, run, tmp_path):
    lines = ["A 1 ***", "A 2 **", "B 1 *", "B 2 *", "C 1 **", "C 2 ****"]
    (tmp_path / "people.stars").write_text("\n".join(lines) + "\n")
    # The same order of systems as people's: A 2.5, B 1, C 3.
    scores = "".join(f"{system}\t{value}\n" * 2 for system, value in (("A", 2), ("B", 1), ("C", 3)))
    (tmp_path / "metric.seg.score").write_text(scores)
    for chosen in ([], ["--format", "stars"]):
        code, out, err = run(
            "metaeval", "--gold", "people.stars", "--scores", "mine=metric.seg.score", *chosen
        )
        assert code == 0, err
        assert json.loads(out)["metrics"]["mine"]["system"]["pairwise_accuracy"] == 1.0
