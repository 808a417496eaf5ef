"""Made-up talks that three systems translated and a rater judged, as an MQM file.

System B drops the object of every third sentence and C says a wrong word in every other one, so
there is something to learn.
"""

from pathlib import Path

HEADER = "system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity\n"
WHO = ("the dog", "the cat", "a boy", "the girl", "the old man", "a bird")
DOES = ("sees", "hears", "likes", "finds")
WHAT = ("the bridge", "a red boat", "the small house", "an apple")
GERMAN = {
    "the dog": "der Hund", "the cat": "die Katze", "a boy": "ein Junge", "the girl": "das Mädchen",
    "the old man": "der alte Mann", "a bird": "ein Vogel",
    "sees": "sieht", "hears": "hört", "likes": "mag", "finds": "findet",
    "the bridge": "die Brücke", "a red boat": "ein rotes Boot",
    "the small house": "das kleine Haus", "an apple": "einen Apfel",
}  # fmt: skip


def sentences():
    """96 sources, each with its parts."""
    return [(who, does, what) for who in WHO for does in DOES for what in WHAT]


def translated(parts, number, system):
    """The marked hypothesis of a system, the category and the severity of its one error."""
    who, does, what = (GERMAN[part] for part in parts)
    if system == "B" and number % 3 == 0:
        return f"{who} {does}.", "Accuracy/Omission", "Major"
    if system == "C" and number % 2 == 0:
        return f"{who} <v>isst</v> {what}.", "Accuracy/Mistranslation", "Minor"
    return f"{who} {does} {what}.", "No-error", "No-error"


def write(path: Path, *, documents: int = 12, segments: int = 96) -> Path:
    """Write the file, its first so many sentences spread over so many documents."""
    lines = [HEADER]
    for number, parts in enumerate(sentences()[:segments]):
        document = f"talk.{number % documents}:en-de"
        source = " ".join(parts) + "."
        for system in ("A", "B", "C", "ref"):
            hypothesis, category, severity = translated(parts, number, system)
            marked = f"<v>{source}</v>" if category.endswith("Omission") else source
            lines.append(
                f"{system}\t{document}\t{number}\t{number}\tr1\t{marked}\t{hypothesis}"
                f"\t{category}\t{severity}\n"
            )
    path.write_text("".join(lines), encoding="utf-8")
    return path
