"""Files that are not UTF-8 text; the commands that messages advise are run, and results read."""

import bz2
import gzip
import io
import lzma
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.config import strict_yaml
from rewardlab.data.encodings import decoded
from rewardlab.data.lines import lines_of, read_lines
from rewardlab.errors import UserError
from rewardlab.judges.prompts import load_text

GERMAN = "Der Hund bellt.\nSie kaufte drei Bücher.\n"


def problem_of(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    (problem,) = caught.value.problems
    return problem


def follow(problem, directory):
    """Run the command of a fix in a directory."""
    command = re.sub(r"^convert it: |, then name one of its files$", "", problem.fix)
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here")
    command = re.sub("^python", sys.executable, command)
    subprocess.run(command, shell=True, check=True, cwd=directory)  # noqa: S602


# ── read, with a note ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_utf16_and_utf32_with_a_byte_order_mark_are_read_with_a_note(
    tmp_path, encoding, order, pack
):
    path = tmp_path / "hyp.txt"
    path.write_bytes(pack(("\ufeff" + GERMAN).encode(f"{encoding}-{order}")))
    file = read_lines(path)
    assert file.lines == GERMAN.splitlines()
    assert file.notes == (f"{path}: {encoding.upper()} was read as such",)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_every_encoding_with_a_byte_order_mark_gives_the_same_text(text):
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert decoded(text.encode(encoding), "x").text == text


# ── named, with a command ───────────────────────────────────────────────────────────────────────

TEXTS = {
    "WINDOWS-1252": "Sie kaufte drei Bücher.\nWo sind Käse und Brot?\nDas „Buch“ – schön.\n",
    "WINDOWS-1250": "Pies głośno szczeka.\nKupiła trzy książki.\nZażółć gęślą jaźń.\n",
    "WINDOWS-1251": "Собака громко лает.\nОна купила три книги.\n",
    "KOI8-R": "Собака громко лает.\nОна купила три книги.\n",
    "WINDOWS-1253": "Ο σκύλος γαβγίζει.\nΑγόρασε τρία βιβλία.\n",
    "WINDOWS-1255": "הכלב נובח.\nהיא קנתה שלושה ספרים.\n",
    "WINDOWS-1256": "الكلب ينبح.\nاشترت ثلاثة كتب.\n",
    "GB18030": "狗每天早上都大声叫。\n她昨天买了三本书。\n我在家,他不在。\n",
    "BIG5": "狗每天早上都大聲叫。\n她昨天買了三本書。\n我在家,他不在。\n",
    "SHIFT_JIS": "犬が毎朝大きな声で吠える。\n彼女は昨日本を三冊買った。\n",
    "EUC-JP": "犬が毎朝大きな声で吠える。\n彼女は昨日本を三冊買った。\n",
    "CP949": "개가 매일 아침 크게 짖는다.\n그녀는 어제 책 세 권을 샀다.\n",
    "CP874": "สุนัขเห่าเสียงดังทุกเช้า\nวันนี้ฝนจะตกหนัก\n",
    "UTF-16LE": GERMAN,
    "UTF-16BE": "狗每天早上都大声叫。\n她昨天买了三本书。\n",
    "UTF-32LE": GERMAN,
    "UTF-32BE": GERMAN,
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("encoding", "text"), TEXTS.items(), ids=TEXTS)
def test_other_encodings_are_named_and_the_command_makes_them_readable(
    tmp_path, encoding, text, pack
):
    path = tmp_path / "my texts.txt"
    path.write_bytes(pack(text.encode(encoding)))
    problem = problem_of(read_lines, path)
    assert problem.code == "E202"
    assert encoding in problem.what
    follow(problem, tmp_path)
    assert read_lines(tmp_path / "utf8_my texts.txt").lines == text.splitlines()


def test_a_utf8_file_with_bad_rows_is_not_called_another_encoding(tmp_path):
    path = tmp_path / "src.txt"
    path.write_bytes("Bücher\nKøbe\n".encode() + b"K\xf8b\nend\n")
    problem = problem_of(read_lines, path)
    assert problem.what == (
        "not UTF-8: 1 of 4 rows; at: 3; byte 0xf8 at offset 15; 2 other rows are UTF-8"
    )
    assert problem.fix.startswith("write these rows again; to remove the bytes: iconv -c ")
    path.write_bytes("Bücher\nKøb".encode() + b"\xc3")
    assert problem_of(read_lines, path).fix == (
        "it was cut within a character: download or create it again"
    )
    path.write_bytes(GERMAN.encode("utf-16")[:-1])
    problem = problem_of(read_lines, path)
    assert problem.what == "UTF-16 that is cut or damaged at byte 80"
    assert problem.fix == "download or create it again"


def test_standard_input_is_advised_a_pipe():
    problem = problem_of(lines_of, GERMAN.encode("utf-16-le"), "stdin")
    assert problem.fix == "convert it: pipe it through iconv -f UTF-16LE -t UTF-8"


def tar(mode):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        member = tarfile.TarInfo("src.txt")
        member.size = len(GERMAN.encode())
        archive.addfile(member, io.BytesIO(GERMAN.encode()))
    return data.getvalue()


def zipped(*names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, GERMAN)
    return data.getvalue()


PACKED = {
    "xz": (lzma.compress(GERMAN.encode()), "compressed with xz", "src.txt"),
    "bz2": (bz2.compress(GERMAN.encode()), "compressed with bzip2", "src.txt"),
    "gz": (gzip.compress(gzip.compress(GERMAN.encode())), "compressed with gzip twice", "src.txt"),
    "tar": (tar("w"), "a tar archive", "src.txt"),
    "tar.gz": (tar("w:gz"), "a tar archive", "src.txt"),
    "tar.bz2": (tar("w:bz2"), "a tar archive", "src.txt"),
    "tar.xz": (tar("w:xz"), "a tar archive", "src.txt"),
    "zip": (zipped("src.txt"), "a zip archive of 'src.txt'", "src.txt"),
}


@pytest.mark.parametrize("ending", PACKED)
def test_archives_and_compressed_files_are_named_and_the_command_unpacks_them(tmp_path, ending):
    data, what, unpacked = PACKED[ending]
    path = tmp_path / f"src.txt.{ending}"
    path.write_bytes(data)
    problem = problem_of(read_lines, path)
    assert (problem.code, problem.what) == ("E280", f"{what}, not text")
    follow(problem, tmp_path)
    assert read_lines(tmp_path / unpacked).lines == GERMAN.splitlines()


def test_a_command_never_overwrites_the_file_that_it_reads(tmp_path):
    path = tmp_path / "corpus"
    path.write_bytes(lzma.compress(GERMAN.encode()))
    problem = problem_of(read_lines, path)
    assert problem.fix == f"xz -dc {path} > {tmp_path / 'plain_corpus'}"
    assert problem_of(read_lines, path.rename(path.with_suffix(".gz"))).what == (
        "compressed with xz, not text"
    )


@pytest.mark.parametrize(
    ("data", "what", "fix"),
    [
        (zipped("xl/workbook.xml"), "an Excel workbook (.xlsx)", "CSV UTF-8 or Unicode Text"),
        (zipped("word/document.xml"), "a Word document (.docx)", "plain text in UTF-8"),
        (zipped("content.xml"), "an OpenDocument file (.ods or .odt)", "CSV UTF-8"),
        (b"PK\x03\x04damaged", "a zip archive", "python -m zipfile -e"),
        (b"PAR1....PAR1", "a Parquet table", "read_parquet"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", "a PDF document", "pdftotext"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed with zstd", "zstd -dc"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a 7z archive", "7z x"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document (.xls or .doc)", "CSV UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_not_text_is_named(data, what, fix, pack):
    problem = problem_of(lines_of, pack(data), "x.bin")
    assert (problem.code, problem.what) == ("E280", f"{what}, not text")
    assert fix in problem.fix


def test_a_parquet_table_becomes_text_by_the_command(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "a b.parquet"
    pandas.DataFrame({"source": ["Hej."], "target": ["Hello."]}).to_parquet(path)
    follow(problem_of(read_lines, path), tmp_path)
    assert read_lines(tmp_path / "a b.tsv").lines == ["source\ttarget", "Hej.\tHello."]


def test_a_database_is_named(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    assert problem_of(read_lines, path).what == "an SQLite database, not text"


# ── the other readers of text ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("run: x\n".encode("utf-16"), "UTF-16, not UTF-8"),
        ("run: x\n".encode("utf-16-be"), "UTF-16BE, not UTF-8"),
        (gzip.compress(b"run: x\n", mtime=0), "compressed with gzip, not text"),
        (zipped("rl.yaml"), "a zip archive of 'rl.yaml', not text"),
    ],
)
def test_configurations_and_prompts_are_named_in_the_same_words(tmp_path, data, what):
    path = tmp_path / "rl.yaml"
    path.write_bytes(data)
    problem = problem_of(strict_yaml.read, path)
    assert (problem.code, problem.where, problem.what) == ("E002", str(path), what)
    of_prompt = problem_of(load_text, "rubric", path=str(path))
    assert (of_prompt.code, of_prompt.what) == ("E340", f"it is {what}")
    assert problem.fix == of_prompt.fix
    follow(problem, tmp_path)
    assert any("run: x" in p.read_text("utf-8", "replace") for p in tmp_path.iterdir()) or (
        "zip" in what
    )


def test_a_prompt_with_a_byte_order_mark_is_refused(tmp_path):
    path = tmp_path / "rubric.txt"
    path.write_bytes(b"\xef\xbb\xbfGrade it.")
    assert problem_of(load_text, "rubric", path=str(path)).what == (
        "it starts with a byte-order mark (U+FEFF)"
    )
