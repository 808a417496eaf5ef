"""Curation: from sources to pairs that are worth training on (TranslateGemma, arXiv 2601.09012).

A job is a list of stages over its rows (`rewardlab.curation.job`). A stage drops rows, each with a
reason, or adds a translation. Rows lie on disk in the order of their content
(`rewardlab.curation.work`), so the result does not depend on the order of the files. What a model
writes or scores is journalled and never computed twice. A new stage is one file in ``stages/``.
"""
