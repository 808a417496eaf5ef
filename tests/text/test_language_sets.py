"""The languages of published systems are languages, each once."""

from rewardlab.text.language_sets import language_sets
from rewardlab.text.languages import language_problems


def test_every_code_is_a_language():
    for name, codes in language_sets().items():
        assert list(language_problems(name, codes)) == []
        assert len(set(codes)) == len(codes)


def test_lmt_has_sixty_languages():
    tiers = [set(language_sets()[f"lmt_{tier}"]) for tier in ("high", "medium", "low")]
    assert len(set.union(*tiers)) == 60
