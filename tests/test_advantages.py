"""Every equation by hand, every invariant on random groups."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab import advantages
from rewardlab.advantages import RewardRows
from rewardlab.align import AlignedSpans
from rewardlab.errors import UserError
from rewardlab.types import WMT_MQM, Scores, Status

NAN = math.nan
G = 4


def rows(values, *, failed=None, unavailable=None, gated=None, weights=None, token_weights=None):
    values = torch.tensor(values, dtype=torch.float64)
    n, r = values.shape
    return RewardRows(
        values=values,
        failed=torch.zeros(n, r, dtype=torch.bool) if failed is None else torch.tensor(failed),
        unavailable=(
            torch.zeros(n, dtype=torch.bool) if unavailable is None else torch.tensor(unavailable)
        ),
        gated=torch.zeros(n, dtype=torch.bool) if gated is None else torch.tensor(gated),
        weights=torch.tensor(weights or [1.0] * r, dtype=torch.float64),
        token_weights=torch.tensor(token_weights or [0.0] * r, dtype=torch.float64),
    )


def spans(entries, visible, *, columns=1, omissions=None):
    """Entries are (row, first token, one past the last, weight, column)."""
    visible = torch.tensor(visible, dtype=torch.bool)
    picked = list(zip(*entries, strict=True)) if entries else [(), (), (), (), ()]
    row, start, end, weight, column = picked
    return AlignedSpans(
        rows=torch.tensor(row, dtype=torch.int64),
        starts=torch.tensor(start, dtype=torch.int64),
        ends=torch.tensor(end, dtype=torch.int64),
        weights=torch.tensor(weight, dtype=torch.float64),
        columns=torch.tensor(column, dtype=torch.int64),
        omissions=(
            torch.zeros(len(visible), columns, dtype=torch.float64)
            if omissions is None
            else torch.tensor(omissions, dtype=torch.float64)
        ),
        visible=visible,
        complete=torch.ones(len(visible), dtype=torch.bool),
        found=len(entries),
        total=len(entries),
    )


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_group_centre_subtracts_the_mean_of_the_known_rows():
    centred = advantages.group_centre(column([1.0, 3.0, 10.0, NAN]), 2)
    assert centred[:3].flatten().tolist() == [-1.0, 1.0, 0.0]
    assert centred[3].isnan()


def test_group_zscore_uses_the_unbiased_std():
    # mean 2, deviations -1 0 1, unbiased variance (1 + 0 + 1) / 2 = 1
    z = advantages.group_zscore(column([1.0, 2.0, 3.0]), 3, eps=0.0)
    assert z.flatten().tolist() == [-1.0, 0.0, 1.0]


def test_group_zscore_leaves_rounding_noise_alone():
    z = advantages.group_zscore(column([50.0, 50.0 + 1e-9, 50.0, 50.0]), 4)
    assert z.abs().max() == 0.0


def test_group_zscore_of_one_known_row_is_zero():
    z = advantages.group_zscore(column([7.0, NAN]), 2)
    assert z[0] == 0.0
    assert z[1].isnan()


def test_leave_one_out_compares_with_the_others():
    # 1 - mean(2, 6) = -3; 2 - mean(1, 6) = -1.5; 6 - mean(1, 2) = 4.5
    loo = advantages.leave_one_out(column([1.0, 2.0, 6.0]), 3)
    assert loo.flatten().tolist() == pytest.approx([-3.0, -1.5, 4.5])


def test_whiten_rows():
    white = advantages.whiten_rows(torch.tensor([1.0, 3.0, NAN], dtype=torch.float64), eps=0.0)
    assert white[:2].tolist() == pytest.approx([-1 / math.sqrt(2), 1 / math.sqrt(2)])
    assert white[2].isnan()


def test_combinations_of_z_scores():
    z = torch.tensor([[1.0, -2.0], [NAN, 4.0], [NAN, NAN]], dtype=torch.float64)
    w = torch.tensor([1.0, 3.0], dtype=torch.float64)
    assert advantages.weighted_sum(z, w)[:2].tolist() == [-5.0, 12.0]
    assert advantages.worst_case(z, w)[:2].tolist() == [-2.0, 4.0]
    # weighted mean (1 - 6) / 4 = -1.25; variance (1 * 2.25² + 3 * 0.75²) / 4 = 1.6875
    pessimistic = advantages.mean_minus_variance(z, w, penalty=0.5)
    assert pessimistic[:2].tolist() == pytest.approx([-1.25 - 0.84375, 4.0])
    for combined in (advantages.weighted_sum, advantages.worst_case):
        assert combined(z, w)[2].isnan()


def test_worst_case_ignores_rewards_that_are_only_logged():
    z = torch.tensor([[1.0, -9.0]], dtype=torch.float64)
    w = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert advantages.worst_case(z, w).tolist() == [1.0]


def test_span_credit_adds_overlapping_spans_and_skips_zero_width_tokens():
    placed = spans([(0, 0, 3, 5.0, 0), (0, 2, 4, 1.0, 0)], [[True, False, True, True, True]])
    assert advantages.span_credit(placed, 0).tolist() == [[-5.0, 0.0, -6.0, -1.0, 0.0]]


def test_divided_credit_spreads_the_weight_over_the_visible_tokens():
    placed = spans([(0, 0, 3, 5.0, 0), (0, 3, 4, 1.0, 0)], [[True, False, True, True, True]])
    assert advantages.divided_credit(placed, 0).tolist() == [[-2.5, 0.0, -2.5, -1.0, 0.0]]


def test_to_go_credit_sums_the_errors_still_to_come():
    placed = spans([(0, 1, 2, 5.0, 0), (0, 3, 4, 1.0, 0)], [[True] * 5])
    assert advantages.to_go_credit(placed, 0).tolist() == [[-6.0, -6.0, -1.0, -1.0, 0.0]]


def test_credit_reads_its_own_column_only():
    placed = spans([(0, 0, 1, 5.0, 0), (0, 1, 2, 1.0, 1)], [[True, True]], columns=2)
    assert advantages.span_credit(placed, 1).tolist() == [[0.0, -1.0]]


def test_omissions_are_charged_to_the_last_unmasked_token():
    omitted = torch.tensor([5.0, 1.0, 0.0], dtype=torch.float64)
    mask = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    charged = advantages.omission_on_last_token(omitted, mask)
    assert charged.tolist() == [[0.0, -5.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]
    everywhere = advantages.omission_on_sequence(omitted, mask)
    assert everywhere.tolist() == [[-5.0, -5.0, 0.0], [-1.0, -1.0, -1.0], [0.0, 0.0, 0.0]]
    assert not advantages.omission_ignored(omitted, mask).any()


def test_whiten_tokens_over_the_mask():
    credit = torch.tensor([[-4.0, 0.0, 99.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False]])
    # mean -2, population std 2
    assert advantages.whiten_tokens(credit, mask).tolist() == [[-1.0, 1.0, 0.0]]
    assert advantages.whiten_tokens(credit, mask, floor=4.0).tolist() == [[-0.5, 0.5, 0.0]]


def test_one_error_in_ten_thousand_tokens_is_not_blown_up():
    credit = torch.zeros(10, 1000, dtype=torch.float64)
    credit[3, 7] = -5.0
    white = advantages.whiten_tokens(
        credit, torch.ones(10, 1000, dtype=torch.bool), floor=advantages.SIGMA_FLOOR
    )
    assert white.abs().max() == pytest.approx(5.0, abs=1e-2)


def test_token_statistics_run_over_all_processes():
    credit = torch.tensor([[-4.0, 0.0]], dtype=torch.float64)
    mask = torch.ones(1, 2, dtype=torch.bool)
    elsewhere = {2: torch.tensor([2.0, -12.0], dtype=torch.float64)}  # two tokens at -6

    def sum_ranks(x):
        # the second sum is of squares around the joint mean (-4 + 0 - 6 - 6) / 4 = -4
        joined = x + elsewhere.pop(len(x), torch.tensor([2.0, 8.0], dtype=torch.float64))
        elsewhere.pop(2, None)
        return joined

    # joint population variance (0 + 16 + 4 + 4) / 4 = 6
    white = advantages.whiten_tokens(credit, mask, sum_ranks=sum_ranks)
    assert white.tolist() == [[0.0, pytest.approx(4 / math.sqrt(6))]]


def test_gdpo_by_hand():
    # One reward 0, 2 in a group of two: z = ∓1/√2 (eps aside), whitened over two rows: ∓1/√2.
    # Token credit -5 0 | 0 0: mean -1.25, σ = √((14.0625 + 3 * 1.5625) / 4) = 2.165
    placed = spans([(0, 0, 1, 5.0, 0)], [[True, True], [True, True]])
    advantage = advantages.gdpo(
        rows([[0.0], [2.0]], token_weights=[0.5]),
        placed,
        torch.ones(2, 2, dtype=torch.bool),
        num_generations=2,
    )
    low, high = -1 / math.sqrt(2), 1 / math.sqrt(2)
    error, clean = 0.5 * -3.75 / 2.165064, 0.5 * 1.25 / 2.165064
    assert advantage.flatten().tolist() == pytest.approx(
        [low + error, low + clean, high + clean, high + clean], abs=3e-4
    )


def test_translategemma_by_hand():
    # rewards 0 and 2 on two tokens each, one -5: raw -5 0 2 2, mean -0.25, population std
    placed = spans([(0, 0, 1, 5.0, 0)], [[True, True], [True, True]])
    advantage = advantages.translategemma(
        rows([[0.0], [2.0]], token_weights=[1.0]),
        placed,
        torch.ones(2, 2, dtype=torch.bool),
        num_generations=2,
    )
    raw = np.array([-5.0, 0.0, 2.0, 2.0])
    expected = (raw - raw.mean()) / raw.std()
    assert advantage.flatten().tolist() == pytest.approx(expected.tolist(), abs=1e-3)


def test_dr_grpo_and_rloo_keep_the_units():
    placed = spans([(0, 0, 1, 4.0, 0)], [[True, True], [True, True]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    given_rows = rows([[0.0], [2.0]], token_weights=[1.0])
    dr = advantages.dr_grpo(given_rows, placed, mask, num_generations=2)
    assert dr.tolist() == [[-1 - 4 + 1, -1 + 1], [1 + 1, 1 + 1]]
    loo = advantages.rloo(given_rows, placed, mask, num_generations=2)
    assert loo.tolist() == [[-2 - 4 + 1, -2 + 1], [2 + 1, 2 + 1]]


def test_rows_must_come_in_whole_groups():
    with pytest.raises(UserError, match="12 rows is not a multiple of num_generations=5"):
        advantages.settle(rows([[0.0]] * 12), 5)
    with pytest.raises(UserError, match=r"E035\] num_generations: num_generations=0: a group"):
        advantages.settle(rows([[0.0]] * 12), 0)


def test_reward_rows_from_scores():
    scores = Scores(
        names=("a", "b"),
        values=np.array([[1.0, NAN], [NAN, NAN]]),
        status=[[Status.OK, Status.TRUNCATED], [Status.UNAVAILABLE, Status.NOT_APPLICABLE]],
        spans=[[[], []], [[], []]],
        gated=[None, None],
        weights=np.array([1.0, 2.0]),
        token_weights=np.zeros(2),
        severities=(WMT_MQM, WMT_MQM),
        signature="",
    )
    found = advantages.reward_rows(scores)
    assert found.failed.tolist() == [[False, True], [False, False]]
    assert found.unavailable.tolist() == [False, True]


def test_a_reward_that_is_only_logged_cannot_take_a_row_out():
    scores = Scores(
        names=("a", "b"),
        values=np.array([[1.0, NAN]]),
        status=[[Status.OK, Status.UNAVAILABLE]],
        spans=[[[], []]],
        gated=[None],
        weights=np.array([1.0, 0.0]),
        token_weights=np.zeros(2),
        severities=(WMT_MQM, WMT_MQM),
        signature="",
    )
    assert not advantages.reward_rows(scores).unavailable.any()


# ── failing never pays: 1,000 random groups, every status, every preset ─────────────────────────

STATUSES = st.sampled_from(["ok", "ok", "ok", "failed", "unavailable", "not_applicable"])


@st.composite
def random_batches(draw):
    groups, rewards, length = 3, 2, 5
    n = groups * G
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    status = np.array(draw(st.lists(STATUSES, min_size=n * rewards, max_size=n * rewards)))
    status = status.reshape(n, rewards)
    values = rng.normal(0, draw(st.sampled_from([1e-3, 1.0, 1e3])), (n, rewards))
    values[status != "ok"] = NAN
    mask = np.arange(length) < rng.integers(1, length + 1, n)[:, None]
    entries = [
        (row, 0, int(rng.integers(1, mask[row].sum() + 1)), float(rng.choice([1.0, 5.0])), c)
        for row in range(n)
        for c in range(rewards)
        if status[row, c] == "ok" and rng.random() < 0.5
    ]
    made = rows(
        values.tolist(),
        failed=(status == "failed").tolist(),
        unavailable=(status == "unavailable").any(axis=1).tolist(),
        token_weights=[0.0, 0.7],
    )
    return status, made, spans(entries, mask.tolist(), columns=rewards), torch.tensor(mask)


@pytest.mark.parametrize("preset", advantages.PRESETS.values())
@settings(max_examples=200, deadline=None)
@given(batch=random_batches())
def test_failing_never_pays(preset, batch):
    status, made, placed, mask = batch
    advantage = preset(made, placed, mask, num_generations=G)
    assert advantage.isfinite().all()
    assert (advantage[~mask] == 0).all()
    assert (advantage[made.unavailable] == 0).all()

    settled = advantages.settle(made, G)
    z = advantages.group_zscore(settled.values, G)
    for group in range(0, len(status), G):
        for reward in range(status.shape[1]):
            here = slice(group, group + G)
            judged = ~made.unavailable[here].numpy()
            failed = (status[here, reward] == "failed") & judged
            scored = (status[here, reward] == "ok") & judged
            if failed.any() and scored.any():
                assert z[here, reward][torch.tensor(failed)].max() <= (
                    z[here, reward][torch.tensor(scored)].min() + 1e-12
                )


@settings(max_examples=200, deadline=None)
@given(batch=random_batches())
def test_an_unavailable_row_has_no_vote(batch):
    """Whatever the row would have scored, the others' advantages are the same."""
    _, made, placed, mask = batch
    other = made._replace(
        values=torch.where(made.unavailable[:, None], torch.tensor(1e6).double(), made.values)
    )
    for preset in advantages.PRESETS.values():
        torch.testing.assert_close(
            preset(made, placed, mask, num_generations=G),
            preset(other, placed, mask, num_generations=G),
        )


@settings(max_examples=200, deadline=None)
@given(batch=random_batches())
def test_breaking_the_judge_never_pays_at_token_level(batch):
    """A row failed by its text is charged like the worst row of its group, by mean and by sum."""
    status, made, placed, mask = batch
    made = advantages.settle(made, G)
    credit = advantages.token_credit(
        made, placed, mask, 1, num_generations=G,
        credit=advantages.span_credit, omission=advantages.omission_on_last_token,
        sum_ranks=advantages.identity,
    )  # fmt: skip
    total, mean = credit.sum(dim=1), credit.sum(dim=1) / mask.sum(dim=1)
    for group in range(0, len(status), G):
        inside = range(group, group + G)
        scored = [i for i in inside if status[i, 1] == "ok" and not made.unavailable[i]]
        for i in inside:
            if status[i, 1] == "failed" and not made.unavailable[i] and scored:
                assert total[i] <= total[scored].min() + 1e-9
                assert mean[i] <= mean[scored].min() + 1e-9


def test_the_share_of_a_reward_follows_its_weight():
    from rewardlab.statistics import variance_share

    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(0, 1, (8000, 3)) * [1.0, 25.0, 1000.0])
    z = advantages.group_zscore(values, 8).numpy()
    shares = variance_share(z * [1.0, 2.0, 3.0])
    assert shares == pytest.approx([1 / 14, 4 / 14, 9 / 14], abs=0.02)
    raw = variance_share(values.numpy())
    assert raw[2] > 0.99


def test_a_gated_row_gets_no_more_than_the_worst_of_its_group():
    """Its stated worst (-300) may lie above what an unbounded reward gives (-2000)."""
    made = rows([[-2000.0], [-10.0], [-300.0], [-20.0]], gated=[False, False, True, False])
    assert advantages.settle(made, 4).values.flatten().tolist() == [-2000, -10, -2000, -20]


@pytest.mark.parametrize("omission", advantages.OMISSION.values())
def test_a_gated_empty_row_never_has_the_best_token_credit(omission):
    """It has no token to mark: its one error is on the source side, which may be ignored."""
    mask = torch.tensor([[True, True, True], [True, False, False]])
    placed = spans(
        [(0, 0, 1, 5.0, 0)],
        [[True, True, False], [False, False, False]],
        omissions=[[0.0], [25.0]],
    )
    made = rows([[50.0], [0.0]], gated=[False, True], token_weights=[1.0])
    credit = advantages.token_credit(
        advantages.settle(made, 2), placed, mask, 0, num_generations=2, omission=omission
    )
    assert credit[1, 0] <= credit[0].sum()


def test_tokens_that_can_carry_no_span_are_not_paid_for_it():
    """Reasoning before the hypothesis, and rows whose spans could not be placed, get 0."""
    mask = torch.ones(3, 4, dtype=torch.bool)
    placed = spans(
        [(0, 1, 2, 5.0, 0)],
        [[False, True, True, False], [False, True, True, False], [False] * 4],
    )._replace(complete=torch.tensor([True, True, False]))
    charged = advantages.credited_tokens(placed, mask, advantages.omission_on_last_token)
    assert charged.tolist() == [[False, True, True, True], [False, True, True, True], [False] * 4]
    ignored = advantages.credited_tokens(placed, mask, advantages.omission_ignored)
    assert ignored.tolist() == [[False, True, True, False], [False, True, True, False], [False] * 4]
    made = rows([[1.0], [1.0], [1.0]], weights=[0.0], token_weights=[1.0])
    advantage = advantages.gdpo(made, placed, mask, num_generations=3)
    assert (advantage[:, 0] == 0).all()
    assert (advantage[:, 3] == 0).all(), "the end is not paid for an omission it is not charged"
    assert (advantage[2] == 0).all()
    assert advantage[0, 1] < 0 < advantage[1, 1]


def test_a_reward_that_is_only_logged_changes_nothing():
    scored = [[0.0], [2.0], [NAN], [NAN]]
    alone = rows(scored)
    beside = rows([[*row, 7.0 * i] for i, row in enumerate(scored)], weights=[1.0, 0.0])
    mask = torch.ones(4, 2, dtype=torch.bool)
    for preset in advantages.PRESETS.values():
        torch.testing.assert_close(
            preset(beside, None, mask, num_generations=2),
            preset(alone, None, mask, num_generations=2),
        )


def test_without_any_sequence_weight_the_row_advantage_is_zero():
    made = rows([[1.0], [2.0]], weights=[0.0])
    pessimistic = advantages.gdpo(
        made, None, torch.ones(2, 1, dtype=torch.bool), num_generations=2,
        combine=advantages.worst_case,
    )  # fmt: skip
    assert (pessimistic == 0).all()
