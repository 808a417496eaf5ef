"""Training a policy: supervised (``sft``) and by reinforcement (``grpo``), through TRL's trainers.

``rollout`` and ``reward_phase`` are what reinforcement trainers share: sampled completions become
scores, aligned spans and advantages. A new reinforcement trainer is one file here and one line in
``algorithms``.
"""
