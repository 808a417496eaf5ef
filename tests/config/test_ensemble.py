import pytest

from rewardlab.config.ensemble import load_ensemble
from rewardlab.errors import UserError
from rewardlab.rewards import Cached, ChrF, NoRepetition
from rewardlab.types import Gate, Term, is_generic, is_translation

RUN = """\
run: runs/rl
data: {source: nowhere.txt}
prompt: arrow
policy: {path: nowhere}
rewards:
  - {reward: chrf, beta: 1, weight: 2}
  - {reward: no_repetition, n: 3, weight: 0, token_weight: 1}
gates:
  - {reward: no_repetition, n: 2, below: 0.95}
trainer: {num_generations: 8}
"""


def refused(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_ensemble(path)
    assert caught.value.exit_code == 2
    return [(problem.code, problem.where.split(":", 1)[-1]) for problem in caught.value.problems]


def test_rewards_and_gates_of_a_run_whose_data_need_not_be_there(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text(RUN, encoding="utf-8")
    terms, gates = load_ensemble(path)
    assert terms == [Term(ChrF(beta=1), weight=2.0), Term(NoRepetition(n=3), 0.0, 1.0)]
    assert gates == [Gate(NoRepetition(n=2), below=0.95)]


def test_gates_may_be_missing_and_rewards_may_not(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text("rewards: [{reward: chrf}]\n", encoding="utf-8")
    assert load_ensemble(path) == ([Term(ChrF())], [])
    assert [code for code, _ in refused(path, "gates: []\n")] == ["E024"]
    assert [code for code, _ in refused(path, "- chrf\n")] == ["E020"]


def test_every_problem_has_its_place(tmp_path):
    text = "run: x\nrewards:\n  - {reward: chrff}\n  - {reward: chrf, bta: 1}\n"
    text += "gates:\n  - {reward: ter}\n"
    found = refused(tmp_path / "rl.yaml", text)
    assert [code for code, _ in found] == ["E024"]
    text = text.replace("{reward: ter}", "{reward: ter, below: -50}")
    found = refused(tmp_path / "rl.yaml", text)
    assert [code for code, _ in found] == ["E101", "E102"]
    assert [where.split(" ")[0] for _, where in found] == ["3:5", "4:20"]


def test_a_reward_has_a_memory_and_rows_that_it_is_for(tmp_path):
    path = tmp_path / "rl.yaml"
    cache = tmp_path / "scores.sqlite"
    path.write_text(
        "rewards:\n"
        f"  - {{reward: chrf, beta: 1, cache: '{cache}', applies: translations}}\n"
        "  - {reward: no_repetition, applies: generic}\n"
        "  - {reward: no_repetition, name: other, applies: all}\n",
        encoding="utf-8",
    )
    terms, _ = load_ensemble(path)
    assert terms[0].reward == Cached(ChrF(beta=1), cache)
    assert [term.applies for term in terms[:2]] == [is_translation, is_generic]
    assert terms[2] == Term(NoRepetition(name="other"))
    assert not cache.exists(), "opened on first use"


def test_a_memory_that_cannot_be_is_said_in_its_place(tmp_path):
    text = "rewards:\n  - reward: chrf\n    cache: nowhere/scores.sqlite\n"
    text += "  - {reward: remote, url: 'http://127.0.0.1:9/', worst: 0, cache: scores.sqlite}\n"
    found = refused(tmp_path / "rl.yaml", text)
    assert [code for code, _ in found] == ["E352", "E354"]
    assert [where.split(" ")[0] for _, where in found] == ["3:5", "4:60"]
    found = refused(tmp_path / "rl.yaml", "rewards: [{reward: chrf, applies: some}]\n")
    assert [code for code, _ in found] == ["E026"]
    found = refused(tmp_path / "rl.yaml", "rewards: [{reward: chrf, cache: ''}]\n")
    assert [code for code, _ in found] == ["E025"]


def test_a_reward_may_be_its_name_alone_and_a_gate_may_not(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text("rewards: [chrf, 'no_repetition:n=3']\n", encoding="utf-8")
    assert load_ensemble(path) == ([Term(ChrF()), Term(NoRepetition(n=3))], [])
    text = "rewards: [chrf]\ngates: [not_empty]\n"
    assert refused(path, text) == [("E024", "2:9 gates.0.below")]


def test_an_unknown_key_is_refused_and_the_keys_of_a_run_are_not(tmp_path):
    path = tmp_path / "rl.yaml"
    assert refused(path, "rewards: [chrf]\ngatse: []\n") == [("E023", "2:1 gatse")]
    path.write_text("rewards: [chrf]\nsamples: 8\ntrainer: 7\n", encoding="utf-8")
    assert load_ensemble(path) == ([Term(ChrF())], []), "the keys of rerank and rl"


def test_arguments_replace_values(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text(RUN, encoding="utf-8")
    terms, gates = load_ensemble(path, ["rewards.0.weight=5", "gates.0.below=0.5"])
    assert (terms[0].weight, gates[0].below) == (5.0, 0.5)
