"""What `rewardlab rewards` knows about a reward comes from its class and docstring."""

import dataclasses
import math
from importlib.metadata import EntryPoint
from typing import ClassVar, Literal

import pytest

from rewardlab.errors import UserError
from rewardlab.rewards import Cached, ChrF, FromFunction, LexicalSpans, NotEmpty, registry
from rewardlab.rewards.base import reads_of
from rewardlab.rewards.descriptions import describe, descriptions
from rewardlab.rewards.registry import parse_reward, reward_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Politeness(NotEmpty):
    """Whether a text is polite.

    It looks for ``bitte``.

    - One list item
      of two lines.

    Attributes:
        model: A file: with
            a colon.
        mode: ``short`` or ``long``.

    Raises:
        ValueError: Never.
    """

    name: str = "politeness"
    model: str
    mode: Literal["short", "long"] = "short"
    libraries: ClassVar = ("no_such_module",)
    bounds: ClassVar = (-math.inf, 1.0)

    @property
    def reads(self):
        return ("hypothesis", "reference" if self.mode == "long" else "target_lang")


@pytest.fixture
def plugins(monkeypatch):
    points = [
        EntryPoint("politeness", "somewhere:Politeness", registry.GROUP),
        EntryPoint("gone", "no_such_module_anywhere:Reward", registry.GROUP),
    ]
    load = EntryPoint.load
    monkeypatch.setattr(
        EntryPoint, "load", lambda one: Politeness if one.name == "politeness" else load(one)
    )
    monkeypatch.setattr("rewardlab.registry.entry_points", lambda group: points)


@pytest.mark.usefixtures("plugins")
def test_a_reward_of_another_package_is_described_by_its_docstring():
    one = describe("politeness")
    assert one.summary == "Whether a text is polite."
    assert one.about == "It looks for bitte.\n\n- One list item\n  of two lines."
    assert one.reads == ("hypothesis",)
    assert one.may_read == {"reference": "mode=long", "target_lang": "mode=short"}
    assert [(o.name, o.type, o.default) for o in one.options] == [
        ("model", "text", None),
        ("name", "text", "politeness"),
        ("mode", "short|long", "short"),
    ]
    assert [o.about for o in one.options][::2] == ["A file: with a colon.", "short or long."]
    assert one.yaml == "{reward: politeness, model: MODEL}"
    assert one.command_line == "politeness:model=MODEL"
    assert (one.low, one.high, one.spans, one.worst) == (None, 1.0, True, 0.0)
    assert one.missing == "pip install 'rewardlab[server]' (no_such_module)"


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_that_cannot_be_imported_is_listed_with_the_way_out():
    by_name = {one.name: one for one in descriptions()}
    assert by_name.keys() == {*reward_names()}
    assert by_name["gone"].missing == (
        "pip install the package with the module no_such_module_anywhere"
    )
    assert "cannot be imported" in by_name["gone"].summary


def test_every_reward_has_a_summary_and_a_text_for_every_option():
    for one in descriptions():
        assert one.summary.endswith("."), one.name
        assert "`" not in one.summary + one.about, one.name
        assert "hypothesis" in one.reads, one.name
        if not one.missing:
            for option in one.options:
                assert option.about, f"{one.name}.{option.name}"


def test_the_command_line_form_of_a_reward_builds_it():
    """Placeholders stand for values that only the user knows; a URL is refused as one."""
    for one in descriptions():
        spec = one.command_line.replace("url=URL", "url=http://localhost:8000/score")
        assert parse_reward(spec).name == one.name


@pytest.mark.parametrize(
    ("name", "reads", "may_read"),
    [
        ("chrf", ("hypothesis", "reference"), {}),
        ("metricx", ("source", "hypothesis"), {"reference": "mode=reference"}),
        (
            "automqm",
            ("source", "hypothesis", "source_lang", "target_lang"),
            {"reference": "reference=true"},
        ),
    ],
)
def test_what_a_reward_reads(name, reads, may_read):
    one = describe(name)
    assert (one.reads, one.may_read) == (reads, may_read)


def test_an_unknown_reward_is_refused():
    with pytest.raises(UserError, match=r"E101\] here: unknown reward 'chrff'\. fix: chrf \("):
        describe("chrff", where="here")


def test_a_cache_reads_what_its_reward_reads_and_a_function_everything(tmp_path):
    cached = Cached(ChrF(), tmp_path / "scores.sqlite")
    assert reads_of(cached) == ("hypothesis", "reference")
    assert reads_of(LexicalSpans()) == ("source", "hypothesis", "reference")
    function = FromFunction(len, name="length", worst=0.0)
    assert "source" in reads_of(function)
    assert "reference" not in reads_of(function)
