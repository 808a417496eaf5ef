import pytest
import tiny_chats
import tiny_tokenizers
import torch
import with_code
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    SiglipVisionConfig,
)

from rewardlab.errors import UserError
from rewardlab.trainers.from_scratch import new_policy
from rewardlab.trainers.policy import (
    end_of_turn,
    freeze_embeddings,
    head_of,
    load_policy,
    load_tokenizer,
    low_rank,
    merge,
    save_trained,
    stop_at,
    untie_embeddings,
)
from rewardlab.trainers.sft import BEST, Example, SFTConfig, sft_trainer, train_to_best

EXAMPLES = [Example("one house\n", "ein Haus"), Example("two boats\n", "zwei Boote")] * 4
IDS = torch.tensor([[5, 9, 11, 40, 7]])


@pytest.fixture(params=["qwen3", "gemma3"])
def checkpoint(request, tmp_path):
    """A saved policy of two layers, with tied embeddings as the published small ones have."""
    tokenizer = tiny_tokenizers.byte_level_bpe()
    policy = new_policy(
        tokenizer, architecture=request.param, hidden_size=32, layers=2, heads=2, seed=1
    )
    policy.save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(str(tmp_path / "start"))
    return tmp_path / "start"


def trained(policy, checkpoint, directory, **trl_options):
    """Two steps of real training, measured, saved and read back as the best."""
    args = SFTConfig(
        str(directory),
        use_cpu=True,
        bf16=False,
        report_to=[],
        disable_tqdm=True,
        activation_checkpointing=False,
        max_steps=2,
        eval_steps=2,
        learning_rate=1e-2,
        **BEST,
    )
    tokenizer = load_tokenizer(checkpoint)
    trainer = sft_trainer(
        policy, tokenizer, EXAMPLES, EXAMPLES[:2], args=args, patience=1, **trl_options
    )
    train_to_best(trainer)
    return trainer


def test_a_checkpoint_is_loaded_as_it_was_saved(checkpoint):
    policy = load_policy(checkpoint)
    reference = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert torch.equal(policy.eval()(IDS).logits, reference.eval()(IDS).logits)
    assert policy.dtype == torch.float32
    assert load_policy(checkpoint, dtype="bfloat16").dtype == torch.bfloat16
    assert load_tokenizer(checkpoint).padding_side == "left"


def test_pickled_weights_are_not_read(checkpoint):
    policy = load_policy(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    torch.save(policy.state_dict(), checkpoint / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"error\[E028\] .*safetensors"):
        load_policy(checkpoint)


def test_no_code_of_a_checkpoint_runs_even_where_somebody_would_agree(checkpoint, monkeypatch):
    ran = with_code.add(checkpoint, monkeypatch)
    with pytest.raises(UserError, match="E028"):
        load_policy(checkpoint, trust_remote_code=True)
    with pytest.raises(ValueError, match="custom code"):
        load_tokenizer(checkpoint)
    assert not ran.exists()


def test_weights_that_are_missing_are_never_random(checkpoint):
    policy = load_policy(checkpoint)
    state = policy.state_dict()
    del state["model.layers.1.mlp.up_proj.weight"], state["model.norm.weight"]
    policy.save_pretrained(checkpoint, state_dict=state)
    with pytest.raises(UserError) as caught:
        load_policy(checkpoint)
    assert str(caught.value) == (
        f"error[E028] '{checkpoint}': 2 weights are missing, first "
        "model.layers.1.mlp.up_proj.weight, model.norm.weight. "
        "fix: give the directory that save_pretrained wrote"
    )


def test_frozen_embeddings_stay_and_everything_else_learns(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    assert freeze_embeddings(policy) is True
    before = {name: value.detach().clone() for name, value in policy.named_parameters()}
    after = dict(trained(policy, checkpoint, tmp_path).model.named_parameters())
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {"model.embed_tokens.weight"}
    assert head_of(policy).weight is policy.get_input_embeddings().weight


def test_an_untied_head_learns_while_the_embeddings_are_frozen(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    untie_embeddings(policy)
    assert freeze_embeddings(policy) is False
    before = {name: value.detach().clone() for name, value in policy.named_parameters()}
    assert torch.equal(before["lm_head.weight"], before["model.embed_tokens.weight"])
    trainer = trained(policy, checkpoint, tmp_path)
    after = dict(trainer.model.named_parameters())
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {"model.embed_tokens.weight"}


def test_an_untied_head_stays_apart_when_it_is_saved(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    untie_embeddings(policy)
    trainer = trained(policy, checkpoint, tmp_path)
    model = save_trained(trainer, load_tokenizer(checkpoint), tmp_path / "run", start=checkpoint)
    loaded = load_policy(model)
    assert loaded.config.tie_word_embeddings is False
    head, embeddings = head_of(loaded).weight, loaded.get_input_embeddings().weight
    assert not torch.equal(head, embeddings)
    assert torch.equal(loaded.eval()(IDS).logits, trainer.model.eval()(IDS).logits)


def test_a_tied_head_is_saved_once_and_loaded_as_one_tensor(checkpoint, tmp_path):
    trainer = trained(load_policy(checkpoint), checkpoint, tmp_path)
    model = save_trained(trainer, load_tokenizer(checkpoint), tmp_path / "run", start=checkpoint)
    loaded = load_policy(model)
    assert head_of(loaded).weight is loaded.get_input_embeddings().weight
    assert torch.equal(loaded.eval()(IDS).logits, trainer.model.eval()(IDS).logits)
    assert not (model / "training_args.bin").exists()


def test_adapters_are_merged_into_the_checkpoint_they_were_trained_on(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    start = policy.eval()(IDS).logits.detach()
    adapters = low_rank(policy, r=4, alpha=8)
    trainer = trained(policy, checkpoint, tmp_path, peft_config=adapters)
    adapted = trainer.model.eval()(IDS).logits.detach()
    assert not torch.allclose(adapted, start, atol=1e-2)
    run = tmp_path / "run"
    model = save_trained(trainer, load_tokenizer(checkpoint), run, start=checkpoint)
    assert {path.name for path in run.iterdir()} == {"adapter", "model"}
    torch.testing.assert_close(load_policy(model).eval()(IDS).logits, adapted, atol=1e-5, rtol=0)
    merged = merge(load_policy(checkpoint), run / "adapter")
    torch.testing.assert_close(merged.eval()(IDS).logits, adapted, atol=1e-5, rtol=0)
    assert load_tokenizer(model).eos_token == "<|im_end|>"  # noqa: S105 - not a password


def test_adapters_can_be_put_on_some_modules_only(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    adapters = low_rank(policy, r=2, target_modules=("q_proj", "v_proj"))
    trainer = trained(policy, checkpoint, tmp_path, peft_config=adapters)
    learning = {name for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert len(learning) == 2 * 2 * 2  # layers, modules, matrices
    assert all("q_proj.lora" in name or "v_proj.lora" in name for name in learning)


# ── what ends a turn ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("chat", "end"), [(tiny_chats.gemma, "<end_of_turn>"), (tiny_chats.qwen, "<|im_end|>")]
)
def test_the_token_that_ends_a_turn_is_read_from_the_template(chat, end):
    tokenizer = chat()
    assert end_of_turn(tokenizer) == tokenizer.convert_tokens_to_ids(end)
    assert tokenizer.eos_token != end


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (None, "the checkpoint's tokenizer has no chat template"),
        (
            "{% for message in messages %}{{ message.content }}\n{% endfor %}",
            r"the chat template ends an answer with '\\n', which is no special token",
        ),
    ],
)
def test_a_template_that_does_not_end_its_turns_is_refused(template, reason):
    tokenizer = tiny_chats.qwen()
    tokenizer.chat_template = template
    with pytest.raises(UserError, match=r"error\[E044\] chat: " + reason):
        end_of_turn(tokenizer)


def test_what_ends_a_turn_ends_completions_wherever_the_policy_is_loaded(checkpoint, tmp_path):
    policy = load_policy(checkpoint)
    own = policy.generation_config.eos_token_id
    stop_at(policy, 7)
    stop_at(policy, 7)
    policy.save_pretrained(tmp_path / "saved")
    assert load_policy(tmp_path / "saved").generation_config.eos_token_id == [own, 7]


# ── models that also see images ─────────────────────────────────────────────────────────────────


@pytest.fixture
def seeing(tmp_path):
    """Gemma 3 from 4B up is such a model: a vision tower beside the language model."""
    tokenizer = tiny_tokenizers.byte_level_bpe()
    text = new_policy(tokenizer, architecture="gemma3", hidden_size=32, layers=2, heads=2).config
    vision = SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    config = Gemma3Config(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        mm_tokens_per_image=4,
        image_token_index=60,
        boi_token_index=61,
        eoi_token_index=62,
    )
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(str(tmp_path / "start"))
    return tmp_path / "start"


def test_what_sees_no_text_is_frozen_and_kept(seeing, tmp_path):
    policy = load_policy(seeing)
    before = {name: value.detach().clone() for name, value in policy.named_parameters()}
    trainer = trained(policy, seeing, tmp_path)
    after = dict(trainer.model.named_parameters())
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    seen = {name for name in after if "vision_tower" in name or "multi_modal_projector" in name}
    assert same == seen
    model = save_trained(trainer, load_tokenizer(seeing), tmp_path / "run", start=seeing)
    assert type(load_policy(model)) is Gemma3ForConditionalGeneration


def test_what_sees_no_text_gets_no_adapters(seeing, tmp_path):
    policy = load_policy(seeing)
    trainer = trained(policy, seeing, tmp_path, peft_config=low_rank(policy, r=2))
    adapters = {name for name, _ in trainer.model.named_parameters() if "lora" in name}
    assert adapters
    assert all("language_model" in name for name in adapters)
    model = save_trained(trainer, load_tokenizer(seeing), tmp_path / "run", start=seeing)
    adapted = trainer.model.eval()(IDS).logits
    torch.testing.assert_close(load_policy(model).eval()(IDS).logits, adapted, atol=1e-5, rtol=0)
