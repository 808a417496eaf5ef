"""What `token_advantages` shows is what the trainer computes for the same ids."""

import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tiny_run import COMPLETIONS, config, dataset, fixed_rollout, inputs, policy, tokenizer
from transformers import AutoTokenizer

from rewardlab import Candidate, Gate, GRPOTrainer, RewardEnsemble, Term, token_advantages
from rewardlab.advantages import PRESETS, combination
from rewardlab.errors import UserError
from rewardlab.rewards import ChrF, LexicalSpans, NoRepetition, NotEmpty
from rewardlab.trainers.from_scratch import train_tokenizer

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
SOURCE, REFERENCE = "The dog ate 3 apples.", "Der Hund hat 3 Äpfel gegessen."
TEXTS = ["Der Hund hat 3 Äpfel gegessen.", "Die Hund hat 5 Äpfel gegessen.", "Hund", ""]


def ensemble(token_weight=0.5):
    return RewardEnsemble(
        [Term(ChrF(), 0.1), Term(LexicalSpans(), weight=0.0, token_weight=token_weight)],
        gates=[Gate(NotEmpty(), below=0.5), Gate(NoRepetition(n=1), below=0.5)],
    )


def candidates(texts=TEXTS):
    return [Candidate(SOURCE, text, REFERENCE) for text in texts]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("omission", ["ignore", "last_token"])
def test_advantages_are_exactly_those_of_the_trainer(tmp_path, preset, omission):
    tok = tokenizer()
    trainer = GRPOTrainer(
        policy(),
        ensemble=ensemble(),
        advantage=combination(preset, omission=omission),
        args=config(tmp_path),
        train_dataset=dataset(),
        processing_class=tok,
        rollout_func=fixed_rollout,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    batch = trainer._generate_and_score_completions(inputs())
    rows = [
        Candidate(row["source"], text, row["reference"])
        for row, text in zip(inputs(), COMPLETIONS, strict=True)
    ]
    options = {"num_generations": 4, "preset": preset, "omission": omission}
    ids = fixed_rollout([row["prompt"] for row in inputs()], trainer)["completion_ids"]
    for given_ids in (ids, None):
        found = token_advantages(tok, ensemble(), rows, completion_ids=given_ids, **options)
        assert torch.equal(found.advantages.float(), batch["advantages"])
        assert torch.equal(found.mask, batch["completion_mask"].bool())
    assert batch["advantages"].abs().max() > 0.1


def test_rows_have_tokens_spans_credit_and_advantages():
    found = token_advantages(tokenizer(), ensemble(), candidates(), num_generations=4)
    row = found[1]
    assert "".join(row.tokens[:-1]).startswith("Die Hund hat 5 ")
    assert row.tokens[-1] == "<|im_end|>"
    assert [(row.text[s.start : s.end], s.severity) for s in row.spans["lexical_spans"]] == [
        ("Die", "major"),
        ("5", "major"),
    ]
    credit = row.credit["lexical_spans"]
    assert {row.tokens[at] for at in credit.nonzero()[0]} == {"Die", "5"}
    assert set(credit.tolist()) == {0.0, -5.0}
    assert row.advantages[0] < 0 < row.advantages[1]
    assert found[-1].scored.gated == "not_empty"
    record = json.loads(json.dumps(found.records()[1], allow_nan=False))
    assert record["spans"]["lexical_spans"][0]["text"] == "Die"
    assert len(record["advantages"]) == len(record["tokens"]) == len(record["ids"])


def test_the_printed_form_names_text_spans_and_advantages():
    found = token_advantages(tokenizer(), ensemble(), candidates(), num_generations=2)
    printed = str(found).splitlines()
    at = printed.index("row 1 (group 0, completion 1)")
    assert printed[at + 1] == "  ⟦Die⟧ Hund hat ⟦5⟧ Äpfel gegessen."
    assert printed[at + 2] == "  lexical_spans: 'Die' [0, 3) major; '5' [13, 14) major"
    assert printed[at + 3].split()[:4] == ["token", "Die", "␣", "Hun"]
    assert printed[at + 4].split()[:3] == ["credit", "-5", "0"]
    assert printed[at + 5].split()[0] == "advantage"
    assert "  gated by not_empty: every reward gives its worst score" in printed
    assert repr(found) == (
        f"<TokenAdvantages: 4 rows in 2 groups of 2, {int(found.mask.sum())} tokens, preset gdpo>"
    )


def test_a_character_of_several_tokens_is_shown_once():
    """Every token of this tokenizer is a byte or a few, and no byte of these is one of its own."""
    rows = candidates(["犬が吠える。🐕", "Hund"])
    row = token_advantages(tokenizer(), ensemble(), rows, num_generations=2)[0]
    assert "".join(row.tokens[:-1]) == row.text
    cells = " ".join(line for line in str(row).splitlines() if line.startswith("token "))
    assert (cells.count("🐕"), "…" in cells) == (1, True)


def test_the_space_before_the_hypothesis_is_no_name():
    rows = [
        Candidate(SOURCE, text, REFERENCE, prompt="English: The dog.\nGerman:")
        for text in ("Hund", "Der Hund")
    ]
    row = token_advantages(tokenizer(), ensemble(), rows, num_generations=2)[0]
    assert row.tokens[0] == " "
    assert "\ntoken         ␣ " in str(row)
    assert "Ġ" not in str(row)


def test_errors_of_a_closed_gate_are_not_listed_for_each_term():
    printed = str(token_advantages(tokenizer(), ensemble(), candidates(), num_generations=4))
    gated = printed[printed.index("row 3 ") :]
    assert "gated by not_empty" in gated
    assert "chrf:" not in gated


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=200), min_size=2, max_size=2))
def test_any_text_prints_in_80_columns_without_control_characters(texts):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    rows = [Candidate(SOURCE, text, REFERENCE) for text in texts]
    found = token_advantages(tokenizer(), ensemble(), rows, num_generations=2)
    for line in str(found).splitlines():
        assert cell_len(line) <= 80
        assert line.isprintable() or " " in line
    assert "\x1b" not in str(found)


def test_html_is_escaped_and_has_no_script():
    rows = candidates(["<script>alert('x')</script>", "Hund"])
    shown = token_advantages(tokenizer(), ensemble(), rows, num_generations=2)._repr_html_()
    assert "<script" not in shown
    assert 'title="' in shown


def test_what_a_reader_should_know_is_noted():
    found = token_advantages(tokenizer(), ensemble(0.0), candidates(), num_generations=4)
    assert found.notes[0].startswith("no term has a token_weight")
    assert "note: no term has a token_weight" in str(found)
    for row in found:
        assert len(set(row.advantages.tolist())) == 1
    thought = candidates(["<think>Hm.</think>Der Hund", "Hund"])
    found = token_advantages(tokenizer(), ensemble(), thought, num_generations=2)
    assert found[0].text == "Der Hund"
    assert found.notes == [
        "1 hypotheses are scored as the tokenizer writes them, without reasoning (first rows: 0)"
    ]


def test_a_tokenizer_may_be_a_path(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    ours = token_advantages(tmp_path, ensemble(), candidates(), num_generations=4)
    assert ours[0].text == TEXTS[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"E112.*holds no tokenizer that can be loaded"):
        token_advantages(tmp_path / "empty", ensemble(), candidates(), num_generations=4)


def test_a_tokenizer_may_be_a_run_directory(tmp_path):
    tokenizer().save_pretrained(tmp_path / "model")
    policy().save_pretrained(tmp_path / "model")
    options = {"num_generations": 4}
    of_run = token_advantages(str(tmp_path), ensemble(), candidates(), **options)
    ours = token_advantages(tokenizer(), ensemble(), candidates(), **options)
    assert torch.equal(of_run.advantages, ours.advantages)


def test_a_directory_that_does_not_exist_is_said_without_asking_the_hub(tmp_path, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    paths = (tmp_path / "none", str(tmp_path / "none"), "./none", "../none", "runs/none", "a/b/c")
    for path in (*paths, Path("none"), "~/none", "none", "owner/name"):
        with pytest.raises(UserError) as error:
            token_advantages(path, ensemble(), candidates(), num_generations=4)
        assert f"the directory '{path}' does not exist" in str(error.value)
        assert "AutoTokenizer.from_pretrained('org/name')" in str(error.value)


def test_ids_of_another_text_are_refused():
    tok = tokenizer()
    ids = tok(["Hund"] * 4)["input_ids"]
    with pytest.raises(UserError, match=r"E113.*row 0: the ids are those of 'Hund'"):
        token_advantages(tok, ensemble(), candidates(), num_generations=4, completion_ids=ids)


def test_a_tokenizer_without_places_is_refused(monkeypatch):
    tok = tokenizer()
    monkeypatch.setattr(tok, "decode", lambda *_, **__: "something else")
    with pytest.raises(UserError, match=r"E112.*differs from what it decodes"):
        token_advantages(tok, ensemble(), candidates(), num_generations=4)


def test_a_group_has_one_source():
    with pytest.raises(UserError, match=r"E031.*rows 0 and 1 are in one group.*'Here\.'"):
        token_advantages(
            train_tokenizer(list(TEXTS), vocab_size=300),
            ensemble(),
            [Candidate("Here.", "Hier.", "Hier."), Candidate("Now.", "Jetzt.", "Jetzt.")],
            num_generations=2,
        )


def test_padding_is_refused():
    tokenizer = train_tokenizer(list(TEXTS), vocab_size=300)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(5)
    rows = candidates()
    ids = [[*tokenizer(row.hypothesis, add_special_tokens=False)["input_ids"], 5] for row in rows]
    with pytest.raises(UserError, match=r"E113.*row 0 contains the padding token"):
        token_advantages(tokenizer, ensemble(), rows, num_generations=len(rows), completion_ids=ids)
