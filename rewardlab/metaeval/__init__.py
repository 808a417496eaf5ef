"""Meta-evaluation: how far rewards agree with human judgements.

`meta_evaluate` measures everything, `results` holds it. A new system-level statistic goes into
`system_level`, a new segment-level one into `segment_level`, a new significance test into
`comparison`, a new note for readers into `notes`.
"""
