"""Which reward agrees with people? Human judgements, three rewards, one small table.

Run it: ``python docs/examples/compare_rewards_with_people.py`` (seconds, no network). The
judgements are made up; give `read_gold` a file of your own: MQM, ESA or DA scores.
``rewardlab metaeval --gold FILE --reference-system ref --reward chrf`` does the same, with
significance tests and intervals.
"""

import tempfile
import textwrap
from pathlib import Path

from rewardlab.human.formats import read_gold
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.scoring import compared_systems, score_gold
from rewardlab.rewards import TER, ChrF, NumbersKept

HEADER = ["system", "doc", "doc_id", "seg_id", "rater", "source", "target", "category", "severity"]
SOURCES = ["The dog ate 3 apples.", "The cat sleeps.", "We leave at 9.", "It rains."]
SYSTEMS = {  # the translation, and the severity of the error that a rater found in it
    "ref": [
        ("Der Hund hat 3 Äpfel gegessen.", "no-error"),
        ("Die Katze schläft.", "no-error"),
        ("Wir gehen um 9.", "no-error"),
        ("Es regnet.", "no-error"),
    ],
    "good": [
        ("Der Hund aß 3 Äpfel.", "no-error"),
        ("Die Katze schläft.", "no-error"),
        ("Wir fahren um 9.", "minor"),
        ("Es regnet.", "no-error"),
    ],
    "wrong": [
        ("Der Hund hat 5 Äpfel gegessen.", "major"),
        ("Der Katze schläft.", "minor"),
        ("Wir gehen um 10.", "major"),
        ("Es schneit.", "major"),
    ],
    "poor": [
        ("Hund essen Apfel.", "major"),
        ("Katze.", "major"),
        ("Gehen.", "major"),
        ("Regen.", "minor"),
    ],
}

rows = [HEADER]
for system, translations in SYSTEMS.items():
    for at, (source, (text, severity)) in enumerate(zip(SOURCES, translations, strict=True), 1):
        category = "No-error" if severity == "no-error" else "Accuracy/Mistranslation"
        marked = text if severity == "no-error" else f"<v>{text}</v>"
        place = ["news", str(at), str(at)]
        rows.append([system, *place, "rater1", source, marked, category, severity])
path = Path(tempfile.mkdtemp()) / "judgements.tsv"
path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")

gold = read_gold(path)
systems = compared_systems(gold, reference_system="ref")
rewards = [ChrF(), TER(), NumbersKept()]
options = {"systems": systems, "reference_system": "ref"}
metrics = score_gold(rewards, gold, source_lang="en", target_lang="de", **options)
result = meta_evaluate(gold, metrics, **options)

print(textwrap.fill(gold.funnel, 80), end="\n\n")
print(f"{'reward':<14}{'SPA':>8}{'acc_eq':>8}{'Kendall':>9}")
for metric in result.metrics:
    segment = metric.segment["item"]
    numbers = f"{metric.system['spa']:>8.3f}{segment['acc_eq']:>8.3f}{segment['kendall']:>9.3f}"
    print(f"{metric.name:<14}{numbers}")
print(
    """
Higher is better, 1 is full agreement. SPA: are systems ranked as by people?
acc_eq, Kendall: are translations of one sentence? Kendall leaves out sentences
where a reward gives all the same score, as numbers_kept does in two of four;
acc_eq counts them. Four sentences only show how it works; take hundreds."""
)
