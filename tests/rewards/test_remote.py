"""Against a service in this process, which misbehaves as it is told."""

import asyncio
import json
import pickle
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import reward_service
from reward_service import expected

from rewardlab import RewardEnsemble, Term
from rewardlab.errors import RewardUnavailable, UserError
from rewardlab.rewards import Remote
from rewardlab.rewards.registry import parse_reward
from rewardlab.types import Candidate, ErrorSpan, Status

TOKEN = "tkn-4711-secret"  # noqa: S105 - made up


@pytest.fixture(scope="module")
def service():
    with reward_service.running() as made:
        yield made


@pytest.fixture
def server(service, monkeypatch):
    monkeypatch.setenv("REWARDLAB_REMOTE_KEY", TOKEN)
    service.behave(reward_service.good)
    return service


@pytest.fixture
def reward(server):
    return Remote(url=server.url, worst=reward_service.WORST, timeout=30.0, attempts=3)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch):
    monkeypatch.setattr("rewardlab.rewards.remote_client.WAIT", 0.01)


def rows(number):
    return [
        Candidate("Hund", f"dog {n}", source_lang="de", target_lang="en") for n in range(number)
    ]


def scores_of(candidates):
    return [expected(candidate.hypothesis, candidate.source) for candidate in candidates]


def unavailable(call):
    with pytest.raises(RewardUnavailable) as error:
        call()
    assert TOKEN not in str(error.value)
    return str(error.value)


def test_rows_get_their_own_scores_and_spans_whatever_the_order(server, reward):
    output = reward(rows(200))
    assert output.scores.tolist() == scores_of(rows(200))
    assert output.spans == [[ErrorSpan(0, 3, "minor")]] * 200
    assert set(output.status) == {Status.OK}
    assert sorted(server.sizes) == [8, 64, 64, 64]
    assert server.most_at_once <= 8


def test_what_is_sent(server, reward):
    reward([Candidate("Hund", "dog", reference="dog", source_lang="de", target_lang="en", id="7",
                      prompt="P", extra={"gold": 1})])  # fmt: skip
    path, body, headers = server.seen[0]
    (item,) = json.loads(body)["items"]
    assert item.pop("id") != "7"
    assert item == {"source": "Hund", "hypothesis": "dog", "reference": None, "source_lang": "de",
                    "target_lang": "en"}  # fmt: skip
    assert (path, headers["authorization"]) == ("/score", f"Bearer {TOKEN}")
    assert TOKEN not in repr(reward) + reward.signature


def test_references_are_sent_to_who_reads_them_and_rows_without_are_not(server):
    reward = Remote(url=server.url, worst=-100, needs_reference=True)
    output = reward([Candidate("Hund", "dog", reference="hound"), Candidate("Hund", "dog")])
    assert output.status == [Status.OK, Status.NOT_APPLICABLE]
    (item,) = json.loads(server.seen[0][1])["items"]
    assert item["reference"] == "hound"
    assert reward([Candidate("Hund", "dog")]).status == [Status.NOT_APPLICABLE]
    assert len(server.seen) == 1


def test_statuses_of_the_service_are_kept(server, reward):
    server.script = [reward_service.changed(score=None, status="refused")]
    output = reward(rows(2))
    assert output.status == [Status.REFUSED] * 2


@pytest.mark.parametrize("kind", reward_service.PASSING)
def test_what_may_pass_is_asked_again_and_what_stays_is_told(server, reward, kind):
    fault = reward_service.PASSING[kind]
    server.script = [fault, fault]
    output = reward(rows(3))
    assert output.scores.tolist() == scores_of(rows(3))
    assert len(server.seen) == 3
    server.script = [fault] * 3
    if kind in ("nan", "wrong length"):  # these spoil one row of an answer, then the next one
        assert reward(rows(3)).status.count(Status.UNAVAILABLE) <= 1
    else:
        assert server.url in unavailable(lambda: reward(rows(3)))


@pytest.mark.parametrize("kind", reward_service.FINAL)
def test_a_refusal_is_not_repeated(server, reward, kind):
    server.script = [reward_service.FINAL[kind]] * 9
    said = unavailable(lambda: reward(rows(3)))
    assert len(server.seen) == 1
    assert ("REWARDLAB_REMOTE_KEY" in said) == (kind in ("401", "403"))


@pytest.mark.parametrize("kind", reward_service.INDIGESTIBLE)
def test_a_row_that_the_service_does_not_take_fails_alone(server, reward, kind):
    refuse = reward_service.INDIGESTIBLE[kind]

    def choosy(handler, items):
        poisoned = any(item["hypothesis"] == "dog 21" for item in items)
        (refuse if poisoned else reward_service.good)(handler, items)

    server.behaviour = choosy
    output = reward(rows(64))
    assert [row for row, status in enumerate(output.status) if status is not Status.OK] == [21]
    assert output.status[21] is Status.UNAVAILABLE
    assert len(server.seen) == 13, "halved six times"


@pytest.mark.parametrize("kind", reward_service.SLOW)
def test_nothing_outlasts_its_deadline(server, kind):
    reward = Remote(url=server.url, worst=-100, timeout=2.0, attempts=2)
    server.script = [reward_service.SLOW[kind]]
    assert reward(rows(3)).scores.tolist() == scores_of(rows(3)), "half the time is left"
    server.behaviour = reward_service.SLOW[kind]
    started = time.monotonic()
    unavailable(lambda: reward(rows(3)))
    assert 1.9 < time.monotonic() - started < 15, "who hangs hangs for 60 seconds"


def test_a_service_that_is_not_there_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reward = Remote(url=f"http://127.0.0.1:{port}/", worst=0, attempts=2)
    assert "ConnectError" in unavailable(lambda: reward(rows(2)))


def test_over_long_texts_are_not_sent(server, reward):
    long = "a" * 200_001
    output = reward([Candidate("a", long), Candidate(long, "a"), Candidate("a", "b")])
    assert output.status == [Status.TRUNCATED, Status.NOT_APPLICABLE, Status.OK]
    assert server.sizes == [1]


def test_large_texts_share_no_request(server, reward):
    candidates = [Candidate("a" * 150_000, f"dog {n}") for n in range(30)]
    assert reward(candidates).scores.tolist() == scores_of(candidates)
    assert sorted(server.sizes) == [4, 13, 13]


def test_half_a_surrogate_pair_travels(server, reward):
    candidate = Candidate("a", "\ud83d dog")
    assert reward([candidate]).scores.tolist() == scores_of([candidate])


def test_a_service_that_changes_is_not_mixed(server, reward):
    reward(rows(1))
    server.behaviour = reward_service.signed("judge|2")
    said = unavailable(lambda: reward(rows(3)))
    assert "'judge|2'" in said
    assert "'judge|1'" in said
    server.behaviour = reward_service.good
    assert reward(rows(1)).status == [Status.OK]


def test_a_service_that_is_expected_has_keys_and_another_is_not_taken(server):
    reward = Remote(url=server.url, worst=-100, expects="judge|1")
    assert reward.key(rows(1)[0]) == ("Hund", "dog 0", "de", "en")
    assert reward(rows(1)).status == [Status.OK]
    other = Remote(url=server.url, worst=-100, expects="judge|2")
    unavailable(lambda: other(rows(1)))
    assert other.signature != reward.signature
    assert Remote(url=server.url, worst=-100).key(rows(1)[0]) is None


def test_a_token_that_comes_back_or_is_none_is_not_told(server, reward, monkeypatch):
    server.behaviour = reward_service.sends(f"who is {TOKEN}".encode())
    assert "[REWARDLAB_REMOTE_KEY]" in unavailable(lambda: reward(rows(1)))
    monkeypatch.setenv("REWARDLAB_REMOTE_KEY", f"two\nlines{TOKEN}")
    assert "holds white space" in unavailable(lambda: reward(rows(1)))
    monkeypatch.delenv("REWARDLAB_REMOTE_KEY")
    server.behaviour = reward_service.good
    assert reward(rows(1)).status == [Status.OK]
    assert "authorization" not in server.seen[-1][2]


def test_callers_of_one_row_share_requests(server, reward):
    server.behaviour = reward_service.slow
    with ThreadPoolExecutor(64) as pool:
        outputs = list(pool.map(lambda row: reward([row]), rows(256)))
    assert [output.scores[0] for output in outputs] == scores_of(rows(256))
    assert len(server.seen) < 64, server.sizes


def test_coroutines_of_one_row_share_requests(server, reward):
    server.behaviour = reward_service.slow

    async def all_at_once():
        return await asyncio.gather(*(reward.score([row]) for row in rows(500)))

    outputs = asyncio.run(all_at_once())
    assert [output.scores[0] for output in outputs] == scores_of(rows(500))
    assert len(server.seen) < 30, server.sizes


def test_a_coroutine_has_its_deadline_too(server):
    server.behaviour = reward_service.hang
    reward = Remote(url=server.url, worst=-100, timeout=0.3)
    started = time.monotonic()
    unavailable(lambda: asyncio.run(reward.score(rows(1))))
    assert time.monotonic() - started < 15, "who hangs hangs for 60 seconds"


def test_under_faults_all_are_scored_or_told_and_none_is_misaligned(server):
    """The reliability test: 500 items, 16 clients; the benchmark has 50,000 and 64."""
    faults = [*reward_service.PASSING.values(), *reward_service.SLOW.values()]
    dice = random.Random(0)  # noqa: S311 - no secret

    def unreliable(handler, items):
        (dice.choice(faults) if dice.random() < 0.3 else reward_service.good)(handler, items)

    server.behaviour = unreliable
    reward = Remote(url=server.url, worst=-100, timeout=2.0, batch_size=16)
    candidates = rows(500)
    late: list[float] = []

    def client(number):
        found = []
        for first in range(number * 4, 500, 64):
            some = candidates[first : first + 4]
            started = time.monotonic()
            try:
                output = reward(some)
                found += zip(range(first, 500), output.scores, output.status, strict=False)
            except RewardUnavailable:
                found += [(first + n, None, Status.UNAVAILABLE) for n in range(len(some))]
            late.append(time.monotonic() - started - reward.timeout)
        return found

    with ThreadPoolExecutor(16) as pool:
        told = [row for rows_ in pool.map(client, range(16)) for row in rows_]
    assert sorted(row for row, _, _ in told) == list(range(500))
    for row, score, status in told:
        assert status in (Status.OK, Status.UNAVAILABLE)
        assert status is Status.UNAVAILABLE or score == scores_of([candidates[row]])[0]
    assert sum(status is Status.OK for _, _, status in told) > 300
    assert max(late) < 15, "who hangs hangs for 60 seconds"


def test_an_ensemble_takes_it(server, reward):
    server.behaviour = reward_service.slow
    scores = RewardEnsemble([Term(reward)])(rows(5))
    assert scores.values[:, 0].tolist() == scores_of(rows(5))
    server.behaviour = reward_service.status(404)
    assert RewardEnsemble([Term(reward)])(rows(5)).status == [[Status.UNAVAILABLE]] * 5


def test_it_survives_pickling_and_threads_end_with_the_process(server, reward):
    reward(rows(1))
    assert pickle.loads(pickle.dumps(reward)) == reward  # noqa: S301 - our own bytes
    assert all(t.daemon for t in threading.enumerate() if t.name.startswith("remote "))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("url=localhost:8000", "is not the address of a service"),
        ("url=ftp://host/x", "is not the address of a service"),
        ("url=http://host/x?key=1", "is not the address of a service"),
        ("url=http://host,timeout=0", "must be a number of seconds above 0"),
        ("url=http://host,batch_size=0", "batch_size=0 must be at least 1"),
        ("url=http://host,worst=inf", "must be finite"),
    ],
)
def test_options_that_are_none(options, why):
    spec = f"remote:{options}" if "worst" in options else f"remote:{options},worst=0"
    with pytest.raises(UserError, match="E103") as error:
        parse_reward(spec)
    assert why in str(error.value)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(UserError, match="REWARDLAB_REMOTE_KEY") as error:
        parse_reward("remote:url=https://me:hunter2@host/x,worst=0")
    assert "hunter2" not in str(error.value)
    with pytest.raises(UserError, match="worst: is required"):
        parse_reward("remote:url=http://host/x")
