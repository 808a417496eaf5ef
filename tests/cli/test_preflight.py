"""`rewardlab preflight` from files to verdicts, and what it refuses."""

import json

import pytest

NAMES = (
    "Anna",
    "Bert",
    "Cora",
    "Dora",
    "Egon",
    "Fritz",
    "Gerd",
    "Hans",
    "Ida",
    "Jan",
    "Karl",
    "Lena",
)
PAIRS = [(name, other) for name in NAMES for other in NAMES[:2]]
SOURCES = [f"{name} saw {other} in the garden." for name, other in PAIRS]
SYSTEMS = {
    "A": [f"{name} sah {other} im Garten." for name, other in PAIRS],
    "B": [f"{name} hat {other} im Hof gesehen." for name, other in PAIRS],
    "refA": [f"{name} erblickte {other} im Garten." for name, other in PAIRS],
}
HEADER = "system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity"
LANGUAGES = ("--source-lang", "en", "--target-lang", "de")
GOLD = ("--gold", "mqm.tsv", "--reference-system", "refA", *LANGUAGES)
TEXTS = ("-s", "src", "-t", "hyp", "-r", "ref", *LANGUAGES)
RL = """\
policy: {path: nowhere}
rewards:
  - {reward: chrf}
  - {reward: not_empty, weight: 0.5}
gates:
  - {reward: not_copied, below: 0.5}
"""


def lines(texts):
    return "".join(f"{text}\n" for text in texts)


def rows():
    yield HEADER
    for system, texts in SYSTEMS.items():
        for number, (source, text) in enumerate(zip(SOURCES, texts, strict=True), start=1):
            error = ("Style/Awkward", "Minor") if system == "B" else ("No-error", "No-error")
            yield "\t".join((system, "d", str(number), str(number), "r", source, text, *error))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mqm.tsv").write_text(lines(rows()), encoding="utf-8")
    (tmp_path / "src").write_text(lines(SOURCES), encoding="utf-8")
    (tmp_path / "hyp").write_text(lines(SYSTEMS["A"]), encoding="utf-8")
    (tmp_path / "hyp2").write_text(lines(SYSTEMS["B"]), encoding="utf-8")
    (tmp_path / "ref").write_text(lines(SYSTEMS["refA"]), encoding="utf-8")
    (tmp_path / "rl.yaml").write_text(RL, encoding="utf-8")
    return tmp_path


def test_a_reward_on_a_gold_file(files, run):
    code, out, err = run("preflight", "--reward", "chrf", *GOLD, "--json", "out.json")
    assert (code, out) == (0, ""), err
    result = json.loads((files / "out.json").read_text(encoding="utf-8"))
    assert result["honest"]["systems"] == ["A", "B"]
    assert result["honest"]["texts"] == 48
    assert result["agreement"].keys() == {"chrf", "constant"}
    assert result["discrimination"]["chrf"]["pairs"] == 24
    assert result["probes"]["empty"]["rewards"]["chrf"]["judgement"] == "safe"
    assert "48 honest texts of 24 sources by 2 systems" in err
    assert "verdict" in err
    assert "not_copied" in err


def test_tables_fit_the_terminal(files, run, monkeypatch):
    rewards = [("--reward", f"no_repetition:name=guard_against_repetition_{n}") for n in range(11)]
    arguments = ("preflight", "--reward", "chrf", *(word for pair in rewards for word in pair))
    for width in (60, 80, 100, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        code, out, err = run(*arguments, *GOLD)
        assert code == 0, err
        assert max(map(len, err.splitlines())) <= width
        chrf = json.loads(out)["probes"]["copy"]["rewards"]["chrf"]
        shares = [f"{100 * chrf[key][0]:.1f}" for key in ("fooled", "with_all_gates")]
        assert f"{shares[0]} → {shares[1]}" in err
        assert err.count("100.0 → 100.0") > 11
        assert "probe" not in err
        assert "undecided" in err


def test_the_tables_are_written_as_markdown_and_html(files, run):
    code, out, err = run(
        "preflight", "--reward", "chrf", *GOLD, "--markdown", "p.md", "--html", "p.html"
    )
    assert code == 0, err
    markdown, html = ((files / name).read_text(encoding="utf-8") for name in ("p.md", "p.html"))
    copied = json.loads(out)["probes"]["copy"]["rewards"]["chrf"]["fooled"][0]
    for text in (markdown, html):
        assert f"{100 * copied:.1f} → 0.0" in text
        assert "fooled, %" in text
        assert "undecided: too few sources" in text
    assert "| attack | cases | chrf |" in markdown
    assert "<script" not in html


def test_an_ensemble_has_its_own_gates_and_a_total(files, run):
    code, out, err = run("preflight", "--ensemble", "rl.yaml", *GOLD)
    assert code == 0, err
    result = json.loads(out)
    assert result["own_gates"]["yaml"] == ["- {reward: not_copied, below: 0.5}"]
    rewards = result["probes"]["copy"]["rewards"]
    assert rewards.keys() == {"chrf", "not_empty", "total"}
    assert rewards["not_empty"]["fooled"][0] == 1.0
    assert rewards["not_empty"]["with_own_gates"][0] == 0.0
    assert rewards["not_empty"]["judgement"] == "safe"
    assert "its own gates close on 0.00% of honest texts" in err


def test_line_aligned_texts(files, run):
    code, out, err = run("preflight", "--reward", "not_empty", *TEXTS, "--cases", "30")
    assert code == 0, err
    result = json.loads(out)
    assert result["agreement"] == result["discrimination"] == {}
    assert result["probes"]["copy"]["cases"] == 24
    assert result["probes"]["copy"]["rewards"]["not_empty"]["closed_by"] == ["not_copied"]
    code, out, _ = run("preflight", "--reward", "not_empty", *TEXTS, "--other-hypothesis", "hyp2")
    assert json.loads(out)["discrimination"]["not_empty"]["constant"][0] == 1.0
    assert json.loads(out)["honest"]["systems"] == ["hypothesis", "hypothesis_2"]


def test_the_seed_chooses_what_is_attacked(files, run):
    arguments = ("preflight", "--reward", "chrf", *GOLD, "--cases", "20", "--seed")
    first, again, other = (json.loads(run(*arguments, seed)[1]) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first["probes"]["empty"]["cases"] == 20


def test_what_is_left_out_is_told(files, run):
    (files / "hyp").write_text(lines([SYSTEMS["refA"][0], "", *SYSTEMS["A"][2:]]), encoding="utf-8")
    code, out, err = run("preflight", "--reward", "chrf", *TEXTS)
    assert code == 0
    assert "1 translation left out: empty, or without another text" in err
    assert "1 of 23 translations equal their reference" in json.loads(out)["notes"]


@pytest.mark.parametrize(
    ("arguments", "code", "codes"),
    [
        (GOLD, 2, ["E110"]),
        (("--reward", "chrf", "--ensemble", "rl.yaml", *GOLD), 2, ["E110"]),
        (("--reward", "chrf"), 2, ["E110", "E111", "E111", "E042"]),
        (("--reward", "chrf", *GOLD, "-s", "src"), 2, ["E110"]),
        (("--reward", "chrf", "--exclude-systems", "A", *TEXTS), 2, ["E110"]),
        (("--reward", "chrf", "-s", "src", "-r", "ref", *LANGUAGES), 2, ["E110"]),
        (("--reward", "chrf", *TEXTS[:-1], "Germn"), 2, ["E260"]),
        (("--reward", "chrf", *TEXTS[:-2]), 2, ["E111"]),
        (("--reward", "chrf", *GOLD[:-2]), 2, ["E111"]),
        (("--reward", "chrf", "-s", "src", "-t", "hyp", *LANGUAGES), 2, ["E042"]),
        (("--reward", "chrf", "--gold", "mqm.tsv", *LANGUAGES), 2, ["E042"]),
        (("--reward", "chrff", *GOLD), 2, ["E101"]),
        (("--reward", "chrf", "--reward", "chrf", *GOLD), 2, ["E036"]),
        (("--reward", "chrf:name=total", *GOLD), 2, ["E116"]),
        (("--ensemble", "none.yaml", *GOLD), 2, ["E001"]),
        (("--reward", "chrf", *GOLD, "--json", "no/out.json"), 2, ["E117"]),
        (("--reward", "chrf", *GOLD, "--json", "."), 2, ["E118"]),
        (("--reward", "chrf", *GOLD, "--json", "./mqm.tsv"), 2, ["E118"]),
        (("--reward", "chrf", *TEXTS, "--json", "hyp"), 2, ["E118"]),
        (("--reward", "chrf", *GOLD, "--html", "no/out.html"), 2, ["E117"]),
        (("--reward", "chrf", *GOLD, "--markdown", "."), 2, ["E118"]),
        (("--reward", "chrf", *GOLD, "--cases", "0"), 2, ["E040"]),
        (("--reward", "chrf", *GOLD, "--severity", "none"), 2, ["E026"]),
        (("--reward", "chrf", "--gold", "no.tsv", *GOLD[2:]), 3, ["E201"]),
        (("--reward", "chrf", *GOLD[:2], *LANGUAGES, "--reference-system", "refB"), 3, ["E250"]),
        (("--reward", "chrf", "--gold", "table.tsv", *LANGUAGES), 3, ["E242"]),
        (("--reward", "chrf", *TEXTS, "-t", "ref"), 2, ["E040"]),
        (("--reward", "not_empty", "-s", "src", "-t", "a=hyp", *LANGUAGES), 2, ["E115"]),
        (("--reward", "chrf", *GOLD, "--exclude-systems", "A"), 3, ["E251"]),
        (("--reward", "chrf", "--gold", "table.tsv", *GOLD[2:]), 3, ["E242"]),
        (("--reward", "chrf", "-s", "src", "-t", "ref", "-r", "ref", *LANGUAGES), 3, ["E241"]),
        (("--reward", "chrf", *TEXTS, "--other-hypothesis", "ref"), 3, ["E241"]),
        (("--reward", "not_empty", "-s", "one", "-t", "one", *LANGUAGES), 3, ["E240"]),
        (("--reward", "not_empty", "-s", "empty", "-t", "empty", *LANGUAGES), 3, ["E206"]),
        (("--reward", "not_empty", "-s", "src", "-t", "one", *LANGUAGES), 3, ["E204"]),
    ],
)
def test_what_is_refused(files, run, arguments, code, codes):
    (files / "one").write_text("one\n", encoding="utf-8")
    (files / "empty").write_text("", encoding="utf-8")
    table = "segment\tA\tB\trefA\nd:1\t1\t2\t3\nd:2\t1\t2\t2\n"
    (files / "table.tsv").write_text(table, encoding="utf-8")
    left, out, err = run("preflight", *arguments)
    said = [line[6:10] for line in err.splitlines() if line.startswith("error[")]
    assert (left, said) == (code, codes), err
    assert out == ""
    assert "Traceback" not in err
    assert all(" fix: " in line for line in err.splitlines() if line.startswith("error["))


def test_of_several_language_pairs_one_is_attacked(files, run):
    text = (files / "mqm.tsv").read_text(encoding="utf-8")
    pairs = [
        line + ("\tlp\n" if line == HEADER else f"\ten-{target}\n")
        for target in ("de", "ja")
        for line in text.splitlines()
    ]
    (files / "mqm.tsv").write_text("".join(dict.fromkeys(pairs)), encoding="utf-8")
    gold = ("--gold", "mqm.tsv", "--reference-system", "refA")
    code, _, err = run("preflight", "--reward", "chrf", *gold, "--source-lang", "en")
    assert code == 3
    assert "error[E281] mqm.tsv: rows of 2 language pairs" in err
    code, _, err = run("preflight", "--reward", "chrf", *gold, "--target-lang", "de")
    assert code == 0, err
    assert f"{3 * len(SOURCES)} rows of other language pairs left out ('en-ja')" in err
    assert f"{2 * len(SOURCES)} honest texts of {len(SOURCES)} sources" in err


def test_wrong_languages_close_a_gate_on_honest_texts_and_are_asked_about(files, run):
    command = ("preflight", "--reward", "chrf", *TEXTS[:-4])
    left, out, err = run(*command, "--source-lang", "de", "--target-lang", "zh")
    assert left == 0
    gate = json.loads(out)["gates"]["target_script"]
    assert (gate["closes_on_honest"][0], gate["recommended"]) == (1.0, False)
    what = "target_script closes on 100.0% of the honest texts: not recommended, and not counted"
    assert f"{what}; are the languages right?" in err
    assert "reward: target_script" not in err


def samples_file(tmp_path, rows):
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


ROW = {"id": "1", "source": "The dog runs.", "texts": ["Der Hund rennt.", "Der Hund", "Hund"]}


def test_samples_of_a_policy_are_ordered_by_each_reward(run, tmp_path):
    row = {**ROW, "reference": "Der Hund rennt."}
    path = samples_file(tmp_path, [row, {**row, "texts": ["Hund rennt.", "x", "Der"]}])
    code, out, err = run("preflight", "--reward", "chrf", "--reward", "ter", "--samples", path)
    assert code == 0, err
    measured = json.loads(out)["samples"]
    assert measured["chrf"]["pairs"]["right"]["value"] == 1.0
    assert "3 samples of each of 2 sources" in err
    assert "repeatable" in err


def test_references_of_samples_are_found_by_line(run, tmp_path):
    (tmp_path / "ref").write_text("x\nDer Hund rennt.\n")
    path = samples_file(tmp_path, [{**ROW, "id": "2"}])
    code, out, _ = run(
        *("preflight", "--reward", "exact_match", "--samples", path, "-r", str(tmp_path / "ref"))
    )
    assert code == 0
    assert json.loads(out)["samples"]["exact_match"]["share"] == 1.0


def test_gates_of_an_ensemble_reject_samples(files, run, tmp_path):
    texts = ["Der Hund rennt.", ROW["source"]]  # not_empty ties them, and not_copied is a gate
    path = samples_file(tmp_path, [{**ROW, "reference": texts[0], "texts": texts}])
    code, out, err = run("preflight", "--ensemble", "rl.yaml", "--samples", path)
    assert code == 0, err
    assert json.loads(out)["samples"]["not_empty"]["pairs"]["right"]["value"] == 1.0
    assert "weights are not used" in err


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW], "no reference"),
        ([{"source": "a"}], "no source and texts with a reference"),
        (
            [{**ROW, "reference": "a", "texts": ["a"]}],
            "rows have 1 texts; all need the same number",
        ),
        ([{**ROW, "reference": "a", "texts": ["a", 2]}], "source, reference and texts are texts"),
    ],
)
def test_files_that_are_no_samples(run, tmp_path, rows, message):
    path = samples_file(tmp_path, rows)
    code, _, err = run("preflight", "--reward", "chrf", "--samples", path)
    assert code == 3
    assert "E085" in err
    assert message in err


def test_samples_exclude_other_texts(run, tmp_path):
    path = samples_file(tmp_path, [ROW])
    code, _, err = run("preflight", "--reward", "chrf", "--samples", path, "-s", path, "-t", path)
    assert code == 2
    assert "E110" in err
