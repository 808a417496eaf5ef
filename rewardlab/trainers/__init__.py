"""Training a policy: supervised (``sft``) and by reinforcement (``grpo``), with TRL's trainers.

Reinforcement trainers share ``rollout`` and ``reward_phase``, which turn sampled completions into
scores and aligned spans; from these a trainer computes advantages or returns. A new reinforcement
trainer is one file here and one line in ``algorithms``.
"""
