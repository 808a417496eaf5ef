import time
from dataclasses import dataclass, field

import pytest

from rewardlab.decoding.translate import (
    Translation,
    cost_of,
    prompts_digest,
    texts_digest,
    translate_rows,
)
from rewardlab.generate import Generated, Sampling
from rewardlab.heartbeat import heartbeat
from rewardlab.seeds import seed_for
from rewardlab.store.journal import Journal

PROMPTS = {"3": "ccc", "1": "a", "4": "dddd", "2": "bb", "5": "e"}
SETTINGS = {"test": 1}


@dataclass
class Shouting:
    """Writes the prompt in capitals, with the seed of each sample, and remembers its calls."""

    call_size: int = 2
    signature: str = "shouting"
    fails_at_call: int = -1
    calls: list[list[str]] = field(default_factory=list)
    loaded: int = 0

    def ready(self):
        self.loaded += 1

    def __call__(self, prompts, sampling, *, seeds):
        if len(self.calls) == self.fails_at_call:
            raise KeyboardInterrupt
        self.calls.append(list(prompts))
        return [
            [
                Generated(
                    f"{prompt.upper()} {seed_for(seed, s) % 97}", len(prompt), finished=s == 0
                )
                for s in range(sampling.samples)
            ]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


def test_translations_come_back_in_the_order_of_the_rows_longest_asked_first():
    generator = Shouting()
    translated = translate_rows(PROMPTS, generator, Sampling())
    assert [row.id for row in translated.translations] == ["3", "1", "4", "2", "5"]
    assert [row.texts[0][:1] for row in translated.translations] == ["C", "A", "D", "B", "E"]
    assert generator.calls == [["dddd", "ccc"], ["bb", "a"], ["e"]]
    assert (translated.cost.prompts, translated.cost.tokens) == (5, 11)


def test_several_samples_share_the_size_of_a_call_and_have_seeds_of_their_own():
    generator = Shouting(call_size=8)
    sampling = Sampling(samples=4, temperature=1.0)
    translated = translate_rows(PROMPTS, generator, sampling, seed=1)
    assert [len(call) for call in generator.calls] == [2, 2, 1]
    first = translated.translations[0]
    seeds = [seed_for(seed_for(1, "3"), sample) % 97 for sample in range(4)]
    assert first.texts == tuple(f"CCC {seed}" for seed in seeds)
    assert first.finished == (True, False, False, False)
    assert first.tokens == (3, 3, 3, 3)
    other = translate_rows(PROMPTS, generator, sampling, seed=2).translations[0]
    assert other.texts != first.texts


def test_the_separator_after_the_prompt_is_no_part_of_a_translation():
    """One space after a text that ends in none; chats, and prompts that end a line, have none."""
    prompts = {
        "text": "Spanish:",
        "line": "Hi.\n=>es\n",
        "chat": [{"role": "user", "content": "Spanish:"}],
    }
    said = ["  Hola", " Hola", "Hola", "\nHola"]

    class Saying(Shouting):
        def __call__(self, prompts, sampling, *, seeds):
            return [[Generated(text, 2, finished=True) for text in said] for _ in prompts]

    rows = translate_rows(prompts, Saying(), Sampling(samples=4, temperature=1.0)).translations
    assert rows[0].texts == (" Hola", "Hola", "Hola", "\nHola")
    assert rows[1].texts == rows[2].texts == tuple(said)


def test_a_run_that_was_started_with_other_separators_is_another_run():
    line, text = {"1": "a\n"}, {"1": "Spanish:"}
    assert prompts_digest(line) == texts_digest(line)
    assert prompts_digest(text) != texts_digest(text)


def test_a_run_that_goes_on_asks_for_exactly_the_calls_that_are_missing(tmp_path):
    path, said = tmp_path / "j.sqlite", []
    with (
        Journal.open(path, SETTINGS) as journal,
        pytest.raises(KeyboardInterrupt),
    ):
        translate_rows(PROMPTS, Shouting(fails_at_call=2), Sampling(), journal=journal)
    generator = Shouting()
    with Journal.open(path, SETTINGS) as journal:
        resumed = translate_rows(PROMPTS, generator, Sampling(), journal=journal, say=said.append)
        assert generator.calls == [["e"]]
        assert said == ["4 of 5 rows were translated before; resuming"]
        again = translate_rows(PROMPTS, generator, Sampling(), journal=journal, say=said.append)
    assert generator.loaded == 1, "nothing is loaded where nothing is left to do"
    assert again == resumed
    uninterrupted = translate_rows(PROMPTS, Shouting(), Sampling())
    assert _texts(resumed) == _texts(uninterrupted)


def test_a_call_of_which_a_row_was_lost_is_asked_for_as_a_whole(tmp_path):
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        translate_rows(PROMPTS, Shouting(), Sampling(), journal=journal)
        journal._work.database.execute("DELETE FROM work WHERE key = ?", (b"translation/2",))
        generator = Shouting()
        translate_rows(PROMPTS, generator, Sampling(), journal=journal)
    assert generator.calls == [["bb", "a"]]


def test_the_cost_counts_the_time_of_every_process(tmp_path):
    rows = [Translation("1", ("a", "b"), (3, 4), (True, True), 0.5)]
    rows.append(Translation("2", ("c",), (5,), (True,), 1.5))
    assert cost_of(rows) == (2, 12, 2.0, 6.0)
    assert cost_of([]) == (0, 0, 0.0, 0.0)


def test_the_digest_depends_on_ids_prompts_and_their_order():
    chat = [{"role": "user", "content": "a"}]
    prompts = [{"1": "a", "2": "b"}, {"2": "b", "1": "a"}, {"1": "b", "2": "a"}, {"1": chat}]
    assert len({texts_digest(one) for one in prompts}) == 4
    assert texts_digest({"1": "a", "2": "b"}) == texts_digest(prompts[0])


def test_a_heartbeat_speaks_while_its_body_waits_and_not_after():
    said = []
    with heartbeat(said.append, lambda: f"line {len(said)}", every=0.02):
        while len(said) < 2:
            time.sleep(0.01)
    count = len(said)
    assert said[:2] == ["line 0", "line 1"]
    time.sleep(0.1)
    assert len(said) == count


def _texts(translated):
    return [(row.id, row.texts, row.tokens, row.finished) for row in translated.translations]


def test_reasoning_is_no_part_of_the_translation_and_is_kept_beside_it():
    class Thinking(Shouting):
        def __call__(self, prompts, sampling, *, seeds):
            return [[Generated(f"{p}?\n</think>\n\n{p}!", 9, finished=True)] for p in prompts]

    (row,) = translate_rows({"1": "a"}, Thinking(), Sampling()).translations
    assert (row.texts, row.reasoning) == (("a!",), ("a?\n</think>\n\n",))
    (plain,) = translate_rows({"1": "a"}, Shouting(), Sampling()).translations
    assert plain.reasoning == ()


def test_the_models_template_says_which_other_tag_ends_reasoning():
    text = "Hm.</reasoning>a!"
    assert Generated(text, 9, finished=True).answer == text
    known = Generated(text, 9, finished=True, closings=("</think>", "</reasoning>"))
    assert (known.answer, known.reasoning) == ("a!", "Hm.</reasoning>")
