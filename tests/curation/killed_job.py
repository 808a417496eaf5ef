"""A job that kills itself: ``killed_job.py FOLDER COMMITS WHEN``; WHEN: ``before``, ``after``.

The process is killed around its COMMITS-th commit of the journal. With COMMITS 0 it finishes, and
prints the digest of the data set and how many texts it sampled.
"""

import os
import signal
import sys
from pathlib import Path

from curation_jobs import QE, FakeGenerator, job, left, rows

from rewardlab.curation.dataset import write_dataset
from rewardlab.curation.job import run_job
from rewardlab.curation.stages.best_of import BestOf
from rewardlab.curation.stages.gain import Gain
from rewardlab.store.files import sha256_of
from rewardlab.store.journal import Journal
from rewardlab.types import Term

BATCH = 8
STAGES = [Gain(reward=QE, keep=0.5), BestOf(number=4, rewards=[Term(QE)])]


def main(folder, commits, when):
    put, count = Journal.put, 0

    def counted(self, values):
        nonlocal count
        count += 1
        if count == commits and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, values)
        if count == commits:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.put = counted
    generator = FakeGenerator(BATCH)
    with job(folder, generator=generator) as one:
        outcome = run_job(rows(60), STAGES, one)
        items = left(one.work)
        write_dataset(folder / "dataset", items, outcome, card="", kind="parquet")
    digest = sha256_of(folder / "dataset" / "data" / "00000.parquet")
    sys.stdout.write(f"{digest} {len(generator.drawn)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
