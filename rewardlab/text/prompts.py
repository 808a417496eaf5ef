"""Prompt styles: how a source becomes the text that a policy continues.

A style is a function of the source and the two language codes. A new style is a function and a line
in `PROMPTS`. A style uses language names if the original model does. No style ends in a space:
subword tokenizers write a space into the token of the word after it, so the white space between
prompt and completion belongs to the completion (`separator`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, TypeAlias

from rewardlab.text.languages import language_name, written_code

Prompt: TypeAlias = str | list[dict[str, str]]
"""Text to continue, or the messages of a chat: mappings of ``role`` and ``content``."""


class PromptStyle(Protocol):
    """Writes the prompt for one source."""

    def __call__(self, source: str, *, source_lang: str, target_lang: str) -> str:
        """Return the whole prompt, which contains the source unchanged.

        Args:
            source: The text to translate.
            source_lang: Language code of the source.
            target_lang: Language code of the translation.
        """
        ...


def translategemma(source: str, *, source_lang: str, target_lang: str) -> str:
    """TranslateGemma's training and evaluation prompt (arXiv 2601.09012).

    Two empty lines precede the source. The codes are used as given.
    """
    speaks, wants = language_name(source_lang), language_name(target_lang)
    return (
        f"You are a professional {speaks} ({source_lang}) to {wants} ({target_lang}) translator. "
        f"Your goal is to accurately convey the meaning and nuances of the original {speaks} text "
        f"while adhering to {wants} grammar, vocabulary, and cultural sensitivities.\n"
        f"Produce only the {wants} translation, without any additional explanations or "
        f"commentary. Please translate the following {speaks} text into {wants}:\n\n\n{source}"
    )


def lmt(source: str, *, source_lang: str, target_lang: str) -> str:
    r"""LMT's plain SFT prompt (arXiv 2511.07003, without an auxiliary language).

    >>> lmt("Hej.", source_lang="da", target_lang="sv")
    'Translate this from Danish to Swedish:\nDanish: Hej.\nSwedish:'
    """
    speaks, wants = language_name(source_lang), language_name(target_lang)
    return f"Translate this from {speaks} to {wants}:\n{speaks}: {source}\n{wants}:"


def lmt_released(source: str, *, source_lang: str, target_lang: str) -> str:
    r"""The prompt of the released LMT models, which differs from the one in the paper.

    >>> lmt_released("Hej.", source_lang="da", target_lang="sv")
    'Translate the following text from Danish into Swedish:\nDanish: Hej.\nSwedish:'
    """
    speaks, wants = language_name(source_lang), language_name(target_lang)
    return f"Translate the following text from {speaks} into {wants}:\n{speaks}: {source}\n{wants}:"


def cpt(source: str, *, source_lang: str, target_lang: str) -> str:
    """The parallel form of LMT's continued pre-training, ``<en2ky> SRC <ky> TGT``, up to ``TGT``.

    The space after the last tag belongs to the completion (`separator`), as it did in pre-training.

    >>> cpt("Hej.", source_lang="da", target_lang="sv")
    '<da2sv> Hej. <sv>'
    """
    return f"<{source_lang}2{target_lang}> {source} <{target_lang}>"


def arrow(source: str, *, source_lang: str, target_lang: str) -> str:
    r"""The shortest prompt that names the target language, for small policies from scratch.

    It does not name the source language. The line break before the completion is a token boundary
    in every tokenizer we train, and lets the completion start without a space.

    >>> arrow("Hej.", source_lang="da", target_lang="sv")
    'Hej.\n=>sv\n'
    """
    del source_lang
    return f"{source}\n=>{target_lang}\n"


def plain(source: str, *, source_lang: str, target_lang: str) -> str:
    """The source alone, for translators that are no language models."""
    del source_lang, target_lang
    return source


PROMPTS: Mapping[str, PromptStyle] = MappingProxyType(
    {style.__name__: style for style in (translategemma, lmt, lmt_released, cpt, arrow, plain)}
)
"""The styles by name."""


LABEL_ENDS = (":", "\N{FULLWIDTH COLON}", ">")
"""How a prompt ends that announces its completion: ``Spanish:``, ``<es>``."""


def separator(prompt: Prompt) -> str:
    r"""The white space between a prompt and its completion: the completion's first character.

    Models expect ``Spanish: Hola`` after a prompt that ends in ``Spanish:``, whatever the language
    of the completion: prompts write the space before their sources too. A prompt that ends in the
    source itself is followed by a line break. The prompt keeps its published form, and the
    separator is learned and generated with the completion, since most tokenizers write the space
    into the token of the first word.

    There is none after a prompt that ends in white space, or after a chat: a chat template ends its
    prompt where the answer begins (`rewardlab.models.boundary.written_separator` has exceptions).

    Args:
        prompt: A text or a chat.

    >>> separator("Spanish:"), separator("Translate:\n\nHello.")
    (' ', '\n')
    >>> separator("Hej.\n=>sv\n"), separator([])
    ('', '')
    """
    if not isinstance(prompt, str) or not prompt or prompt[-1].isspace():
        return ""
    return " " if prompt.endswith(LABEL_ENDS) else "\n"


def without_separator(prompt: Prompt, completion: str) -> str:
    """A completion without its separator. Nothing else is removed, and it may be missing.

    Args:
        prompt: The prompt that was continued.
        completion: The text that the model wrote.

    >>> without_separator("Spanish:", "  Hola"), without_separator("Spanish:", "Hola")
    (' Hola', 'Hola')
    """
    return completion.removeprefix(separator(prompt))


def write_prompt(
    style: str, source: str, *, source_lang: str, target_lang: str, chat: bool = False
) -> Prompt:
    """Write the prompt for one source in a style by name.

    Args:
        style: One of `PROMPTS`.
        source: The text to translate.
        source_lang: Language of the source. A code is used as it is written, and a name is
            replaced by its code.
        target_lang: Language of the translation.
        chat: Whether to return one user turn, for the checkpoint's chat template.

    Raises:
        KeyError: There is no such style.
        UnknownLanguage: There is no such language, or the style names languages and one has none.

    >>> write_prompt("cpt", "Hej.", source_lang="da", target_lang="sv", chat=True)
    [{'role': 'user', 'content': '<da2sv> Hej. <sv>'}]
    """
    codes = {"source_lang": written_code(source_lang), "target_lang": written_code(target_lang)}
    text = PROMPTS[style](source, **codes)
    return [{"role": "user", "content": text}] if chat else text


def chat_options(template: str | None) -> dict[str, bool]:
    """Options that turn off reasoning in a checkpoint's chat template.

    Templates of reasoning models then put an empty block of reasoning into the prompt, in training
    and in decoding, so that the completion is the translation alone.

    Args:
        template: The tokenizer's Jinja template.

    >>> chat_options("{% if enable_thinking is false %}<think></think>{% endif %}")
    {'enable_thinking': False}
    >>> chat_options(None)
    {}
    """
    return {"enable_thinking": False} if "enable_thinking" in (template or "") else {}
