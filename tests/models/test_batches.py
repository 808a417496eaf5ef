import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.models.batches import batches_by_tokens

lengths = st.lists(st.integers(0, 50), max_size=60)


def test_by_hand():
    assert batches_by_tokens([], budget=8) == []
    assert batches_by_tokens([4, 4, 1, 8, 2, 0], budget=8) == [[3], [0, 1], [4, 2, 5]]
    assert batches_by_tokens([1] * 5, budget=100, most_rows=2) == [[0, 1], [2, 3], [4]]
    assert batches_by_tokens([0, 0, 0], budget=2) == [[0, 1], [2]]


def test_a_row_over_the_budget_is_alone():
    assert batches_by_tokens([1, 100, 1], budget=10) == [[1], [0, 2]]


@given(lengths=lengths, budget=st.integers(1, 200), most_rows=st.integers(1, 9))
def test_every_row_once_and_within_the_budget(lengths, budget, most_rows):
    batches = batches_by_tokens(lengths, budget=budget, most_rows=most_rows)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    widths = [lengths[row] for batch in batches for row in batch]
    assert widths == sorted(widths, reverse=True)
    for batch in batches:
        padded = len(batch) * max(lengths[row] for row in batch)
        assert padded <= budget or len(batch) == 1
        assert len(batch) <= most_rows


@pytest.mark.parametrize("options", [{"budget": 0}, {"budget": 1, "most_rows": 0}])
def test_no_room_at_all_is_refused(options):
    with pytest.raises(ValueError, match="must be at least 1"):
        batches_by_tokens([1], **options)
