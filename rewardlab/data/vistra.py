"""Vistra: 772 natural images with English text and its translations (Salesky et al. 2024).

https://github.com/esalesky/vistra-benchmark has ``images/NAME.png``, and ``annotations/NAME.json``
with ``transcript`` (a list of texts) and ``translation`` (language -> a list of as many).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rewardlab.data.lines import read_lines
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import json_object, refuse_record
from rewardlab.data.tables import refuse_other_files
from rewardlab.errors import Problem, refuse
from rewardlab.text.languages import language_code

SOURCE_LANGUAGE = "en"


def read_vistra(files: Files) -> ParallelText:
    """The reader of the format ``vistra``: a segment is a group of words in an image.

    The document is the image; its path travels along.

    Args:
        files: The source is the directory with ``annotations/`` and ``images/``; the reference is
            the same, or None. The source language is English.

    Raises:
        UserError: E201 no such directory; E271 a damaged annotation, or a language that it lacks;
            E281 another source language; exit code 3.
    """
    refuse_other_files(files)
    annotations = sorted((Path(files.source) / "annotations").glob("*.json"))
    if not annotations:
        fix = "give a clone of esalesky/vistra-benchmark"
        refuse(Problem("E201", str(files.source), "it holds no annotations/*.json", fix))
    if language_code(files.source_lang) != SOURCE_LANGUAGE:
        what = f"its texts are in English, not in {files.source_lang}"
        refuse(Problem("E281", str(files.source), what, "source_lang: en"))
    return ParallelText(_segments(annotations, files))


def _segments(annotations: list[Path], files: Files) -> Iterator[Segment]:
    number = 0
    for path in annotations:
        known = json_object("\n".join(read_lines(path).lines), str(path))
        image = path.parent.parent / "images" / str(known.get("image_file") or f"{path.stem}.png")
        sources = _texts(known.get("transcript"), path, "transcript")
        targets: list[str] | None = None
        if files.reference is not None:
            targets = _translation(known, language_code(files.target_lang), path)
            if len(targets) != len(sources):
                what = f"{len(sources)} texts, but {len(targets)} translations"
                refuse_record(str(path), what, "as many translations as texts")
        for at, source in enumerate(sources):
            number += 1
            reference = None if targets is None else targets[at]
            yield Segment(number, source, reference, path.stem, str(image))


def _translation(known: Mapping[str, Any], language: str, path: Path) -> list[str]:
    translations = known.get("translation")
    if not isinstance(translations, Mapping) or language not in translations:
        refuse_record(str(path), f"no translation into {language}", "de, es, ru or zh")
    return _texts(cast("Mapping[str, Any]", translations)[language], path, language)


def _texts(value: object, path: Path, name: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(
        isinstance(one, str) for one in cast("list[Any]", texts)
    ):
        refuse_record(str(path), f"{name} is no list of texts", '["EXIT", "NO ENTRY"]')
    return cast("list[str]", texts)
