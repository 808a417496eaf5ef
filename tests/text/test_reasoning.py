import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.text.reasoning import CLOSING, answer_start, closing_tags


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("", ""),
        ("Hello.", "Hello."),
        (" Hello. ", " Hello. "),
        ("<think>Hm.</think>Hello.", "Hello."),
        ("<think>Hm.</think>\n\n Hello. \n", "Hello. \n"),
        ("Hm.</think>Hello.", "Hello."),  # opened in the prompt
        ("<think>a</think>b<think>c</think>\nd", "d"),
        ("<think>I write </think> later.</think>Hello.", "Hello."),
        ("<think>Hm.</think>", ""),
        ("<think>Hm.</think> \n", ""),
        ("<think>Hm, and no end", "<think>Hm, and no end"),
        ("</THINK>Hello.", "</THINK>Hello."),
        ("<think>日本</think>\u3000こんにちは", "こんにちは"),
        ("Let me see: a dog barks.\n</think>\n\nDer Hund bellt.", "Der Hund bellt."),
        ("<think>a<think>b</think>c</think>\r\nd", "d"),
        ("<think>a</think>b <think>c", "b <think>c"),
        ("a</reasoning>b", "a</reasoning>b"),
    ],
)
def test_the_answer_begins_after_the_last_closing_tag(completion, answer):
    assert completion[answer_start(completion) :] == answer


@pytest.mark.parametrize("tag", ["reasoning", "thinking", "thought", "seed:think"])
def test_other_tags_are_those_of_the_template(tag):
    completion = f"<{tag}>a</{tag}>\nb"
    assert answer_start(completion) == 0
    closings = closing_tags(f"{{{{ '<{tag}>' + x + '</{tag}>' }}}}")
    assert completion[answer_start(completion, closings) :] == "b"
    assert answer_start("x</think>y", closings) == 9
    assert closing_tags() == closing_tags({"default": "{{ x }}"}) == ("</think>",)


@given(st.text(), st.text())
def test_any_reasoning_is_left_out_and_the_answer_is_whole(reasoning, answer):
    bare = answer.replace(CLOSING, "").lstrip()
    completion = f"{reasoning}{CLOSING}\n{bare}"
    assert completion[answer_start(completion) :] == bare.lstrip()


@given(st.lists(st.sampled_from(["<think>", CLOSING, " ", "a", "\n"]), max_size=12).map("".join))
def test_the_place_is_in_the_text_and_nothing_after_it_is_reasoning(completion):
    start = answer_start(completion)
    assert 0 <= start <= len(completion)
    assert CLOSING not in completion[start:]
    assert answer_start(completion[start:]) == 0
