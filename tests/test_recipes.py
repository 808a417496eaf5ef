"""Every recipe passes --dry-run, with small text in place of its data."""

import json
from pathlib import Path

import pytest

from rewardlab.cli import main

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_there_are_recipes_and_no_python_among_them():
    assert RECIPES
    assert not list((ROOT / "recipes").rglob("*.py"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_recipe_passes_its_dry_run(recipe, tmp_path, capsys):
    for name in ("source", "reference"):
        lines = "".join(f"sentence {i} of some text\n" for i in range(40))
        (tmp_path / name).write_text(lines, encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(
            [
                "rl",
                str(recipe),
                f"data.source={tmp_path / 'source'}",
                f"data.reference={tmp_path / 'reference'}",
                f"run={tmp_path / 'run'}",
                "--dry-run",
            ]
        )
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["dry_run"] is True


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_recipe_says_what_where_how_and_what_to_expect(recipe):
    header = recipe.read_text(encoding="utf-8").split("\nrun:")[0]
    for heading in ("# What:", "# Hardware:", "# Command:", "# Expect:"):
        assert heading in header
