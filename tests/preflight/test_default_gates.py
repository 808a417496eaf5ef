"""The default gates close on their probes and on no good translation, in texts made for it."""

from rewardlab.config.checks import build_gates
from rewardlab.config.ensemble import EnsembleConfig
from rewardlab.config.strict_yaml import load
from rewardlab.perturbations.attacks import ATTACKS, Case
from rewardlab.preflight.default_gates import DEFAULT_GATES, gate_line
from rewardlab.preflight.safety import ALL, examine
from rewardlab.rewards import NoRepetition, NotEmpty
from rewardlab.types import Candidate, Gate, Term


def test_gates_are_printed_as_the_configuration_reads_them():
    lines = "\n".join(f"  {gate_line(gate)}" for gate in DEFAULT_GATES)
    document = load(f"rewards: [{{reward: chrf}}]\ngates:\n{lines}\n", "rl.yaml")
    config = EnsembleConfig.model_validate(document.value)
    assert tuple(build_gates(config.gates)) == DEFAULT_GATES


def test_a_gate_says_what_is_not_the_default():
    assert gate_line(Gate(NoRepetition(), below=0.95)) == "- {reward: no_repetition, below: 0.95}"
    named = Gate(NotEmpty(name="words"), below=0.5)
    assert gate_line(named) == "- {reward: not_empty, name: words, below: 0.5}"


TALK = [
    ("We went to the sea in 1998 with my brother.", "Wir fuhren 1998 mit meinem Bruder ans Meer."),
    ("Nobody had told us about the storm.", "Niemand hatte uns von dem Sturm erzählt."),
    ("Thank you.", "Danke."),
    ("(Applause)", "(Beifall)"),
    ('"Who are you?" he asked.', "„Wer sind Sie?“, fragte er."),
    ("It cost 2.5 million dollars.", "Es hat 2,5 Millionen Dollar gekostet."),
    ("No, no, I said, and no again.", "Nein, nein, sagte ich, und noch einmal nein."),
]


def talk(texts=TALK):
    return [
        Case(Candidate(source, text, source_lang="en", target_lang="de"), texts[at - 1][1])
        for at, (source, text) in enumerate(texts)
    ]


def test_the_default_gates_leave_good_translations_alone():
    closed = examine([Term(NotEmpty())], talk(), probes=[]).closed
    assert {name: price.value for name, price in closed.items() if price.value} == {}


def test_the_default_gates_close_on_the_probes_they_exist_for():
    found = {one.probe.name: one for one in examine([Term(NotEmpty())], talk()).attacked}
    gated = [probe.name for probe in ATTACKS if probe.guards]
    assert gated == ["copy", "empty", "wrong_script", "truncated", "sentence_repeated", "number"]
    assert {name: found[name].passed[ALL].value for name in gated} == dict.fromkeys(gated, 0.0)
    names = {gate.reward.name for gate in DEFAULT_GATES}
    assert all(names.issuperset(probe.guards) for probe in ATTACKS)
