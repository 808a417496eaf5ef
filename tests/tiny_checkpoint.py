"""A translator of random numbers, which writes varied nonsense and ends some of its texts."""

import tiny_tokenizers
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant:{% endif %}"
)


def model(seed=0):
    tokenizer = tiny_tokenizers.byte_level_bpe()
    torch.manual_seed(seed)
    made = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=32,
            initializer_range=0.3,
            tie_word_embeddings=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with torch.no_grad():
        made.lm_head.weight[tokenizer.eos_token_id] *= 1.3  # so that some texts end
    return made.eval()


def save(path, seed=0, chat=False):
    tokenizer = tiny_tokenizers.byte_level_bpe()
    model(seed).save_pretrained(path)
    tokenizer.save_pretrained(path)
    if chat:
        (path / "chat_template.jinja").write_text(TEMPLATE)
    return path
