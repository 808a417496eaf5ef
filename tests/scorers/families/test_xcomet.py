import json
import math

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import distributed
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import BertConfig, BertModel, TrainingArguments, XLMRobertaForMaskedLM

from rewardlab.errors import UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.models.comet_inputs import Pieces
from rewardlab.models.comet_training import (
    IGNORED,
    Collate,
    Reading,
    encoder_tensors,
    label_loss,
    load_trainable,
    save_published,
)
from rewardlab.rewards import XComet
from rewardlab.scorers.families import FAMILIES
from rewardlab.scorers.families.protocol import Shape, Stage
from rewardlab.scorers.families.xcomet import XCometFamily, piece_labels
from rewardlab.types import Candidate, ErrorSpan

SOURCES = ("The dog runs across the old bridge.", "She said so.", "Come again tomorrow!")
HYPOTHESES = ("Der Hund läuft über die alte Brücke.", "Sie sagte es.", "Bis morgen.")
SHAPE = Shape(vocab_size=120, hidden_size=16, layers=2, heads=2)


def rows():
    return [
        Rated(
            Candidate(source, hypothesis, HYPOTHESES[at], id=f"{at}"),
            -float((at * 3 + number * 5) % 11),
            ((ErrorSpan(0, 3, "major"),),) if at != number else ((),),
            document="talk",
        )
        for at, source in enumerate(SOURCES)
        for number, hypothesis in enumerate(HYPOTHESES)
    ]


def arguments(directory, **options):
    plain = {
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return TrainingArguments(output_dir=str(directory), **{**plain, **options})


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory):
    directory = tmp_path_factory.mktemp("start") / "xlmr"
    XCometFamily().new(directory, rows(), SHAPE, seed=0)
    return directory


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny BERT with its own kind of tokenizer: ``[CLS]`` and ``[SEP]``."""
    directory = tmp_path_factory.mktemp("start") / "bert"
    letters = sorted(
        {letter for text in (*SOURCES, *HYPOTHESES) for letter in text.lower()} - {" "}
    )
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(words[:5])
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def trained(family, start, directory, **options):
    stage = Stage(start, rows(), rows()[:3], arguments(directory, **options))
    trainer = family.trainer(stage)
    trainer.train()
    family.save(trainer, directory / "model")
    return trainer


def test_it_is_a_family():
    assert FAMILIES.load("xcomet") is XCometFamily


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module:UserWarning")  # of transformers' blocks
def test_sharded_it_learns_and_saves_the_same(xlmr, tmp_path):
    """FSDP2 on the blocks that a launcher wraps; a weight that nobody gathers would be refused."""

    def start():
        options = {"word_share": 0.5, "freeze_embeddings": False, "seed": 0}
        return load_trainable(xlmr, **options)

    whole, tokenizer = start()
    readings = XCometFamily().readings(rows(), tokenizer)
    batch = Collate(whole.encoder.config.pad_token_id)(readings)
    torch.manual_seed(0)
    expected = whole(**batch).loss
    expected.backward()
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model, _ = start()
        blocks = [one for one in model.modules() if type(one).__name__ in model._no_split_modules]
        assert len([one for one in blocks if type(one).__name__.endswith("Layer")]) == SHAPE.layers
        for module in (*blocks, model):
            fully_shard(module, mesh=init_device_mesh("cpu", (1,)))
        torch.manual_seed(0)
        loss = model(**batch).loss
        loss.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        for one, other in zip(model.parameters(), whole.parameters(), strict=True):
            if other.grad is not None:
                torch.testing.assert_close(one.grad.full_tensor(), other.grad)
        gathered = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
        save_published(model, tmp_path / "sharded", start=xlmr, weights=gathered)
    finally:
        distributed.destroy_process_group()
    save_published(whole, tmp_path / "whole", start=xlmr)
    sharded, unsharded = (
        load_file(tmp_path / name / "model.safetensors") for name in ("sharded", "whole")
    )
    assert sharded.keys() == unsharded.keys()
    for name, tensor in sharded.items():
        assert torch.equal(tensor, unsharded[name]), name


class TestWhatIsSaved:
    @pytest.mark.parametrize("start", ["xlmr", "bert"])
    def test_the_reward_gives_the_scores_and_labels_of_training(self, start, request, tmp_path):
        start = request.getfixturevalue(start)
        trainer = trained(XCometFamily(), start, tmp_path)
        candidates = [row.candidate for row in rows()]
        output = XComet(model=tmp_path / "model")(candidates)

        network = trainer.model.eval()
        _, tokenizer = load_trainable(
            tmp_path / "model", word_share=0.0, freeze_embeddings=True, seed=0
        )
        pad = network.encoder.config.pad_token_id
        for row, candidate in enumerate(candidates):
            pieces = tokenizer.pieces([candidate.hypothesis, candidate.source])
            ids, _ = tokenizer.joined(pieces)
            batch = Collate(pad)([Reading(ids, 1.0)])
            with torch.no_grad():
                read = network(batch["input_ids"], batch["attention_mask"])
            wanted = float(read.logits[0])
            assert output.components["src"][row] == pytest.approx(min(1.0, wanted), abs=1e-5)
            labels = read.hidden_states[0][0, 1 : 1 + len(pieces[0].ids)].argmax(-1)
            marked = sum(span.end - span.start for span in output.spans[row])
            assert (marked > 0) == bool((labels > 0).any())

    def test_the_layout_is_the_published_one(self, xlmr, tmp_path):
        trained(XCometFamily(), xlmr, tmp_path)
        model = tmp_path / "model"
        hparams = yaml.safe_load((model / "hparams.yaml").read_text())
        assert hparams["class_identifier"] == "xcomet_metric"
        assert hparams["encoder_model"] == "XLM-RoBERTa"
        assert (hparams["sent_layer"], hparams["word_layer"]) == ("mix", 2)
        assert hparams["hidden_sizes"] == [16, 8]
        names = load_file(model / "model.safetensors")
        assert {name.split(".")[0] for name in names} == {
            "encoder",
            "estimator",
            "hidden2tag",
            "layerwise_attention",
        }
        assert names["hidden2tag.weight"].shape == (4, 16)
        assert {"estimator.ff.0.weight", "estimator.ff.3.weight", "estimator.ff.6.bias"} <= {*names}
        assert {path.name for path in (model / "encoder").iterdir()} >= {
            "config.json",
            "tokenizer.json",
        }
        known = json.loads((model / "reward.json").read_text())
        assert (known["reward"], known["fixed"]) == ("xcomet", {"mode": ["qe"]})

    def test_a_run_directory_is_enough_and_its_mode_is_known(self, xlmr, tmp_path):
        trained(XCometFamily(mode="reference"), xlmr, tmp_path)
        assert XComet(model=tmp_path).mode == "reference"
        assert XComet(model=tmp_path, mode="qe").mode == "qe"

    def test_a_saved_model_is_trained_further(self, xlmr, tmp_path):
        trained(XCometFamily(), xlmr, tmp_path / "first")
        trained(XCometFamily(), tmp_path / "first" / "model", tmp_path / "second")
        assert np.isfinite(
            XComet(model=tmp_path / "second")([row.candidate for row in rows()]).scores
        ).all()


class TestTraining:
    def test_it_learns(self, xlmr, tmp_path):
        family = XCometFamily(word_share=0.5, freeze_embeddings=False)
        options = {"max_steps": 150, "learning_rate": 5e-3, "per_device_train_batch_size": 9}
        trained(family, xlmr, tmp_path, **options)
        output = XComet(model=tmp_path)([row.candidate for row in rows()])
        wanted = [1.0 + row.score / 25.0 for row in rows()]
        assert np.corrcoef(output.components["src"], wanted)[0, 1] > 0.9
        found = [bool(spans) for spans in output.spans]
        assert found == [bool(row.spans[0]) for row in rows()]

    def test_the_same_seed_gives_the_same_weights(self, xlmr, tmp_path):
        one, other = (
            trained(XCometFamily(), xlmr, tmp_path / name).model.state_dict() for name in "ab"
        )
        assert all(torch.equal(weight, other[name]) for name, weight in one.items())

    def test_embeddings_of_words_are_frozen(self, xlmr, tmp_path):
        before = load_file(xlmr / "model.safetensors")["embeddings.word_embeddings.weight"]
        for freezes in (True, False):
            family = XCometFamily(freeze_embeddings=freezes)
            model = trained(family, xlmr, tmp_path / str(freezes)).model
            assert torch.equal(model.encoder.get_input_embeddings().weight, before) == freezes

    def test_a_mode_with_references_reads_in_three_ways(self, xlmr):
        _, tokenizer = load_trainable(xlmr, word_share=0.0, freeze_embeddings=True, seed=0)
        one = rows()[:1]
        assert len(XCometFamily(mode="qe").readings(one, tokenizer)) == 1
        readings = XCometFamily(mode="reference").readings(one, tokenizer)
        mt, src, ref = tokenizer.pieces([HYPOTHESES[0], SOURCES[0], HYPOTHESES[0]])
        assert [reading.ids for reading in readings] == [
            tokenizer.joined(segments)[0] for segments in ([mt, src], [mt, ref], [mt, src, ref])
        ]


class TestPieceLabels:
    def labels(self, *raters, text="abcdef", offsets=((0, 2), (2, 4), (4, 6))):
        row = Rated(Candidate("x", text), -1.0, raters)
        return piece_labels(row, Pieces([7] * len(offsets), list(offsets), cut=False))

    def test_a_piece_has_the_worst_severity_of_its_characters(self):
        spans = (ErrorSpan(1, 2, "minor"), ErrorSpan(3, 5, "critical"), ErrorSpan(2, 3, "major"))
        assert self.labels(spans) == [1, 3, 3]

    def test_raters_without_marks_say_that_there_is_no_error(self):
        assert self.labels(()) == [0, 0, 0]

    def test_without_raters_nothing_is_known(self):
        assert self.labels() == [IGNORED] * 3

    def test_raters_that_differ_have_their_median(self):
        marks = (ErrorSpan(0, 6, "major"),)
        assert self.labels(marks, ()) == [0, 0, 0]
        assert self.labels(marks, (), marks) == [2, 2, 2]

    def test_marks_in_the_source_and_of_no_severity_are_none(self):
        spans = (ErrorSpan(0, 2, "major", side="source"), ErrorSpan(2, 4, "neutral"))
        assert self.labels(spans) == [0, 0, 0]


class TestLoss:
    def test_rare_labels_weigh_more(self):
        logits = torch.zeros(1, 2, 4)
        logits[0, 0, 0] = math.log(3.0)  # probability 1/2 of label 0, 1/6 of the others
        labels = torch.tensor([[0, 1]])
        weights = torch.tensor([0.25, 0.75, 1.0, 1.0])
        # -(0.25 ln(1/2) + 0.75 ln(1/4)) / (0.25 + 0.75)
        wanted = 0.25 * math.log(2.0) + 0.75 * math.log(4.0)
        assert label_loss(logits, labels, weights).item() == pytest.approx(wanted)

    def test_without_labels_it_is_0(self):
        assert label_loss(torch.ones(1, 2, 4), torch.full((1, 2), IGNORED), torch.ones(4)) == 0


class TestStart:
    def test_a_masked_language_model_is_an_encoder(self, xlmr, tmp_path):
        config = json.loads((xlmr / "config.json").read_text())
        whole = XLMRobertaForMaskedLM.from_pretrained(xlmr)
        whole.save_pretrained(tmp_path)
        (tmp_path / "tokenizer.json").write_bytes((xlmr / "tokenizer.json").read_bytes())
        own = encoder_tensors(load_file(tmp_path / "model.safetensors"))
        assert own.keys() == encoder_tensors(load_file(xlmr / "model.safetensors")).keys()
        model, _ = load_trainable(tmp_path, word_share=0.0, freeze_embeddings=True, seed=0)
        assert model.encoder.config.hidden_size == config["hidden_size"]

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
    def test_without_a_part_it_is_refused(self, xlmr, tmp_path, name):
        for path in xlmr.iterdir():
            if path.name != name:
                (tmp_path / path.name).write_bytes(path.read_bytes())
        with pytest.raises(UserError) as caught:
            load_trainable(tmp_path, word_share=0.0, freeze_embeddings=True, seed=0)
        assert caught.value.problems[0].code == "E325"

    def test_a_model_of_another_architecture_is_refused(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
        with pytest.raises(UserError) as caught:
            load_trainable(tmp_path, word_share=0.0, freeze_embeddings=True, seed=0)
        assert "gpt2" in caught.value.problems[0].what

    def test_what_is_not_rated_is_refused(self, xlmr, tmp_path):
        one = rows()[0].candidate
        stage = Stage(xlmr, [Preference(one, one)], [], arguments(tmp_path))
        with pytest.raises(ValueError, match="xcomet learns from Rated ones"):
            XCometFamily().trainer(stage)

    @pytest.mark.parametrize("options", [{"word_share": 1.0}, {"mode": "both"}])
    def test_options_out_of_range(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            XCometFamily(**options)


def test_describe_counts_labelled_rows(xlmr, tmp_path):
    bare = [Rated(rows()[0].candidate, -1.0)]
    lines = list(XCometFamily().describe(Stage(xlmr, rows(), bare, arguments(tmp_path))))
    assert lines[0].startswith("training: 9 readings, 9 with labels of words")
    assert lines[1].startswith("validation: 1 readings, 0 with labels of words")
