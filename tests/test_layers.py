"""The direction of imports, as the architecture document that cannot drift.

TEXT    characters, scores, spans; importable without torch
TENSOR  ids and tensors; knows no reward and no language
MODELS  networks and engines that rewards ask; loaded on first use, inside a function
TRAIN   imports both sides
SHELL   composes the rest; nothing imports it
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rewardlab"

LAYERS = {
    "TEXT": (
        "rewardlab",
        "rewardlab.types",
        "rewardlab.errors",
        "rewardlab.statistics",
        "rewardlab.text",
        "rewardlab.human",
        "rewardlab.perturbations",
        "rewardlab.evaluation.significance",
        "rewardlab.evaluation.metrics",
        "rewardlab.evaluation.evaluate",
        "rewardlab.ensemble",
        "rewardlab.generate",
        "rewardlab.heartbeat",
        "rewardlab.decoding.rerank",
        "rewardlab.decoding.translate",
        "rewardlab.decoding",
        "rewardlab.rewards",
        "rewardlab.data",
        "rewardlab.metaeval",
        "rewardlab.store",
        "rewardlab.miniature",
        "rewardlab.miniature.grammar",
        "rewardlab.miniature.language",
        "rewardlab.miniature.meaning",
        "rewardlab.miniature.noise",
    ),
    "TENSOR": (
        "rewardlab.align",
        "rewardlab.token_text",
        "rewardlab.token_credit",
        "rewardlab.advantages",
    ),
    "MODELS": (
        "rewardlab.models",
        "rewardlab.models",
        "rewardlab.generate.local",
        "rewardlab.generate.vllm_engine",
    ),
    "TRAIN": ("rewardlab.trainers",),
    "SHELL": (
        "rewardlab.adapters",
        "rewardlab.config",
        "rewardlab.cli",
        "rewardlab.dry_run",
        "rewardlab.report",
        "rewardlab.miniature.pipeline",
    ),
}
GLOSSARY = {"rewardlab.types"}
MAY_IMPORT = {
    "TEXT": {"TEXT"},
    "TENSOR": {"TENSOR"},
    "MODELS": {"TEXT", "MODELS"},
    "TRAIN": {"TEXT", "TENSOR", "MODELS", "TRAIN"},
    "SHELL": {"TEXT", "TENSOR", "MODELS", "TRAIN", "SHELL"},
}
ON_FIRST_USE = {"TEXT": {"MODELS"}}
"""What may be imported too, inside functions."""
TENSOR_LIBRARIES = {"torch", "transformers", "trl", "accelerate", "peft", "datasets"}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer(module):
    """The layer of the longest listed prefix."""
    listed = {name: layer for layer, names in LAYERS.items() for name in names}
    while module:
        if module in listed:
            return listed[module]
        module = module.rpartition(".")[0]
    return None


def imports(path):
    """(module, at module level) of everything imported, TYPE_CHECKING blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        top_level = node in tree.body
        if isinstance(node, ast.Import):
            yield from ((alias.name, top_level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield (deeper if deeper in MODULES else node.module), top_level


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_layers(module):
    here = layer(module)
    assert here is not None, f"{module} stands in no layer; add it to LAYERS"
    for imported, top_level in imports(MODULES[module]):
        if imported.split(".")[0] != "rewardlab" or imported == "rewardlab" or imported in GLOSSARY:
            continue
        allowed = MAY_IMPORT[here] | (set() if top_level else ON_FIRST_USE.get(here, set()))
        there = layer(imported)
        assert there in allowed, f"{module} ({here}) imports {imported} ({there})"


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) == "TEXT"])
def test_the_text_side_needs_no_tensor_library(module):
    for imported, _ in imports(MODULES[module]):
        assert imported.split(".")[0] not in TENSOR_LIBRARIES, f"{module} imports {imported}"


def test_importing_rewardlab_is_light():
    """No heavy library is loaded by the package, its text side, or the command line's help."""
    code = (
        "import sys, rewardlab, rewardlab.rewards, rewardlab.config, rewardlab.cli\n"
        f"print([m for m in {sorted(TENSOR_LIBRARIES)} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
