"""Words of BLEU and TER in languages with and without spaces, on every path that scores."""

import importlib.util

import pytest
from sacrebleu.metrics import BLEU as SACRE_BLEU
from sacrebleu.metrics import TER as SACRE_TER

from rewardlab.data.corpora import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.evaluation.evaluate import System, evaluate
from rewardlab.evaluation.metrics import Metric
from rewardlab.rewards import BLEU, TER, Cached, ChrF
from rewardlab.rewards.segmentation import is_installed, missing_tokenizer, tokenizer_for
from rewardlab.types import Candidate, Term

# A nearly perfect translation and an unrelated one, each with its reference.
TEXTS = {
    "zh": (
        ("那只狗在公园里大声地叫着。", "那只狗在公园里大声地叫。"),
        ("今天下雨了。", "火车晚点一小时。"),
    ),
    "zh-TW": (
        ("那隻狗在公園裡大聲地叫著。", "那隻狗在公園裡大聲地叫。"),
        ("今天下雨了。", "火車晚點一小時。"),
    ),
    "yue": (
        ("嗰隻狗喺公園度大聲咁吠緊。", "嗰隻狗喺公園度大聲咁吠。"),
        ("今日落雨。", "火車遲咗一個鐘。"),
    ),
    "lzh": (("學而時習之不亦說乎哉", "學而時習之不亦說乎"), ("天下雨", "火車遲一時")),
    "ja": (
        ("犬は公園で大きな声で吠えていた。", "犬が公園で大きな声で吠えていた。"),
        ("今日は雨。", "電車が遅れた。"),
    ),
    "th": (("สุนัขเห่าเสียงดังในสวนแล้ว", "สุนัขเห่าเสียงดังในสวน"), ("วันนี้ฝนตก", "รถไฟมาช้าหนึ่งชั่วโมง")),
    "lo": (("ໝາເຫົ່າສຽງດັງໃນສວນແລ້ວ", "ໝາເຫົ່າສຽງດັງໃນສວນ"), ("ມື້ນີ້ຝົນຕົກ", "ລົດໄຟມາຊ້າ")),
    "km": (("ឆ្កែព្រុសខ្លាំងៗនៅក្នុងសួនហើយ។", "ឆ្កែព្រុសខ្លាំងៗនៅក្នុងសួន។"), ("ថ្ងៃនេះភ្លៀង។", "រថភ្លើងមកយឺត។")),
    "my": (
        ("ခွေးသည်ပန်းခြံတွင်ကျယ်လောင်စွာဟောင်သည်။", "ခွေးကပန်းခြံတွင်ကျယ်လောင်စွာဟောင်သည်။"),
        ("ယနေ့မိုးရွာ။", "ရထားနောက်ကျသည်။"),
    ),
    "bo": (("ཁྱི་སྤྱི་གླིང་ནང་སྐད་ཆེན་པོ་རྒྱག་གི་འདུག", "ཁྱི་སྤྱི་གླིང་ནང་སྐད་ཆེན་པོ་རྒྱག་གི"), ("དེ་རིང་ཆར་པ", "མེ་འཁོར་འགོར")),
    "dz": (("ཁྱི་འདི་གླིང་ཁའི་ནང་ལུ་སྐད་རྐྱབ་དེས", "ཁྱི་འདི་གླིང་ཁའི་ནང་ལུ་སྐད་རྐྱབ"), ("ད་རེས་ཆརཔ", "རི་ལི་ཕྱིས")),
    "Wu Chinese": (("伊今朝勿来上班哉。", "伊今朝勿来上班。"), ("落雨。", "火车脱班一个钟头。")),
    "hak": (("佢今晡日無來上班了。", "佢今晡日無來上班。"), ("落雨。", "火車遲一點鐘。")),
    "jpn_Jpan": (
        ("わたしはりんごがすきです。", "わたしはりんごがだいすきです。"),
        ("あめ。", "でんしゃがおくれた。"),
    ),
}


def rows_of(language):
    return [Candidate("", text, want, target_lang=language) for text, want in TEXTS[language]]


@pytest.mark.parametrize("language", TEXTS)
def test_a_good_translation_is_far_above_an_unrelated_one(language):
    good, bad = BLEU()(rows_of(language)).scores
    assert (good > 50, bad < 15) == (True, True)
    good, bad = TER()(rows_of(language)).scores
    assert (good > -35, bad < -65) == (True, True)


def test_the_tokenizers_are_sacrebleus_own(monkeypatch):
    found = {code: tokenizer_for(code) for code in ("zh", "zho_Hant", "yue", "de", "vi", "br", "")}
    assert found == {"zh": "zh", "zho_Hant": "zh", "yue": "zh", "de": "13a", "vi": "13a",
                     "br": "13a", "": "13a"}  # fmt: skip
    assert {tokenizer_for(code) for code in ("th", "lo", "km", "my", "bo", "dz", "nod")} == {"char"}
    assert {tokenizer_for(code) for code in ("zh-Latn", "ja_Latn", "khm_Latn")} == {"13a"}
    for code, extra in (("Japanese", "ja"), ("kor_Hang", "ko")):
        is_installed.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        assert tokenizer_for(code) == "char"
        assert missing_tokenizer(code) == (
            f"splits {code} into characters: {extra}-mecab is not installed "
            f"(pip install 'sacrebleu[{extra}]')"
        )
        is_installed.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
        assert (tokenizer_for(code), missing_tokenizer(code)) == (f"{extra}-mecab", None)
    is_installed.cache_clear()


def test_chinese_scores_equal_sacrebleus():
    text, want = TEXTS["zh"][0]
    (bleu,), (ter,) = (reward(rows_of("zh")[:1]).scores for reward in (BLEU(), TER()))
    peer = SACRE_BLEU(tokenize="zh", effective_order=True)
    assert bleu == pytest.approx(peer.sentence_score(text, [want]).score)
    peer = SACRE_TER(normalized=True, asian_support=True)
    assert ter == pytest.approx(-peer.sentence_score(text, [want]).score)


def test_ter_by_hand():
    # Four letters with their vowel signs, of which one differs.
    row = Candidate("", "ดีมาก", "ดีมาน", target_lang="th")
    assert TER()([row]).scores.tolist() == [-25.0]


def test_a_batch_of_several_languages_is_cut_row_by_row():
    rows = [*rows_of("zh"), Candidate("", "a b c d", "a b c d", target_lang="de"), *rows_of("th")]
    together = RewardEnsemble([Term(BLEU()), Term(TER())])(rows).values
    alone = [RewardEnsemble([Term(BLEU()), Term(TER())])([row]).values[0] for row in rows]
    assert together.tolist() == [row.tolist() for row in alone]


def test_a_cache_keeps_languages_apart(tmp_path):
    text, want = TEXTS["zh"][0]
    rows = [Candidate("", text, want, target_lang=code) for code in ("de", "zh", None)]
    for reward in (BLEU(), TER()):
        cached = Cached(reward, tmp_path / "scores")
        first, again = (cached(rows).scores.tolist() for _ in range(2))
        assert first == again == reward(rows).scores.tolist()
        assert first[0] == first[2] < first[1]


def test_the_choice_is_in_the_signature():
    assert "tok:13a,zh:zh,ja:" in BLEU().signature
    assert "dense:char" in BLEU().signature
    assert "tok:tercom,dense:letters+tercom" in TER().signature
    assert "|tok:zh|" in BLEU(tokenize="zh").signature
    assert BLEU(tokenize="13a").signature != BLEU().signature
    assert "asian:no" in TER(asian_support=False).signature


def test_an_option_wins_over_the_language():
    text, want = TEXTS["zh"][0]
    (row,) = rows_of("zh")[:1]
    peer = SACRE_BLEU(tokenize="13a", effective_order=True)
    assert BLEU(tokenize="13a")([row]).scores[0] == peer.sentence_score(text, [want]).score
    assert TER(asian_support=False)([row]).scores[0] == -100.0


@pytest.mark.parametrize("language", ["zh", "th", "ja"])
def test_corpora_are_cut_as_rows_are(language):
    text, want = TEXTS[language][0]
    metrics = [Metric(BLEU()), Metric(TER()), Metric(ChrF())]
    result = evaluate([Row("1", "x", want, "en", language)], [System("a", [text])], metrics)
    scores = result.scores[f"en-{language}"]
    (row,) = rows_of(language)[:1]
    assert scores["bleu"]["a"].value == pytest.approx(BLEU()([row]).scores[0])
    assert -scores["ter"]["a"].value == pytest.approx(TER()([row]).scores[0])
    signature = result.signatures["bleu"][f"en-{language}"]
    assert f"tok:{tokenizer_for(language)}" in signature
