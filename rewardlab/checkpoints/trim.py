"""Writing a checkpoint with a smaller vocabulary: embeddings and output head are cut alike."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rewardlab.checkpoints.vocabulary import UntrimmableError, check_trimmable, kept_ids, trimmed
from rewardlab.errors import Problem, one_line, refuse, shown
from rewardlab.models.pretrained import UnusableError, read_model, read_tokenizer
from rewardlab.store.files import replace_file

KEPT = "kept_token_ids.json"
"""The old id of every kept token, in the order of the new ids."""
LINES_PER_BATCH = 1000
PROBES = 8
"""Texts whose logits are compared with those of the whole model."""
NAMED_IDS = ("_token_id", "_token_index")
"""Ends of the names of configuration values that are token ids."""


@dataclass(frozen=True)
class Trimmed:
    """What was written.

    Attributes:
        entries_before: Entries of the vocabulary.
        entries: Entries that were kept.
        parameters_before: Parameters of the model.
        parameters: Parameters that are left.
        lines: Lines of the kept text, all of which are encoded as before.
        tokens: Their tokens.
        largest_difference: Largest difference of a kept token's logit (for an encoder, of a hidden
            state) from the whole model's.
        other_tokens_before: Tokens of the other texts, with the whole vocabulary.
        other_tokens: Their tokens with the smaller one. The more, the worse the model knows them.
    """

    entries_before: int
    entries: int
    parameters_before: int
    parameters: int
    lines: int
    tokens: int
    largest_difference: float
    other_tokens_before: int
    other_tokens: int


def trim(
    checkpoint: Path, directory: Path, texts: Iterable[str], *, other_texts: Sequence[str] = ()
) -> Trimmed:
    """Write a checkpoint that keeps the tokens of these texts.

    Args:
        checkpoint: A checkpoint with a fast tokenizer, BPE or unigram.
        directory: An existing, empty directory; receives the smaller checkpoint and `KEPT`.
        texts: The text to keep: everything that training, sampling and evaluation will read or
            write, prompts and answers. Other text still has an encoding, but a longer one.
        other_texts: Text that is not kept, to measure how much longer it becomes.

    Raises:
        UserError: E385, the checkpoint cannot be loaded or trimmed, or the smaller one would encode
            a text otherwise; exit code 3.
    """
    lines = list(dict.fromkeys(texts))
    try:
        tokenizer = read_tokenizer(checkpoint)
        model = read_model(_kind(checkpoint), checkpoint, tokenizer)
        return _trim(model, tokenizer, directory, lines, other_texts)
    except (UnusableError, UntrimmableError) as error:
        fix = "give a checkpoint with weights and a fast tokenizer"
        refuse(Problem("E385", str(checkpoint), one_line(error), fix))


def _kind(checkpoint: Path) -> Any:
    """The class that wrote a checkpoint, with the output head that it has."""
    try:
        config = AutoConfig.from_pretrained(str(checkpoint), local_files_only=True)
    except Exception as error:  # a broken file can raise anything
        raise UnusableError(f"its config.json cannot be read: {error}") from error
    names: list[str] = config.architectures or [""]
    return getattr(transformers, names[0], AutoModel)


def _trim(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    directory: Path,
    lines: Sequence[str],
    other_texts: Sequence[str],
) -> Trimmed:
    if not tokenizer.is_fast:
        raise UntrimmableError("its tokenizer is not a fast one (tokenizer.json)")
    backend: Any = tokenizer.backend_tokenizer
    whole: dict[str, Any] = json.loads(backend.to_str())
    check_trimmable(whole)
    counts = Counter(id_ for ids in _encoded(tokenizer, lines) for id_ in ids)
    keep = kept_ids(whole, counts, {*tokenizer.all_special_ids, *_named_ids(model, tokenizer)})
    rows = _rows(model)
    keep = [id_ for id_ in keep if id_ < rows]
    probes = [line for line in lines if line][:: max(1, len(lines) // PROBES)][:PROBES]
    has_head = model.get_output_embeddings() is not None
    before = [_outputs(model, ids) for ids in _encoded(tokenizer, probes)]
    parameters = model.num_parameters()
    cut(model, keep)
    smaller = _smaller_tokenizer(tokenizer, trimmed(whole, keep), directory)
    _check_encodings(tokenizer, smaller, keep, lines)
    after = [_outputs(model, ids) for ids in _encoded(smaller, probes)]
    model.save_pretrained(str(directory))
    replace_file(directory / KEPT, json.dumps(keep))
    differences = [
        (one[..., keep] if has_head else one).sub(other).abs().max().item()
        for one, other in zip(before, after, strict=True)
    ]
    return Trimmed(
        entries_before=rows,
        entries=len(keep),
        parameters_before=parameters,
        parameters=model.num_parameters(),
        lines=len(lines),
        tokens=counts.total(),
        largest_difference=max(differences, default=0.0),
        other_tokens_before=sum(map(len, _encoded(tokenizer, other_texts))),
        other_tokens=sum(map(len, _encoded(smaller, other_texts))),
    )


def cut(model: PreTrainedModel, keep: Sequence[int]) -> None:
    """Leave a model with these entries of its vocabulary, in place.

    Args:
        model: The model; embeddings, output head, its bias and the configuration are changed.
        keep: Old ids in ascending order; the new ids are their positions.
    """
    number = {old: new for new, old in enumerate(keep)}
    head = model.get_output_embeddings()
    modules = [model.get_input_embeddings(), *([head] if head is not None else [])]
    tensors = {id(one): one for module in modules for one in module.parameters()}
    with torch.no_grad():
        for tensor in tensors.values():
            tensor[: len(keep)] = tensor[list(keep)]
    model.resize_token_embeddings(len(keep))
    for owner in _settings(model):
        for name, value in _ids_in(owner):
            new = [number[one] for one in value] if isinstance(value, list) else number[value]
            setattr(owner, name, new)


def _rows(model: PreTrainedModel) -> int:
    embeddings: Any = model.get_input_embeddings()
    return embeddings.num_embeddings


def _settings(model: PreTrainedModel) -> list[Any]:
    """The configurations of a model that can name token ids."""
    generation = getattr(model, "generation_config", None)  # an encoder has none
    found = (model.config, model.config.get_text_config(), generation)
    return [*{id(one): one for one in found if one is not None}.values()]


def _ids_in(owner: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the token ids in a configuration."""
    for name, value in vars(owner).items():
        if name.endswith(NAMED_IDS) and value is not None:
            yield name, value


def _named_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids that the configurations or the chat template name."""
    found: set[int] = set()
    for owner in _settings(model):
        for _, value in _ids_in(owner):
            found |= set(value) if isinstance(value, list) else {value}
    named: Any = tokenizer
    template = str(named.chat_template or "")
    return found | {id_ for token, id_ in named.get_added_vocab().items() if token in template}


def _smaller_tokenizer(
    tokenizer: PreTrainedTokenizerBase, content: Any, directory: Path
) -> PreTrainedTokenizerBase:
    """Write the tokenizer with another ``tokenizer.json``, and read it."""
    tokenizer.save_pretrained(str(directory))
    replace_file(directory / "tokenizer.json", json.dumps(content, ensure_ascii=False))
    settings = directory / "tokenizer_config.json"
    kept: dict[str, Any] = json.loads(settings.read_text(encoding="utf-8"))
    kept.pop("added_tokens_decoder", None)  # old ids; tokenizer.json has the tokens
    replace_file(settings, json.dumps(kept, ensure_ascii=False, indent=2))
    return read_tokenizer(directory)


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Iterator[list[int]]:
    """The ids of each text, with the special tokens that the tokenizer adds."""
    rest = iter(texts)
    while batch := list(islice(rest, LINES_PER_BATCH)):
        encoded: Any = tokenizer(batch)
        yield from encoded["input_ids"]


def _check_encodings(
    whole: PreTrainedTokenizerBase,
    smaller: PreTrainedTokenizerBase,
    keep: Sequence[int],
    lines: Sequence[str],
) -> None:
    """Check that every line is encoded as before.

    Raises:
        UntrimmableError: One is not.
    """
    pairs = zip(lines, _encoded(whole, lines), _encoded(smaller, lines), strict=True)
    for line, before, after in pairs:
        if before != [keep[id_] for id_ in after]:
            raise UntrimmableError(f"its tokenizer would encode {shown(line)} otherwise")


def _outputs(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    """Logits of one text, or hidden states of a model without a head: [tokens, entries or size]."""
    batch = torch.tensor([list(ids)])
    run: Any = model
    model.eval()
    decoder = {"decoder_input_ids": batch} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        out: Any = run(input_ids=batch, **decoder)
    return (out.logits if "logits" in out else out.last_hidden_state)[0].float()
