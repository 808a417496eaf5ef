"""Training a policy: supervised (``sft``) and by reinforcement (``grpo``), through TRL's trainers.

``rollout`` and ``reward_phase`` are what reinforcement trainers share: sampled completions become
scores and aligned spans, from which a trainer makes advantages or returns. A new reinforcement
trainer is one file here and one line in ``algorithms``.
"""
