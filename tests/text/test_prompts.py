import pytest

from rewardlab.text.prompts import PROMPTS, write_prompt


def test_translategemma_is_the_published_prompt():
    prompt = PROMPTS["translategemma"]("Guten Tag.", source_lang="de", target_lang="en")
    assert prompt == (
        "You are a professional German (de) to English (en) translator. Your goal is to "
        "accurately convey the meaning and nuances of the original German text while adhering to "
        "English grammar, vocabulary, and cultural sensitivities.\n"
        "Produce only the English translation, without any additional explanations or commentary. "
        "Please translate the following German text into English:\n"
        "\n"
        "\n"
        "Guten Tag."
    )


@pytest.mark.parametrize(
    ("style", "prompt"),
    [
        ("lmt", "Translate this from English to Russian:\nEnglish: Hi.\nRussian:"),
        (
            "lmt_released",
            "Translate the following text from English into Russian:\nEnglish: Hi.\nRussian:",
        ),
        ("cpt", "<en2ru> Hi. <ru>"),
        ("arrow", "Hi.\n=>ru\n"),
    ],
)
def test_prompts_are_the_published_ones(style, prompt):
    assert PROMPTS[style]("Hi.", source_lang="en", target_lang="ru") == prompt


@pytest.mark.parametrize("style", PROMPTS)
def test_a_prompt_holds_the_source_unchanged_and_ends_at_a_token_boundary(style):
    source = "  A {brace}, 100 %s\tand a\u2028line. "
    prompt = PROMPTS[style](source, source_lang="en", target_lang="ru")
    assert source in prompt
    if not prompt.endswith(source):
        assert not prompt.endswith(" ")


@pytest.mark.parametrize("style", PROMPTS)
def test_a_chat_prompt_is_one_user_turn_with_the_same_text(style):
    languages = {"source_lang": "en", "target_lang": "ru"}
    text = write_prompt(style, "Hi.", **languages)
    assert text == PROMPTS[style]("Hi.", **languages)
    assert write_prompt(style, "Hi.", **languages, chat=True) == [{"role": "user", "content": text}]
