"""`rewardlab curate` from a YAML file to a data set, with a model of random numbers."""

import json
from pathlib import Path

import pyarrow.parquet
import pytest
import tiny_checkpoint

from rewardlab.generate.local import TransformersGenerator
from rewardlab.store.files import sha256_of
from rewardlab.store.manifest import damage

TEXT = "the dog runs across the old bridge and she says the translation is not good enough"
SOURCES = [TEXT[: n % 13 * 6 + 4].strip() for n in range(20)]
SAMPLED = """
run: out
data: {source: src.txt, source_lang: en, target_lang: ru, licence: CC0}
prompt: arrow
model: model
generation: {max_new_tokens: 6, batch_size: 4}
stages:
  - {stage: length, minimum: 5}
  - {stage: gain, reward: not_copied, keep: 0.5}
  - {stage: best_of, number: 3, rewards: [chrf], references: samples}
"""
FILTERED = """
run: out
data: {source: src.txt, reference: ref.txt, source_lang: en, target_lang: de}
format: jsonl
stages:
  - {stage: gate, reward: not_copied, below: 0.5}
  - {stage: quota, rows: 2}
"""
DATA = Path("out/dataset/data/00000.parquet")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint.save(tmp_path_factory.mktemp("checkpoint") / "model", chat=True)


@pytest.fixture
def here(tmp_path, checkpoint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(checkpoint)
    write("src.txt", SOURCES)
    Path("curate.yaml").write_text(SAMPLED)
    return tmp_path


def write(path, lines):
    Path(path).write_text("".join(f"{line}\n" for line in lines))


def rows():
    return pyarrow.parquet.read_table(DATA).to_pylist()


def test_sources_become_a_data_set(here, run):
    code, out, err = run("curate", "curate.yaml")
    assert code == 0, err
    said = json.loads(out)
    different = {source for source in SOURCES if len(source) >= 5}
    assert said["read"] == 20
    unscored = sum(one["rows"] for one in said["dropped"] if "gain" in one["reason"])
    assert said["kept"] == len(rows()) <= -(-len(different) // 2)
    assert unscored >= len(different) // 2
    assert "shorter than 5 characters" in err
    assert damage(here / "out/dataset") is None
    for row in rows():
        assert row["source"] in different
        assert (row["source_lang"], row["target_lang"]) == ("en", "ru")
        origin = json.loads(row["origin"])
        assert origin["best_of"]["samples"] == 3
        assert "gain" in origin
    card = Path("out/dataset/README.md").read_text()
    assert "licence: CC0" in card
    assert f"20 rows were read, {said['kept']} are left." in card
    assert not Path("out/work.sqlite").exists()


def test_the_same_command_samples_nothing_again(here, run, monkeypatch):
    run("curate", "curate.yaml")
    before = sha256_of(DATA)
    monkeypatch.setattr(TransformersGenerator, "__call__", lambda *_, **__: pytest.fail("sampled"))
    code, _, err = run("curate", "curate.yaml")
    assert code == 0, err
    assert sha256_of(DATA) == before


def test_a_grown_file_gives_what_a_fresh_job_gives(here, run):
    write("src.txt", SOURCES[:9])
    run("curate", "curate.yaml")
    write("src.txt", SOURCES)
    assert run("curate", "curate.yaml")[0] == 0
    assert run("curate", "curate.yaml", "run=fresh")[0] == 0
    keys = ("source", "translation", "id")
    fresh = pyarrow.parquet.read_table("fresh/dataset/data/00000.parquet").to_pylist()
    assert [[row[key] for key in keys] for row in rows()] == [
        [row[key] for key in keys] for row in fresh
    ]


def test_another_job_in_the_directory_is_refused_with_the_difference(here, run):
    run("curate", "curate.yaml")
    before = sha256_of(DATA)
    code, _, err = run("curate", "curate.yaml", "stages.1.keep=0.25")
    assert code == 2
    assert "E083" in err
    assert "stage 2 was" in " ".join(err.split())
    assert "run=out-2" in err
    assert sha256_of(DATA) == before


def test_pairs_are_filtered_without_a_model(here, run):
    write("src.txt", ["A dog barks loudly.", "The cat sleeps all day.", "It is late.", "Go home."])
    write("ref.txt", ["Ein Hund bellt laut.", "The cat sleeps all day.", "Es ist spät.", "Geh."])
    Path("curate.yaml").write_text(FILTERED)
    code, out, err = run("curate", "curate.yaml")
    assert code == 0, err
    said = json.loads(out)
    assert said["dropped"] == [
        {"reason": "with not_copied below 0.5", "rows": 1},
        {"reason": "over the quota of 2", "rows": 1},
    ]
    lines = Path("out/dataset/data/00000.jsonl").read_text().splitlines()
    assert {json.loads(line)["translation"] for line in lines} < {
        *("Ein Hund bellt laut.", "Es ist spät.", "Geh.")
    }
    examples = Path("out/dataset/examples.jsonl").read_text().splitlines()
    assert {json.loads(line)["kept"] for line in examples} == {True, False}


@pytest.mark.parametrize(
    ("stage", "code", "told"),
    [
        ("qota", "E100", ["unknown stage 'qota'", "stage: quota"]),
        ("{stage: quota, row: 3}", "E103", ["quota has no option 'row'", "rows"]),
        ("{stage: quota, rows: 0}", "E103", ["quota.rows: Input should be greater", "not 0"]),
        ("{stage: gain}", "E103", ["gain.reward: Field required", "write it"]),
        ("{stage: gate, reward: not_copid, below: 1}", "E101", ["'not_copid'", "not_copied"]),
        ("{stage: length_buckets, edges: [9, 3]}", "E103", ["ascending", "length_buckets"]),
        ("{stage: best_of, rewards: []}", "E103", ["best_of.rewards", "not []"]),
    ],
)
def test_a_wrong_stage_is_refused_in_its_line(here, run, stage, code, told):
    Path("curate.yaml").write_text(SAMPLED + f"  - {stage}\n")
    status, _, err = run("curate", "curate.yaml")
    message = " ".join(err.split())
    assert status == 2
    assert f"error[{code}] curate.yaml:11" in message
    assert all(text in message for text in told)
    assert not Path("out").exists()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_missing_test_set_is_named_before_anything_is_written(here, run, dry):
    Path("curate.yaml").write_text(SAMPLED + "  - {stage: decontaminate, against: [gone.txt]}\n")
    code, _, err = run("curate", "curate.yaml", *dry)
    assert code == 3
    assert "gone.txt" in err
    assert "E201" in err
    assert not Path("out").exists()


@pytest.mark.parametrize("key", ["prompt", "model"])
def test_what_sampling_needs_is_asked_for(here, run, key):
    lines = [line for line in SAMPLED.splitlines() if not line.startswith(f"{key}:")]
    Path("curate.yaml").write_text("\n".join(lines))
    code, _, err = run("curate", "curate.yaml")
    assert code == 2
    assert "a stage samples translations" in " ".join(err.split())


def test_a_dry_run_changes_nothing(here, run):
    code, out, _ = run("curate", "curate.yaml", "--dry-run")
    assert code == 0
    assert json.loads(out)["rows"] == 20
    assert not Path("out").exists()
