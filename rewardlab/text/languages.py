r"""Languages in any spelling: codes, aliases, BCP-47 tags and English names.

`find_language` is the only place that reads a spelling. `rewardlab.text.language_table`
lists what the guards know; a language that it lacks is looked up in the registry of BCP-47 by the
library ``langcodes``. Rewards read the spelling of a `Candidate` through this file, so ``de``,
``deu_Latn``, ``de-DE`` and ``German`` mean the same to all of them. Commands and configurations
replace a name by its code where they read it (`written_code`) and leave codes as they are written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from rewardlab.errors import Problem, nearest, shown
from rewardlab.text.language_table import LANGUAGES, SCRIPT_OF_SUBTAG, Language

if TYPE_CHECKING:
    import langcodes

_BY_CODE = {code: entry for entry in LANGUAGES for code in (entry.code, *entry.aliases)}
_BY_NAME = {entry.name.casefold(): entry for entry in LANGUAGES}
NO_LANGUAGE = frozenset({"mis", "mul", "root", "und", "zxx"})
"""Codes that name no single language."""
LONGEST_CODE = 3
SIMILAR = 0.7
"""Similarity (difflib) of a proposed name or code; lower than `rewardlab.errors.nearest` wants,
since several are proposed and none is taken."""
PRIVATE_USE = re.compile("q[a-t][a-z]")
"""Codes that BCP-47 leaves to private use, for example for an invented language."""
SIDES = ("source", "target")
PAIR_SIGNS = ("->", ">", "→", "–", "/", ":", ",", "|", "-", "_", " to ", "2")
"""What people write between the languages of a pair."""
_LOCALE = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z]{2})?(?:\.[\w-]+)?(?:@(\w+))?")
_LOCALE_SCRIPTS = {"latin": "Latn", "cyrillic": "Cyrl", "devanagari": "Deva", "arabic": "Arab"}


class UnknownLanguage(ValueError):  # noqa: N818 - names what happened
    """A spelling that names no language.

    Attributes:
        what: The spelling, and what is wrong with it.
        fix: What to write instead.
        pair: The source and target language, if the spelling is that of a pair.
    """

    def __init__(self, what: str, fix: str, pair: tuple[str, str] | None = None) -> None:
        super().__init__(f"{what}; {fix}")
        self.what = what
        self.fix = fix
        self.pair = pair

    def fix_at(self, where: str) -> str:
        """What to write at this place.

        Args:
            where: An option, key or column; its name may say "source" or "target".
        """
        for side, language in zip(SIDES, self.pair or (), strict=False):
            if side in where:
                return f"give only the {side} language: {language}"
        return self.fix


@cache
def find_language(spelling: str) -> Language:
    """The language that a spelling names.

    Args:
        spelling: A code (ISO 639-1, 639-3 or an alias), a BCP-47 tag with ``-`` or ``_``, a locale
            (``sr_RS@latin``) or an English name, in any case.

    Returns:
        The entry of the table, with the script that the spelling names in place of the table's. A
        language that the table lacks has its BCP-47 code, its English name, and no scripts unless
        the spelling names one.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> find_language("zh_TW").name, find_language("srp-Latn").scripts
    ('Chinese', ('Latin',))
    >>> find_language("Brazilian Portuguese").code, find_language("br")
    ('pt', Language(code='br', aliases=(), name='Breton', scripts=()))
    """
    text = spelling.strip()
    if entry := _BY_CODE.get(text.lower()) or _BY_NAME.get(text.casefold()):
        return entry
    tag = _tag(text) or _tag_of_name(text)
    if tag is None:
        raise _unknown(spelling)
    return _language_of_tag(tag)


def language_name(language: str) -> str:
    """English name of the language, without script or region.

    Raises:
        UnknownLanguage: The spelling names no language, or is a code for private use.

    >>> language_name("pt-BR"), language_name("zho_Hans"), language_name("breton")
    ('Portuguese', 'Chinese', 'Breton')
    """
    if name := find_language(language).name:
        return name
    what = f"{shown(language)} is a code for private use and has no name"
    raise UnknownLanguage(what, "give the code of a language")


def language_code(language: str) -> str:
    """The code of a language in any spelling, without script or region.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> language_code("deu_Latn"), language_code("GERMAN"), language_code("zh-TW")
    ('de', 'de', 'zh')
    """
    return find_language(language).code


def known_code(language: str | None) -> str:
    """As `language_code`; an empty text if no language is given.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> known_code("deu_Latn"), known_code(None)
    ('de', '')
    """
    return language_code(language) if language else ""


def scripts(language: str | None) -> tuple[str, ...]:
    """Unicode scripts that the language is written in; empty if none is given or none is known.

    A script subtag takes precedence over the table.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> scripts("sr"), scripts("srp-Latn"), scripts("br"), scripts(None)
    (('Cyrillic', 'Latin'), ('Latin',), (), ())
    """
    return find_language(language).scripts if language else ()


def usual_scripts(language: str | None) -> tuple[str, ...]:
    """As `scripts`, and for a language that the table lacks the script that CLDR calls likely.

    A likely script is a guess: good enough to cut a text into words, not to judge a translation.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> usual_scripts("br"), usual_scripts("hak"), usual_scripts("ja_Latn"), usual_scripts(None)
    (('Latin',), ('Han',), ('Latin',), ())
    """
    entry = find_language(language) if language else None
    if entry is None or entry.scripts:
        return entry.scripts if entry else ()
    import langcodes

    likely = langcodes.Language.get(entry.code).maximize().script or ""
    return SCRIPT_OF_SUBTAG.get(likely.lower(), ())


@cache
def written_code(spelling: str) -> str:
    """A code as it is written, or the code of a language that is written as a name.

    Raises:
        UnknownLanguage: The spelling names no language.

    >>> written_code("zho_Hans"), written_code("German"), written_code("Brazilian Portuguese")
    ('zho_Hans', 'de', 'pt-BR')
    """
    text = spelling.strip()
    entry = find_language(text)
    if text.lower() in _BY_CODE or _tag(text):
        return text
    return entry.code if text.casefold() in _BY_NAME else _tag_of_name(text) or entry.code


# ── what to tell a user ─────────────────────────────────────────────────────────────────────────


def language_problems(where: str, languages: Iterable[str | None]) -> Iterator[Problem]:
    """E260 for every spelling that names no language, with its number of rows and the first one.

    Args:
        where: The option, key or column with the languages.
        languages: The language of each row; None or an empty text for a row without one.
    """
    written = list(languages)
    for spelling, count in Counter(written).items():
        try:
            find_language(spelling or "en")
        except UnknownLanguage as error:
            rows = f"in {count:,} of {len(written):,} rows, first in row"
            share = f" {rows} {written.index(spelling) + 1:,}" if len(written) > 1 else ""
            yield Problem("E260", where, f"{error.what}{share}", error.fix_at(where))


def language_notes(source_lang: str | None, target_lang: str | None) -> Iterator[str]:
    """What a user should know about a pair of languages, one line each.

    Args:
        source_lang: Language of the sources, or None.
        target_lang: Language of the translations, or None.

    Raises:
        UnknownLanguage: A spelling names no language.

    >>> list(language_notes("de_DE", "German"))
    ['source and target language are the same, German: a correct translation is a copy']
    """
    if source_lang and target_lang and _identity(source_lang) == _identity(target_lang):
        name = find_language(target_lang).name or target_lang
        yield f"source and target language are the same, {name}: a correct translation is a copy"
    for spelling in dict.fromkeys(filter(None, (source_lang, target_lang))):
        entry = find_language(spelling)
        if pair := _pair_like_locale(spelling):
            name, two = _locale_name(spelling), _two_languages(*pair)
            yield f"{shown(spelling)} is read as {name}; a pair is given as {two}"
        if entry.code not in _BY_CODE:
            guards = "only its script is known to guards" if entry.scripts else "no language guard"
            applies = "" if entry.scripts else " applies to it"
            named = entry.name or "a code for private use"
            yield f"{shown(spelling)} is {named}, which is not in our table: {guards}{applies}"


def _identity(spelling: str) -> tuple[str, str | None, str | None]:
    """Language, script and country; a spelling that names none has the most common ones."""
    import langcodes

    text = spelling.strip()
    tag = (_tag(text) or _tag_of_name(text) or "und").removesuffix("-XX").removesuffix("-xx")
    full = langcodes.Language.get(tag).maximize()
    return find_language(spelling).code, full.script, full.territory


# ── pairs ───────────────────────────────────────────────────────────────────────────────────────


def _pair(text: str) -> tuple[str, str] | None:
    """The two languages of a text such as ``en-zh``, ``English>German`` or ``eng_Latn-deu_Latn``.

    Returns:
        None if the text does not consist of two languages.
    """
    for sign in PAIR_SIGNS:
        parts = [part.strip() for part in text.split(sign)]
        try:
            if len(parts) == len(SIDES):
                return written_code(parts[0]), written_code(parts[1])
        except UnknownLanguage:
            continue
    return None


def _pair_like_locale(spelling: str) -> tuple[str, str] | None:
    """Language and country as the pair that is likely meant: ``en-de``, but not ``pt-br``.

    The country has a code that is also a language's. This language is the main one of the country,
    or the country's code is out of date (``cs``, ``uk``).
    """
    import langcodes

    found = re.fullmatch("([A-Za-z]{2})[-_]([A-Za-z]{2})", spelling.strip())
    if found is None:
        return None
    first, second = (part.lower() for part in found.groups())
    if first == second or second not in _BY_CODE:
        return None
    main = langcodes.Language.make(territory=second.upper()).maximize().language
    current = langcodes.Language.get(f"und-{second}").territory == second.upper()
    return (first, second) if main == second or not current else None


def _locale_name(spelling: str) -> str:
    import langcodes

    return langcodes.Language.get(spelling.strip().replace("_", "-")).display_name()


def _two_languages(source: str, target: str) -> str:
    return f"two languages: source {source}, target {target}"


# ── BCP-47 ──────────────────────────────────────────────────────────────────────────────────────


def _tag(text: str) -> str | None:
    """The text as a valid BCP-47 tag with hyphens; None if it is none."""
    import langcodes

    if found := _LOCALE.fullmatch(text):
        language, region, script = (part or "" for part in found.groups())
        written = _LOCALE_SCRIPTS.get(script.lower())
        text = f"{language}-{written}{region}" if written else f"{language}{region}"
    tag = text.replace("_", "-")
    parts = tag.lower().split("-")
    if parts[0] in NO_LANGUAGE or not re.fullmatch("[a-z]{2,3}|i", parts[0]):
        return None
    if parts[0] in _BY_CODE and len(parts) > 1:
        tag = "-".join([_BY_CODE[parts[0]].code, *parts[1:]])  # "iw-IL", "tib-Tibt"
    try:
        if not langcodes.tag_is_valid(tag):
            return None
    except ValueError:
        return None
    found = langcodes.Language.get(tag)
    # "ar-arb" is Arabic; "eng-deu" parses too, as English with the extension "deu"
    extended = (langcodes.Language.get(code) for code in found.extlangs or ())
    same = (one.prefer_macrolanguage().language == found.language for one in extended)
    return tag if all(same) else None


def _tag_of_name(text: str) -> str | None:
    """The tag of a language's English name; None if no language has it."""
    import langcodes

    if len(text) <= LONGEST_CODE:
        return None  # a code with a mistake; "En" is also the name of a language in Vietnam
    try:
        found = langcodes.find(text, language="en")
    except LookupError:
        return None
    return None if _is_misspelt(text, found) or _pair(text) else str(found)


def _is_misspelt(text: str, found: langcodes.Language) -> bool:
    """Whether a name is a language of the table with a mistake: another name of a rare language.

    ``langcodes`` takes "Chinise" for Akrukay and "Koran" for Aka-Kora.
    """
    rare = found.language not in _BY_CODE
    return (
        rare
        and text.casefold() != found.language_name("en").casefold()
        and bool(nearest(text, _BY_NAME))
    )


def _language_of_tag(tag: str) -> Language:
    import langcodes

    found = langcodes.Language.get(tag)
    first = tag.split("-", maxsplit=1)[0].lower()
    code = found.language or first
    entry = _BY_CODE.get(code if first == "zh" else first) or _BY_CODE.get(code)
    if entry is None:
        name = "" if PRIVATE_USE.fullmatch(code) else found.language_name()
        entry = Language(code, (), name, ())
    named = SCRIPT_OF_SUBTAG.get((found.script or "").lower())
    return entry if named is None else entry._replace(scripts=named)


def _unknown(spelling: str) -> UnknownLanguage:
    text = spelling.strip()
    if pair := _pair(text):
        what = f"{shown(spelling)} is a pair of languages"
        return UnknownLanguage(what, f"give {_two_languages(*pair)}", pair)
    what = f"unknown language {shown(spelling)}"
    names = _close(text, _BY_NAME)
    codes = _close(text, _BY_CODE) if len(text) <= LONGEST_CODE + 1 else []  # one letter too many
    near = (codes or names) if len(text) <= LONGEST_CODE else (names or codes)
    meant = [_BY_NAME[one].name if one in _BY_NAME else one for one in near]
    if country := _language_of_country(text):
        what = f"{shown(spelling)} is a country and no language"
        meant = [country]
    elif text.lower() in NO_LANGUAGE:
        return UnknownLanguage(f"{shown(spelling)} names no single language", "leave it out")
    first = re.split("[-_]", text.lower())[0]
    if first != text.lower() and first in _BY_CODE:
        what = f"{shown(spelling)} begins with {first} and goes on with no known script or region"
        meant = [first]
    if meant:
        return UnknownLanguage(what, f"did you mean {', '.join(meant)}?")
    return UnknownLanguage(what, "give a code such as de, deu_Latn or pt-BR, or an English name")


def _close(text: str, known: Iterable[str]) -> list[str]:
    return get_close_matches(text.casefold(), list(known), n=3, cutoff=SIMILAR)


def _language_of_country(text: str) -> str | None:
    """The main language of a country code that is no language code: ``ja`` of JP."""
    if not re.fullmatch("[A-Za-z]{2}", text):
        return None
    import langcodes

    country = text.upper()
    if not langcodes.tag_is_valid(f"en-{country}") or country == "XX":
        return None
    return langcodes.Language.make(territory=country).maximize().language
