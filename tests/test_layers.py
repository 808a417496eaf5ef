"""The rooms of the library and their order: a room imports only from rooms before it.

This list is the architecture document that cannot drift. Imports under ``TYPE_CHECKING`` and
inside functions count like any other: what a file needs in order to be read, it depends on.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "rewardlab"

# (room, what it may load): a text room is read without a tensor library; a model room is where
# networks and engines live, and is imported by text rooms inside functions only.
ROOMS = (
    ("errors", "text"),
    ("arguments", "text"),
    ("registry", "text"),
    ("json_values", "text"),
    ("statistics", "text"),
    ("spans", "text"),
    ("candidates", "text"),
    ("scores", "text"),
    ("composing", "text"),
    ("types", "text"),
    ("seeds", "text"),
    ("heartbeat", "text"),
    ("text", "text"),
    ("data", "text"),
    ("store", "text"),
    ("human", "text"),
    ("models", "models"),
    ("checkpoints", "models"),
    ("generate", "text"),
    ("perturbations", "text"),
    ("judges", "text"),
    ("rewards", "text"),
    ("reward_calls", "text"),
    ("ensemble", "text"),
    ("token_text", "tensor"),
    ("align", "tensor"),
    ("token_credit", "tensor"),
    ("advantages", "tensor"),
    ("decoding", "text"),
    ("metaeval", "text"),
    ("evaluation", "text"),
    ("preflight", "text"),
    ("curation", "text"),
    ("trainers", "train"),
    ("scorers", "train"),
    ("adapters", "shell"),
    ("token_rows", "shell"),
    ("report", "shell"),
    ("config", "shell"),
    ("dry_run", "shell"),
    ("miniature", "shell"),
    ("cli", "shell"),
)
NAMES = [room for room, _ in ROOMS]
KINDS = dict(ROOMS)
ENGINES = {
    "rewardlab.data.hub",
    "rewardlab.generate.local",
    "rewardlab.generate.vllm_engine",
}
"""Files of a text room that need a tensor library; like the model rooms, loaded on first use."""
TENSOR_KNOWS = {"errors", "statistics", "types", "seeds"}
"""What the tensor side knows besides itself: no reward, no language, no file."""
TENSOR_LIBRARIES = {"torch", "transformers", "trl", "accelerate", "peft", "datasets"}
LARGEST_SHARE = 0.13


class Import(NamedTuple):
    """One imported module, and whether the import is executed when the file is."""

    module: str
    at_once: bool


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Everything a file imports, wherever in it the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        at_once = node in tree.body
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield Import(deeper if deeper in MODULES else node.module, at_once)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = {module: list(imports(path)) for module, path in MODULES.items()}


def room_of(module):
    """The first name below the package; None for the package itself."""
    return [*module.split("."), None][1]


def ours(module):
    """What a module imports of this library, the package's own front page left out."""
    return [found for found in IMPORTS[module] if found.module.startswith("rewardlab.")]


def runs_a_model(module):
    return KINDS[room_of(module)] == "models" or module in ENGINES


def is_text(module):
    return KINDS.get(room_of(module), "text") == "text" and module not in ENGINES


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name)])
def test_a_room_imports_only_from_rooms_before_it(module):
    room = room_of(module)
    assert room in NAMES, f"{module}: the room {room!r} is not in ROOMS; give it its place there"
    for found in ours(module):
        there = room_of(found.module)
        assert NAMES.index(there) <= NAMES.index(room), (
            f"{module} (room {room!r}) imports {found.module} (room {there!r}), which comes later "
            "in ROOMS: a room imports only from rooms before it"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if KINDS.get(room_of(m)) == "tensor"])
def test_the_tensor_side_knows_no_reward_and_no_language(module):
    for found in ours(module):
        there = room_of(found.module)
        assert KINDS[there] == "tensor" or there in TENSOR_KNOWS, (
            f"{module} (a tensor room) imports {found.module} (room {there!r}): the tensor side "
            f"knows only itself and {', '.join(sorted(TENSOR_KNOWS))}"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if is_text(m)])
def test_text_rooms_load_models_on_first_use(module):
    for found in IMPORTS[module]:
        if found.module.startswith("rewardlab."):
            assert not (found.at_once and runs_a_model(found.module)), (
                f"{module} (a text room) imports {found.module} at the top: models and engines "
                "are imported inside the function that first needs one"
            )
            assert KINDS[room_of(found.module)] in {"text", "models"} or room_of(module) is None
        else:
            library = found.module.split(".")[0]
            assert library not in TENSOR_LIBRARIES, f"{module} (a text room) imports {library}"


def test_no_room_imports_the_front_page():
    """``rewardlab/__init__.py`` shows names of several rooms, so it comes after all of them."""
    importers = [m for m, found in IMPORTS.items() if any(i.module == "rewardlab" for i in found)]
    assert importers == []


def test_no_circle_of_files():
    graph = {
        m: {i.module for i in ours(m) if i.module in MODULES and i.module != m} for m in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(f"files import each other in a circle: {' -> '.join(circle.args[1])}")


def test_every_room_exists():
    assert set(NAMES) == {room_of(module) for module in MODULES} - {None}


def test_no_room_outgrows_the_house():
    lines = dict.fromkeys(NAMES, 0)
    for module, path in MODULES.items():
        if room := room_of(module):
            lines[room] += len(path.read_text(encoding="utf-8").splitlines())
    largest = max(NAMES, key=lines.__getitem__)
    share = lines[largest] / sum(lines.values())
    assert share <= LARGEST_SHARE, f"{largest!r} holds {share:.0%} of the library's lines; split it"


def test_importing_rewardlab_is_light():
    """No heavy library is loaded by the package, its text side, or the command line's help."""
    code = (
        "import sys, rewardlab, rewardlab.rewards, rewardlab.config, rewardlab.cli\n"
        f"print([m for m in {sorted(TENSOR_LIBRARIES)} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
