import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.text.language_table import LANGUAGES
from rewardlab.text.languages import (
    UnknownLanguage,
    find_language,
    language_code,
    language_name,
    language_notes,
    language_problems,
    scripts,
    written_code,
)


def listed(text, separator=None):
    return text.replace("\n", " ").split(separator)


WMT24PP = listed("""
ar_EG ar_SA bg_BG bn_IN ca_ES cs_CZ da_DK de_DE el_GR es_MX et_EE fa_IR fi_FI fil_PH fr_CA fr_FR
gu_IN he_IL hi_IN hr_HR hu_HU id_ID is_IS it_IT ja_JP kn_IN ko_KR lt_LT lv_LV ml_IN mr_IN nl_NL
no_NO pa_IN pl_PL pt_BR pt_PT ro_RO ru_RU sk_SK sl_SI sr_RS sv_SE sw_KE sw_TZ ta_IN te_IN th_TH
tr_TR uk_UA ur_PK vi_VN zh_CN zh_TW zu_ZA
""")
TRANSLATEGEMMA = listed(
    """\
Armenian, Hawaiian, Western Frisian, Corsican, Hmong, Maltese, Tajik, Samoan, Macedonian,
Mongolian, Galician, Albanian, Uzbek, Uyghur, Belarusian, Sinhala, Basque, Haitian Creole,
Bosnian, Kyrgyz, Kazakh, Khmer, Scottish Gaelic, Lao, Irish, Luxembourgish, Burmese, Sundanese,
Javanese, Malay""",
    ", ",
)
LMT = listed("""
ar en es de fr it ja nl pl pt ru tr zh bg bn cs da el fa fi hi hu id ko nb ro sk sv th uk vi am
az bo he hr hy is jv ka kk km ky lo mvf mr ms my ne ps si sw ta te tg tl ug ur uz yue
""")
NTREX = listed("""
afr amh arb aze-Latn bak bel bem ben bod bos bul cat ces ckb-Arab cym dan deu div dzo ell eng-GB
eng-IN eng-US est eus ewe fao fas fij fil fin fra fra-CA fuc gle glg guj gsw-BE gsw-ZH hau heb
hin hmn hrv hun hye ibo ind isl ita jpn kan kat kaz khm kin kir kmr kor lao lav lit ltz mal mar
mey mkd mlg mlt mon mri msa mya nde nep nld nno nob nso nya orm pan pol por por-BR prs pus ron
rus shi sin slk slv smo sna-Latn snd-Arab som spa spa-MX sqi srp-Cyrl srp-Latn ssw swa swe tah
tam tat tel tgk-Cyrl tha tir ton tsn tuk tur uig ukr urd uzb ven vie wol xho yor yue zho-CN
zho-TW zul
""")


def test_the_lists_are_whole():
    assert [len(codes) for codes in (WMT24PP, TRANSLATEGEMMA, LMT, NTREX)] == [55, 30, 60, 129]


@pytest.mark.parametrize("code", sorted({*WMT24PP, *LMT, *NTREX}))
def test_every_code_has_a_name_and_scripts(code):
    assert language_name(code)
    assert scripts(code)


@pytest.mark.parametrize("name", TRANSLATEGEMMA)
def test_every_name_has_a_code(name):
    assert language_name(language_code(name)) == name


def test_the_table_is_sorted_and_unambiguous():
    codes = [entry.code for entry in LANGUAGES]
    assert codes == sorted(codes)
    every = [code for entry in LANGUAGES for code in (entry.code, *entry.aliases)]
    assert len(every) == len(set(every))
    names = [entry.name for entry in LANGUAGES]
    assert len(names) == len(set(names))
    assert all(len(entry.code) in (2, 3) for entry in LANGUAGES)


@pytest.mark.parametrize("script", sorted({s for entry in LANGUAGES for s in entry.scripts}))
def test_scripts_are_unicodes(script):
    assert regex.compile(rf"\p{{Script={script}}}")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("de", "German"),
        ("deu", "German"),
        ("deu_Latn", "German"),
        ("pt-BR", "Portuguese"),
        ("zh_CN", "Chinese"),
        ("ZHO-TW", "Chinese"),
        ("aze-Latn", "Azerbaijani"),
        ("arb", "Arabic"),
        ("nob", "Norwegian Bokmål"),
        ("no_NO", "Norwegian"),
        ("yue", "Cantonese"),
    ],
)
def test_names_by_hand(code, name):
    assert language_name(code) == name


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", ("Latin",)),
        ("ja_JP", ("Han", "Hiragana", "Katakana")),
        ("zho_Hant", ("Han",)),
        ("sr", ("Cyrillic", "Latin")),
        ("srp-Latn", ("Latin",)),
        ("tgk-Cyrl", ("Cyrillic",)),
        ("snd-Deva", ("Devanagari",)),
        ("sr_RS@latin", ("Latin",)),
        ("bre_Latn", ("Latin",)),
        ("br", ()),
        ("German", ("Latin",)),
        ("", ()),
        (None, ()),
    ],
)
def test_scripts_by_hand(code, expected):
    assert scripts(code) == expected


@pytest.mark.parametrize(
    ("spelling", "code", "written"),
    [
        ("de", "de", "de"),
        ("DE", "de", "DE"),
        ("deu_Latn", "de", "deu_Latn"),
        ("de-DE", "de", "de-DE"),
        ("de_DE.UTF-8", "de", "de_DE.UTF-8"),
        ("en_XX", "en", "en_XX"),
        ("iw_IL", "he", "iw_IL"),
        ("jw", "jv", "jw"),
        ("gsw-ZH", "gsw", "gsw-ZH"),
        ("zh-yue", "yue", "zh-yue"),
        ("zh-Hans-CN", "zh", "zh-Hans-CN"),
        ("German", "de", "de"),
        ("german", "de", "de"),
        (" GERMAN ", "de", "de"),
        ("norwegian", "no", "no"),
        ("Farsi", "fa", "fa"),
        ("Simplified Chinese", "zh", "zh-Hans"),
        ("Brazilian Portuguese", "pt", "pt-BR"),
        ("br", "br", "br"),
        ("Breton", "br", "br"),
        ("qaa", "qaa", "qaa"),
    ],
)
def test_every_spelling_is_read(spelling, code, written):
    assert (language_code(spelling), written_code(spelling)) == (code, written)
    assert language_code(written_code(spelling)) == code


@given(st.sampled_from(LANGUAGES), st.data())
def test_all_names_and_codes_of_the_table_mean_its_entry(entry, data):
    spelling = data.draw(st.sampled_from([entry.code, *entry.aliases, entry.name]))
    change = data.draw(st.sampled_from([str.upper, str.lower, str.title, " {} ".format]))
    assert find_language(change(spelling)) == entry


@pytest.mark.parametrize(
    ("spelling", "message"),
    [
        ("Germn", "unknown language 'Germn'; did you mean German"),
        ("deutch", "unknown language 'deutch'; did you mean Dutch"),
        ("Chinise", "unknown language 'Chinise'; did you mean Chinese, Wu Chinese?"),  # Akrukay
        ("Chinees", "unknown language 'Chinees'; did you mean Chinese, Wu Chinese?"),  # hin
        ("Koran", "unknown language 'Koran'; did you mean Korean?"),  # Aka-Kora
        ("Maley", "unknown language 'Maley'; did you mean Malay"),  # Male of Papua New Guinea
        ("Norsk", "unknown language 'Norsk'; give a code such as de"),
        ("deuu", "unknown language 'deuu'; did you mean deu?"),
        ("xx", "unknown language 'xx'; give a code such as de"),
        ("jp", "'jp' is a country and no language; did you mean ja?"),
        ("cz", "'cz' is a country and no language; did you mean cs?"),
        ("zh-Hanx", "'zh-Hanx' begins with zh and goes on with no known script or region"),
        ("mul", "'mul' names no single language; leave it out"),
        ("und", "'und' names no single language; leave it out"),
        ("", "unknown language ''"),
        ("de,en", "'de,en' is a pair of languages; give two languages: source de, target en"),
        ("en-zh", "'en-zh' is a pair of languages; give two languages: source en, target zh"),
        ("eng-deu", "'eng-deu' is a pair of languages; give two languages: source eng, target deu"),
        ("English to German", "'English to German' is a pair of languages; give two languages"),
        ("English-German", "'English-German' is a pair of languages"),  # langcodes finds English
        ("ja>en", "'ja>en' is a pair of languages; give two languages: source ja, target en"),
        ("eng_Latn-deu_Latn", "'eng_Latn-deu_Latn' is a pair of languages"),
    ],
)
def test_what_is_no_language_is_refused_with_the_nearest(spelling, message):
    with pytest.raises(UnknownLanguage, match="^" + re.escape(message)):
        language_code(spelling)


@pytest.mark.parametrize(
    ("name", "code"),
    [("Breton", "br"), ("manx", "gv"), ("Occitan", "oc"), ("Low German", "nds"), ("Tulu", "tcy"),
     ("Sorani", "ckb"), ("Flemish", "nl"), ("Hakka", "hak"), ("Scots", "sco"), ("Latin", "la")],
)  # fmt: skip
def test_names_that_the_table_lacks_are_read(name, code):
    assert language_code(name) == code


def test_a_code_for_private_use_has_no_name():
    with pytest.raises(UnknownLanguage, match="'qaa' is a code for private use and has no name"):
        language_name("qaa")


def test_rows_with_an_unknown_language_are_counted():
    (problem,) = language_problems("target_lang", ["de"] * 3 + [None, ""] + ["germn"] * 2)
    assert str(problem) == (
        "error[E260] target_lang: unknown language 'germn' in 2 of 7 rows, first in row 6. "
        "fix: did you mean German?"
    )
    assert not [*language_problems("--target-lang", ["German"])]


@pytest.mark.parametrize(
    ("pair", "same"),
    [
        (("de", "German"), True),
        (("en", "eng_Latn"), True),
        (("pt", "pt-BR"), True),
        (("zh", "zho_Hans"), True),
        (("pt-PT", "pt-BR"), False),
        (("en-GB", "en-US"), False),
        (("zh_CN", "zh_TW"), False),
        (("sr-Cyrl", "sr-Latn"), False),
        (("no", "nb"), False),
        ((None, "de"), False),
    ],
)
def test_equal_languages_are_noted(pair, same):
    assert any("are the same" in note for note in language_notes(*pair)) is same


def test_a_language_outside_the_table_is_noted():
    assert [*language_notes("Breton", "fra_Latn")] == [
        "'Breton' is Breton, which is not in our table: no language guard applies to it"
    ]


@pytest.mark.parametrize(
    ("where", "fix"),
    [
        ("--target-lang", "give only the target language: zh"),
        ("source_lang", "give only the source language: en"),
        ("lang", "give two languages: source en, target zh"),
    ],
)
def test_the_fix_of_a_pair_is_the_language_of_its_side(where, fix):
    (problem,) = language_problems(where, ["en-zh"])
    assert problem.fix == fix


@pytest.mark.parametrize(
    ("spelling", "note"),
    [
        ("en-de", "English (Germany); a pair is given as two languages: source en, target de"),
        ("en_RU", "English (Russia); a pair is given as two languages: source en, target ru"),
        ("de-cs", "German (Serbia); a pair is given as two languages: source de, target cs"),
        ("uk-ru", "Ukrainian (Russia); a pair is given as two languages: source uk, target ru"),
    ],
)
def test_a_country_that_may_be_a_language_is_noted(spelling, note):
    assert [*language_notes(None, spelling)] == [f"'{spelling}' is read as {note}"]
    assert any("(United Kingdom)" in note for note in language_notes("en_UK", None))


@pytest.mark.parametrize(
    "spelling", ["pt-br", "zh-tw", "fr-ca", "de-AT", "et-ee", "zh-yue", "no", "ar-arb"]
)
def test_usual_locales_are_not_noted(spelling):
    assert not [*language_notes("ja", spelling)]
