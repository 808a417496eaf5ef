"""Ray gives what the local engine gives, also if a node is lost. Run by ``make test-ray``."""

import os
import threading
import time
from pathlib import Path

import pytest
import ray
from curation_jobs import QE, FakeGenerator, curated, rows
from ray.cluster_utils import Cluster

from rewardlab.curation.ray_engine import RayEngine
from rewardlab.curation.stages.best_of import BestOf
from rewardlab.curation.stages.gain import Gain
from rewardlab.errors import UserError
from rewardlab.types import Term

STAGES = [Gain(reward=QE, keep=0.5), BestOf(number=4, rewards=[Term(QE)])]


class SlowGenerator(FakeGenerator):
    def __call__(self, prompts, sampling, *, seeds):
        time.sleep(0.2)
        return super().__call__(prompts, sampling, seeds=seeds)


@pytest.fixture(scope="module", autouse=True)
def workers_find_our_fakes():
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return curated(tmp_path_factory.mktemp("local") / "job", rows(120), STAGES)


def test_two_workers_give_what_one_process_gives(tmp_path, expected):
    try:
        assert curated(tmp_path / "job", rows(120), STAGES, engine=RayEngine(2)) == expected
    finally:
        ray.shutdown()


def test_a_lost_node_changes_nothing(tmp_path, expected):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    lost = cluster.add_node(num_cpus=1)
    timer = threading.Timer(4.0, lambda: cluster.remove_node(lost, allow_graceful=False))
    timer.start()
    try:
        engine = RayEngine(2, address=cluster.address)
        found = curated(
            tmp_path / "job", rows(120), STAGES, engine=engine, generator=SlowGenerator()
        )
        timer.join()
        assert len(cluster.worker_nodes) == 0
        assert found == expected
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_that_is_not_there_is_said():
    with pytest.raises(UserError, match=r"E086.*no cluster at 127\.0\.0\.1:1"):
        RayEngine(1, address="127.0.0.1:1").ready()
