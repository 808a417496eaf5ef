"""The summary of a dry run for people: complete sentences of numbers that fit a terminal."""

from rewardlab.dry_run.summary import summary_lines

SUMMARY = {
    "tokens": {
        "measured": 20_000,
        "prompt": {"median": 120, "p95": 300, "max": 4_000},
        "completion": {"median": 90, "p95": 250, "max": 3_000},
        "max_length": 1024,
        "cut": 1,
    },
    "batches": {
        "rows_per_process": 16, "accumulation": 4, "processes": 64, "rows_per_step": 4096,
        "steps_per_epoch": 1, "steps": 100_000, "epochs": 100_000.0,
    },
    "rollouts": {
        "per_prompt": 16, "per_generation": 65_536, "prompts_per_generation": 4096,
        "steps_per_generation": 4, "total": 6_553_600_000,
    },
    "parameters": {"total": 27_000_000_000, "trained": 27_000_000_000},
    "memory_gib": {
        "weights": 100.6, "copies": 50.3, "gradients": 100.6, "optimizer": 201.2,
        "reference": 100.6, "activations": 12.25, "head": 0.9, "generation": 0.0, "total": 566.0,
        "sharded_total": {"8": 91.5, "16": 54.2, "32": 35.1, "64": 0.51},
    },
    "rewards": {
        "metricx-24-hybrid-xxl-v2p6-bfloat16": {"reference": -1.2345, "rows": 4, "seconds": 12.345}
    },
}  # fmt: skip


def test_every_line_fits_eighty_columns():
    lines = [*summary_lines({**SUMMARY, "decoding": {"a system": SUMMARY}})]
    assert max(map(len, lines)) <= 82, "a system's lines are indented by two"
    assert max(len(line) for line in lines if not line.startswith(" ")) <= 80


def test_it_reads_like_this():
    lines = "\n".join(summary_lines(SUMMARY)).replace("\n  ", " ").splitlines()
    assert lines == [
        "prompt tokens: median 120, 95% up to 300, longest 4,000",
        "completion tokens: median 90, 95% up to 250, longest 3,000",
        "max_length=1024 cuts 1 of 20,000 rows",
        "each step: 16 rows x 4 accumulated x 64 processes = 4,096 rows",
        "steps: 100,000, which is 100000 epochs of 1 step",
        (
            "sampling: 65,536 completions at a time, 16 for each of 4,096 prompts; "
            "6,553,600,000 in all"
        ),
        "parameters: 27,000,000,000, all trained",
        (
            "memory on one GPU: 566 GiB at its peak: weights 101 GiB, copies 50.3 GiB, gradients "
            "101 GiB, optimizer 201 GiB, reference 101 GiB, activations 12.2 GiB"
        ),
        (
            "memory of each GPU if sharded (FSDP, ZeRO-3): 91.5 GiB on 8, 54.2 GiB on 16, "
            "35.1 GiB on 32, 522 MiB on 64 GPUs"
        ),
        (
            "mean scores of planted texts, made from 4 rows "
            "reward           reference     half     copy unrelated gibberish  seconds "
            "metricx-24-hybrid-xxl-v2p6-bfloat16 "
            "                    -1.234        -        -         -         -    12.35"
        ),
    ]
