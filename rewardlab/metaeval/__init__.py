"""Meta-evaluation: agreement of rewards with human judgements.

`meta_evaluate` measures everything, `results` defines the result objects. A new system-level
statistic goes into `system_level`, a new segment-level one into `segment_level`, a new significance
test into `comparison`, a new note for readers into `notes`.
"""
