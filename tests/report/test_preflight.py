import re

import on_terminal

from rewardlab.preflight.honest_texts import honest_of_texts
from rewardlab.preflight.preflight import preflight
from rewardlab.report.preflight import (
    advice,
    agreement_table,
    exposure_table,
    gate_table,
    recommended,
    verdicts,
)
from rewardlab.rewards import LengthRatio, NotCutOff, NotEmpty
from rewardlab.types import Gate, Term

NAMES = (
    "Anna",
    "Bert",
    "Cora",
    "Dora",
    "Egon",
    "Fritz",
    "Gerd",
    "Hans",
    "Ida",
    "Jan",
    "Karl",
    "Lena",
)
SENTENCES = [f"{name} sah {other} im Garten." for name in NAMES for other in NAMES[:3]]
SOURCES = [f"{name} saw {other} in the garden." for name in NAMES for other in NAMES[:3]]


def plain(table, width=160):
    return on_terminal.plain(table, width)


def found(*rewards, several=False, sources=SOURCES, **options):
    texts = {"one": SENTENCES}
    texts |= {"two": [text.replace("sah", "sieht") for text in SENTENCES]} if several else {}
    honest = honest_of_texts(sources, texts, None, source_lang="en", target_lang="de")
    return preflight([Term(reward) for reward in rewards], honest, **options)


def row(table, name):
    return next(line for line in plain(table).splitlines() if line.startswith(name)).split()


def test_an_attack_is_one_row_before_and_with_all_gates():
    table = exposure_table(found(NotEmpty()).safety)
    assert row(table, "empty") == ["empty", "36", "0.0", "→", "0.0"]
    assert row(table, "copy") == ["copy", "36", "100.0", "→", "0.0"]
    assert row(table, "number") == ["number", "0"]


def test_many_rewards_are_split_into_several_tables():
    rewards = [NotEmpty(name=f"r{number}") for number in range(7)]
    table = exposure_table(found(*rewards).safety)
    assert plain(table, 160).count("attack ") == 1
    narrow = plain(table, 80)
    assert "fooled, % (2 of 3)" in narrow
    assert [f"r{number}" in narrow for number in range(7)] == [True] * 7
    assert len(re.findall(r"^copy +36 ", narrow, re.MULTILINE)) == 3


def test_gates_by_attack_and_their_price():
    table = gate_table(found(NotEmpty()).safety)
    assert row(table, "copy") == ["copy", "100.0", "0.0", *["100.0"] * 5, "0.0"]
    assert row(table, "closes on honest") == ["closes", "on", "honest", *["0.00"] * 8]


def test_the_verdict_names_the_gate_that_closes_a_hole():
    safety = found(NotEmpty()).safety
    shown = plain(verdicts(safety))
    assert re.search("^ +undecided .*number *$", shown, re.MULTILINE)
    assert re.search("^ +hole .*copy .not_copied.", shown, re.MULTILINE)
    assert re.search("^ +open hole .*word_dropped 100.0%", shown, re.MULTILINE)
    assert "  - {reward: not_copied, below: 0.5}" in [*recommended(safety)]
    assert not [line for line in recommended(safety) if "not_empty" in line]


def test_the_price_of_gates_of_its_own_is_told():
    gate = Gate(LengthRatio(max_ratio=0.5, slack=0), below=1.0)
    (line,) = [line for line in advice(found(NotEmpty(), own_gates=[gate]).safety) if "own" in line]
    price = "its own gates close on 100.00% of honest texts (90.4 … 100.0 %)"
    assert line == f"{price}; are the languages right?"


def test_what_a_reward_did_not_score_is_told():
    headlines = [*["saw"] * 3, *SOURCES[3:]]
    first, *_ = advice(found(NotCutOff(), sources=headlines).safety)
    # 12 probes attack each of the 36 texts: none has a number or a place for a negation.
    assert first.startswith("not_cut_off: left out 36 of 432 attacks, where ")


def test_several_translations_of_a_source_show_constancy():
    table = agreement_table(found(NotEmpty(), several=True))
    assert row(table, "not_empty") == ["not_empty", "100.0%", "100.0", "…", "100.0"]
    assert agreement_table(found(NotEmpty())) is None
