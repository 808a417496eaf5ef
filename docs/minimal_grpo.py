"""GRPO with token-level advantages, in one sitting: no trainer, no options, plain torch.

A tiny policy learns English to German from text with errors; then GRPO corrects it. A step is:

    sample -> decode -> score -> align -> advantages -> loss -> step

`rewardlab rl` does the same with TRL's trainer around it: batching, vLLM, many processes, logs.
Run it: ``python docs/minimal_grpo.py`` (about a minute on one core; the environment variables
``SFT_STEPS`` and ``RL_STEPS`` make it shorter).
"""

import os
import random
import sys

import torch

from rewardlab import Gate, RewardEnsemble, Term
from rewardlab.advantages import gdpo, reward_rows
from rewardlab.align import align, decode
from rewardlab.data.rows import Row
from rewardlab.miniature.grammar import Grammar
from rewardlab.miniature.noise import with_error
from rewardlab.rewards import ChrF, LexicalSpans, NotEmpty
from rewardlab.text.prompts import arrow
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

SEED = 0
PAIRS, ERROR_RATE = 2000, 0.7  # sentence pairs to imitate, and the share of them with an error
PRACTICE = 500  # sources to practise on, with references
SFT_STEPS, SFT_BATCH, SFT_RATE = int(os.environ.get("SFT_STEPS", "300")), 64, 4e-3
RL_STEPS, RL_RATE = int(os.environ.get("RL_STEPS", "60")), 5e-4
P, G = 16, 8  # prompts per step and completions per prompt: N = P * G rows, prompt-major
MAX_NEW_TOKENS = 32
CLIP = 0.2
IGNORED = -100  # a label that cross entropy leaves out

torch.manual_seed(SEED)
rng = random.Random(SEED)

# ── data: a grammar gives parallel sentences, some of them with a synthetic error ──────────────

pairs = Grammar.load("en", "de").pairs(PAIRS + PRACTICE + 100, seed=SEED)
prompts = [arrow(pair.source, source_lang="en", target_lang="de") for pair in pairs]
imitated, practised = range(PAIRS), range(PAIRS, PAIRS + PRACTICE)
heldout = range(PAIRS + PRACTICE, len(pairs))
targets = [
    with_error(pairs[i], rng, kind="wrong order").hypothesis
    if rng.random() < ERROR_RATE
    else pairs[i].target
    for i in imitated
]
rows = [Row(str(i), pairs[i].source, pairs[i].target, "en", "de") for i in range(len(pairs))]

# ── policy: a real architecture (Qwen3), tiny, from random weights ──────────────────────────────

texts = [*prompts[:PAIRS], *targets]
tokenizer = train_tokenizer(texts, vocab_size=800)
policy = new_policy(tokenizer, hidden_size=64, layers=2, heads=4, seed=SEED)

# ── supervised fine-tuning: cross entropy on the completion ─────────────────────────────────────

optimizer = torch.optim.AdamW(policy.parameters(), lr=SFT_RATE)
for step in range(SFT_STEPS):
    batch = rng.sample(imitated, SFT_BATCH)
    prompt_ids = [tokenizer(prompts[i])["input_ids"] for i in batch]
    whole_ids = [
        [*ids, *tokenizer(targets[i])["input_ids"], tokenizer.eos_token_id]
        for i, ids in zip(batch, prompt_ids, strict=True)
    ]
    longest = max(map(len, whole_ids))
    inputs = torch.full((SFT_BATCH, longest), tokenizer.pad_token_id)
    labels = torch.full((SFT_BATCH, longest), IGNORED)
    for row, (ids, prompt) in enumerate(zip(whole_ids, prompt_ids, strict=True)):
        inputs[row, : len(ids)] = torch.tensor(ids)
        labels[row, len(prompt) : len(ids)] = torch.tensor(ids[len(prompt) :])
    loss = policy(inputs, attention_mask=inputs != tokenizer.pad_token_id, labels=labels).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 50 == 49:
        print(f"sft step {step + 1}: loss {loss:.3f}", file=sys.stderr)

# ── rewards: chrF scores the sentence, error spans its tokens; an empty answer is gated ─────────

ensemble = RewardEnsemble(
    [Term(ChrF()), Term(LexicalSpans(), weight=0.0, token_weight=0.5)],
    gates=[Gate(NotEmpty(), below=0.5)],
)


def heldout_chrf():
    """Mean chrF of greedy translations of sentences that are in neither training set."""
    asked = tokenizer([prompts[i] for i in heldout], return_tensors="pt", padding=True)
    done = policy.generate(**asked, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
    said = tokenizer.batch_decode(done[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    candidates = [rows[i].candidate(text) for i, text in zip(heldout, said, strict=True)]
    return float(ChrF()(candidates).scores.mean())


# ── reinforcement learning ──────────────────────────────────────────────────────────────────────

optimizer = torch.optim.AdamW(policy.parameters(), lr=RL_RATE)
print(f"held-out chrF after fine-tuning: {heldout_chrf():.1f}")
print("step\tchrF\terrors\tloss")
for step in range(RL_STEPS):
    # sample: G completions for each of P prompts, (N, prompt + T)
    batch = rng.sample(practised, P)
    asked = tokenizer([prompts[i] for i in batch], return_tensors="pt", padding=True)
    sampled = policy.generate(
        **asked, do_sample=True, num_return_sequences=G, max_new_tokens=MAX_NEW_TOKENS
    )
    start = asked["input_ids"].shape[1]
    completions = sampled[:, start:]
    length = completions.shape[1]
    ended = (completions == tokenizer.eos_token_id).cumsum(dim=1)
    mask = (ended == 0) | ((ended == 1) & (completions == tokenizer.eos_token_id))  # (N, T)

    # decode: text and the characters of each token, from the sampled ids themselves
    decoded = [decode(tokenizer, completions[n, mask[n]].tolist()) for n in range(P * G)]

    # score: every reward on every row, with spans and statuses
    scores = ensemble([rows[batch[n // G]].candidate(decoded[n].text) for n in range(P * G)])

    # align: which tokens each error span covers
    spans = align(decoded, scores.spans, scores.severities, length=length)

    # advantages: (N, T), the group baseline of GRPO with token credit on the spans
    advantages = gdpo(reward_rows(scores), spans, mask, num_generations=G).float()

    # loss: the clipped policy gradient, averaged over tokens (arXiv 1707.06347, 2503.14476)
    seen = torch.cat([asked["attention_mask"].repeat_interleave(G, dim=0), mask.long()], dim=1)
    places = (seen.cumsum(dim=1) - 1).clamp(min=0)
    logits = policy(sampled, attention_mask=seen, position_ids=places).logits[:, start - 1 : -1]
    logp = logits.log_softmax(dim=-1).gather(2, completions[..., None]).squeeze(2)
    ratio = (logp - logp.detach()).exp()  # 1 here; other values with several steps per rollout
    clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
    gain = torch.minimum(ratio * advantages, clipped * advantages)
    loss = -(gain * mask).sum() / mask.sum()

    # step
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()

    errors = sum(len(found) for row in scores.spans for found in row) / (P * G)
    print(f"{step + 1}\t{scores.values[:, 0].mean():.1f}\t{errors:.2f}\t{loss:+.4f}", flush=True)

print(f"held-out chrF after {RL_STEPS} steps of GRPO: {heldout_chrf():.1f}")
