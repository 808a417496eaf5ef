"""YAML without its surprises: what is read is what stands there.

Differences from YAML 1.1 as PyYAML loads it, each because a configuration went wrong that way:

- Only ``true`` and ``false`` are booleans. ``no`` is the string it is (Norwegian), and so are
  ``yes``, ``on`` and ``off``.
- ``1e-5`` is a number, ``007``, ``1_000``, ``0x1F``, ``12:30:45`` and dates are strings.
- Null is ``null``, ``~`` or nothing.
- Refused: duplicate keys, keys that are not text, tags, anchors, aliases and merge keys (so there
  is no alias bomb and no code), tabs as white space, byte-order marks, control characters, several
  documents, numbers a computer cannot hold, more than `MAX_DEPTH` levels or `MAX_BYTES` bytes.

Everything refused is reported with its line and column, all of one file at once where the rest
can still be read. Values are built from PyYAML's parse events, one at a time: nothing recursive
runs over the input, and ``yaml.load`` is never called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import yaml

from rewardlab.errors import Problem, UserError, shown

MAX_BYTES = 65_536
MAX_DEPTH = 24
MAX_PROBLEMS = 20

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Keys: TypeAlias = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_LONGEST_INTEGER = len(str(-(2**63)))
_NULL = ("", "~", "null")
_BOOLEAN = {"true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Everything YAML calls printable, less the white space that looks like something else.
_CONTROL = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_INDENTING_TAB = re.compile(r"^[ ]*\t[ \t]*(?=[^ \t\r\n])", re.MULTILINE)


def dotted(keys: Keys) -> str:
    """A path as people write it: ``rewards.0.weight``."""
    return ".".join(str(key) for key in keys)


@dataclass(frozen=True)
class Document:
    """What a file said, and where.

    Attributes:
        name: The file's name as the user gave it.
        value: Mappings, lists, text, numbers, booleans and None.
        positions: Line and column, from 1, of every key and list item; ``()`` is the document.
        arguments: The command-line argument that each replaced value came from.
    """

    name: str
    value: Value
    positions: Mapping[Keys, tuple[int, int]]
    arguments: Mapping[Keys, str] = field(default_factory=lambda: MappingProxyType({}))

    def where(self, keys: Keys) -> str:
        """Name the place a value came from.

        Returns:
            ``file:line:column dotted.path``, or ``argument key=value``. A path that does not exist
            (a key that is missing) gets the position of what should have held it.
        """
        for length in range(len(keys), -1, -1):
            if keys[:length] in self.arguments:
                return f"argument {self.arguments[keys[:length]]}"
            if keys[:length] in self.positions:
                line, column = self.positions[keys[:length]]
                return f"{self.name}:{line}:{column} {dotted(keys)}".rstrip()
        return f"{self.name} {dotted(keys)}".rstrip()


def read(path: str | Path) -> Document:
    """Read a YAML file.

    Raises:
        UserError: E001 the file cannot be read; E002 it is not UTF-8; else as `load`.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = Problem("E001", name, f"cannot be read: {reason}", "give the path of a YAML file")
        raise UserError([problem]) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:
            raise UserError([_too_large(name)]) from None
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        what = f"byte {data[error.start]:#04x} is not UTF-8"
        fix = "save the file as UTF-8"
        raise UserError([Problem("E002", f"{name}:{line}:{column}", what, fix)]) from None
    return load(text, name)


def load(text: str, name: str) -> Document:
    """Read one YAML document strictly.

    Args:
        text: At most `MAX_BYTES` bytes in UTF-8.
        name: Stands in front of ``:line:column`` in every message.

    Raises:
        UserError: E002..E012, with every problem that could be found; see ``docs/errors.md``.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise UserError([_too_large(name)])
    if problems := list(_refused_characters(text, name)):
        raise UserError(problems[:MAX_PROBLEMS])
    reader = _Reader(name)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if not reader.take(event):
                break
    except yaml.MarkedYAMLError as error:
        reader.problems.append(_syntax_problem(error, name))
    except yaml.YAMLError as error:
        reader.problems.append(Problem("E003", name, f"not YAML: {_one_line(str(error))}"))
    if not reader.problems and not reader.documents:
        what = "the document is empty"
        reader.problems.append(Problem("E005", f"{name}:1:1", what, "write key: value lines"))
    if reader.problems:
        raise UserError(reader.problems[:MAX_PROBLEMS])
    return Document(name, reader.root, MappingProxyType(reader.positions))


def scalar(text: str) -> bool | int | float | str | None:
    """The value of a word that stands without quotes.

    >>> [scalar(word) for word in ("no", "true", "1e-5", "007", "~", "2024-01-01")]
    ['no', True, 1e-05, '007', None, '2024-01-01']

    Raises:
        ValueError: The word is a number that is infinite, not a number or beyond 64 bits.
    """
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("is not a finite number")
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER or not -(2**63) <= int(text) < 2**63:
            raise ValueError("does not fit in 64 bits")
        return int(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.match(text):
        if abs(number := float(text)) == float("inf"):
            raise ValueError("is not a finite number")
        return number
    return text


def dump(value: Value) -> str:
    """Write a value so that `load` reads the same value back.

    >>> print(dump({"path": "runs/a", "lang": "no", "rate": 1e-5, "text": "1e-5"}), end="")
    path: runs/a
    lang: 'no'
    rate: 1.0e-05
    text: "1e-5"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)


class _Dumper(yaml.SafeDumper):
    """Writes text plainly only where `load` reads it as text, and never an anchor."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def write_text(self, text: str) -> yaml.ScalarNode:
        # Left to itself, SafeDumper quotes what YAML 1.1 would misread ("no"), but not "1e-5".
        plain = _PLAIN.fullmatch(text) and isinstance(scalar(text), str)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _Dumper.write_text)


class _Open:
    """A mapping or list that is being read, and the key its next value belongs to."""

    def __init__(self, value: list[Value] | dict[str, Value], keys: Keys) -> None:
        self.value = value
        self.keys = keys
        self.key: str | None = None


class _Reader:
    """Builds the value of one document from parse events, collecting what it refuses."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Value = None
        self.documents = 0
        self.positions: dict[Keys, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._open: list[_Open] = []

    def take(self, event: yaml.Event) -> bool:
        """Read one event; False when reading on would only waste time."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        too_deep = len(self._open) > MAX_DEPTH
        if too_deep:
            what = f"more than {MAX_DEPTH} levels deep"
            self._refuse("E009", event, what, "no configuration needs that; flatten it")
        return not too_deep and self.documents <= 1 and len(self.problems) < MAX_PROBLEMS

    def _start_document(self, event: yaml.DocumentStartEvent) -> None:
        self.documents += 1
        if event.tags:
            self._refuse("E007", event, "%TAG directives are refused", "remove the line")
        if self.documents > 1:
            self._refuse("E011", event, "a second document starts here", "keep one document")

    def _take_node(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            what = f"anchors and aliases are refused, found {shown(event.anchor)}"
            self._refuse("E008", event, what, "write the value out where it is used")
        tag = getattr(event, "tag", None)
        if tag is not None:
            what = f"tags are refused, found {shown(tag)}"
            self._refuse("E007", event, what, "write the plain value")
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._take_key(parent, parent.value, event)
        else:
            self._take_value(parent, event)

    def _take_key(self, parent: _Open, mapping: dict[str, Value], event: yaml.NodeEvent) -> None:
        """Read a mapping's key; a refused one gets a stand-in, so that reading can go on."""
        plain = isinstance(event, yaml.ScalarEvent) and event.style is None
        word = event.value if isinstance(event, yaml.ScalarEvent) else ""
        parent.key = word
        if isinstance(event, (yaml.CollectionStartEvent, yaml.AliasEvent)) or (
            plain and not self._is_text(word)
        ):
            parent.key = f"{word}\0{len(mapping)}"
            what = f"a key must be text, found {shown(word) if plain else 'something else'}"
            self._refuse("E010", event, what, f'"{word}":' if plain else "write a word")
        elif plain and word == "<<":
            what = "merge keys (<<) are refused"
            self._refuse("E008", event, what, "write the keys out where they are used")
        elif word in mapping:
            first = self.positions[(*parent.keys, word)]
            parent.key = f"{word}\0{len(mapping)}"
            what = f"{shown(word)} appears twice, first in line {first[0]}"
            self._refuse("E006", event, what, "keep one of the two")
        self._mark(self._place(parent), event)
        if isinstance(event, yaml.CollectionStartEvent):
            # What stands inside such a key is read into a list that nobody keeps.
            self._open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], ()))

    @staticmethod
    def _is_text(word: str) -> bool:
        try:
            return isinstance(scalar(word), str)
        except ValueError:
            return False

    def _take_value(self, parent: _Open | None, event: yaml.NodeEvent) -> None:
        keys = self._place(parent)
        if not keys or isinstance(keys[-1], int):
            self._mark(keys, event)
        value: Value = None
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            value = {}
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        if parent is None:
            self.root = value
        elif isinstance(parent.value, list):
            parent.value.append(value)
        else:
            parent.value[parent.key or ""] = value
            parent.key = None
        if isinstance(value, (dict, list)):
            self._open.append(_Open(value, keys))

    @staticmethod
    def _place(parent: _Open | None) -> Keys:
        if parent is None:
            return ()
        last = len(parent.value) if isinstance(parent.value, list) else parent.key or ""
        return (*parent.keys, last)

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        if event.style is not None:
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            what = f"{shown(event.value)} {error}"
            self._refuse("E012", event, what, "write a finite number, or quote it as text")
            return None

    def _mark(self, keys: Keys, event: yaml.Event) -> None:
        self.positions[keys] = _line_column(event.start_mark)

    def _refuse(self, code: str, event: yaml.Event, what: str, fix: str) -> None:
        line, column = _line_column(event.start_mark)
        self.problems.append(Problem(code, f"{self.name}:{line}:{column}", what, fix))


def _line_column(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _refused_characters(text: str, name: str) -> Iterator[Problem]:
    """What must not stand anywhere in the file, whatever the YAML around it."""
    if text.startswith("\ufeff"):
        what = "the file starts with a byte-order mark (U+FEFF)"
        yield Problem("E002", f"{name}:1:1", what, "save the file as UTF-8 without BOM")
        text = text[1:]
    for match in _CONTROL.finditer(text):
        what = f"the character U+{ord(match[0]):04X} is refused"
        fix = "remove it, or write it as an escape in double quotes"
        yield Problem("E002", f"{name}:{_place_of(text, match.start())}", what, fix)
        return  # one of these means a binary or broken file, which has thousands
    for match in _INDENTING_TAB.finditer(text):
        where = f"{name}:{_place_of(text, match[0].index(chr(9)) + match.start())}"
        yield Problem("E004", where, "a tab indents this line", "indent with spaces")


def _place_of(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - start + 1}"


def _too_large(name: str) -> Problem:
    what = f"larger than {MAX_BYTES:,} bytes"
    return Problem("E009", name, what, "keep data in files of their own and name them here")


def _syntax_problem(error: yaml.MarkedYAMLError, name: str) -> Problem:
    line, column = _line_column(error.problem_mark or error.context_mark)
    where = f"{name}:{line}:{column}"
    problem = error.problem or ""
    reason = _one_line(f"{problem} {error.context or ''}")
    if "'\\t'" in problem:
        return Problem("E004", where, "a tab separates here", "use spaces")
    if problem == "mapping values are not allowed here":
        what = "no key can stand here"
        return Problem("E003", where, what, "quote text that holds ': ', or indent the line anew")
    if "tag" in reason.split():
        return Problem("E007", where, f"tags and directives are refused: {reason}", "remove it")
    return Problem("E003", where, f"not YAML: {reason}", "check indentation, brackets and quotes")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
