"""The whole demonstration at a size that proves it runs; what it achieves is a benchmark."""

import re

import pyarrow.parquet as pq

from rewardlab.cli.run_directory import read_run
from rewardlab.cli.show import show
from rewardlab.miniature.pipeline import DemoSettings, draw_sentences, run_demo
from rewardlab.store.run_reader import read_steps

TINY = DemoSettings(
    sft_pairs=64, rl_prompts=16, heldout=8, sft_steps=4, rl_steps=2, rl_rows=16, measure_every=1
)


def test_no_source_stands_in_two_sets():
    sentences = draw_sentences(TINY)
    flawed = {example.prompt for example in [*sentences.flawed, *sentences.flawed_heldout]}
    sources = [pair.source for pair in [*sentences.rl, *sentences.heldout]]
    assert len(set(sources)) == len(sources) == 24
    assert not any(prompt.startswith(tuple(sources)) for prompt in flawed)


def test_the_flaws_are_where_they_were_asked_for():
    clean = draw_sentences(DemoSettings(sft_pairs=50, rl_prompts=0, heldout=0, error_rate=0.0))
    flawed = draw_sentences(DemoSettings(sft_pairs=50, rl_prompts=0, heldout=0, error_rate=1.0))
    pairs = list(zip(clean.flawed, flawed.flawed, strict=True))
    assert all(a.prompt == b.prompt for a, b in pairs)
    assert sum(a.completion != b.completion for a, b in pairs) > 25


def test_the_demonstration_runs_and_shows_itself(tmp_path, capsys):
    said = []
    result = run_demo(tmp_path / "run", TINY, say=said.append)
    assert [step for step, _ in result.curve] == [0, 1, 2]
    assert result.before == result.curve[0][1]
    assert any("RL step 2" in line for line in said)
    rows = pq.read_table(next((tmp_path / "run" / "tokens").glob("*.parquet"))).to_pylist()
    assert {row["target_lang"] for row in rows} == {"de"}
    steps = read_steps(tmp_path / "run" / "metrics.jsonl")
    assert [step for step, _ in steps.points("heldout/ter")] == [0, 1, 2]
    assert steps.points("heldout/exact_match")[-1] == (2, result.after.exact_match)
    assert steps.points("token_credit/lexical_spans/std")

    show(read_run(tmp_path / "run"))
    shown = capsys.readouterr().out
    assert "rewardlab demo" in shown
    assert "finished; step 2 of 2" in shown
    assert re.search(r"^exact_match ↑ ", shown, re.MULTILINE)
    assert re.search(r"^rewards/chrf/mean ", shown, re.MULTILINE)
    assert shown.count("advantages") >= 2
