"""Scores with many ties, small enough to look at, and what mt-metrics-eval says about them.

The numbers come from google-research/mt-metrics-eval 0.0.3 at
68a481aea1a787392d55af8f76ac8ef40c5f4664 with numpy 2.4.6 and scipy 1.17.1 on Python 3.11. With
``c = stats.Correlation(6, gold, metric)``, cells flattened system by system and None for NaN:
``c.Pearson(by)``, ``c.Spearman(by)``, ``c.Kendall(by, "b")`` and, for value and epsilon,
``stats.KendallWithTiesOpt(gold, metric, "acc23", 6, by, 1.0)``. ``system`` is "sys" there.
"""

import numpy as np


def scores():
    """Human scores of 6 systems on 15 segments, and two metrics."""
    random = np.random.RandomState(4)
    gold = -random.randint(0, 4, size=(6, 15)).astype(float)
    chars = np.round(gold + 6.0 * random.random_sample(gold.shape), 1)
    words = np.round(0.9 * gold + 6.0 * random.random_sample(gold.shape))
    return gold, {"chars": chars, "words": words}


def with_holes(gold):
    """Some scores missing; one segment has none and one a single score."""
    holes = with_small_holes(gold)
    holes[:5, 9] = np.nan
    return holes


def with_small_holes(gold):
    """Some scores missing, and one segment has none."""
    holes = gold.copy()
    holes[0, 3] = holes[2, 3] = holes[5, 14] = holes[1, 0] = np.nan
    holes[:, 7] = np.nan
    return holes


# pearson, spearman, tau b, acc_eq, its epsilon
REFERENCE = {
    ("whole", "chars", "none"): (
        0.45608039281152896,
        0.41879616524470586,
        0.3234024643246541,
        0.5146067415730337,
        0.09999999999999998,
    ),
    ("whole", "chars", "item"): (
        0.4289475598984823,
        0.4649818728622513,
        0.40783356039115587,
        0.5644444444444444,
        0.09999999999999998,
    ),
    ("whole", "chars", "system"): (
        0.39533776654643105,
        0.3723238815150127,
        0.29560629319576043,
        0.5174603174603176,
        0.30000000000000027,
    ),
    ("whole", "words", "none"): (
        0.3585004269123525,
        0.3269159084618848,
        0.26749665731041183,
        0.47540574282147313,
        0.0,
    ),
    ("whole", "words", "item"): (
        0.3341341968101364,
        0.34624005000799074,
        0.31769609239224866,
        0.5022222222222222,
        0.0,
    ),
    ("whole", "words", "system"): (
        0.339035857566804,
        0.31200598925579387,
        0.2569856432915039,
        0.47142857142857136,
        0.0,
    ),
    ("holes", "chars", "none"): (
        0.46627759632015514,
        0.43577374777957667,
        0.3371823470460142,
        0.5243243243243243,
        0.09999999999999998,
    ),
    ("holes", "chars", "item"): (
        0.43584684059938783,
        0.47717403606457304,
        0.42394415576499517,
        0.5666666666666667,
        0.09999999999999998,
    ),
    ("holes", "chars", "system"): (
        0.4048869372672678,
        0.3808139204712913,
        0.3113619140085564,
        0.5301087801087799,
        0.30000000000000027,
    ),
    ("holes", "words", "none"): (
        0.3452641508984384,
        0.312183864814412,
        0.2594352380675181,
        0.4796396396396396,
        0.0,
    ),
    ("holes", "words", "item"): (
        0.3403661665746861,
        0.3437419837162837,
        0.321564816347959,
        0.5,
        0.0,
    ),
    ("holes", "words", "system"): (
        0.31518744453457137,
        0.30207886440635484,
        0.2549632739524527,
        0.47086247086247085,
        0.0,
    ),
}
