import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rewardlab.json_values import json_value
from rewardlab.types import ErrorSpan, Status


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float
    near: tuple[int, ...] = ()
    inner: "Point | None" = None
    tags: MappingProxyType = field(default_factory=lambda: MappingProxyType({}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**70, 2**70),
        (0.1, 0.1),
        ("Blåbær", "Blåbær"),
        ("", ""),
        (Colour.RED, "red"),
        (Status.OK, "ok"),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (np.float64("nan"), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.array(math.nan), None),
        (torch.tensor(3), 3),
        (torch.tensor(math.inf), None),
        (torch.tensor(False), False),
    ],
)
def test_scalars(value, expected):
    found = json_value(value)
    assert found == expected
    assert type(json.loads(json.dumps(found))) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], []),
        ((1, [2.0, math.nan]), [1, [2.0, None]]),
        (range(3), [0, 1, 2]),
        ((n * n for n in (1, 2)), [1, 4]),
        (np.array([[1.0, math.nan], [math.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (np.array([1, 2]), [1, 2]),
        (np.zeros((0,)), []),
        (torch.tensor([1.0, math.nan]), [1.0, None]),
        ({}, {}),
        ({"a": math.nan, 2: (1,)}, {"a": None, "2": [1]}),
        (MappingProxyType({"a": np.float32(1.5)}), {"a": 1.5}),
        (
            Point(math.inf, (1, 2), Point(0.5), MappingProxyType({"b": math.nan})),
            {
                "x": None,
                "near": [1, 2],
                "inner": {"x": 0.5, "near": [], "inner": None, "tags": {}},
                "tags": {"b": None},
            },
        ),
        (
            [ErrorSpan(0, 3, "minor", side="source")],
            [
                {
                    "start": 0,
                    "end": 3,
                    "severity": "minor",
                    "category": None,
                    "side": "source",
                    "confidence": 1.0,
                    "explanation": None,
                }
            ],
        ),
    ],
)
def test_nested_values(value, expected):
    assert json_value(value) == expected


def test_the_value_itself_is_not_changed():
    value = {"a": [math.nan, (1,)]}
    assert json_value(value) == {"a": [None, [1]]}
    assert math.isnan(value["a"][0])
    assert value["a"][1] == (1,)


@pytest.mark.parametrize("value", [Path("a"), object(), 1j, Point])
def test_what_is_no_value_is_an_error(value):
    with pytest.raises(TypeError):
        json_value(value)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | arrays.from_dtype(np.dtype("float32"))
    | arrays.from_dtype(np.dtype("int16"))
    | arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        | st.builds(Point, inner, inner, inner)
    ),
    max_leaves=20,
)


@given(values)
def test_the_output_is_always_json(value):
    found = json_value(value)
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert json_value(found) == found
