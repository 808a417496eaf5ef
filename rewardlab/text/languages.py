r"""Languages: codes, English names and scripts. A new language is one line.

Codes are ISO 639-1 if available and ISO 639-3 otherwise; other codes in use for the same language
(macrolanguages, FLORES-200, NTREX) are aliases. Scripts are Unicode script names as in
``\p{Script=...}``. The table contains the scripts in everyday use for a language; a script given in
a code (``srp-Latn``) takes precedence. The table covers WMT24++, TranslateGemma's additional
languages, LMT-60 and NTREX-128.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple


class Language(NamedTuple):
    """One language.

    Attributes:
        code: ISO 639-1 if available, else ISO 639-3.
        aliases: Other codes for the language, ISO 639-3 first.
        name: English name.
        scripts: Unicode script names.
    """

    code: str
    aliases: tuple[str, ...]
    name: str
    scripts: tuple[str, ...]


LANGUAGES = (
    Language("af", ("afr",), "Afrikaans", ("Latin",)),
    Language("am", ("amh",), "Amharic", ("Ethiopic",)),
    Language("ar", ("ara", "arb"), "Arabic", ("Arabic",)),
    Language("az", ("aze", "azj"), "Azerbaijani", ("Latin", "Cyrillic")),
    Language("ba", ("bak",), "Bashkir", ("Cyrillic",)),
    Language("be", ("bel",), "Belarusian", ("Cyrillic",)),
    Language("bem", (), "Bemba", ("Latin",)),
    Language("bg", ("bul",), "Bulgarian", ("Cyrillic",)),
    Language("bn", ("ben",), "Bengali", ("Bengali",)),
    Language("bo", ("bod", "tib"), "Tibetan", ("Tibetan",)),
    Language("bs", ("bos",), "Bosnian", ("Latin", "Cyrillic")),
    Language("ca", ("cat",), "Catalan", ("Latin",)),
    Language("ckb", (), "Central Kurdish", ("Arabic",)),
    Language("co", ("cos",), "Corsican", ("Latin",)),
    Language("cs", ("ces", "cze"), "Czech", ("Latin",)),
    Language("cy", ("cym", "wel"), "Welsh", ("Latin",)),
    Language("da", ("dan",), "Danish", ("Latin",)),
    Language("de", ("deu", "ger"), "German", ("Latin",)),
    Language("dv", ("div",), "Divehi", ("Thaana",)),
    Language("dz", ("dzo",), "Dzongkha", ("Tibetan",)),
    Language("ee", ("ewe",), "Ewe", ("Latin",)),
    Language("el", ("ell", "gre"), "Greek", ("Greek",)),
    Language("en", ("eng",), "English", ("Latin",)),
    Language("es", ("spa",), "Spanish", ("Latin",)),
    Language("et", ("est", "ekk"), "Estonian", ("Latin",)),
    Language("eu", ("eus", "baq"), "Basque", ("Latin",)),
    Language("fa", ("fas", "pes", "per"), "Persian", ("Arabic",)),
    Language("fi", ("fin",), "Finnish", ("Latin",)),
    Language("fil", (), "Filipino", ("Latin",)),
    Language("fj", ("fij",), "Fijian", ("Latin",)),
    Language("fo", ("fao",), "Faroese", ("Latin",)),
    Language("fr", ("fra", "fre"), "French", ("Latin",)),
    Language("fuc", (), "Pulaar", ("Latin",)),
    Language("fy", ("fry",), "Western Frisian", ("Latin",)),
    Language("ga", ("gle",), "Irish", ("Latin",)),
    Language("gd", ("gla",), "Scottish Gaelic", ("Latin",)),
    Language("gl", ("glg",), "Galician", ("Latin",)),
    Language("gsw", (), "Swiss German", ("Latin",)),
    Language("gu", ("guj",), "Gujarati", ("Gujarati",)),
    Language("ha", ("hau",), "Hausa", ("Latin",)),
    Language("haw", (), "Hawaiian", ("Latin",)),
    Language("he", ("heb", "iw"), "Hebrew", ("Hebrew",)),
    Language("hi", ("hin",), "Hindi", ("Devanagari",)),
    Language("hmn", (), "Hmong", ("Latin",)),
    Language("hr", ("hrv",), "Croatian", ("Latin",)),
    Language("ht", ("hat",), "Haitian Creole", ("Latin",)),
    Language("hu", ("hun",), "Hungarian", ("Latin",)),
    Language("hy", ("hye", "arm"), "Armenian", ("Armenian",)),
    Language("id", ("ind", "in"), "Indonesian", ("Latin",)),
    Language("ig", ("ibo",), "Igbo", ("Latin",)),
    Language("is", ("isl", "ice"), "Icelandic", ("Latin",)),
    Language("it", ("ita",), "Italian", ("Latin",)),
    Language("ja", ("jpn",), "Japanese", ("Han", "Hiragana", "Katakana")),
    Language("jv", ("jav",), "Javanese", ("Latin",)),
    Language("ka", ("kat", "geo"), "Georgian", ("Georgian",)),
    Language("kk", ("kaz",), "Kazakh", ("Cyrillic",)),
    Language("km", ("khm",), "Khmer", ("Khmer",)),
    Language("kmr", (), "Northern Kurdish", ("Latin",)),
    Language("kn", ("kan",), "Kannada", ("Kannada",)),
    Language("ko", ("kor",), "Korean", ("Hangul",)),
    Language("ky", ("kir",), "Kyrgyz", ("Cyrillic",)),
    Language("lb", ("ltz",), "Luxembourgish", ("Latin",)),
    Language("lo", ("lao",), "Lao", ("Lao",)),
    Language("lt", ("lit",), "Lithuanian", ("Latin",)),
    Language("lv", ("lav", "lvs"), "Latvian", ("Latin",)),
    Language("mey", (), "Hassaniyya", ("Arabic",)),
    Language("mg", ("mlg", "plt"), "Malagasy", ("Latin",)),
    Language("mi", ("mri", "mao"), "Maori", ("Latin",)),
    Language("mk", ("mkd", "mac"), "Macedonian", ("Cyrillic",)),
    Language("ml", ("mal",), "Malayalam", ("Malayalam",)),
    Language("mn", ("mon", "khk"), "Mongolian", ("Cyrillic",)),
    Language("mr", ("mar",), "Marathi", ("Devanagari",)),
    Language("ms", ("msa", "zsm", "may"), "Malay", ("Latin",)),
    Language("mt", ("mlt",), "Maltese", ("Latin",)),
    Language("mvf", (), "Inner Mongolian", ("Mongolian",)),
    Language("my", ("mya", "bur"), "Burmese", ("Myanmar",)),
    Language("nb", ("nob",), "Norwegian Bokmål", ("Latin",)),
    Language("nd", ("nde",), "North Ndebele", ("Latin",)),
    Language("ne", ("nep", "npi"), "Nepali", ("Devanagari",)),
    Language("nl", ("nld", "dut"), "Dutch", ("Latin",)),
    Language("nn", ("nno",), "Norwegian Nynorsk", ("Latin",)),
    Language("no", ("nor",), "Norwegian", ("Latin",)),
    Language("nso", (), "Northern Sotho", ("Latin",)),
    Language("ny", ("nya",), "Chichewa", ("Latin",)),
    Language("om", ("orm", "gaz"), "Oromo", ("Latin",)),
    Language("pa", ("pan",), "Punjabi", ("Gurmukhi",)),
    Language("pl", ("pol",), "Polish", ("Latin",)),
    Language("prs", (), "Dari", ("Arabic",)),
    Language("ps", ("pus", "pbt"), "Pashto", ("Arabic",)),
    Language("pt", ("por",), "Portuguese", ("Latin",)),
    Language("ro", ("ron", "rum"), "Romanian", ("Latin",)),
    Language("ru", ("rus",), "Russian", ("Cyrillic",)),
    Language("rw", ("kin",), "Kinyarwanda", ("Latin",)),
    Language("sd", ("snd",), "Sindhi", ("Arabic",)),
    Language("shi", (), "Shilha", ("Latin", "Tifinagh", "Arabic")),
    Language("si", ("sin",), "Sinhala", ("Sinhala",)),
    Language("sk", ("slk", "slo"), "Slovak", ("Latin",)),
    Language("sl", ("slv",), "Slovenian", ("Latin",)),
    Language("sm", ("smo",), "Samoan", ("Latin",)),
    Language("sn", ("sna",), "Shona", ("Latin",)),
    Language("so", ("som",), "Somali", ("Latin",)),
    Language("sq", ("sqi", "als", "alb"), "Albanian", ("Latin",)),
    Language("sr", ("srp",), "Serbian", ("Cyrillic", "Latin")),
    Language("ss", ("ssw",), "Swati", ("Latin",)),
    Language("su", ("sun",), "Sundanese", ("Latin",)),
    Language("sv", ("swe",), "Swedish", ("Latin",)),
    Language("sw", ("swa", "swh"), "Swahili", ("Latin",)),
    Language("ta", ("tam",), "Tamil", ("Tamil",)),
    Language("te", ("tel",), "Telugu", ("Telugu",)),
    Language("tg", ("tgk",), "Tajik", ("Cyrillic",)),
    Language("th", ("tha",), "Thai", ("Thai",)),
    Language("ti", ("tir",), "Tigrinya", ("Ethiopic",)),
    Language("tk", ("tuk",), "Turkmen", ("Latin",)),
    Language("tl", ("tgl",), "Tagalog", ("Latin",)),
    Language("tn", ("tsn",), "Tswana", ("Latin",)),
    Language("to", ("ton",), "Tongan", ("Latin",)),
    Language("tr", ("tur",), "Turkish", ("Latin",)),
    Language("tt", ("tat",), "Tatar", ("Cyrillic",)),
    Language("ty", ("tah",), "Tahitian", ("Latin",)),
    Language("ug", ("uig",), "Uyghur", ("Arabic",)),
    Language("uk", ("ukr",), "Ukrainian", ("Cyrillic",)),
    Language("ur", ("urd",), "Urdu", ("Arabic",)),
    Language("uz", ("uzb", "uzn"), "Uzbek", ("Latin", "Cyrillic")),
    Language("ve", ("ven",), "Venda", ("Latin",)),
    Language("vi", ("vie",), "Vietnamese", ("Latin",)),
    Language("wo", ("wol",), "Wolof", ("Latin",)),
    Language("xh", ("xho",), "Xhosa", ("Latin",)),
    Language("yo", ("yor",), "Yoruba", ("Latin",)),
    Language("yue", (), "Cantonese", ("Han",)),
    Language("zh", ("zho", "cmn", "chi"), "Chinese", ("Han",)),
    Language("zu", ("zul",), "Zulu", ("Latin",)),
)

_SCRIPT_OF_SUBTAG = {
    "arab": ("Arabic",),
    "armn": ("Armenian",),
    "beng": ("Bengali",),
    "cyrl": ("Cyrillic",),
    "deva": ("Devanagari",),
    "ethi": ("Ethiopic",),
    "geor": ("Georgian",),
    "grek": ("Greek",),
    "gujr": ("Gujarati",),
    "guru": ("Gurmukhi",),
    "hang": ("Hangul",),
    "hani": ("Han",),
    "hans": ("Han",),
    "hant": ("Han",),
    "hebr": ("Hebrew",),
    "jpan": ("Han", "Hiragana", "Katakana"),
    "khmr": ("Khmer",),
    "knda": ("Kannada",),
    "kore": ("Hangul",),
    "laoo": ("Lao",),
    "latn": ("Latin",),
    "mlym": ("Malayalam",),
    "mong": ("Mongolian",),
    "mymr": ("Myanmar",),
    "sinh": ("Sinhala",),
    "taml": ("Tamil",),
    "telu": ("Telugu",),
    "tfng": ("Tifinagh",),
    "thaa": ("Thaana",),
    "thai": ("Thai",),
    "tibt": ("Tibetan",),
}
"""ISO 15924 script subtags of language codes."""

_BY_CODE = {code: entry for entry in LANGUAGES for code in (entry.code, *entry.aliases)}
_BY_NAME = {entry.name.lower(): entry for entry in LANGUAGES}


def language_name(code: str) -> str:
    """English name of the language, without script or region.

    Raises:
        ValueError: The language is not in the table.

    >>> language_name("pt-BR"), language_name("zho_Hans"), language_name("aze-Latn")
    ('Portuguese', 'Chinese', 'Azerbaijani')
    """
    return _entry(code).name


def language_code(language: str) -> str:
    """The table's code for any code or English name of a language, without script or region.

    Raises:
        ValueError: The language is not in the table.

    >>> language_code("deu_Latn"), language_code("German"), language_code("zh-TW")
    ('de', 'de', 'zh')
    """
    return (_BY_NAME.get(language.strip().lower()) or _entry(language)).code


def known_code(language: str | None) -> str:
    """As `language_code`; an empty text if no language is given or the table lacks it.

    >>> known_code("deu_Latn"), known_code("qqq"), known_code(None)
    ('de', '', '')
    """
    try:
        return language_code(language or "")
    except ValueError:
        return ""


def scripts(code: str) -> tuple[str, ...]:
    """Unicode scripts the language is written in; empty if the language is not in the table.

    A script subtag of the code takes precedence.

    >>> scripts("sr"), scripts("srp-Latn"), scripts("xx")
    (('Cyrillic', 'Latin'), ('Latin',), ())
    """
    language, *subtags = re.split("[-_]", code.strip().lower())
    for subtag in subtags:
        if subtag in _SCRIPT_OF_SUBTAG:
            return _SCRIPT_OF_SUBTAG[subtag]
    entry = _BY_CODE.get(language)
    return entry.scripts if entry else ()


def _entry(code: str) -> Language:
    entry = _BY_CODE.get(re.split("[-_]", code.strip().lower())[0])
    if entry is None:
        near = get_close_matches(code.lower(), [*_BY_CODE, *_BY_NAME], n=3)
        hint = f" did you mean {', '.join(near)}?" if near else ""
        raise ValueError(
            f"unknown language {code!r}; codes are ISO 639-1 or 639-3 with an optional script or "
            f"region, such as de, deu_Latn or pt-BR.{hint}"
        )
    return entry
