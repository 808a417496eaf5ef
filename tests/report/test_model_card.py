"""What a trained scorer's card and tables say, from results that are written down here."""

import pytest
from on_terminal import plain
from rich.cells import cell_len

from rewardlab.report.model_card import FROM_SCRATCH, model_card
from rewardlab.report.trained_reward import tables, verdict

RESULTS = {
    "family": "automqm",
    "signature": "automqm|weights:0123",
    "start": None,
    "data": ["mqm|severities:wmt|sha256:0123"],
    "notes": ["train: 4 documents, 60.0% of the texts"],
    "split": {"train": ["mqm:1"], "validation": ["mqm:2"], "test": ["mqm:3", "mqm:4"]},
    "rows": {"warm-up": 1200, "mqm": 300},
    "validation_loss": {"warm-up": 1.5, "mqm": 0.25},
    "test_segments": {"mqm": 40},
    "systems": {"mqm": ["A", "B"]},
    "unscored": {"mqm": {"unparseable": 3}},
    "figures": {
        "automqm": {"pearson": [0.4, 0.3, 0.5], "span_f1": [0.25, 0.2, 0.3]},
        "length": {"pearson": [0.3, 0.2, 0.4]},
    },
    "by_file": {"mqm": {"automqm": {"pearson": [0.4, 0.3, 0.5]}}},
    "leads": [
        {"baseline": "length", "statistic": "pearson", "value": 0.1, "low": 0.02, "high": 0.2},
        {"baseline": "chrf", "statistic": "pearson", "value": -0.1, "low": -0.2, "high": -0.05},
        {"baseline": "random", "statistic": "span_f1", "value": 0.1, "low": -0.1, "high": 0.3},
    ],
    "preferences": {"automqm": {"accuracy": [0.75, 0.5, 1.0]}},
    "preference_pairs": 8,
}


@pytest.fixture(scope="module")
def card():
    return model_card(RESULTS)


@pytest.mark.parametrize(
    "line",
    [
        "# automqm, trained with rewardlab",
        "automqm|weights:0123",
        FROM_SCRATCH,
        "- `mqm|severities:wmt|sha256:0123`",
        "| warm-up | 1,200 | 1.5000 |",
        "Test documents: `mqm:3`, `mqm:4`",
        "| scorer | Pearson | span F1 |",
        "| automqm | 0.400 (0.300 … 0.500) | 0.250 (0.200 … 0.300) |",
        "| length | 0.300 (0.200 … 0.400) |  |",
        "- mqm: 3 without a score (unparseable)",
        "| length | Pearson | +0.100 (+0.020 … +0.200) | ahead |",
        "| chrf | Pearson | -0.100 (-0.200 … -0.050) | behind |",
        "| random | span F1 | +0.100 (-0.100 … +0.300) | no difference shown |",
        "### 8 preferences",
    ],
)
def test_the_card_says(card, line):
    assert line in card.splitlines()


def test_data_and_limits_come_in_their_order(card):
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings == ["## Data", "## Results", "## Limits"]


def test_a_checkpoint_is_named():
    assert "Started from the checkpoint `mt5-xl`." in model_card(RESULTS | {"start": "mt5-xl"})


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_the_terminal_shows_figures_leads_and_preferences(width):
    text = "\n".join(plain(table, width) for table in tables(RESULTS))
    assert max(map(cell_len, text.splitlines())) <= width
    assert "40 held-out segments" in text
    assert "0.250 (0.200 … 0.300)" in text
    assert "-0.100 (-0.200 … -0.050)" in text
    assert "ahead" in text
    assert "8 held-out preferences" in text


def test_a_lead_without_an_interval_is_no_verdict():
    assert not verdict({"low": None, "high": None})
