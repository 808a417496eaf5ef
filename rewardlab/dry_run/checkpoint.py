"""Checks of a checkpoint directory against the architecture it names, without loading weights.

Only the headers of the safetensors files are read. The code that will load the weights runs on
tensors without storage, with the names and shapes of these headers. So missing weights, and weights
of the wrong shape, are found in a second, whatever the size of the model.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rewardlab.dry_run.findings import Findings, one_line
from rewardlab.errors import EXIT_USAGE, Problem, UserError, refuse, shown
from rewardlab.store.checkpoints import NOT_GGUF, gguf_file

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

INDEX = "model.safetensors.index.json"
ONE_FILE = "model.safetensors"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
LISTED = 3
DTYPES: Mapping[str, str] = MappingProxyType(
    {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
)
"""Data types of the safetensors format, and torch's names for them. Others are quantised: their
shapes are not those of the parameters."""


class Checkpoint(NamedTuple):
    """A checkpoint that passed all checks.

    Attributes:
        model: The model on the meta device: every shape, no weight.
        weight_bytes: Bytes per weight in the largest data type of the weights.
        notes: Information for the user that is not an error.
    """

    model: PreTrainedModel
    weight_bytes: int
    notes: tuple[str, ...]


Shapes = Mapping[str, tuple[list[int], str]]
"""Of each tensor of the files: its shape and its data type."""


def read_checkpoint(path: str | Path, *, classifier: bool = False) -> Checkpoint:
    """Check that a directory is a complete causal language model that runs no code when it loads.

    Args:
        path: The directory; it contains a ``config.json``.
        classifier: True if a sequence classifier is accepted as well.

    Raises:
        UserError: All problems: E050 a JSON file that cannot be used; E051 the checkpoint needs its
            own code; E052 another kind of model; E053 no safetensors; E054 the safetensors files
            are incomplete or damaged; E055 the weights do not fit the architecture; E056 the
            generation settings name tokens that the model does not have.
    """
    path, found = Path(path), Findings()
    found.add(_remote_code(path))
    config = found.attempt(_config, path)
    if config is not None:
        found.add(_architecture(path, config, classifier=classifier))
    shapes = found.attempt(weight_shapes, path)
    found.raise_if_any()
    checkpoint = _fit(path, cast("PreTrainedConfig", config), shapes or {}, found)
    found.attempt(_check_generation, path / "generation_config.json", checkpoint.model)
    found.raise_if_any()
    return checkpoint


def weight_shapes(path: Path) -> Shapes:
    """Names, shapes and data types of all tensors, from the headers of the files.

    Raises:
        UserError: E050 the index cannot be read; E053 there are no safetensors; E054 files or
            tensors of the index are missing, or a file is damaged.
    """
    named = None
    if (path / INDEX).is_file():
        named = _json(path / INDEX).get("weight_map")
        if not isinstance(named, dict):
            problem = Problem("E050", str(path / INDEX), "holds no weight_map", "fetch it again")
            refuse(problem, exit_code=EXIT_USAGE)
    elif not (path / ONE_FILE).is_file():
        refuse(_no_safetensors(path), exit_code=EXIT_USAGE)
    tensors: dict[str, tuple[list[int], str]] = {}
    found = Findings()
    for name in [ONE_FILE] if named is None else sorted({*named.values()}):
        tensors |= found.attempt(_header, path / name) or {}
    found.raise_if_any()
    if named is not None and (lost := sorted(named.keys() - tensors.keys())):
        what = f"tensors that none of its files holds: {_some(lost)}"
        problem = Problem("E054", str(path / INDEX), what, "fetch the checkpoint again")
        refuse(problem, exit_code=EXIT_USAGE)
    return tensors


def _header(file: Path) -> dict[str, tuple[list[int], str]]:
    """Shapes and data types of the tensors of one file.

    Raises:
        UserError: E054.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as opened:
            slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 - no dict
            return {key: (one.get_shape(), one.get_dtype()) for key, one in slices.items()}
    except (OSError, SafetensorError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "is missing" if missing else f"is damaged: {error}"
        raise UserError([Problem("E054", str(file), reason, "fetch the file again")]) from error


def _remote_code(path: Path) -> Iterator[Problem]:
    """E051: the checkpoint asks transformers to import a module of its own."""
    for name in ("config.json", "tokenizer_config.json"):
        settings: dict[str, Any] = {}
        with suppress(UserError):  # reported where the file itself is read
            settings = _json(path / name)
        if settings.get("auto_map"):
            what = "auto_map asks for code from the checkpoint to be run"
            fix = "take a checkpoint that transformers reads without it, and remove auto_map"
            yield Problem("E051", str(path / name), what, fix)


def _config(path: Path) -> PreTrainedConfig:
    import transformers

    file = path / "config.json"
    _json(file)
    try:
        # Otherwise transformers asks on the terminal whether to run the checkpoint's code.
        config = transformers.AutoConfig.from_pretrained(str(path), trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds about values it refuses
        what = f"transformers {transformers.__version__} refuses it: {one_line(error)}"
        raise UserError([Problem("E050", str(file), what, "fetch the file again")]) from error
    return cast("PreTrainedConfig", config)


def _architecture(path: Path, config: PreTrainedConfig, *, classifier: bool) -> Iterator[Problem]:
    """E052: the checkpoint is not a decoder that continues a text."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )

    kind = config.model_type
    causal = _names(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, kind)
    classifiers = _names(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, kind)
    named = cast("str | None", next(iter(getattr(config, "architectures", None) or ()), None))
    fix = "give a decoder-only model, such as a Gemma 3 or Qwen3 checkpoint"
    if classifier and named in classifiers:
        return
    if config.is_encoder_decoder:
        what = f"{named} ({kind}) has an encoder and a decoder; a policy continues its prompt"
    elif named in causal:
        return
    elif named is None and causal:
        what, fix = "names no architecture", f'"architectures": ["{causal[0]}"]'
    else:
        also = " and no sequence classifier" if classifier else ""
        what = f"{named} ({kind}) is not a causal language model{also}"
    yield Problem("E052", str(path / "config.json"), what, fix)


def _names(mapping: Mapping[str, Any], kind: str) -> list[str]:
    """The classes of one kind of model; transformers has one name, or several."""
    known: str | Sequence[str] | None = mapping.get(kind)
    return [known] if isinstance(known, str) else list(known or ())


def _fit(path: Path, config: PreTrainedConfig, shapes: Shapes, found: Findings) -> Checkpoint:
    """Load names and shapes as transformers would load the weights; ``found`` gets E055."""
    import torch
    import transformers

    architecture = getattr(transformers, cast("list[str]", config.architectures)[0])
    dtypes = {dtype for _, dtype in shapes.values()}
    sizes = [getattr(torch, DTYPES[dtype]).itemsize if dtype in DTYPES else 1 for dtype in dtypes]
    weight_bytes = max(sizes, default=4)
    if getattr(config, "quantization_config", None) or not dtypes <= DTYPES.keys():
        with torch.device("meta"):
            model = architecture(config)
        note = f"{path}: quantised weights; whether they fit the architecture is not checked"
        return Checkpoint(model, weight_bytes, (note,))
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
    if missing := sorted(info["missing_keys"]):
        what = f"weights of {architecture.__name__} that it lacks: {_some(missing)}"
        fix = "they would start at random: fetch the checkpoint again, or correct its config.json"
        found.add([Problem("E055", str(path), what, fix)])
    if other := sorted(info["mismatched_keys"]):
        name, have, want = other[0]
        what = f"weights of another shape than config.json says: {_some([one[0] for one in other])}"
        what += f"; {name} is {list(have)} and not {list(want)}"
        fix = "give config.json and weights of one model"
        found.add([Problem("E055", str(path), what, fix)])
    notes: tuple[str, ...] = ()
    if unused := sorted(info["unexpected_keys"]):
        notes = (f"{path}: tensors that {architecture.__name__} does not use: {_some(unused)}",)
    return Checkpoint(cast("PreTrainedModel", model), weight_bytes, notes)


def _check_generation(file: Path, model: PreTrainedModel) -> None:
    """Check the settings of ``generation_config.json`` that end a completion.

    Raises:
        UserError: E050, E056.
    """
    ends: Any = _json(file).get("eos_token_id") if file.is_file() else None
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    rows = embedding_rows(model)
    wrong = [end for end in ends if not (isinstance(end, int) and 0 <= end < rows)]
    if wrong:
        what = f"eos_token_id {shown(wrong[0])} is no token of a model with {rows:,} embeddings"
        fix = "write the ids of the checkpoint's own tokenizer"
        refuse(Problem("E056", str(file), what, fix), exit_code=EXIT_USAGE)


def embedding_rows(model: PreTrainedModel) -> int:
    """Number of token ids that the model has embeddings for."""
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
    if (file := gguf_file(path)) is not None:
        return Problem("E053", str(path), f"its weights are in {file.name}, a GGUF", NOT_GGUF)
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
        what = f"cannot be read: {one_line(error)}"
        raise UserError([Problem("E050", str(file), what, "fetch the file again")]) from error
    if not isinstance(value, dict):
        problem = Problem("E050", str(file), "is no JSON mapping", "fetch the file again")
        refuse(problem, exit_code=EXIT_USAGE)
    return cast("dict[str, Any]", value)


def _some(names: list[str]) -> str:
    """``29, first lm_head.weight, model.norm.weight``."""
    first = "first " if len(names) > LISTED else ""
    return f"{len(names):,}, {first}{', '.join(names[:LISTED])}"


@contextmanager
def _silent() -> Generator[None]:
    """Silence transformers: what it would log is reported as a problem."""
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
