"""A new format of judgements is one object and one registration. All texts are made up."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from rewardlab import registry
from rewardlab.cli.judgements import registered
from rewardlab.config.load import load
from rewardlab.config.train_reward import TrainRewardConfig, check_train_reward
from rewardlab.errors import UserError
from rewardlab.human.formats import FORMATS, Format, Match, format_names, read_gold
from rewardlab.human.gold import Gold
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.types import WMT_MQM

BUILT_IN = ["mqm", "mtme", "esa", "table"]
CONFIG = """\
run: run
scorer: {generalist: {}}
model: {from_scratch: {layers: 1}}
stages:
  - name: one
    judgements: {file: x.arrows, format: FORMAT}
"""


def recognises(name, lines):
    return Match.NAME if name.endswith(".arrows") else Match.POSSIBLE * ("->" in lines[0].text)


def read(file, severities):
    rows = [line.split(" -> ") for line in file.lines]
    scores = {(system, "1"): float(score) for system, score in rows}
    matrix = ScoreMatrix.of_cells([system for system, _ in rows], ["1"], scores, "arrows")
    return Gold(matrix, documents=("",), funnel=f"{len(rows)} arrows, {severities.name}")


@pytest.fixture
def arrows(monkeypatch):
    """A format that another package adds."""
    point = EntryPoint("arrows", "elsewhere:ARROWS", FORMATS.group)
    monkeypatch.setattr(EntryPoint, "load", lambda _: Format(recognises, read))
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == FORMATS.group else []
    )


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.arrows").write_text("B -> 2\nA -> 1\n")
    return tmp_path / "x.arrows"


def test_every_built_in_format_is_an_object_of_that_name():
    assert FORMATS.names() == BUILT_IN
    assert all(isinstance(FORMATS.load(name), Format) for name in BUILT_IN)


def test_another_package_adds_a_format_that_every_command_takes(arrows, file):
    assert format_names() == ["auto", *BUILT_IN, "arrows"]
    for wanted, how in (("auto", "by its name"), ("arrows", "by its name")):
        gold = read_gold(file, format=wanted, severities=WMT_MQM)
        assert gold.scores.systems == ("A", "B")
        np.testing.assert_array_equal(gold.scores.values, [[1.0], [2.0]])
        assert gold.name == "x"
        assert gold.funnel == f"arrows {how}: 2 arrows, wmt; 2 systems x 1 segment"
    assert registered("arrows") == "arrows"
    (file.parent / "run.yaml").write_text(CONFIG.replace("FORMAT", "arrows"))
    config = load(TrainRewardConfig, "run.yaml", (), check=check_train_reward)
    assert config.stages[0].judgements[0].format == "arrows"


def test_without_a_name_the_first_lines_decide(arrows, file):
    other = file.rename(file.with_suffix(".txt"))
    assert read_gold(other).funnel.startswith("arrows by its first line: ")


def test_an_unknown_format_is_a_usage_error_with_the_choices(file):
    with pytest.raises(UserError) as caught:
        read_gold(file, format="arrows")
    assert caught.value.exit_code == 2
    assert [str(problem) for problem in caught.value.problems] == [
        "error[E026] format: 'arrows' is not a choice. fix: one of auto, mqm, mtme, esa, table"
    ]
    with pytest.raises(UserError, match=r"E040.*'arrows'. fix: one of auto, mqm, mtme"):
        registered("arrows")
    with pytest.raises(UserError, match=r"E040.*'MQM'. fix: --format mqm"):
        registered("MQM")
    (file.parent / "run.yaml").write_text(CONFIG.replace("FORMAT", "mqn"))
    with pytest.raises(UserError) as caught:
        load(TrainRewardConfig, "run.yaml", (), check=check_train_reward)
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "error[E026] run.yaml:6:34 stages.0.judgements.format: 'mqn' is not a choice. "
            "fix: format: mqm"
        )
    ]
