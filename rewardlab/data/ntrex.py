"""NTREX-128: 123 documents of English news, translated into 128 languages (Federmann et al. 2022).

https://github.com/MicrosoftTranslator/NTREX. All files are aligned with each other, so any pair of
languages is a parallel text. Segments keep the ids of their documents: hold out the same documents
in all pairs, or a translation of a training text is in the test.
"""

from __future__ import annotations

from pathlib import Path

from rewardlab.data.language_names import name_of_language
from rewardlab.data.lines import read_aligned
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.errors import Problem, refuse

SOURCE = "newstest2019-src.eng.txt"
REFERENCE = "newstest2019-ref."
DOCUMENTS = "DOCUMENT_IDS.tsv"
FOLDER = "NTREX-128"
"""The folder of the texts in the repository; the file with the document ids is beside it."""


def read_ntrex(files: Files) -> ParallelText:
    """The reader of the format ``ntrex``.

    Args:
        files: The source is the directory of the repository, or one with its text files and
            `DOCUMENTS`; the reference is the same directory, or None. The languages choose the
            files: a code such as ``es`` or ``zh_CN``, or the end of a file name (``spa-MX``).

    Raises:
        UserError: E201 no such directory or language; E203 to E205 damaged files; exit code 3.
    """
    root = Path(files.source)
    texts = root / FOLDER if (root / FOLDER).is_dir() else root
    if not (texts / SOURCE).is_file():
        what = f"it holds no {SOURCE}"
        fix = "give the directory of a clone of MicrosoftTranslator/NTREX"
        refuse(Problem("E201", str(files.source), what, fix))
    place = next((at / DOCUMENTS for at in (root, texts) if (at / DOCUMENTS).is_file()), None)
    paths = [text_file(texts, files.source_lang)]
    paths += [text_file(texts, files.target_lang)] if files.reference is not None else []
    read = read_aligned([*paths, *([place] if place else [])])
    sources = read[0].lines
    references = read[1].lines if files.reference is not None else [None] * len(sources)
    ids = [line.split("\t")[0] for line in read[-1].lines] if place else [None] * len(sources)
    rows = zip(sources, references, ids, strict=True)
    notes = tuple(note for one in read for note in one.notes)
    return ParallelText([Segment(at, *row) for at, row in enumerate(rows, start=1)], notes)


def text_file(directory: Path, language: str) -> Path:
    """The file of a language.

    Args:
        directory: The directory with the texts.
        language: A language code, or the end of a file name.

    Raises:
        UserError: E201, there is none, or several and none is named; exit code 3.
    """
    prefixes = {path.stem.removeprefix(REFERENCE): path for path in directory.glob("*-ref.*.txt")}
    known = prefixes | {"eng": directory / SOURCE}
    return known[name_of_language(language, known, str(directory))]
