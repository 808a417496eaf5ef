"""The example files: the same for the same seed, and consistent with each other."""

from __future__ import annotations

from rewardlab.human.formats import read_gold
from rewardlab.miniature.example_files import write_example


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_files_are_line_aligned_and_repeatable(tmp_path):
    first = write_example(tmp_path / "a", seed=1)
    again = write_example(tmp_path / "b", seed=1)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    news = {name: lines(tmp_path / "a" / f"news.{name}") for name in ("en", "de", "hyp", "hyp2")}
    assert {name: len(text) for name, text in news.items()} == dict.fromkeys(news, 400)
    correct = [sum(map(str.__eq__, news["de"], news[name])) for name in ("hyp", "hyp2")]
    assert correct[0] > correct[1] > 0


def test_training_and_news_share_no_source(tmp_path):
    write_example(tmp_path)
    assert not set(lines(tmp_path / "news.en")) & set(lines(tmp_path / "flawed.en"))


def test_judgements_know_the_best_and_the_worst_system(tmp_path):
    write_example(tmp_path)
    gold = read_gold(tmp_path / "mqm.tsv")
    best, *_, worst = sorted(set(gold.published) - {"ref"}, key=lambda name: gold.published[name])
    assert (best, worst) == ("A", "D")
    assert gold.published["ref"] == 0.0
    assert read_gold(tmp_path / "esa.tsv").published.keys() == gold.published.keys()
