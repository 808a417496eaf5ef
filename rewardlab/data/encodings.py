"""From the bytes of a file to its text: UTF-8, UTF-16 and UTF-32, plain or gzipped.

Text is UTF-8. UTF-16 and UTF-32 are read, with a note, if they start with a byte-order mark, as
spreadsheets write it. Everything else is refused with its name and a command that converts it:
other encodings, archives, other compressions, and documents that are not text.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from rewardlab.errors import Problem, quantity, refuse, shown

GZIP_MAGIC = b"\x1f\x8b"
STDIN = "stdin"
"""Name of standard input in messages."""
LISTED = 5
CLEAR = 0.8
"""Share of the characters beyond ASCII that must fit a language for its encoding to be named."""
FEWEST_NULS = 0.25
"""Share of NUL bytes from which UTF-8 is rather UTF-16 or UTF-32; English in UTF-16 has half."""

BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HAN = "一-鿿，。、！？：；“”‘’（）《》—…・"
LEGACY = (
    ("SHIFT_JIS", "[ぁ-ヶ]", f"[ぁ-ヿ「」{_HAN}]"),
    ("EUC-JP", "[ぁ-ヶ]", f"[ぁ-ヿ「」{_HAN}]"),
    ("CP949", "[가-힣]", "[가-힣]"),
    ("GB18030", "[的是不了在有我这他们]", f"[{_HAN}]"),
    ("BIG5", "[的是不了在有我這他們]", f"[{_HAN}「」]"),
    ("WINDOWS-1251", "[А-ЯІЄ][а-я]", "[а-яёіїєґў]{2,}"),
    ("WINDOWS-1255", "[א-ת]", "[א-ת]{2,}"),
    ("KOI8-R", "[А-Я][а-я]", "[а-яё]{2,}"),
    ("WINDOWS-1253", "[α-ω]", "[α-ωά-ώ]{2,}"),
    ("WINDOWS-1256", "[ء-ي]", "[ء-ي]{2,}"),
    ("CP874", "[ก-ฮ]", "[ก-๛]{2,}"),
    ("WINDOWS-1252", "", "[À-ÖØ-öø-ÿŒœŠšŽž‘’“”„«»–—…€°]"),
    ("WINDOWS-1250", "", "[À-ž‘’“”„«»–—…€°]"),
)
"""Encodings from before Unicode, by names that iconv and Python share: a character that any text
in it has, and the characters that it may have. The likelier of two similar ones comes first."""


class Format(NamedTuple):
    """A kind of file that is not text.

    Attributes:
        magic: The first bytes of such a file.
        what: Its name.
        fix: How to make text of it; ``{file}`` stands for the file and ``{out}`` for a new one.
        program: The program that unpacks it as a stream; empty if there is none.
    """

    magic: bytes
    what: str
    fix: str = ""
    program: str = ""


SAVE = "save it as CSV UTF-8 or Unicode Text in the program that wrote it"
SAVE_TEXT = "save it as plain text in UTF-8 in the program that wrote it"
EXPORT = "write its texts into a text file"
PANDAS = (
    'python -c "import sys, pandas; pandas.{read}(sys.argv[1]).to_csv(sys.argv[2], '
    "sep='\\t', index=False)\" {{file}} {{out}}"
)
SQLITE = "sqlite3 {file} .tables, then sqlite3 -header -tabs {file} 'SELECT * FROM TABLE' > {out}"
FORMATS = (
    Format(b"\xfd7zXZ\x00", "compressed with xz", program="xz -dc"),
    Format(b"\x28\xb5\x2f\xfd", "compressed with zstd", program="zstd -dc"),
    Format(b"\x04\x22\x4d\x18", "compressed with lz4", program="lz4 -dc"),
    Format(b"\x1f\x9d", "compressed with compress", program="gzip -dc"),
    Format(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x {file}, then name one of its files"),
    Format(b"Rar!\x1a\x07", "a RAR archive", "unrar x {file}, then name one of its files"),
    Format(b"PAR1", "a Parquet table", PANDAS.format(read="read_parquet")),
    Format(b"ARROW1", "an Arrow table", PANDAS.format(read="read_feather")),
    Format(b"SQLite format 3\x00", "an SQLite database", SQLITE),
    Format(b"%PDF-", "a PDF document", "pdftotext {file} {out}"),
    Format(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document (.xls or .doc)", SAVE),
    Format(b"{\\rtf", "an RTF document", SAVE_TEXT),
    Format(b"\x93NUMPY", "a NumPy array", EXPORT),
    Format(b"\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT),
    Format(b"\x89PNG\r\n\x1a\n", "a PNG image", EXPORT),
    Format(b"\xff\xd8\xff", "a JPEG image", EXPORT),
    Format(b"\x80\x04\x95", "a Python pickle", EXPORT),
    Format(b"\x80\x05\x95", "a Python pickle", EXPORT),
    Format(b"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "git lfs pull"),
)
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
OFFICE = (
    ("xl/workbook.xml", "an Excel workbook (.xlsx)", SAVE),
    ("word/document.xml", "a Word document (.docx)", SAVE_TEXT),
    ("content.xml", "an OpenDocument file (.ods or .odt)", SAVE),
)
"""Zip archives that are documents: a member, the name, and the fix."""


class Decoded(NamedTuple):
    """The text of a file.

    Attributes:
        text: The content, without a byte-order mark.
        notes: How it was read, if not as UTF-8 without a byte-order mark.
    """

    text: str
    notes: tuple[str, ...] = ()


class Foreign(NamedTuple):
    """What a file is instead of UTF-8 text.

    Attributes:
        code: Code of the problem if the file is data.
        what: What was found.
        fix: A command, or what to do.
        line: The first line that cannot be read; 0 if the whole file is meant.
    """

    code: str
    what: str
    fix: str
    line: int = 0


def decoded(data: bytes, name: str) -> Decoded:
    """The text of a file.

    Args:
        data: UTF-8, or UTF-16 or UTF-32 with a byte-order mark, plain or gzipped. Gzip is
            recognised by its first bytes or by a name that ends in ``.gz``.
        name: The file's name, for messages.

    Raises:
        UserError: E202 another encoding, E205 broken gzip, E280 not a text file; exit code 3.
    """
    is_gzip = data.startswith(GZIP_MAGIC)
    if is_gzip or (name.endswith(".gz") and data and foreign(data, name) is None):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fix = f"download or create it again; test it with: gzip -t {quote(name)}"
            refuse(Problem("E205", name, f"broken gzip: {error}", fix))
    encoding = _marked_encoding(data)
    if encoding is not None:
        with suppress(UnicodeDecodeError):
            return Decoded(data.decode(encoding), (f"{name}: {encoding} was read as such",))
    if (found := foreign(data, name, inside_gzip=is_gzip)) is not None:
        where = f"{name}:{found.line}" if found.line else name
        refuse(Problem(found.code, where, found.what, found.fix))
    text = data.decode("utf-8")
    if text.startswith("\ufeff"):
        return Decoded(text[1:], (f"{name}: a byte-order mark was taken off the start",))
    return Decoded(text)


def foreign(data: bytes, name: str, *, inside_gzip: bool = False) -> Foreign | None:
    """What a file is if it is not UTF-8 text; None for UTF-8.

    Args:
        data: The file, or its beginning.
        name: The file's name, for the commands.
        inside_gzip: Whether ``data`` was unpacked from a gzipped file.
    """
    if (found := _not_text(data, name, inside_gzip=inside_gzip)) is not None:
        return found
    encoding = _marked_encoding(data) or _wide_encoding(data)
    if encoding is not None:
        fix = _converted(encoding, name, inside_gzip=inside_gzip)
        try:
            data.decode(encoding)
        except UnicodeDecodeError as error:
            what = f"{encoding} that is cut or damaged at byte {error.start:,}"
            return Foreign("E202", what, "download or create it again")
        return Foreign("E202", f"{encoding}, not UTF-8", fix)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(data, name, error, inside_gzip=inside_gzip)
    return None


def some_rows(numbers: Sequence[int | str], total: int) -> str:
    """Text that says how many rows a message is about, and names the first ones.

    Args:
        numbers: Line numbers or ids of the rows.
        total: Total number of rows.

    >>> some_rows([3, 8, 9, 12, 40, 41], 2000)
    '6 of 2,000 rows; first 5: 3, 8, 9, 12, 40'
    """
    some = ", ".join(str(number) for number in numbers[:LISTED])
    first = f"first {LISTED}" if len(numbers) > LISTED else "at"
    return f"{len(numbers):,} of {quantity(total, 'row')}; {first}: {some}"


# ── files that are not text ─────────────────────────────────────────────────────────────────────


def _not_text(data: bytes, name: str, *, inside_gzip: bool) -> Foreign | None:
    """Archives, compressed files and documents, by their first bytes."""
    if b"ustar" in (data[257:262], _unpacked(data)[257:262]):
        fix = f"tar -xf {quote(name)}, then name one of its files"
        return Foreign("E280", "a tar archive, not text", fix)
    if data.startswith(ZIP_MAGIC):
        what, fix = _zip(data)
    elif data.startswith(GZIP_MAGIC):
        what, fix = "compressed with gzip", _command("gzip -dc", name, inside_gzip=inside_gzip)
        what += " twice" if inside_gzip else ""
        return Foreign("E280", f"{what}, not text", fix)
    elif data.startswith(b"BZh") and data[4:10] == b"\x31\x41\x59\x26\x53\x59":
        fix = _command("bzip2 -dc", name, inside_gzip=inside_gzip)
        return Foreign("E280", "compressed with bzip2, not text", fix)
    else:
        found = next((one for one in FORMATS if data.startswith(one.magic)), None)
        if found is None:
            return None
        what, fix = found.what, found.fix
        if found.program:
            fix = _command(found.program, name, inside_gzip=inside_gzip)
            return Foreign("E280", f"{what}, not text", fix)
    packed = str(Path(name).with_name(Path(name).name.removesuffix(".gz"))) if inside_gzip else name
    fix = fix.format(file=quote(packed), out=quote(_new_name(packed, "")))
    first = f"gunzip {quote(name)}, then " if inside_gzip else ""
    return Foreign("E280", f"{what}, not text", f"{first}{fix}")


def _zip(data: bytes) -> tuple[str, str]:
    """What a zip archive is, and how to make text of it."""
    members: list[str] = []
    with suppress(zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        members = [one for one in zipfile.ZipFile(io.BytesIO(data)).namelist() if one[-1:] != "/"]
    for member, what, fix in OFFICE:
        if member in members:
            return what, fix
    some = f" of {', '.join(shown(one, 40) for one in members[:LISTED])}" if members else ""
    return f"a zip archive{some}", "python -m zipfile -e {file} ., then name one of its files"


def _unpacked(data: bytes) -> bytes:
    """The first block of an xz or bzip2 file, to see whether it contains a tar archive."""
    with suppress(lzma.LZMAError, OSError, EOFError, ValueError):
        if data.startswith(b"\xfd7zXZ\x00"):
            return lzma.LZMADecompressor().decompress(data, max_length=512)
        if data.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(data, max_length=512)
    return b""


# ── encodings ───────────────────────────────────────────────────────────────────────────────────


def _marked_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32, if the data start with its byte-order mark."""
    return next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte-order mark, recognised by NUL bytes inside plain text."""
    nuls = data.count(0)
    if not nuls or (nuls < FEWEST_NULS * len(data) and _is_utf8(data)):
        return None  # a few NULs between letters are damage
    found: dict[str, int] = {}
    for encoding in ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE"):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if all(one in "\t\n\r" or unicodedata.category(one)[0] != "C" for one in text):
                found[encoding] = sum(one < "\x80" for one in text)
    return max(found, key=lambda encoding: found[encoding], default=None)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(data: bytes, name: str, error: UnicodeDecodeError, *, inside_gzip: bool) -> Foreign:
    """Name the lines that are not UTF-8, the first invalid byte, and the likeliest encoding."""
    lines = data.removesuffix(b"\n").split(b"\n")
    whole = [line.decode("utf-8", "ignore").encode() == line for line in lines]
    bad = [number for number, is_whole in enumerate(whole, start=1) if not is_whole]
    byte = f"byte {data[error.start]:#04x} at offset {error.start:,}"
    what = f"not UTF-8: {some_rows(bad, len(lines))}; {byte}"
    good = sum(is_whole and not line.isascii() for is_whole, line in zip(whole, lines, strict=True))
    if good >= len(bad):
        what = f"{what}; {good:,} other rows are UTF-8"
        fix = "it was cut within a character: download or create it again"
        if error.reason != "unexpected end of data":
            remove = _command("iconv -c -f UTF-8 -t UTF-8", name, inside_gzip=inside_gzip)
            fix = f"write these rows again; to remove the bytes: {remove}"
        return Foreign("E202", what, fix, bad[0])
    encoding = next(_readings(data), None)
    if encoding is None:
        return Foreign("E202", what, "create the file again, in UTF-8", bad[0])
    reading = lines[bad[0] - 1].decode(encoding, "replace").strip()
    what = f"{what}; as {encoding} the first one reads {shown(reading, 40)}"
    return Foreign("E202", what, _converted(encoding, name, inside_gzip=inside_gzip), bad[0])


def _readings(data: bytes) -> Iterator[str]:
    """The encodings that can read the data, the likeliest first."""
    for encoding, proof, expected in LEGACY:
        with suppress(UnicodeDecodeError, LookupError):
            beyond = re.sub(r"[\x00-\x7f]+", " ", data.decode(encoding))
            fitting = sum(map(len, re.findall(expected, beyond)))
            if re.search(proof, beyond) and fitting >= CLEAR * len(beyond.replace(" ", "")):
                yield encoding
    with suppress(UnicodeDecodeError):
        data.decode("WINDOWS-1252")
        yield "WINDOWS-1252"


# ── commands ────────────────────────────────────────────────────────────────────────────────────


def _converted(encoding: str, name: str, *, inside_gzip: bool) -> str:
    """How to convert a file to UTF-8."""
    command = f"iconv -f {encoding} -t UTF-8"
    return f"convert it: {_command(command, name, inside_gzip=inside_gzip, prefix='utf8_')}"


def _command(program: str, name: str, *, inside_gzip: bool, prefix: str = "") -> str:
    """A command line that sends a file through a program into a new file."""
    if name == STDIN:
        return f"pipe it through {'gzip -dc | ' if inside_gzip else ''}{program}"
    out = quote(_new_name(name, prefix))
    if inside_gzip:
        return f"gzip -dc {quote(name)} | {program} > {out}"
    return f"{program} {quote(name)} > {out}"


def _new_name(name: str, prefix: str) -> str:
    """A file to write instead of this one, never the same: without the ending of its format."""
    path = Path(name)
    plain = re.sub(r"(?i)\.(gz|z|xz|bz2|zst|lz4)$", "", path.name)
    plain = re.sub(r"(?i)\.(parquet|arrow|feather|sqlite3?|db|pdf)$", ".tsv", plain)
    if not prefix and plain == path.name:
        prefix = "plain_"
    return str(path.with_name(f"{prefix}{plain}"))
