"""What scores say about languages that are missing or unknown to guards."""

import logging

import pytest

from rewardlab.adapters.trl import trl_rewards
from rewardlab.ensemble import RewardEnsemble
from rewardlab.rewards import BLEU, Cached, ChrF, NotCutOff, NumbersAgree, TargetScript
from rewardlab.types import Candidate, Gate, Term


def notes(*rows, terms=(), gates=()):
    terms = [Term(one) for one in (ChrF(), *terms)]
    gates = [Gate(one, below=0.5) for one in gates]
    return RewardEnsemble(terms, gates)(list(rows)).notes


def row(source_lang=None, target_lang=None):
    return Candidate(
        "The dog barks.", "Der Hund bellt.", "Der Hund bellt.", source_lang, target_lang
    )


def test_a_gate_that_does_not_apply_without_a_language_is_named():
    told = "no target_lang: target_script does not apply"
    assert notes(row(), gates=[TargetScript()]) == (told,)
    assert notes(row(), terms=[TargetScript()]) == (told,)
    assert notes(row(target_lang="de"), gates=[TargetScript()]) == ()
    assert notes(row(target_lang=""), gates=[TargetScript()]) == (told,)
    assert notes(row()) == ()


def test_guards_that_check_less_are_named():
    told = "no target_lang: not_cut_off, numbers_agree cannot check everything"
    assert notes(row("en"), gates=[NotCutOff(), NumbersAgree()]) == (told,)
    told = "no source_lang: numbers_agree cannot check everything"
    assert notes(row(None, "de"), gates=[NotCutOff(), NumbersAgree()]) == (told,)


def test_some_rows_without_a_language_are_told_apart():
    told = "some rows have no target_lang: target_script does not apply"
    assert notes(row(target_lang="de"), row(), gates=[TargetScript()]) == (told,)


def test_rows_that_a_term_does_not_apply_to_give_no_note():
    term = Term(TargetScript(), applies=lambda one: one.target_lang is not None)
    assert RewardEnsemble([Term(ChrF()), term])([row(), row(target_lang="de")]).notes == ()


@pytest.mark.parametrize("language", ["br", "bre", "Breton"])
def test_a_language_that_guards_do_not_know_is_named(language):
    (told,) = notes(row(target_lang=language))
    assert told.endswith("is Breton, which is not in our table: no language guard applies to it")


def test_equal_languages_are_named():
    (told,) = notes(row("de", "German"))
    assert told.startswith("source and target language are the same, German")


def test_a_cached_reward_says_the_same(tmp_path):
    rows = [Candidate("", "今天下雨了。", "火车晚点一小时。")]
    bare, cached = (
        RewardEnsemble([Term(one)])(rows).notes for one in (BLEU(), Cached(BLEU(), tmp_path / "s"))
    )
    assert bare == cached == (
        "no target_lang: bleu uses the words of Chinese, by the script of the texts",
    )  # fmt: skip


def test_the_adapter_for_trl_logs_each_note_once(caplog):
    ensemble = RewardEnsemble([Term(ChrF())], [Gate(TargetScript(), below=0.5)])
    (function,), _ = trl_rewards(ensemble)
    rows = {"source": ["The dog."], "reference": ["Der Hund."]}

    async def two_batches():
        for _ in range(2):
            await function(prompts=["The dog."], completions=["Der Hund."], **rows)

    import asyncio

    with caplog.at_level(logging.WARNING, logger="rewardlab"):
        asyncio.run(two_batches())
    assert [one.message for one in caplog.records] == [
        "no target_lang: target_script does not apply"
    ]


@pytest.mark.parametrize(
    ("languages", "told"),
    [
        ((None, "en"), "target_lang 'en': most texts are not in its script (Latin)"),
        (("ru", "zh"), "source_lang 'ru': most texts are not in its script (Cyrillic)"),
        ((None, "sr-Latn"), "target_lang 'sr-Latn': most texts are not in its script (Latin)"),
        ((None, "zh"), None),
        (("de", "zh"), None),
        ((None, "br"), None),  # of Breton no script is known
    ],
)
def test_texts_in_another_script_than_the_languages_are_told(languages, told):
    rows = [
        Candidate("The dog.", hypothesis, reference, *languages)
        for hypothesis, reference in (("狗叫。", "狗在叫。"), ("a", "今天下雨。"), ("b", "42"))
    ]
    found = [note for note in notes(*rows) if "script" in note]
    assert found == ([] if told is None else [told])


def test_a_system_in_another_script_than_its_references_is_no_matter_of_languages():
    rows = [Candidate("", "狗在叫。", "The dog barks.", "de", "en")] * 3
    assert notes(*rows) == ()
    rows = [Candidate("", "狗在叫。", None, "de", "en")] * 2
    assert len(RewardEnsemble([Term(TargetScript())])(rows).notes) == 1
