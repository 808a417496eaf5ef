"""A checkpoint directory, held against the architecture it names, without loading a weight.

Only the headers of its safetensors files are read. Their names and shapes go through the same
code that will load the weights, on tensors without storage, so that what would start at random or
fail to load is known in a second, whatever the size.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rewardlab.errors import Problem, UserError, shown

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

INDEX = "model.safetensors.index.json"
ONE_FILE = "model.safetensors"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
LISTED = 3
DTYPES: Mapping[str, str] = MappingProxyType(
    {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
)
"""Of the safetensors format, and torch's names; others are quantised, and their shapes are not the
parameters'."""


class Checkpoint(NamedTuple):
    """What a checkpoint directory holds.

    Attributes:
        path: The directory.
        model: The model on the meta device: every shape, no weight.
        dtypes: Data types of its weights, in the words of safetensors.
        notes: What a reader should know and no rule forbids.
    """

    path: Path
    model: PreTrainedModel
    dtypes: frozenset[str]
    notes: tuple[str, ...]


Shapes = Mapping[str, tuple[list[int], str]]
"""Of each tensor of the files: its shape and its data type."""


def read_checkpoint(path: str | Path, *, classifier: bool = False) -> Checkpoint:
    """Check that a directory is a causal language model that loads whole and as data.

    Args:
        path: The directory; it holds a ``config.json``.
        classifier: A sequence classifier will do as well.

    Raises:
        UserError: With every problem: E050 a JSON file that cannot be used; E051 it wants code of
            its own; E052 another kind of model; E053 no safetensors; E054 their files are
            incomplete or damaged; E055 they do not fit the architecture; E056 its generation
            settings name tokens it does not have.
    """
    path = Path(path)
    problems = _remote_code(path)
    config = shapes = None
    try:
        config = _config(path)
        problems += _architecture(path, config, classifier=classifier)
    except UserError as error:
        problems += error.problems
    try:
        shapes = weight_shapes(path)
    except UserError as error:
        problems += error.problems
    if config is None or shapes is None or problems:
        raise UserError(problems)
    checkpoint, misfits = _fit(path, config, shapes)
    problems = [*misfits, *_generation(checkpoint)]
    if problems:
        raise UserError(problems)
    return checkpoint


def weight_shapes(path: Path) -> Shapes:
    """Names, shapes and data types of all tensors, from the headers of the files.

    Raises:
        UserError: E050 the index cannot be read; E053 there are no safetensors; E054 files or
            tensors of the index are missing, or a file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if (path / INDEX).is_file():
        named = _json(path / INDEX).get("weight_map")
        if not isinstance(named, dict):
            what = "holds no weight_map"
            raise UserError([Problem("E050", str(path / INDEX), what, "fetch it anew")])
        files = sorted(set(cast("dict[str, str]", named).values()))
    elif (path / ONE_FILE).is_file():
        named, files = None, [ONE_FILE]
    else:
        raise UserError([_no_safetensors(path)])
    found: dict[str, tuple[list[int], str]] = {}
    problems: list[Problem] = []
    for name in files:
        try:
            with safe_open(str(path / name), framework="pt") as file:
                slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - no dict
                found |= {key: (one.get_shape(), one.get_dtype()) for key, one in slices.items()}
        except (OSError, SafetensorError) as error:
            reason = (
                "is missing" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
            )
            problems.append(Problem("E054", str(path / name), reason, "fetch the file anew"))
    if not problems and named is not None and (lost := sorted(named.keys() - found.keys())):
        what = f"tensors that none of its files holds: {_some(lost)}"
        problems.append(Problem("E054", str(path / INDEX), what, "fetch the checkpoint anew"))
    if problems:
        raise UserError(problems)
    return found


def _remote_code(path: Path) -> list[Problem]:
    """E051: transformers would import a module of the checkpoint, if it were let."""
    problems: list[Problem] = []
    for name in ("config.json", "tokenizer_config.json"):
        try:
            settings = _json(path / name) if (path / name).is_file() else {}
        except UserError:
            continue  # told where the file itself is read
        if settings.get("auto_map"):
            what = "auto_map asks for code from the checkpoint to be run"
            fix = "take a checkpoint that transformers reads without it, and remove auto_map"
            problems.append(Problem("E051", str(path / name), what, fix))
    return problems


def _config(path: Path) -> PreTrainedConfig:
    import transformers

    file = path / "config.json"
    _json(file)
    try:
        # Left open, transformers would ask on the terminal whether to run the checkpoint's code.
        config = transformers.AutoConfig.from_pretrained(str(path), trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds about values it refuses
        what = f"transformers {transformers.__version__} refuses it: {_one_line(error)}"
        raise UserError([Problem("E050", str(file), what, "fetch the file anew")]) from error
    return cast("PreTrainedConfig", config)


def _architecture(path: Path, config: PreTrainedConfig, *, classifier: bool) -> list[Problem]:
    """E052: what the checkpoint names is no decoder that continues a text."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )

    kind = config.model_type
    causal = _names(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, kind)
    architectures: Sequence[str] = getattr(config, "architectures", None) or ()
    named = next(iter(architectures), None)
    fix = "give a decoder-only model, such as a Gemma 3 or Qwen3 checkpoint"
    if classifier and named in _names(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, kind):
        return []
    if config.is_encoder_decoder:
        what = f"{named} ({kind}) has an encoder and a decoder; a policy continues its prompt"
    elif named in causal:
        return []
    elif named is None and causal:
        what, fix = "names no architecture", f'"architectures": ["{causal[0]}"]'
    else:
        also = " and no sequence classifier" if classifier else ""
        what = f"{named} ({kind}) is not a causal language model{also}"
    return [Problem("E052", str(path / "config.json"), what, fix)]


def _names(mapping: Mapping[str, Any], kind: str) -> list[str]:
    """The classes of one kind of model; transformers names one, or several."""
    known: str | Sequence[str] | None = mapping.get(kind)
    return [known] if isinstance(known, str) else list(known or ())


def _fit(path: Path, config: PreTrainedConfig, shapes: Shapes) -> tuple[Checkpoint, list[Problem]]:
    """Load names and shapes as transformers would load the weights. E055."""
    import torch
    import transformers

    architecture = getattr(transformers, cast("list[str]", config.architectures)[0])
    dtypes = frozenset(dtype for _, dtype in shapes.values())
    if getattr(config, "quantization_config", None) or not dtypes <= DTYPES.keys():
        with torch.device("meta"):
            model = architecture(config)
        note = f"{path}: quantised weights; whether they fit the architecture is not checked"
        return Checkpoint(path, model, dtypes, (note,)), []
    hollow = {
        name: torch.empty(shape, dtype=getattr(torch, DTYPES[dtype]), device="meta")
        for name, (shape, dtype) in shapes.items()
    }
    with _silent():
        model, info = architecture.from_pretrained(
            None,
            config=config,
            state_dict=hollow,
            device_map="meta",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    problems: list[Problem] = []
    if missing := sorted(info["missing_keys"]):
        what = f"weights of {architecture.__name__} that it lacks: {_some(missing)}"
        fix = "they would start at random: fetch the checkpoint anew, or correct its config.json"
        problems.append(Problem("E055", str(path), what, fix))
    if other := sorted(info["mismatched_keys"]):
        name, have, want = other[0]
        what = f"weights of another shape than config.json says: {_some([one[0] for one in other])}"
        what += f"; {name} is {list(have)} and not {list(want)}"
        fix = "give config.json and weights of one model"
        problems.append(Problem("E055", str(path), what, fix))
    notes: tuple[str, ...] = ()
    if unused := sorted(info["unexpected_keys"]):
        notes = (f"{path}: tensors that {architecture.__name__} does not use: {_some(unused)}",)
    return Checkpoint(path, cast("PreTrainedModel", model), dtypes, notes), problems


def _generation(checkpoint: Checkpoint) -> list[Problem]:
    """E050, E056: the settings that end a completion."""
    file = checkpoint.path / "generation_config.json"
    if not file.is_file():
        return []
    try:
        settings = _json(file)
    except UserError as error:
        return error.problems
    ends: Any = settings.get("eos_token_id")
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    rows = embedding_rows(checkpoint.model)
    wrong = [end for end in ends if not (isinstance(end, int) and 0 <= end < rows)]
    if not wrong:
        return []
    what = f"eos_token_id {shown(wrong[0])} is no token of a model with {rows:,} embeddings"
    fix = "write the ids of the checkpoint's own tokenizer"
    return [Problem("E056", str(file), what, fix)]


def embedding_rows(model: PreTrainedModel) -> int:
    """How many token ids the model has embeddings for."""
    return cast("int", cast("Any", model.get_input_embeddings()).weight.shape[0])


def _no_safetensors(path: Path) -> Problem:
    if any((path / name).is_file() for name in PICKLES):
        what = "its weights are pickles, which can run code when they are loaded"
        source, target = (json.dumps(str(place)) for place in (path, f"{path}-safetensors"))
        code = (
            "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
            f'M.from_pretrained({source}, dtype="auto").save_pretrained({target}); '
            f"T.from_pretrained({source}).save_pretrained({target})"
        )
        fix = f"if you trust it, convert it once: python -c {shlex.quote(code)}"
        return Problem("E053", str(path), what, fix)
    what = f"holds no weights: neither {ONE_FILE} nor {INDEX}"
    return Problem("E053", str(path), what, "give the directory that save_pretrained wrote")


def _json(file: Path) -> dict[str, Any]:
    """A JSON mapping.

    Raises:
        UserError: E050.
    """
    try:
        value: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"cannot be read: {_one_line(error)}"
        raise UserError([Problem("E050", str(file), what, "fetch the file anew")]) from error
    if not isinstance(value, dict):
        raise UserError([Problem("E050", str(file), "is no JSON mapping", "fetch the file anew")])
    return cast("dict[str, Any]", value)


def _some(names: list[str]) -> str:
    """``29, first lm_head.weight, model.norm.weight``."""
    first = "first " if len(names) > LISTED else ""
    return f"{len(names):,}, {first}{', '.join(names[:LISTED])}"


@contextmanager
def _silent() -> Generator[None]:
    """Let transformers say nothing: what it would report is a problem of ours."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
