"""What the stages of a run learn from, and what is set aside."""

import json

import judged_talks
import pytest

from rewardlab.config.load import load
from rewardlab.config.train_reward import TrainRewardConfig, check_train_reward
from rewardlab.config.training_data import read_training_data
from rewardlab.errors import UserError
from rewardlab.human.rated import Preference
from rewardlab.scorers.document_split import LONG
from rewardlab.scorers.examples import documents_of

TEXT = """\
run: run
scorer: {generalist: {}}
model: {from_scratch: {layers: 1}}
split: {validation: 0.2, test: 0.25}
stages:
  - name: warm-up
    damaged: 2
    texts: {source: en.txt, reference: de.txt, source_lang: en, target_lang: de}
    judgements: {file: mqm.tsv, reference_system: ref}
  - name: mqm
    judgements: {file: mqm.tsv, reference_system: ref}
    preferences: {file: pairs.jsonl}
"""
LEAK = "This sentence stands in a corpus and in a talk alike, word for word."
assert len(LEAK) >= LONG


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judged_talks.write(tmp_path / "mqm.tsv")
    (tmp_path / "en.txt").write_text("".join(f"line number {n} of many\n" for n in range(30)))
    (tmp_path / "de.txt").write_text("".join(f"Zeile Nummer {n} von vielen\n" for n in range(30)))
    pairs = [{"prompt": f"Say {n}.", "chosen": f"{n}.", "rejected": "No."} for n in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    (tmp_path / "run.yaml").write_text(TEXT)

    def reading(*overrides):
        return read_training_data(
            load(TrainRewardConfig, "run.yaml", overrides, check=check_train_reward)
        )

    return reading


def documents(rows):
    return {row.document for row in rows}


def test_no_document_stands_on_two_sides(data):
    found = data()
    mqm = found.stages[1]
    assert documents(mqm.train) <= found.split.train
    assert documents(mqm.validation) <= found.split.validation
    test = {document for gold in found.test for document in documents_of(gold).values()}
    assert test <= found.split.test
    assert {pair.document for pair in found.preferences} <= found.split.test
    assert not documents(mqm.train) & (test | documents(mqm.validation))


def test_a_preference_without_a_document_stands_for_itself(data):
    found = data()
    pairs = [row for row in found.stages[1].train if isinstance(row, Preference)]
    assert 0 < len(pairs) < 20
    assert len(documents(pairs)) == len(pairs)
    assert found.preferences


def test_the_warm_up_reads_corpora_and_the_training_talks_own_references(data):
    found = data()
    warm_up = found.stages[0]
    own = {row.document for row in warm_up.train if row.document.startswith("mqm:")}
    assert own == {d for d in found.split.train if d.startswith("mqm:")}
    lines = [row for row in warm_up.train if row.candidate.source.startswith("line")]
    assert lines
    assert {row.system for row in warm_up.train} >= {"made-up:reference", "made-up:words"}
    told = {row.candidate.source for row in warm_up.train}
    assert not told & {row.candidate.source for row in warm_up.validation}


def test_a_corpus_gives_up_what_a_talk_on_another_side_says(data, tmp_path):
    """The talk whose sentence the corpus has is on the test side; so is the sentence."""
    found = data()
    document = next(iter(documents_of(found.test[0]).values()))
    number = int(document.split(".")[-1].split(":")[0])
    talk = (tmp_path / "mqm.tsv").read_text().splitlines()
    at = next(i for i, line in enumerate(talk) if line.startswith(f"A\ttalk.{number}:en-de\t"))
    cells = talk[at].split("\t")
    (tmp_path / "mqm.tsv").write_text(
        "\n".join(line.replace(f"\t{cells[5]}\t", f"\t{LEAK}\t") for line in talk) + "\n"
    )
    with (tmp_path / "en.txt").open("a") as file:
        file.write(LEAK + "\n")
    with (tmp_path / "de.txt").open("a") as file:
        file.write("Dieser Satz steht in beiden.\n")
    again = data()
    assert document in again.split.test
    rows = [*again.stages[0].train, *again.stages[0].validation]
    assert LEAK not in {row.candidate.source for row in rows}


def test_a_prompt_that_quotes_a_talk_stays_with_it(data, tmp_path):
    """A sentence of every talk in a prompt of its own, and one answer below all of them."""
    talk = (tmp_path / "mqm.tsv").read_text().splitlines()
    said = {}
    for line in tuple(talk):
        cells = line.split("\t")
        if line.startswith("A\t") and cells[1] not in said:
            said[cells[1]] = f"{LEAK[:-1]}, and for the talk {cells[1]} only."
            talk = [one.replace(f"\t{cells[5]}\t", f"\t{said[cells[1]]}\t")
                    if one.split("\t")[1:2] == cells[1:2] else one for one in talk]  # fmt: skip
    (tmp_path / "mqm.tsv").write_text("\n".join(talk) + "\n")
    refusal = "I am sorry, but I cannot help with that request, whatever it may be."
    pairs = [
        {"prompt": f"Translate ({n}):\n{text}", "chosen": f"{n}", "rejected": refusal}
        for n, text in enumerate(said.values())
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    found = data()
    assert len(said) > 5
    mqm = found.stages[1]
    for rows in (mqm.train, mqm.validation):
        own = {row.document.split(":")[1] for row in rows if not isinstance(row, Preference)}
        asked = [row.chosen.prompt for row in rows if isinstance(row, Preference)]
        assert asked
        assert all(any(f"talk {name}" in prompt for name in own) for prompt in asked), own
    assert found.preferences
    assert all(len(pair.document.rpartition(":")[2]) == 12 for pair in found.preferences)


def test_pairs_that_answer_one_request_stay_together(data, tmp_path):
    pairs = [{"prompt": f"Say {n % 9}.", "chosen": f"{n}.", "rejected": "No."} for n in range(27)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    found = data()
    mqm = found.stages[1]
    sides = [
        {row.chosen.prompt for row in rows if isinstance(row, Preference)}
        for rows in (mqm.train, mqm.validation, found.preferences)
    ]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 9


def test_one_file_read_in_two_ways_has_one_set_of_documents(data):
    found = data("stages.1.judgements.severities=xcomet")
    assert len({document.split(":")[0] for document in found.split.test | found.split.train}) <= 2
    warm_up = {row.document for row in found.stages[0].train if row.document.startswith("mqm:")}
    assert warm_up <= found.split.train


def test_a_corpus_of_one_document_is_refused_with_a_way_out(data, tmp_path):
    (tmp_path / "ids.txt").write_text("one\n" * 30)
    with pytest.raises(UserError) as caught:
        data("stages.0.texts.documents=ids.txt", "stages.0.judgements=[]")
    assert str(caught.value.problems[0]).startswith("error[E207]")


def test_a_file_that_two_stages_name_is_one_file(data):
    assert len(data().gold) == 1
    assert data().signature.splitlines()[0].startswith("mqm|mqm|severities:wmt|sha256:")


def test_other_data_has_another_signature(data, tmp_path):
    before = data().signature
    with (tmp_path / "en.txt").open("a") as file:
        file.write("one more\n")
    with (tmp_path / "de.txt").open("a") as file:
        file.write("noch eine\n")
    assert data().signature != before


def test_judgements_without_texts_teach_nothing(data, tmp_path):
    (tmp_path / "scores.tsv").write_text("segment\tA\tB\n1\t0.5\t0.25\n2\t1\t0\n")
    with pytest.raises(UserError) as caught:
        data("stages.1.judgements={file: scores.tsv, format: table}")
    assert caught.value.exit_code == 3
    assert str(caught.value.problems[0]).startswith("error[E253] scores.tsv: holds no texts")


def test_rows_of_another_language_pair_are_not_learned_from(data, tmp_path):
    text = (tmp_path / "mqm.tsv").read_text()
    other = text.partition("\n")[2].replace(":en-de", ":en-ja")
    (tmp_path / "mqm.tsv").write_text(text + other)
    with pytest.raises(UserError) as caught:
        data()
    (problem,) = caught.value.problems
    assert problem.code == "E281"
    assert "source_lang: en, target_lang: de" in problem.fix
    languages = [f"stages.{n}.judgements.target_lang=de" for n in (0, 1)]
    found = data(*languages)
    assert {gold.target_lang for gold in found.gold} == {"de"}
    assert all(document.endswith(":en-de") for gold in found.gold for document in gold.documents)


def test_a_control_learns_from_the_sources_of_its_own_side(data):
    judged = "stages.1.preferences=[]"
    own, control = data(judged), data(judged, "shuffle_sources=true")
    for plain, mixed in zip(own.stages, control.stages, strict=True):
        for side in ("train", "validation"):
            rows = [row for row in getattr(plain, side) if not isinstance(row, Preference)]
            others = getattr(mixed, side)
            pairs = zip(rows, others, strict=True)
            assert all(a.candidate.hypothesis == b.candidate.hypothesis for a, b in pairs)
            assert {a.candidate.source for a in rows} == {b.candidate.source for b in others}
            assert any(
                a.candidate.source != b.candidate.source for a, b in zip(rows, others, strict=True)
            )


class TestMachines:
    """A run on parallel text and machine translations alone."""

    LINES = tuple(f"Linie Nummer {n} von vielen" for n in range(30))

    @pytest.fixture
    def free(self, data, tmp_path):
        text = (tmp_path / "run.yaml").read_text()
        text = text[: text.index("    judgements")].replace("{generalist: {}}", "{metricx: {}}")
        (tmp_path / "run.yaml").write_text(text)

        def reading(machine, *overrides):
            return data(f"stages.0.texts.machine={machine}", *overrides)

        return reading

    def machine(self, found):
        sides = (*found.stages[0].train, *found.stages[0].validation, *found.free.rated)
        return {
            row.candidate.id: row.candidate.hypothesis for row in sides if row.system == "rules"
        }

    def test_lines_and_ids_name_the_same_rows(self, free, tmp_path):
        (tmp_path / "rules.txt").write_text("".join(f"{line}\n" for line in self.LINES))
        rows = [{"id": str(n), "texts": [line]} for n, line in enumerate(self.LINES, start=1)]
        shuffled = "".join(json.dumps(row) + "\n" for row in reversed(rows))
        (tmp_path / "rules.jsonl").write_text(shuffled)
        (tmp_path / "runs/rules").mkdir(parents=True)
        (tmp_path / "runs/rules/translations.jsonl").write_text(shuffled)
        found = self.machine(free("rules.txt"))
        assert found
        assert found == self.machine(free("rules.jsonl")) == self.machine(free("[runs/rules]"))
        assert all(text == self.LINES[int(row) - 1] for row, text in found.items())

    def test_what_is_left_out_is_noted(self, free, tmp_path):
        lines = ["", *self.LINES[1:-1], "Zeile Nummer 29 von vielen"]
        (tmp_path / "rules.txt").write_text("".join(f"{line}\n" for line in lines))
        (note,) = [note for note in free("rules.txt").notes if "rules" in note]
        assert note.startswith("stage warm-up, rules: 30 lines: 28 rows; left out: ")
        assert {"1 empty", "1 equal to the reference"} == set(
            note.partition("out: ")[2].split(", ")
        )

    def test_a_file_of_another_length_or_with_other_ids_is_refused(self, free, tmp_path):
        (tmp_path / "rules.txt").write_text("".join(f"{line}\n" for line in self.LINES[:-1]))
        (tmp_path / "rules.jsonl").write_text('{"id": "1", "texts": ["Linie"]}\n')
        for name, code in (("rules.txt", "E204"), ("rules.jsonl", "E209")):
            with pytest.raises(UserError) as caught:
                free(name)
            assert (caught.value.problems[0].code, caught.value.exit_code) == (code, 3)
            assert name in str(caught.value.problems[0])

    def test_lines_of_another_format_are_the_entries_that_its_reader_finds(self, free, tmp_path):
        entries = "".join(
            f'#: help{n}.c\nmsgid "line number {n} of many"\n'
            f'msgstr "Zeile Nummer {n} von vielen"\n\n'
            for n in range(30)
        )
        head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        (tmp_path / "help.po").write_text(head + entries)
        (tmp_path / "rules.txt").write_text("".join(f"{line}\n" for line in self.LINES))
        found = free(
            "rules.txt",
            "stages.0.texts.format=po",
            "stages.0.texts.source=help.po",
            "stages.0.texts.reference=help.po",
        )
        rows = [row for row in found.stages[0].train if row.system == "rules"]
        assert rows
        for row in rows:
            number = row.candidate.source.split()[2]
            assert row.candidate.hypothesis == f"Linie Nummer {number} von vielen"
        (tmp_path / "rules.txt").write_text("Linie\n")
        with pytest.raises(UserError) as caught:
            free(
                "rules.txt",
                "stages.0.texts.format=po",
                "stages.0.texts.source=help.po",
                "stages.0.texts.reference=help.po",
            )
        assert "1 line, but help.po has 30 texts" in str(caught.value.problems[0])

    def test_a_changed_translation_gives_another_signature(self, free, tmp_path):
        (tmp_path / "rules.txt").write_text("".join(f"{line}\n" for line in self.LINES))
        before = free("rules.txt").signature
        (tmp_path / "rules.txt").write_text("".join(f"{line}!\n" for line in self.LINES))
        assert free("rules.txt").signature != before
