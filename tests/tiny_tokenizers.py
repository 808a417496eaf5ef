# ruff: noqa: S106 - tokens of a vocabulary, not passwords
"""Real tokenizers of the four families, trained in milliseconds on the sentences below.

Each has a padding, an end-of-sequence and a beginning-of-sequence token; each call with the same
arguments returns the same object, so a test that changes one copies it first.
"""

import io
import json
from functools import cache

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, T5Tokenizer

# Diacritics, scripts with and without spaces, right-to-left text, vowel signs, combining marks
# (the second "mañana" is decomposed), emoji of one and of many code points, compatibility forms.
CORPUS = (
    "The dog runs across the old bridge, doesn't it?",
    "She said: the translation isn't good enough!",
    "Does the dog run? Yes, the dog runs.",
    "Der Hund läuft über die alte Brücke.",
    "Die Übersetzung ist nicht schön genug, sagte sie.",
    "Le chien traverse le vieux pont à côté de l'église.",
    "El niño volverá mañana; man\u0303ana será otro día.",
    "Pes běží přes starý most a štěká na kočku.",
    "Con chó chạy qua cây cầu cũ.",
    "Собака бежит через старый мост.",
    "Она сказала, что перевод недостаточно хорош.",
    "الكلب يركض عبر الجسر القديم.",
    "قالت إن الترجمة ليست جيدة بما يكفي.",
    "कुत्ता पुराने पुल के पार दौड़ता है।",
    "उसने कहा कि अनुवाद अच्छा नहीं है।",
    "狗跑过了旧桥。",
    "她说翻译得不够好，明天再来！",
    "犬は古い橋を渡って走る。",
    "개가 낡은 다리를 건너 달린다.",
    "Great 👍 family 👨‍👩‍👧‍👦 flag 🇩🇪 heart ❤️ wave 👋🏽 smile 😀",
    "ﬁne ½ cup, № 5, Ｆｕｌｌ width, x² + y² = z²",
    "Prices: 1,234.56 € (tax incl.), 20 % off!  Two  spaces.",
)
# What the policies of today split at before merging (Qwen, GPT-4): words with the space or the
# sign before them, single digits, punctuation, line ends.
WORDS = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


@cache
def byte_level_bpe(vocab_size: int = 512) -> PreTrainedTokenizerFast:
    """GPT-2, Llama 3, Qwen 3: every byte is a token, merges cross the bytes of a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(WORDS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(
        [AddedToken(content, normalized=False) for content in ("<think>", "</think>")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
    )


@cache
def unigram(vocab_size: int = 400) -> PreTrainedTokenizerFast:
    """XLM-R: unigram pieces over NFKC text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


@cache
def sentencepiece_unigram(vocab_size: int = 400) -> PreTrainedTokenizerBase:
    """T5, mT5: trained by sentencepiece itself, with its compiled ``nmt_nfkc`` normalisation."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=written,
        model_type="unigram",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=3,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    return T5Tokenizer(
        vocab=[(piece.piece, piece.score) for piece in model.pieces],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
        extra_ids=0,
        bos_token="<s>",
    )


@cache
def byte_fallback_bpe(
    vocab_size: int = 768, *, prefix_space: bool = False
) -> PreTrainedTokenizerFast:
    """Gemma (as it is) and Llama 2 (``prefix_space``): characters outside the merges are bytes."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials + byte_tokens,
        limit_alphabet=60,  # so that rarer characters fall back to bytes
        show_progress=False,
    )
    learner.train_from_iterator(CORPUS, trainer)
    learned = json.loads(learner.to_str())["model"]
    model = models.BPE(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁")] * prefix_space + [normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        + [decoders.Strip(" ", 1, 0)] * prefix_space
    )
    tokenizer.add_special_tokens(specials)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
    )


@cache
def wordpiece(vocab_size: int = 512) -> PreTrainedTokenizerFast:
    """BERT, cased: words and ``##`` continuations; what is in no piece is unknown."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
        mask_token="[MASK]",
    )


@cache
def word_suffix_bpe(vocab_size: int = 400) -> PreTrainedTokenizerFast:
    """GPT-1, FSMT: the last piece of a word ends in ``</w>``."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<bos>", "<eos>", "<unk>"],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
    )


@cache
def whole_words(vocab_size: int = 200) -> PreTrainedTokenizerFast:
    """No decoder at all: words joined by spaces."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = WordLevelTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<bos>", "<eos>", "<unk>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
    )
