"""Compose a reward ensemble, look at its scores, and at the token advantages they lead to.

Run it: ``python docs/examples/compose_an_ensemble.py`` (seconds, no network). The tokenizer is
trained here; take your policy's instead: ``AutoTokenizer.from_pretrained(directory)``.
"""

from rewardlab import Candidate, Gate, RewardEnsemble, Term, token_advantages
from rewardlab.rewards import ChrF, FromFunction, LexicalSpans, NotEmpty, NumbersKept
from rewardlab.trainers.from_scratch import train_tokenizer


def brevity(candidates):
    """A plain function is a reward: higher is better, one number per candidate."""
    return [-abs(len(one.hypothesis) - len(one.reference)) for one in candidates]


# How to choose weights: the default preset, gdpo, first divides every reward by its standard
# deviation within the group. So a weight says how much a reward counts, whatever its scale: chrF
# (0 to 100) counts twice as much as numbers_kept (0 to 1). Do not multiply a reward to make up for
# its scale. Only presets that sum raw scores (sum_then_normalize, dr_grpo, rloo, translategemma)
# need that: there, weight=1/std gives every reward the same say.
ensemble = RewardEnsemble(
    [
        Term(ChrF()),  # the sequence-level reward
        Term(NumbersKept(), weight=0.5),
        Term(FromFunction(brevity, worst=-200.0), weight=0.0),  # weight 0: measured, not trained on
        Term(LexicalSpans(), weight=0.0, token_weight=0.5),  # error spans for the tokens
    ],
    gates=[Gate(NotEmpty(), below=0.5)],  # an empty text gets the worst score on every term
)

source, reference = "The dog ate 3 apples.", "Der Hund hat 3 Äpfel gegessen."
texts = [reference, "Die Hund hat 5 Äpfel gegessen.", "Der Hund aß 3 Äpfel.", ""]
candidates = [Candidate(source, text, reference) for text in texts]

scores = ensemble(candidates)
print(scores.table())
print("share: how much of the differences between texts a reward decides under gdpo\n")
print(scores[1])  # one row: texts, scores, and the error spans with their text
print("total: the weighted sum of the scores as they are\n")

tokenizer = train_tokenizer([source, *texts] * 4, vocab_size=300)
print(token_advantages(tokenizer, ensemble, candidates, num_generations=4, preset="gdpo"))
print("\n<eos> has its row's advantage. Tokens without errors are above it, errors below.")
