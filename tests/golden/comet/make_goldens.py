"""Score the rows below with unbabel-comet itself, and write ``golden.json``.

Run it in the environment of ``requirements.txt`` (see README.md); it writes into its own folder.
"""

import contextlib
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

import tiny_comet  # noqa: E402 - lies two folders up
from comet.models import load_from_checkpoint, str2model  # noqa: E402 - as above

LONG = "The dog runs across the old bridge, she said. "
ROWS = [
    # source, hypothesis, reference
    ["Der Hund läuft über die alte Brücke.", "The dog runs across the old bridge.", "The dog ran."],
    ["Sie sagte, es ist nicht gut genug.", "She said it is good.", "She said it's not good enough"],
    ["Le chien traverse le vieux pont.", "Собака бежит через старый мост.", "Пёс идёт по мосту."],
    ["The dog runs.", "الكلب يركض عبر الجسر القديم.", "الكلب يركض."],
    ["She said the translation is bad.", "她说翻译得不够好，明天再来！", "她说译文不好。"],
    ["The dog runs.", "犬は古い橋を渡って走る。", "犬が走る。"],
    ["Old bridge", "कुत्ता पुराने पुल के पार दौड़ता है।", "पुराना पुल"],
    ["Preis: 1.234,56 €", "Price:  1,234.56 €  (tax incl.) ", "Price: 1,234.56 €"],
    ["Der Hund schläft.", "", "The dog sleeps."],
    ["", "The dog sleeps.", ""],
    ["Der Hund schläft.", "Der Hund schläft.", "The dog sleeps."],
    ["Fünf", "ﬁne ½ cup, man\u0303ana \n 👩‍👩‍👧‍👦 x²", "five"],
    ["Der Hund läuft. " * 3, LONG * 70, LONG * 3],
    ["Der Hund läuft über die alte Brücke. " * 60, LONG, LONG * 70],
    ["Der Hund läuft über die alte Brücke. " * 9, LONG * 12, LONG * 14],
    ["Zwei\u2028Zeilen", " \t\u200b ", "two\u00a0lines"],
    ["Anna", "Anna's dog did not sleep on 14 May 2021, she said.", "Anna's dog did not sleep."],
]


def build(kind):
    """The model of unbabel-comet with these settings: its tensor names and shapes."""
    hparams = dict(tiny_comet.KINDS[kind])
    made = str2model[hparams.pop("class_identifier")](
        **hparams, pretrained_model="encoder", load_pretrained_weights=False
    )
    return {name: list(tensor.shape) for name, tensor in made.state_dict().items()}


def scored(model, *, reference):
    """What ``predict`` answers, metadata included."""
    samples = [
        {"src": source, "mt": hypothesis, **({"ref": wanted} if reference else {})}
        for source, hypothesis, wanted in ROWS
    ]
    answer = model.predict(samples, batch_size=4, gpus=0, progress_bar=False)
    found = {"scores": answer["scores"], **dict(answer.get("metadata", {}))}
    if "error_spans" in found:
        found["error_spans"] = [
            [[span[key] for key in ("start", "end", "severity", "confidence")] for span in row]
            for row in found["error_spans"]
        ]
    return found


def write(found, path):
    """One line per row, model or tensor list: short, and a change shows where it is."""
    lines = []
    for key, value in found.items():
        items = value.items() if isinstance(value, dict) else enumerate(value)
        inner = [
            (f"{json.dumps(name)}: " if isinstance(value, dict) else "")
            + json.dumps(item, ensure_ascii=False)
            for name, item in items
        ]
        start, end = "{}" if isinstance(value, dict) else "[]"
        lines.append(f"{json.dumps(key)}: {start}\n" + ",\n".join(inner) + f"\n{end}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main():
    torch.set_num_threads(1)
    found = {"rows": ROWS, "shapes": {}, "with_reference": {}, "without_reference": {}}
    packages = ("unbabel-comet", "torch", "transformers", "tokenizers", "sentencepiece", "entmax")
    found["versions"] = {package: version(package) for package in packages}
    for kind, hparams in tiny_comet.KINDS.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            tiny_comet.write_encoder(Path("encoder"), kind)
            shapes = found["shapes"][kind] = build(kind)
        with tempfile.TemporaryDirectory() as folder:
            at = tiny_comet.write(Path(folder) / kind, kind, shapes=shapes)
            with contextlib.chdir(at):  # pretrained_model is "encoder"
                model = load_from_checkpoint(at / "checkpoints" / "model.ckpt")
                identifier = hparams["class_identifier"]
                if not identifier.startswith("referenceless") and kind != "kiwi":
                    found["with_reference"][kind] = scored(model, reference=True)
                if identifier != "regression_metric":
                    found["without_reference"][kind] = scored(model, reference=False)
    write(found, HERE / "golden.json")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
