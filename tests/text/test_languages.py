import pytest
import regex

from rewardlab.text.languages import LANGUAGES, language_code, language_name, scripts


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
        ("xx-Latn", ("Latin",)),
        ("xx", ()),
        ("", ()),
    ],
)
def test_scripts_by_hand(code, expected):
    assert scripts(code) == expected


def test_unknown_languages_say_what_was_meant():
    with pytest.raises(ValueError, match=r"unknown language 'germn'.*did you mean german"):
        language_code("germn")
    with pytest.raises(ValueError, match="unknown language 'qqq'"):
        language_name("qqq")
