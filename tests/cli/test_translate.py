"""`rewardlab translate` from a YAML file to a run directory, with a model of random numbers."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import tiny_checkpoint

from rewardlab.cli import main
from rewardlab.generate import Generated
from rewardlab.generate.server import ServerGenerator

TEXT = "the dog runs across the old bridge and she says the translation is not good enough"
SOURCES = [TEXT[: n % 15 * 5 + 3].strip() for n in range(24)]
CONFIG = """
run: run
data: {source: src.txt, source_lang: en, target_lang: ru}
prompt: arrow
model: model
generation: {max_new_tokens: 6, batch_size: 4}
"""
RESULTS = ("translations.jsonl", "hypotheses.txt", "config.yaml", "signature.txt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint.save(tmp_path_factory.mktemp("checkpoint") / "model", chat=True)


@pytest.fixture
def here(tmp_path, checkpoint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(checkpoint)
    Path("src.txt").write_text("".join(f"{text}\n" for text in SOURCES))
    Path("t.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def call(here, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, json.loads(out) if out else None, err

    return run


def rows(run="run"):
    lines = (Path(run) / "translations.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_file_is_translated_and_the_run_directory_says_how(call):
    code, told, err = call("translate", "t.yaml")
    assert code == 0
    assert [row["source"] for row in rows()] == SOURCES
    assert [row["id"] for row in rows()] == [str(n) for n in range(1, 25)]
    assert all(len(row["texts"]) == 1 for row in rows())
    assert {path.name for path in Path("run").iterdir()} == {
        *RESULTS, "cost.json", "journal.sqlite", "versions.json"
    }  # fmt: skip
    cost = json.loads(Path("run/cost.json").read_text())
    assert told == {"run": "run", **cost}
    assert cost["prompts"] == cost["lines"] == 24
    assert cost["tokens"] == sum(sum(row["tokens"]) for row in rows())
    assert cost["tokens_per_second"] == pytest.approx(cost["tokens"] / cost["seconds"], rel=0.01)
    assert cost["peak_memory_mb"] > 50
    cut = sum(not row["finished"][0] for row in rows())
    assert cost["texts_cut"] == cut > 0
    assert f"note: {cut} texts were cut at max_new_tokens: 6" in err
    assert "transformers|" in Path("run/signature.txt").read_text()
    assert "seed: 0" in Path("run/config.yaml").read_text()


def test_a_finished_run_says_so_and_does_nothing(call):
    _, told, _ = call("translate", "t.yaml")
    before = {path.name: path.stat().st_mtime_ns for path in Path("run").iterdir()}
    code, again, err = call("translate", "t.yaml")
    assert (code, again) == (0, told)
    assert "run is finished already; nothing is left to do" in err
    for name in (*RESULTS, "cost.json"):
        assert Path("run", name).stat().st_mtime_ns == before[name]


def test_kill_9_and_the_same_command_again_give_the_same_files(call, here):
    assert call("translate", "t.yaml", "run=whole", "samples=2", "generation.temperature=1")[0] == 0
    command = ["translate", "t.yaml", "samples=2", "generation.temperature=1"]
    program = "from rewardlab.cli import main; import sys; main(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", program, *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        wal = Path("run/journal.sqlite-wal")
        sizes = set()
        while len(sizes) < 5 and process.poll() is None:
            sizes.add(wal.stat().st_size if wal.exists() else 0)
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not Path("run/cost.json").exists()
    code, _, err = call(*command)
    assert code == 0
    assert f"process {process.pid} was killed and left the lock file journal.sqlite.lock" in err
    assert "of 24 rows were translated before; resuming" in err
    for name in ("translations.jsonl", "hypotheses.txt"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes(), name
    assert Path("run/signature.txt").read_bytes() == Path("whole/signature.txt").read_bytes()
    assert Path("run/config.yaml").read_text().replace("run: run\n", "run: whole\n") == (
        Path("whole/config.yaml").read_text()
    )


def test_the_output_has_a_line_for_every_line_of_the_input(call):
    lines = ["the dog", "", "runs", "   ", "a\u2028b", "x" * 30, "old"]
    Path("src.txt").write_text("".join(f"{line}\n" for line in lines))
    code, told, err = call("translate", "t.yaml", "data.max_characters=20")
    assert code == 0
    assert [row["id"] for row in rows()] == ["1", "3", "5", "7"]
    written = Path("run/hypotheses.txt").read_text("utf-8").split("\n")[:-1]
    assert len(written) == 7
    texts = {int(row["id"]): row["texts"][0] for row in rows()}
    for number in range(1, 8):
        flat = " ".join(texts.get(number, "").splitlines())
        assert " ".join(written[number - 1].split()) == " ".join(flat.split())
    assert (told["lines"], told["lines_without_source"]) == (7, 3)
    assert "7 lines: 4 rows; left out: 2 empty, 1 over 20 characters" in err


def test_several_corpora_stand_one_after_another(call):
    Path("other.txt").write_text("\nold bridge\n")
    Path("src.txt").write_text("dog\n\nruns\n")
    Path("t.yaml").write_text(
        CONFIG.replace(
            "data: {source: src.txt, source_lang: en, target_lang: ru}",
            "data:\n  - {source: src.txt, source_lang: en, target_lang: ru}\n"
            "  - {source: other.txt, source_lang: en, target_lang: da}",
        )
    )
    assert call("translate", "t.yaml")[0] == 0
    assert [row["id"] for row in rows()] == ["en-ru:1", "en-ru:3", "en-da:2"]
    written = Path("run/hypotheses.txt").read_text("utf-8").split("\n")
    assert [bool(line) for line in written] == [True, False, True, False, True, False]


def test_two_files_of_one_language_pair_are_told_apart(call):
    Path("src.txt").write_text("dog\n\nruns\n")
    Path("other.txt").write_text("old bridge\nthe translation\n")
    sections = [
        f"{{source: {name}.txt, source_lang: en, target_lang: ru}}" for name in ("src", "other")
    ]
    assert call("translate", "t.yaml", f"data=[{', '.join(sections)}]")[0] == 0
    texts = {row["source"]: " ".join(row["texts"][0].splitlines()) for row in rows()}
    assert len(set(texts.values())) > 2, "the files' translations must differ to be told apart"
    sources = ["dog", "", "runs", "old bridge", "the translation"]
    written = Path("run/hypotheses.txt").read_text("utf-8").split("\n")
    assert written == [*(texts.get(source, "") for source in sources), ""]


def test_references_are_not_needed_and_not_read_unless_rows_are_held_out(call):
    Path("t.yaml").write_text(
        CONFIG.replace("src.txt,", "src.txt, reference: ref.txt, heldout: 3,")
    )
    assert call("translate", "t.yaml")[0] == 0
    code, _, err = call("translate", "t.yaml", "run=other", "split=heldout")
    assert code == 3
    assert "error[E201] t.yaml:3:25 data.reference: 'ref.txt' cannot be read: " in err
    Path("ref.txt").write_text("".join(f"ref {n}\n" for n in range(22)) + "\nref\n")
    code, told, _ = call("translate", "t.yaml", "run=other", "split=heldout")
    assert (code, told["lines"]) == (0, 3)
    assert [row["id"] for row in rows("other")] == ["21", "22", "24"]
    assert Path("other/hypotheses.txt").read_text("utf-8").count("\n") == 3


def test_a_run_directory_is_a_model_and_a_chat_goes_through_its_template(call, checkpoint):
    Path("sft").mkdir()
    Path("sft/model").symlink_to(checkpoint)
    code, _, _ = call("translate", "t.yaml", "model=sft", "chat=true", "generation.beams=2")
    assert code == 0
    call("translate", "t.yaml", "run=plain", "generation.beams=2")
    assert [row["texts"] for row in rows()] != [row["texts"] for row in rows("plain")]


def test_dry_run_checks_and_writes_nothing(call):
    code, told, _ = call("translate", "t.yaml", "--dry-run")
    assert code == 0
    assert {"dry_run": True, "rows": 24, "run": "run"}.items() <= told.items()
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["model=gone"],
            (
                "E080] argument model=gone: 'gone' is not a directory, so it is neither a saved "
                "checkpoint nor a finished run. fix: give the directory that save_pretrained "
                "wrote, or a run directory with model/ in it\n"
            ),
        ),
        (
            ["samples=4"],
            (
                "E082] argument samples=4: samples: 4 with temperature: 0 would be one text 4 "
                "times. fix: samples=1, or generation.beams=1 generation.temperature=1.0\n"
            ),
        ),
        (
            ["samples=4", "generation.beams=4"],
            (
                "E082] argument samples=4: samples: 4 with beams: 4 would be one text 4 times. "
                "fix: samples=1, or generation.beams=1 generation.temperature=1.0\n"
            ),
        ),
        (
            ["generation.beams=4", "generation.temperature=0.7"],
            (
                "E026] argument generation.beams=4: the integer 4 is out of range. "
                "fix: generation.beams=1; beam search is greedy, and only the transformers backend "
                "has it\n"
            ),
        ),
        (
            ["model=null"],
            (
                "E024] argument model=null: is missing: a checkpoint or a run directory. "
                "fix: add model=VALUE\n"
            ),
        ),
        (
            ["generation.backend=vllm"],
            (
                "E086] generation.backend: backend: vllm needs vllm, which is not installed. "
                "fix: pip install 'rewardlab[vllm]', or backend: transformers\n"
            ),
        ),
        (
            ["generation.backend=server", "generation.url=localhost", "generation.server_model=m"],
            (
                "E086] argument generation.url=localhost: 'localhost' is not the address of a "
                "service. fix: for example http://localhost:8000/v1\n"
            ),
        ),
    ],
    ids=["no model", "samples", "samples of beams", "beams", "no key", "no vllm", "url"],
)  # fmt: skip
def test_what_cannot_work_is_said_before_anything_is_written(call, arguments, message):
    code, told, err = call("translate", "t.yaml", *arguments)
    assert (code, told) == (2, None)
    assert err.endswith(f"error[{message}")
    assert not Path("run").exists()


def test_a_chat_without_a_template_is_refused(call, checkpoint, tmp_path):
    tiny_checkpoint.save(Path("bare"))  # a path of its own: the process keeps what it loaded
    code, _, err = call("translate", "t.yaml", "chat=true", "model=bare")
    assert code == 2
    assert "error[E044] chat: the checkpoint's tokenizer has no chat template. fix: chat: f" in err


def test_other_settings_in_the_same_directory_are_refused_by_name(call):
    call("translate", "t.yaml")
    before = Path("run/translations.jsonl").read_bytes()
    code, told, err = call("translate", "t.yaml", "generation.beams=2", "seed=1")
    assert (code, told) == (2, None)
    assert (
        "error[E083] run/journal.sqlite: holds work done with other settings: generation.beams "
        "was 1 and is 2; seed was 0 and is 1. fix: write to another directory: run=run-2" in err
    )
    Path("src.txt").write_text("other\n")
    code, _, err = call("translate", "t.yaml")
    assert code == 2
    assert "prompts was '" in err
    assert Path("run/translations.jsonl").read_bytes() == before


def test_a_directory_that_holds_something_else_is_refused(call):
    Path("run").mkdir()
    Path("run/precious").write_text("mine")
    code, _, err = call("translate", "t.yaml")
    assert code == 2
    assert "error[E030] run 'run': exists and is not an empty directory" in err
    assert [path.name for path in Path("run").iterdir()] == ["precious"]


def test_a_run_under_way_elsewhere_is_left_alone(call):
    Path("run").mkdir()
    Path("run/journal.sqlite.lock").write_text('{"pid": 7, "host": "far-away"}')
    code, _, err = call("translate", "t.yaml")
    assert code == 2
    assert "error[E084] run/journal.sqlite.lock: process 7 on far-away is writing there" in err
    assert "fix: if it no longer runs there: rm run/journal.sqlite.lock" in err


def test_a_damaged_journal_costs_the_work_and_nothing_else(call):
    call("translate", "t.yaml")
    before = Path("run/translations.jsonl").read_bytes()
    Path("run/cost.json").unlink()
    journal = Path("run/journal.sqlite")
    data = bytearray(journal.read_bytes())
    data[100:200] = bytes(100)
    journal.write_bytes(data)
    code, _, err = call("translate", "t.yaml")
    assert code == 0
    assert "run/journal.sqlite is damaged" in err
    assert Path("run/journal.sqlite.damaged-1").read_bytes() == data
    assert Path("run/translations.jsonl").read_bytes() == before


def test_a_full_disk_ends_with_75_and_a_way_on(here, call):
    """A limit on the size of files stands for the disk; SIGXFSZ is ignored by Python."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from rewardlab.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "translate", "t.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert "error[E210] run/journal.sqlite: cannot be read or written: " in done.stderr
    assert "fix: make room or repair the disk and run this again" in done.stderr
    assert "Traceback" not in done.stderr
    code, told, _ = call("translate", "t.yaml")
    assert (code, told["prompts"]) == (0, 24)


SERVER = (
    "generation.backend=server",
    "generation.server_model=tiny",
    "generation.url=http://127.0.0.1:9/v1",
    "model=null",
)


@dataclass(frozen=True)
class GoneServer(ServerGenerator):
    """A server that answers the check, and no request after it."""

    def ready(self):
        pass


@pytest.mark.parametrize("server", [ServerGenerator, GoneServer])
def test_a_server_that_is_not_there_ends_with_4_and_a_way_on(call, monkeypatch, server):
    impatient = partial(server, attempts=2, wait=0.01)
    monkeypatch.setattr("rewardlab.generate.server.ServerGenerator", impatient)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-seeded-0815")
    code, told, err = call("translate", "t.yaml", *SERVER)
    assert (code, told) == (4, None)
    assert "error[E088] server http://127.0.0.1:9/v1: gave no text in 2 attempts" in err
    assert "fix: see that the server is up, then run this again; it resumes" in err
    assert "sk-seeded" not in err
    assert Path("run").exists() == (server is GoneServer), "nothing is written before the check"
    for path in Path().glob("run/*"):
        assert b"sk-seeded" not in path.read_bytes(), path


def test_a_finished_run_needs_no_server(call, monkeypatch):
    class Server(GoneServer):
        def __call__(self, prompts, sampling, *, seeds):
            return [[Generated("x", 1, finished=True)] for _ in prompts]

    with monkeypatch.context() as patch:
        patch.setattr("rewardlab.generate.server.ServerGenerator", Server)
        code, told, _ = call("translate", "t.yaml", *SERVER)
    assert code == 0
    assert call("translate", "t.yaml", *SERVER)[:2] == (0, told)
