import json
import shutil
from collections import Counter

import pytest
import tiny_chats
import tiny_checkpoint
import tiny_tokenizers
import torch
import with_code
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, T5Config

from rewardlab.errors import UserError, shown
from rewardlab.generate import Sampling, Unanswered
from rewardlab.generate.local import TransformersGenerator, as_text, continue_prompts, load_model
from rewardlab.models.boundary import answer_ids, prompt_ids
from rewardlab.seeds import seed_for
from rewardlab.store.checkpoints import checkpoint_digest, find_checkpoint
from rewardlab.text.prompts import without_separator

PROMPTS = ["the dog", "a much longer prompt about the old bridge", "x", "the old dog runs"]
SAMPLED = Sampling(max_new_tokens=8, temperature=1.0, samples=3)


@pytest.fixture(scope="module")
def model():
    return tiny_checkpoint.model()


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizers.byte_level_bpe()


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint.save(tmp_path / "checkpoint")


def only_problem(error):
    (problem,) = error.value.problems
    return problem


def test_greedy_texts_come_back_in_order_whatever_the_batches(model, tokenizer):
    model.train()
    together = continue_prompts(model, tokenizer, PROMPTS, Sampling(max_new_tokens=8))
    alone = [
        continue_prompts(model, tokenizer, [p], Sampling(max_new_tokens=8))[0] for p in PROMPTS
    ]
    assert together == alone
    assert (
        continue_prompts(model, tokenizer, PROMPTS, Sampling(max_new_tokens=8), batch_size=3)
        == alone
    )
    assert model.training, "the training mode is kept"
    ids = tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    theirs = model.eval().generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert together[0][0].text == tokenizer.decode(theirs, skip_special_tokens=True)


@pytest.mark.parametrize(
    "prompt", ["Spanish:", "Hi.\n=>es\n", [{"role": "user", "content": "Hi."}]]
)
def test_a_prompt_is_asked_with_the_ids_that_are_trained_on(checkpoint, prompt, monkeypatch):
    """By `translate` and by judges, as `sft` and `rl` write them; and the text keeps its space."""
    tiny_checkpoint.save(checkpoint, chat=True)
    generator, asked = TransformersGenerator(checkpoint), []
    tokenizer = generator.tokenizer
    answer = [{"role": "assistant", "content": "the dog"}]
    said = answer_ids(tokenizer, prompt, "the dog" if isinstance(prompt, str) else answer)

    def generate(input_ids, **_):
        asked.append(input_ids.tolist())
        return torch.cat([input_ids, torch.tensor([said])], dim=1)

    monkeypatch.setattr(generator.model, "generate", generate)
    ((text,),) = generator([prompt], Sampling(max_new_tokens=8), seeds=[1])
    (same,) = generator.ask([prompt], Sampling(max_new_tokens=8), seeds=[1])
    assert asked == [[prompt_ids(tokenizer, prompt)]] * 2
    assert text == same
    assert without_separator(prompt, text.text) == "the dog"
    assert text.text.startswith(" ") == (prompt == "Spanish:")


def test_a_sampled_text_depends_on_its_seed_and_on_no_neighbour(model, tokenizer):
    seeds = [seed_for(0, prompt) for prompt in PROMPTS]
    together = continue_prompts(model, tokenizer, PROMPTS, SAMPLED, seeds=seeds)
    assert all(len(texts) == 3 for texts in together)
    assert len({one.text for texts in together for one in texts}) == 12
    backwards = continue_prompts(
        model, tokenizer, PROMPTS[::-1], SAMPLED, seeds=seeds[::-1], batch_size=5
    )
    assert backwards[::-1] == together
    more = Sampling(max_new_tokens=8, temperature=1.0, samples=5)
    assert [
        texts[:3] for texts in continue_prompts(model, tokenizer, PROMPTS, more, seeds=seeds)
    ] == together
    others = continue_prompts(
        model, tokenizer, PROMPTS, SAMPLED, seeds=[seed + 1 for seed in seeds]
    )
    assert all(a != b for a, b in zip(others, together, strict=True))


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"temperature": 1.0}, 514),
        ({"temperature": 0.25}, 514),
        ({"temperature": 1.0, "top_k": 5}, 5),
        ({"temperature": 0.1, "top_p": 0.6}, None),
    ],
)
def test_tokens_are_drawn_with_the_probabilities_of_the_model(model, tokenizer, options, kept):
    """4,000 first tokens against the softmax, by total variation per token of at most 5 sigma."""
    draws = 4000
    ids = tokenizer("the dog", return_tensors="pt")["input_ids"]
    expected = (model.eval()(ids).logits[0, -1].double() / options["temperature"]).softmax(-1)
    order = expected.argsort(descending=True)
    if "top_p" in options:
        before = expected[order].cumsum(0) - expected[order]
        kept = int((before < options["top_p"]).sum())
    expected[order[kept:]] = 0.0
    expected = (expected / expected.sum()).detach()
    sampling = Sampling(max_new_tokens=1, samples=draws, **options)
    (texts,) = continue_prompts(
        model, tokenizer, ["the dog"], sampling, seeds=[3], batch_size=draws
    )
    by_text = Counter(one.text for one in texts)
    wanted = Counter()
    for token, probability in enumerate(expected.tolist()):
        wanted[tokenizer.decode([token], skip_special_tokens=True)] += probability
    for text, probability in wanted.items():
        sigma = (probability * (1 - probability) / draws) ** 0.5
        assert abs(by_text[text] / draws - probability) <= 5 * sigma + 1e-12, text


def test_a_text_ends_at_any_of_the_checkpoints_end_tokens(model, tokenizer):
    greedy = Sampling(max_new_tokens=6)
    ids = tokenizer("the dog", return_tensors="pt")["input_ids"]
    written = (
        model.eval().generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :].tolist()
    )
    third = written[2]
    end = written.index(third) + 1
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, third]
    try:
        (ended,), (cut,) = continue_prompts(model, tokenizer, ["the dog", "she says"], greedy)
    finally:
        model.generation_config.eos_token_id = before
    assert (ended.tokens, ended.finished) == (end, True)
    assert ended.text == tokenizer.decode(written[:end])
    assert (cut.tokens, cut.finished) == (6, False)


def test_nothing_of_a_checkpoints_own_sampling_is_used(model, tokenizer):
    plain = continue_prompts(model, tokenizer, PROMPTS, SAMPLED, seeds=[1, 2, 3, 4])
    own = model.generation_config
    before = own.to_dict()
    own.update(
        do_sample=True,
        temperature=0.1,
        top_k=1,
        repetition_penalty=9.0,
        no_repeat_ngram_size=1,
        suppress_tokens=[*range(50, 200)],
        encoder_repetition_penalty=2.0,
        forced_eos_token_id=1,
        exponential_decay_length_penalty=(1, 9.0),
        max_time=1e-9,
        stop_strings=["e"],
    )
    settings = own.to_dict()
    try:
        assert continue_prompts(model, tokenizer, PROMPTS, SAMPLED, seeds=[1, 2, 3, 4]) == plain
        assert model.generation_config.to_dict() == settings, "and it keeps them"
    finally:
        model.generation_config = type(own).from_dict(before)


def test_beam_search_is_transformers_own(model, tokenizer):
    done = continue_prompts(model, tokenizer, PROMPTS, Sampling(max_new_tokens=8, beams=3))
    for prompt, (one,) in zip(PROMPTS, done, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        theirs = model.eval().generate(ids, max_new_tokens=8, num_beams=3, do_sample=False)
        text = tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
        assert one.text == text


def test_a_chat_goes_through_the_template_and_nothing_is_put_before_it(model, checkpoint):
    tokenizer = TransformersGenerator(checkpoint).tokenizer
    tokenizer.chat_template = tiny_checkpoint.TEMPLATE
    chat = [{"role": "user", "content": "the dog"}]
    written = "<|im_start|>user: the dog<|im_end|><|im_start|>assistant:"
    greedy = Sampling(max_new_tokens=8)
    assert continue_prompts(model, tokenizer, [chat], greedy) == continue_prompts(
        model, tokenizer, [written], greedy
    )
    tokenizer.chat_template = None
    with pytest.raises(UserError) as error:
        continue_prompts(model, tokenizer, [chat], greedy)
    assert only_problem(error).code == "E044"
    assert "has no chat template" in only_problem(error).what
    assert only_problem(error).fix.startswith("chat: false")


def test_a_tokenizer_without_padding_will_do(model, checkpoint):
    tokenizer = TransformersGenerator(checkpoint).tokenizer
    greedy = Sampling(max_new_tokens=8)
    padded = continue_prompts(model, tokenizer, PROMPTS, greedy)
    tokenizer.pad_token = None
    assert continue_prompts(model, tokenizer, PROMPTS, greedy) == padded


def test_a_checkpoint_gives_what_the_model_it_holds_gives(model, tokenizer, checkpoint):
    generator = TransformersGenerator(checkpoint, batch_size=2)
    generator.ready()
    seeds = [5, 6, 7, 8]
    expected = continue_prompts(model, tokenizer, PROMPTS, SAMPLED, seeds=seeds, batch_size=2)
    assert generator(PROMPTS, SAMPLED, seeds=seeds) == expected
    assert generator.call_size == 2


def test_a_full_accelerator_asks_for_smaller_batches(checkpoint, monkeypatch):
    generator = TransformersGenerator(checkpoint, batch_size=9)

    def full(**_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(generator.model, "generate", full)
    with pytest.raises(UserError) as error:
        generator(PROMPTS, Sampling(max_new_tokens=8), seeds=[1, 2, 3, 4])
    assert error.value.exit_code == 2
    assert str(only_problem(error)) == (
        "error[E089] generation.batch_size: 9 texts of up to 8 new tokens do not fit on the "
        "accelerator. fix: generation.batch_size=4, in a run directory of its own"
    )


def test_precision_is_the_one_it_was_saved_in(model, tokenizer, checkpoint):
    half = tiny_checkpoint.model().to(torch.bfloat16)
    half.save_pretrained(checkpoint)
    assert TransformersGenerator(checkpoint).model.dtype is torch.bfloat16


def test_the_signature_tells_models_and_batches_apart_and_not_places(checkpoint, tmp_path):
    signature = TransformersGenerator(checkpoint).signature
    shutil.copytree(checkpoint, tmp_path / "copy")
    assert TransformersGenerator(tmp_path / "copy").signature == signature
    assert TransformersGenerator(checkpoint, batch_size=2).signature != signature
    tiny_checkpoint.model(seed=1).save_pretrained(tmp_path / "copy")
    assert TransformersGenerator(tmp_path / "copy").signature != signature


def test_a_large_file_is_told_from_another_by_its_blocks(tmp_path):
    size = 6_000_000
    for name, value in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(bytes([value]) * size)
    first = checkpoint_digest(tmp_path / "a")
    assert first != checkpoint_digest(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(bytes(size - 1) + b"\x01")
    assert first != checkpoint_digest(tmp_path / "b"), "the last byte is read"


def test_a_text_that_has_no_room_is_left_out_and_its_neighbours_are_not(checkpoint, tokenizer):
    prompts = ["the dog", "the dog " * 60, "x"]
    long = len(tokenizer(prompts[1])["input_ids"])
    _configured(max_position_embeddings=long + 7)(checkpoint)
    generator = TransformersGenerator(checkpoint)
    answers = generator.ask(prompts, Sampling(max_new_tokens=8), seeds=[0, 1, 2])
    (first,), (last,) = generator(["the dog", "x"], Sampling(max_new_tokens=8), seeds=[0, 2])
    why = f"{long} tokens and room for {long - 1}"
    assert answers == [first, Unanswered(why, "text"), last]
    assert generator.ask(prompts, Sampling(max_new_tokens=7), seeds=[0, 1, 2])[1].prompt_tokens > 0


def test_a_checkpoint_is_found_in_a_run_directory(checkpoint, tmp_path):
    assert find_checkpoint(checkpoint) == checkpoint
    (tmp_path / "run").mkdir()
    checkpoint.rename(tmp_path / "run" / "model")
    assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "model"
    for place, why in (
        (tmp_path, "holds no config.json"),
        (tmp_path / "rum", "is not a directory"),
    ):
        with pytest.raises(UserError) as error:
            find_checkpoint(place)
        assert error.value.exit_code == 2
        assert only_problem(error).code == "E080"
        assert f"{str(place)!r} {why}" in only_problem(error).what
        assert "save_pretrained" in only_problem(error).fix


def _without_a_weight(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})


def _cut(checkpoint):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _encoder_decoder(checkpoint):
    T5Config().save_pretrained(checkpoint)


def _no_weights(checkpoint):
    (checkpoint / "model.safetensors").unlink()


def _no_tokenizer(checkpoint):
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()


def _configured(**changes):
    def damage(checkpoint):
        path = checkpoint / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def _larger_tokenizer(checkpoint):
    tokenizer = TransformersGenerator(checkpoint).tokenizer
    tokenizer.add_tokens(["<en2ky>", "<ky>"])
    tokenizer.save_pretrained(checkpoint)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_without_a_weight, "1 weights are missing, first model.norm.weight"),
        (_cut, "it cannot be loaded: "),
        (_encoder_decoder, "it cannot be loaded: Unrecognized configuration class"),
        (_no_weights, "it cannot be loaded: "),
        (
            _configured(hidden_size="wide"),
            "its tokenizer cannot be loaded: Validation error for field",
        ),
        (_configured(num_hidden_layers="two"), "its tokenizer cannot be loaded: Validation"),
        (_configured(dtype="nonsense"), "its tokenizer cannot be loaded: module 'torch' has no"),
        (_no_tokenizer, "its tokenizer has no words"),
        (_larger_tokenizer, "its tokenizer has 516 tokens and the model embeddings for 514"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_refused(checkpoint, damage, what):
    assert AutoConfig.from_pretrained(checkpoint).vocab_size == 514
    damage(checkpoint)
    with pytest.raises(UserError) as error:
        TransformersGenerator(checkpoint).ready()
    assert error.value.exit_code == 2
    assert only_problem(error).code == "E081"
    assert only_problem(error).where == f"model {shown(str(checkpoint))}"
    assert only_problem(error).what.startswith(what)
    assert len(only_problem(error).what) <= 300
    assert "save_pretrained" in only_problem(error).fix


def test_no_code_of_a_checkpoint_runs_even_where_somebody_would_agree(
    checkpoint, tokenizer, monkeypatch
):
    ran = with_code.add(checkpoint, monkeypatch)
    with pytest.raises(UserError, match="E081"):
        load_model(checkpoint, tokenizer)
    with pytest.raises(UserError, match="E081"):
        _ = TransformersGenerator(checkpoint).tokenizer
    assert not ran.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 4, "temperature": 1.0}, "beams=4 with temperature=1: beam search does not"),
        ({"samples": 8}, "samples=8 with temperature=0 would be the same text 8 times"),
        ({"max_new_tokens": 0}, "at least 1"),
        ({"top_p": 0.0}, r"top_p is in \(0, 1\]"),
        ({"temperature": -1.0}, "temperature and top_k are at least 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**options)


def test_a_template_that_can_reason_is_told_not_to_as_in_training():
    tokenizer = tiny_chats.qwen()
    written = as_text(tokenizer, [{"role": "user", "content": "the dog"}])
    assert written.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
