"""Typical mistakes of Python users: a code, the value, a fix; no error of our internals."""

import functools
import inspect
import re
from dataclasses import dataclass

import gold_scores
import numpy as np
import pytest
import tiny_tokenizers
import torch

import rewardlab
from rewardlab import Candidate, ErrorSpan, Gate, RewardEnsemble, SeverityTable, Term
from rewardlab.adapters.trl import trl_rewards
from rewardlab.advantages import combination, gdpo, group_zscore, reward_rows
from rewardlab.errors import UserError
from rewardlab.human.formats import read_gold
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.scoring import compared_systems, score_gold
from rewardlab.preflight.honest_texts import honest_of_texts
from rewardlab.preflight.preflight import preflight
from rewardlab.rewards import (
    BLEU,
    TER,
    Cached,
    ChrF,
    FromFunction,
    LexicalSpans,
    MetricX,
    NoRepetition,
    NotEmpty,
)
from rewardlab.rewards.registry import parse_reward


def polite(candidates):
    return [1.0 for _ in candidates]


ONE = Candidate("the dog", "der Hund", "der Hund")
GOLD = gold_scores.gold()
CHRF, GATE = Term(ChrF()), Gate(NotEmpty(), below=0.5)


def advantages(**options):
    ensemble = RewardEnsemble([CHRF, Term(LexicalSpans(), weight=0, token_weight=0.5)])
    settings = {"num_generations": 2, "candidates": [ONE] * 4, **options}
    tokenizer = settings.pop("tokenizer", None) or tiny_tokenizers.byte_level_bpe()
    return rewardlab.token_advantages(tokenizer, ensemble, settings.pop("candidates"), **settings)


def preset(rows=None, spans=None, mask=None, **options):
    """GDPO of two rows."""
    rows = reward_rows(RewardEnsemble([CHRF])([ONE] * 2)) if rows is None else rows
    mask = torch.ones(2, 3, dtype=torch.bool) if mask is None else mask
    return gdpo(rows, spans, mask, num_generations=2, **options)


def trainer(**arguments):
    """A trainer that is refused before its model is read."""
    settings = {"model": "owner/nowhere", "ensemble": RewardEnsemble([CHRF]), **arguments}
    return rewardlab.GRPOTrainer(settings.pop("model"), **settings)


MISTAKES = {
    "an option that is text": (
        lambda: ChrF(word_order="two"),
        ("error[E103] ChrF.word_order: the text 'two' is not an integer. fix: ChrF(word_order=0)"),
    ),
    "a misspelt option": (
        lambda: ChrF(wordorder=2, lowercase=True),
        (
            "error[E102] ChrF.wordorder: no such argument; it was given the integer 2. "
            "fix: ChrF(word_order=2, lowercase=True)"
        ),
    ),
    "an option that does not exist": (
        lambda: NotEmpty(threshold=0.5),
        (
            "error[E102] NotEmpty.threshold: no such argument; it was given the number 0.5. "
            "fix: one of name"
        ),
    ),
    "an option without its name": (
        lambda: ChrF(2),
        (
            "error[E103] ChrF: the integer 2 is given without a name, and every argument needs "
            "one. fix: ChrF(char_order=6)"
        ),
    ),
    "an unknown tokenizer": (
        lambda: BLEU(tokenize="chinese", lowercase=True),
        (
            "error[E103] BLEU.tokenize: the text 'chinese' is not one of auto, 13a, intl, zh, "
            "char, none, ja-mecab, ko-mecab, flores200. fix: BLEU(tokenize='auto', lowercase=True)"
        ),
    ),
    "a tokenizer in capitals": (
        lambda: BLEU(tokenize="ZH"),
        (
            "error[E103] BLEU.tokenize: the text 'ZH' is not one of auto, 13a, intl, zh, "
            "char, none, ja-mecab, ko-mecab, flores200. fix: BLEU(tokenize='zh')"
        ),
    ),
    "a number for a switch": (
        lambda: ChrF(lowercase=1),
        (
            "error[E103] ChrF.lowercase: the integer 1 is not true or false. "
            "fix: ChrF(lowercase=False)"
        ),
    ),
    "an option out of range": (
        lambda: NoRepetition(n=0),
        "error[E103] NoRepetition: n=0 must be from 1 to 100. fix: NoRepetition(n=4)",
    ),
    "a model that is missing": (
        lambda: MetricX(mode="qe"),
        "error[E103] MetricX.model: is required. fix: MetricX(model='MODEL', mode='qe')",
    ),
    "a gate without a threshold": (
        lambda: Gate(NotEmpty()),
        "error[E103] Gate.below: is required. fix: Gate(NotEmpty(), below=0.5)",
    ),
    "a misspelt weight": (
        lambda: Term(ChrF(word_order=2), wieght=0.5),
        (
            "error[E102] Term.wieght: no such argument; it was given the number 0.5. "
            "fix: Term(ChrF(word_order=2), weight=0.5)"
        ),
    ),
    "a candidate of one text": (
        lambda: Candidate("a"),
        (
            "error[E103] Candidate.hypothesis: is required. "
            "fix: Candidate('a', hypothesis='HYPOTHESIS')"
        ),
    ),
    "a misspelt field of a candidate": (
        lambda: Candidate("a", "b", target_language="de"),
        (
            "error[E102] Candidate.target_language: no such argument; it was given the text 'de'. "
            "fix: Candidate('a', 'b', target_lang='de')"
        ),
    ),
    "an ensemble of nothing": (
        RewardEnsemble,
        "error[E103] RewardEnsemble.terms: is required. fix: RewardEnsemble(terms=[Term(reward)])",
    ),
    "a function without its worst score": (
        lambda: FromFunction(polite),
        "error[E103] FromFunction.worst: is required. fix: FromFunction(polite, worst=0.0)",
    ),
    "a cache of a name": (
        lambda: Cached("chrf", "scores"),
        (
            "error[E107] Cached: the text 'chrf' is not a reward. "
            "fix: Cached(parse_reward('chrf'), path), with "
            "parse_reward from rewardlab.rewards.registry"
        ),
    ),
    "a name for a reward": (
        lambda: Term("chrf"),
        (
            "error[E107] Term: the text 'chrf' is not a reward. fix: "
            "Term(parse_reward('chrf')), with "
            "parse_reward from rewardlab.rewards.registry"
        ),
    ),
    "a function for a reward": (
        lambda: Term(polite),
        (
            "error[E107] Term: the function polite is not a reward. "
            "fix: Term(FromFunction(polite, worst=...))"
        ),
    ),
    "a lambda for a reward": (
        lambda: Term(lambda rows: rows),
        (
            "error[E107] Term: the function <lambda> is not a reward. "
            "fix: Term(FromFunction(<lambda>, worst=..., name='my_reward'))"
        ),
    ),
    "a class for a reward": (
        lambda: Gate(NotEmpty, below=0.5),
        "error[E107] Gate: NotEmpty is a class, not a reward. fix: Gate(NotEmpty(...), below=0.5)",
    ),
    "a gate for a reward": (
        lambda: Term(GATE),
        (
            "error[E107] Term: a Gate is not a reward. "
            "fix: gates have their own list: RewardEnsemble(terms, gates=[gate])"
        ),
    ),
    "an object for a reward": (
        lambda: Term(object()),
        (
            "error[E107] Term: object is not a reward: it has no name, signature, needs_reference, "
            "worst, key, __call__. fix: make it a subclass of RowReward, or wrap a function in "
            "FromFunction"
        ),
    ),
    "a mapping of terms": (
        lambda: RewardEnsemble({"chrf": 1.0}),
        (
            "error[E107] RewardEnsemble: terms is a mapping, not a list. "
            "fix: terms=[Term(ChrF(), weight=1.0)]"
        ),
    ),
    "one term for a list": (
        lambda: RewardEnsemble(CHRF),
        (
            "error[E107] RewardEnsemble: terms is Term, not a list. "
            "fix: terms=[Term(ChrF(), weight=1.0)]"
        ),
    ),
    "a bare guard": (
        lambda: RewardEnsemble([CHRF], gates=[NotEmpty()]),
        (
            "error[E107] RewardEnsemble gates[0]: NotEmpty is not a Gate. "
            "fix: write Gate(NotEmpty(), below=0.5)"
        ),
    ),
    "a bare reward": (
        lambda: RewardEnsemble([NotEmpty()]),
        (
            "error[E107] RewardEnsemble terms[0]: NotEmpty is not a Term. "
            "fix: write Term(NotEmpty(), weight=1.0)"
        ),
    ),
    "a gate among the terms": (
        lambda: RewardEnsemble([CHRF, GATE]),
        (
            "error[E107] RewardEnsemble terms[1]: Gate is not a Term. "
            "fix: gates have their own list: RewardEnsemble(terms, gates=[gate])"
        ),
    ),
    "a name among the terms": (
        lambda: RewardEnsemble(["chrf"]),
        (
            "error[E107] RewardEnsemble terms[0]: the text 'chrf' is not a Term. "
            "fix: Term(parse_reward('chrf')), with parse_reward from rewardlab.rewards.registry"
        ),
    ),
    "two rewards of one name": (
        lambda: RewardEnsemble([CHRF, Term(ChrF(word_order=2))]),
        (
            "error[E036] RewardEnsemble: two rewards are named 'chrf'. "
            "fix: give one of them another name: name='chrf_2'"
        ),
    ),
    "no term": (
        lambda: RewardEnsemble([]),
        (
            "error[E026] RewardEnsemble: an ensemble needs at least one term. "
            "fix: RewardEnsemble([Term(reward), ...])"
        ),
    ),
    "a share above 1": (
        lambda: RewardEnsemble([CHRF], max_failed=50),
        (
            "error[E026] RewardEnsemble.max_failed: the integer 50 is out of range. "
            "fix: write a share from 0 to 1"
        ),
    ),
    "a negative weight": (
        lambda: Term(ChrF(), weight=-1.0),
        (
            "error[E026] chrf.weight: the number -1.0 is out of range: it would "
            "reward what is worse. "
            "fix: write a weight of at least 0; 0 only measures"
        ),
    ),
    "a weight beyond float32": (
        lambda: Term(LexicalSpans(), token_weight=1e39),
        (
            "error[E026] lexical_spans.token_weight: the number 1e+39 is out of range: it must be "
            "finite in float32. fix: write a finite weight, such as 1.0"
        ),
    ),
    "a weight that is text": (
        lambda: Term(ChrF(), "0.5"),
        "error[E025] chrf.weight: the text '0.5' is not a number. fix: weight=1.0",
    ),
    "a token weight without spans": (
        lambda: Term(ChrF(), token_weight=0.5),
        (
            "error[E105] chrf.token_weight: chrf marks no error spans, so a "
            "token_weight would have no "
            "effect. fix: remove token_weight, or take a reward with spans, such "
            "as lexical_spans or "
            "automqm"
        ),
    ),
    "applies by name": (
        lambda: Term(ChrF(), applies="translations"),
        (
            "error[E025] chrf.applies: the text 'translations' is not a function. "
            "fix: a function of a candidate: applies=is_translation, from rewardlab.types"
        ),
    ),
    "severities by name": (
        lambda: Term(LexicalSpans(), severities="wmt"),
        (
            "error[E025] lexical_spans.severities: the text 'wmt' is not a SeverityTable. "
            "fix: one of SEVERITY_TABLES, by name: wmt, wmt-no-source, xcomet"
        ),
    ),
    "a threshold above all scores": (
        lambda: Gate(NotEmpty(), below=50),
        (
            "error[E106] not_empty.below: the gate closes on every row: scores of "
            "not_empty are 0 to "
            "1, and below is 50. fix: write a threshold above 0 and at most 1"
        ),
    ),
    "a threshold that nothing is below": (
        lambda: Gate(ChrF(), below=0),
        (
            "error[E106] chrf.below: the gate never closes: scores of chrf are 0 "
            "to 100, and below is "
            "0. fix: write a threshold above 0 and at most 100"
        ),
    ),
    "a threshold of the wrong sign": (
        lambda: Gate(TER(), below=50.0),
        (
            "error[E106] ter.below: the gate closes on every row: scores of ter are at most 0, and "
            "below is 50. fix: write a threshold at most 0"
        ),
    ),
    "a threshold under a function's worst": (
        lambda: Gate(FromFunction(polite, worst=0.0), below=-1.0),
        (
            "error[E106] polite.below: the gate never closes: scores of polite are at least 0, and "
            "below is -1. fix: write a threshold above 0"
        ),
    ),
    "texts for candidates": (
        lambda: RewardEnsemble([CHRF])(["der Hund", "die Katze"]),
        (
            "error[E108] RewardEnsemble: 2 of 2 rows are no Candidate; row 0 is "
            "the text 'der Hund'. "
            "fix: [Candidate(source, hypothesis) for source, hypothesis in "
            "zip(sources, hypotheses)]"
        ),
    ),
    "texts for a single reward": (
        lambda: ChrF()(["der Hund"]),
        (
            "error[E108] chrf: 1 of 1 rows are no Candidate; row 0 is the text 'der Hund'. "
            "fix: [Candidate(source, hypothesis) for source, hypothesis in "
            "zip(sources, hypotheses)]"
        ),
    ),
    "mappings for candidates": (
        lambda: RewardEnsemble([CHRF])([ONE, {"source": "a"}]),
        (
            "error[E108] RewardEnsemble: 1 of 2 rows are no Candidate; row 1 is a mapping. "
            "fix: [Candidate(**row) for row in rows], with the fields of "
            "Candidate(source, hypothesis, reference)"
        ),
    ),
    "one candidate": (
        lambda: RewardEnsemble([CHRF])(ONE),
        (
            "error[E108] RewardEnsemble: one Candidate is not a list of candidates. "
            "fix: a list with one candidate: [Candidate(source, hypothesis, reference)]"
        ),
    ),
    "lists in a candidate": (
        lambda: Candidate(["a", "b"], "x"),
        (
            "error[E108] Candidate.source: a list is not text. fix: one candidate per text: "
            "[Candidate(s, h) for s, h in zip(sources, hypotheses)]"
        ),
    ),
    "several references": (
        lambda: Candidate("a", "b", ["c", "d"]),
        (
            "error[E108] Candidate.reference: a list is not text. "
            "fix: a candidate has one reference: reference=references[0]"
        ),
    ),
    "a reference from pandas": (
        lambda: Candidate("a", "b", float("nan")),
        (
            "error[E108] Candidate.reference: the number nan is not text. "
            "fix: reference=None, in the form Candidate(source, hypothesis, reference)"
        ),
    ),
    "bytes": (
        lambda: Candidate("a", b"b"),
        (
            "error[E108] Candidate.hypothesis: the value b'b' is not text. "
            "fix: hypothesis=value.decode()"
        ),
    ),
    "nothing to learn": (
        lambda: trl_rewards(RewardEnsemble([Term(ChrF(), 0.0)])),
        (
            "error[E038] trl_rewards: every weight and token_weight is 0, so there is nothing to "
            "learn. fix: give one a weight"
        ),
    ),
    "a misspelt preset": (
        lambda: combination("translate_gemma"),
        "error[E026] preset: 'translate_gemma' is not a preset. fix: translategemma",
    ),
    "the name of a method": (
        lambda: combination("grpo"),
        (
            "error[E026] preset: 'grpo' is not a preset. fix: one of gdpo, translategemma, "
            "sum_then_normalize, dr_grpo, rloo; sum_then_normalize is GRPO's"
        ),
    ),
    "a token credit": (
        lambda: combination(credit="whole"),
        "error[E026] credit: 'whole' is not a token credit. fix: one of span, divided, to_go",
    ),
    "no reward at all": (
        lambda: Term(None),
        "error[E107] Term: nothing is not a reward. fix: a reward object: Term(ChrF(), weight=1.0)",
    ),
    "a partial function": (
        lambda: Term(functools.partial(polite)),
        (
            "error[E107] Term: the function partial is not a reward. "
            "fix: Term(FromFunction(partial, worst=..., name='my_reward'))"
        ),
    ),
    "terms for an ensemble": (
        lambda: trl_rewards([CHRF]),
        (
            "error[E107] trl_rewards: a list is not a RewardEnsemble. "
            "fix: RewardEnsemble([Term(reward), ...])"
        ),
    ),
    "a group that is split": (
        lambda: advantages(num_generations=3),
        (
            "error[E031] token_advantages.num_generations: 4 rows is not a multiple of "
            "num_generations=3; rows must be prompt-major. fix: num_generations=2 or 4"
        ),
    ),
    "groups of one": (
        lambda: advantages(num_generations=1),
        (
            "error[E035] token_advantages.num_generations: num_generations=1: a group baseline "
            "needs at least 2 completions. fix: num_generations=2 or 4"
        ),
    ),
    "groups of none": (
        lambda: advantages(num_generations=0),
        (
            "error[E035] token_advantages.num_generations: num_generations=0: a group baseline "
            "needs at least 2 completions. fix: num_generations=2 or 4"
        ),
    ),
    "a group size that is text": (
        lambda: advantages(num_generations="4"),
        (
            "error[E025] token_advantages.num_generations: the text '4' is not an integer. "
            "fix: num_generations=2 or 4"
        ),
    ),
    "no candidates for groups": (
        lambda: advantages(candidates=[]),
        (
            "error[E108] token_advantages.candidates: there are no rows. "
            "fix: a list of candidates: [Candidate(source, hypothesis, reference), ...]"
        ),
    ),
    "no tokenizer": (
        lambda: advantages(tokenizer=object),
        (
            "error[E112] token_advantages.tokenizer: the value <class 'object'> is "
            "not a tokenizer of "
            "transformers. fix: the directory of a checkpoint or run, or a tokenizer: "
            "AutoTokenizer.from_pretrained('org/name')"
        ),
    ),
    "too few lists of ids": (
        lambda: advantages(completion_ids=[[1, 2]]),
        (
            "error[E113] token_advantages.completion_ids: 1 lists of ids for 4 candidates. "
            "fix: one list of sampled ids for each candidate"
        ),
    ),
    "ids with labels": (
        lambda: advantages(completion_ids=[[-100]] * 4),
        (
            "error[E113] token_advantages.completion_ids: row 0 holds an id "
            "outside the vocabulary of "
            f"{len(tiny_tokenizers.byte_level_bpe()):,} tokens. fix: leave out padding such as -100"
        ),
    ),
    "one list of ids for all": (
        lambda: advantages(completion_ids=5),
        (
            "error[E113] token_advantages.completion_ids: these are not lists of token ids: 'int' "
            "object is not iterable. fix: one list of sampled ids for each candidate"
        ),
    ),
    "ids that are no integers": (
        lambda: advantages(completion_ids=[[1.5]] * 4),
        (
            "error[E113] token_advantages.completion_ids: row 0: [1.5] is not a list of token ids. "
            "fix: one list of sampled ids for each candidate"
        ),
    ),
    "a preset by name in a trainer": (
        lambda: trainer(advantage="gdpo"),
        (
            "error[E025] advantage: the text 'gdpo' is the name of a preset, not a function. fix: "
            "advantage=combination('gdpo'), with combination from rewardlab.advantages"
        ),
    ),
    "a misspelt preset in a trainer": (
        lambda: trainer(advantage="gdop"),
        (
            "error[E026] advantage: 'gdop' is not a preset. fix: advantage=combination('gdpo'), "
            "with combination from rewardlab.advantages"
        ),
    ),
    "a method in a trainer": (
        lambda: trainer(advantage="grpo"),
        (
            "error[E026] advantage: 'grpo' is not a preset. fix: one of gdpo, translategemma, "
            "sum_then_normalize, dr_grpo, rloo; sum_then_normalize is GRPO's"
        ),
    ),
    "no advantage": (
        lambda: trainer(advantage=None),
        (
            "error[E025] advantage: nothing is not an advantage. fix: "
            "advantage=combination('gdpo'), with combination from rewardlab.advantages"
        ),
    ),
    "an equation for an advantage": (
        lambda: trainer(advantage=group_zscore),
        (
            "error[E025] advantage: group_zscore cannot be called as an advantage: multiple values "
            "for argument 'num_generations'. fix: advantage=combination('gdpo'), with combination "
            "from rewardlab.advantages; or a function called as advantage(rows, spans, mask, "
            "num_generations=..., sum_ranks=...)"
        ),
    ),
    "options as a mapping": (
        lambda: trainer(args={"max_steps": 1}),
        (
            "error[E025] args: a mapping is not a GRPOConfig. fix: args=GRPOConfig(**args), with "
            "GRPOConfig from trl"
        ),
    ),
    "an argument of earlier versions": (
        lambda: trainer(tokenizer=None),
        ("error[E023] tokenizer: the trainer has no such argument. fix: processing_class=..."),
    ),
    "a misspelt argument": (
        lambda: trainer(advantages=gdpo),
        "error[E023] advantages: the trainer has no such argument. fix: advantage=...",
    ),
    "reward functions for an ensemble": (
        lambda: trainer(reward_funcs=[polite]),
        (
            "error[E034] reward_funcs: the ensemble holds the rewards. "
            "fix: ensemble=RewardEnsemble([Term(reward)])"
        ),
    ),
    "no model": (
        lambda: trainer(model=None),
        (
            "error[E025] model: nothing is not a model. fix: model='DIRECTORY', or a model of "
            "transformers"
        ),
    ),
    "a model that does not exist": (
        lambda: trainer(model="nowhere"),
        (
            "error[E080] model: the directory 'nowhere' does not exist. fix: the directory of a "
            "checkpoint or run, or a name on the hub in the form 'owner/name'"
        ),
    ),
    "a run that does not exist, below a directory that does": (
        lambda: trainer(model="tests/nowhere"),
        (
            "error[E080] model: the directory 'tests/nowhere' does not exist. fix: the directory "
            "of a checkpoint or run, or a name on the hub in the form 'owner/name'"
        ),
    ),
    "a reward called by TRL": (
        lambda: ChrF()(prompts=["the dog"], completions=["der Hund"], completion_ids=[[1]]),
        (
            "error[E108] ChrF: TRL passes prompts and completions, and this takes a list of "
            "candidates. fix: reward_funcs, reward_weights = "
            "trl_rewards(RewardEnsemble([Term(reward)])), "
            "with trl_rewards from rewardlab.adapters.trl"
        ),
    ),
    "a function called by TRL": (
        lambda: FromFunction(polite, worst=0.0)(prompts=["a"], completions=["b"]),
        (
            "error[E108] FromFunction: TRL passes prompts and completions, and this takes a list "
            "of candidates. fix: reward_funcs, reward_weights = "
            "trl_rewards(RewardEnsemble([Term(reward)])), "
            "with trl_rewards from rewardlab.adapters.trl"
        ),
    ),
    "an ensemble called by TRL": (
        lambda: RewardEnsemble([CHRF])(prompts=["a"], completions=["b"], reference=["c"]),
        (
            "error[E108] RewardEnsemble: TRL passes prompts and completions, and this takes a "
            "list of candidates. fix: reward_funcs, reward_weights = trl_rewards(ensemble), "
            "with trl_rewards from rewardlab.adapters.trl"
        ),
    ),
    "scores for rows": (
        lambda: preset(rows=[1.0, 2.0]),
        (
            "error[E025] rows: a list is not RewardRows. fix: reward_rows(ensemble(candidates)), "
            "with reward_rows from rewardlab.advantages"
        ),
    ),
    "spans that are not aligned": (
        lambda: preset(spans=[[], []]),
        (
            "error[E025] spans: a list is not AlignedSpans. fix: align(decoded, scores.spans, "
            "scores.severities, length=T), from rewardlab.align"
        ),
    ),
    "a mask of integers": (
        lambda: preset(mask=torch.ones(2, 3, dtype=torch.long)),
        (
            "error[E025] mask: a tensor of int64 and shape (2, 3) is not a mask. fix: a bool "
            "tensor (rows of this process, tokens), such as mask.bool()"
        ),
    ),
    "a mask of other rows": (
        lambda: preset(mask=torch.ones(3, 3, dtype=torch.bool)),
        (
            "error[E025] mask: it has 3 rows, and this process has 2. fix: one row for each of "
            "this process's completions"
        ),
    ),
    "a token credit by name": (
        lambda: preset(credit="span"),
        (
            "error[E025] credit: the text 'span' is not a function. fix: CREDIT[name], with a name "
            "of span, divided, to_go"
        ),
    ),
    "a misspelt token option": (
        lambda: preset(omision=None),
        "error[E023] omision: unknown option of a preset. fix: omission",
    ),
    "candidates for scores": (
        lambda: reward_rows([ONE]),
        "error[E025] scores: a list is not Scores. fix: reward_rows(ensemble(candidates))",
    ),
    "one reward without its column": (
        lambda: group_zscore(torch.tensor([1.0, 2.0]), 2),
        (
            "error[E025] values: a tensor of shape (2,) is not a tensor of shape (N, R). fix: one "
            "row per completion and one column per reward: values[:, None] for one reward"
        ),
    ),
    "a span of another side": (
        lambda: ErrorSpan(0, 3, "minor", side="target"),
        "error[E026] ErrorSpan.side: 'target' is not a side. fix: one of hypothesis, source",
    ),
    "a misspelt side": (
        lambda: ErrorSpan(0, 3, "minor", side="hypotesis"),
        "error[E026] ErrorSpan.side: 'hypotesis' is not a side. fix: hypothesis",
    ),
    "a span in reverse": (
        lambda: ErrorSpan(3, 0, "minor"),
        (
            "error[E026] ErrorSpan: error span [3, 0) is empty, reversed or negative. "
            "fix: 0 <= start < end, in characters of the text"
        ),
    ),
    "a severity as a number": (
        lambda: ErrorSpan(0, 3, 5),
        "error[E025] ErrorSpan.severity: the integer 5 is not text. fix: severity='minor'",
    ),
    "a confidence in words": (
        lambda: ErrorSpan(0, 3, "minor", confidence="high"),
        "error[E025] ErrorSpan.confidence: the text 'high' is not a number. fix: confidence=0.5",
    ),
    "severities without weights": (
        lambda: SeverityTable("own", ["minor"]),
        (
            "error[E025] SeverityTable own: a list is not a mapping. "
            "fix: weights={'minor': 1.0, 'major': 5.0}"
        ),
    ),
    "a weight of an error as text": (
        lambda: SeverityTable("own", {"minor": "1"}),
        "error[E025] SeverityTable own minor: the text '1' is not a number. fix: minor=1.0",
    ),
    "a path for human scores": (
        lambda: compared_systems("gold.tsv"),
        (
            "error[E025] gold: the text 'gold.tsv' is not Gold, which read_gold returns. "
            "fix: read_gold(path), with read_gold from rewardlab.human.formats"
        ),
    ),
    "one system to exclude": (
        lambda: compared_systems(GOLD, exclude="A"),
        "error[E025] exclude: the text 'A' is not a list. fix: exclude=['A']",
    ),
    "one reward for a list": (
        lambda: score_gold(NotEmpty(), GOLD, systems=["A", "B"]),
        (
            "error[E025] rewards: the value NotEmpty(name='not_empty') is not a list. "
            "fix: rewards=[ChrF()]"
        ),
    ),
    "a term to be compared with people": (
        lambda: score_gold([CHRF], GOLD, systems=["A", "B"]),
        ("error[E107] Term: a Term is not a reward. fix: give its reward: Term(term.reward, ...)"),
    ),
    "an unknown system": (
        lambda: score_gold([NotEmpty()], GOLD, systems=["A", "D"]),
        "error[E250] systems: no system 'D' in the human judgements. fix: one of A, B, C, refA",
    ),
    "an unknown reference": (
        lambda: score_gold([NotEmpty()], GOLD, systems=["A"], reference_system="ref"),
        ("error[E250] reference_system: no system 'ref' in the human judgements. fix: refA"),
    ),
    "rewards that were not scored": (
        lambda: meta_evaluate(GOLD, [ChrF()], systems=["A", "B"]),
        (
            "error[E025] metrics[0]: ChrF is not Scored. "
            "fix: metrics=score_gold(rewards, gold, systems=systems)"
        ),
    ),
    "resamples in words": (
        lambda: meta_evaluate(GOLD, [], systems=["A", "B"], resamples="many"),
        (
            "error[E025] resamples: the text 'many' is not an integer. "
            "fix: resamples=1000; 0 for no intervals"
        ),
    ),
    "severities of judgements by name": (
        lambda: read_gold("gold.tsv", severities="wmt"),
        (
            "error[E025] read_gold.severities: the text 'wmt' is not a SeverityTable. "
            "fix: one of SEVERITY_TABLES, by name: wmt, wmt-no-source, xcomet"
        ),
    ),
    "no path": (
        lambda: read_gold(None),
        "error[E201] path: cannot be read: nothing is no path. fix: the path of one file",
    ),
    "a reward for its name": (
        lambda: parse_reward(None),
        "error[E104] reward: nothing is not text. fix: parse_reward('chrf:word_order=2')",
    ),
    "one term to attack": (
        lambda: preflight(CHRF, []),
        (
            "error[E107] RewardEnsemble: terms is Term, not a list. "
            "fix: terms=[Term(ChrF(), weight=1.0)]"
        ),
    ),
    "texts to attack": (
        lambda: preflight([CHRF], ["der Hund"]),
        (
            "error[E025] honest: a list is not Honest. fix: honest_of_gold(gold, ...) or "
            "honest_of_texts(sources, translations, references, ...)"
        ),
    ),
    "translations without a system": (
        lambda: honest_of_texts(["a"], ["b"], None, source_lang="en", target_lang="de"),
        (
            "error[E025] translations: a list is not a mapping. "
            "fix: translations={'my system': texts}"
        ),
    ),
    "translations of other sources": (
        lambda: honest_of_texts(["a"], {"one": []}, None, source_lang="en", target_lang="de"),
        "error[E204] one: 0 texts for 1 sources. fix: one for each",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_code_value_and_fix(mistake):
    make, message = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value) == message
    assert re.fullmatch(r"error\[E\d{3}\] .+: .+ fix: .+", message)


def test_all_mistakes_of_a_term_are_told_at_once():
    with pytest.raises(UserError) as caught:
        Term(ChrF(), weight=-1, token_weight=0.5, applies=None)
    assert [problem.code for problem in caught.value.problems] == ["E026", "E105", "E025"]


def test_missing_references_are_warned_of_and_score_nothing():
    with pytest.warns(
        UserWarning, match=r"^warning\[E032\] RewardEnsemble: chrf reads references"
    ) as caught:
        scores = RewardEnsemble([CHRF])([Candidate("a", "b")])
    assert [one.filename for one in caught] == [__file__]
    assert scores.status[0][0].value == "not_applicable"


def test_several_rewards_without_references_give_one_warning():
    gate = Gate(BLEU(), below=1.0)
    ensemble = RewardEnsemble([CHRF, Term(TER()), Term(NotEmpty())], gates=[gate])
    with pytest.warns(UserWarning, match="E032") as caught:
        ensemble([Candidate("a", "b")])
    (told,) = (str(one.message) for one in caught)
    assert "RewardEnsemble: chrf, ter, bleu read references, and there are none, so they" in told


def test_a_token_weight_on_a_function_without_spans_is_warned_of():
    ensemble = RewardEnsemble([Term(FromFunction(polite, worst=0.0), token_weight=1.0)])
    with pytest.warns(UserWarning, match=r"^warning\[E105\] polite.token_weight: polite marks no"):
        ensemble([ONE])


def test_what_python_accepts_is_accepted():
    """Generators, tuples, numpy numbers and texts, and a threshold at the highest score."""
    terms = (term for term in [Term(ChrF(), np.float32(0.5)), Term(NotEmpty(), np.int64(1))])
    ensemble = RewardEnsemble(terms, gates=(Gate(NotEmpty(name="gate"), below=1.0),))
    assert ensemble.names == ("chrf", "not_empty")
    scores = ensemble(Candidate(np.str_("a"), np.str_(text), "b") for text in "bc")
    assert scores.values[:, 0].tolist() == [100.0, 0.0]
    assert Term(MetricX(model="nowhere")).weight == 1.0, "no model is loaded by a check"


def test_what_a_fix_proposes_can_be_pasted():
    for mistake in (
        lambda: ChrF(word_order="two", beta="x", lowercase=True),
        lambda: BLEU(tokeniser="zh"),
        lambda: Gate(NotEmpty()),
        Term,
        lambda: Term(ChrF(word_order=2), wieght=0.5),
        lambda: Candidate("it's", target_language="de"),
        lambda: RewardEnsemble([ChrF(word_order=2)]),
        lambda: RewardEnsemble([Term(ChrF())], gates=[NotEmpty()]),
        lambda: NoRepetition(n=0),
        lambda: TER(worst=1.0, max_words=3),
    ):
        with pytest.raises(UserError) as error:
            mistake()
        for problem in error.value.problems:
            eval(problem.fix.removeprefix("write "))  # noqa: S307 - our own words


def test_bad_options_are_value_errors_too():
    with pytest.raises(ValueError, match="n=0 must be from 1"):
        NoRepetition(n=0)


def test_numbers_of_numpy_are_numbers():
    reward = ChrF(word_order=np.int64(2), lowercase=np.bool_(True))
    assert TER(worst=np.float32(-200)).worst == -200
    assert reward([ONE]).scores.tolist() == [100.0]


def test_the_signature_is_that_of_the_constructor():
    assert [*inspect.signature(Gate).parameters] == ["reward", "below", "applies"]
    assert inspect.signature(ChrF).parameters["word_order"].default == 0


def test_a_bug_in_a_constructor_comes_through():
    @dataclass(frozen=True, kw_only=True)
    class Broken(NotEmpty):
        def __post_init__(self):
            len(5)

    with pytest.raises(TypeError, match="has no len"):
        Broken()
