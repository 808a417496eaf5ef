"""YAML without surprises: a value is what it looks like.

Differences from YAML 1.1 as PyYAML loads it; each one prevents an error found in a configuration:

- Only ``true`` and ``false`` are booleans. ``no`` is a string (Norwegian), and so are ``yes``,
  ``on`` and ``off``.
- ``1e-5`` is a number; ``007``, ``1_000``, ``0x1F``, ``12:30:45`` and dates are strings.
- Null is ``null``, ``~`` or nothing.
- Refused: duplicate keys, keys that are not text, tags, anchors, aliases and merge keys (so there
  are no alias bombs and no code), tabs as white space, byte-order marks, control characters,
  several documents, numbers beyond 64 bits, more than `MAX_DEPTH` levels or `MAX_BYTES` bytes.

Every problem is reported with its line and column. All problems of a file are reported at once, as
far as the rest can be read. Values are built from PyYAML's parse events, because a node of
``yaml.compose`` does not show its anchor or an explicit tag, and composing recurses to any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, TypeAlias

import yaml

from rewardlab.data.encodings import foreign
from rewardlab.errors import Problem, UserError, shown

MAX_BYTES = 65_536
MAX_DEPTH = 24
MAX_PROBLEMS = 20

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Keys: TypeAlias = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_LONGEST_INTEGER = len(str(-(2**63)))
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Everything that YAML calls printable, except white space that looks like something else.
_CONTROL = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ESCAPED_BYTES = range(0xDC80, 0xDD00)  # what "surrogateescape" makes of bytes that are not UTF-8
_INDENTING_TAB = re.compile(r"^[ ]*\t[ \t]*(?=[^ \t\r\n])", re.MULTILINE)


def dotted(keys: Keys) -> str:
    """A path in a document as text: ``rewards.0.weight``."""
    return ".".join(str(key) for key in keys)


@dataclass(frozen=True)
class Document:
    """A YAML document, and the places of its values.

    Attributes:
        name: The file's name as the user gave it.
        value: Mappings, lists, text, numbers, booleans and None.
        positions: Line and column, from 1, of every key and list item; ``()`` is the document.
        arguments: The command-line argument that each overridden value came from.
    """

    name: str
    value: Value
    positions: Mapping[Keys, tuple[int, int]]
    arguments: Mapping[Keys, str] = field(default_factory=dict[Keys, str])

    def where(self, keys: Keys) -> str:
        """The place of a value, for a message.

        Returns:
            ``file:line:column dotted.path``, or ``argument key=value``. A path that does not exist
            (a missing key) gets the position of the mapping that should contain it.
        """
        for length in range(len(keys), -1, -1):
            if keys[:length] in self.arguments:
                return f"{ARGUMENT}{self.arguments[keys[:length]]}"
            if keys[:length] in self.positions:
                line, column = self.positions[keys[:length]]
                return f"{self.name}:{line}:{column} {dotted(keys)}".rstrip()
        return f"{self.name} {dotted(keys)}".rstrip()

    def problem(self, code: str, keys: Keys, what: str, fix: str) -> Problem:
        """A problem at the place of a value.

        Args:
            code: Code of the problem.
            keys: The path of the value.
            what: What was found, and why it is refused.
            fix: What to write instead; ``key: value`` becomes ``place.key=value`` if the value came
                from the command line.
        """
        where = self.where(keys)
        if where.startswith(ARGUMENT):
            fix = _as_argument(fix, keys, where.removeprefix(ARGUMENT))
        return Problem(code, where, what, fix)

    def texts(self) -> Iterator[tuple[Keys, str]]:
        """Every text in the document, with its place."""
        waiting: list[tuple[Keys, Value]] = [((), self.value)]
        while waiting:
            keys, value = waiting.pop()
            if isinstance(value, str):
                yield keys, value
            elif isinstance(value, dict):
                waiting += [((*keys, key), one) for key, one in value.items()]
            elif isinstance(value, list):
                waiting += [((*keys, at), one) for at, one in enumerate(value)]


ARGUMENT = "argument "
_FIXED_KEY = re.compile(r"([A-Za-z_]\w*): (.+?)((?:;|, or) .*)?")
_MISSING_KEY = re.compile(r"add (\w+): to the file")


def _as_argument(fix: str, keys: Keys, argument: str) -> str:
    """A fix in the form of command-line arguments.

    Args:
        fix: The fix in the form of YAML.
        keys: The place of the value.
        argument: The argument as it was given; a key without a value replaces one of its keys.

    >>> _as_argument("beta: 0.1", ("trainer", "bta"), "trainer.bta=0.1")
    'trainer.beta=0.1'
    >>> _as_argument("trainer:", ("trianer",), "trianer.beta=0.1")
    'trainer.beta=0.1'
    """
    if fix.endswith(":") and argument.startswith(f"{dotted(keys)}."):
        return dotted((*keys[:-1], fix[:-1])) + argument.removeprefix(dotted(keys))
    if found := _FIXED_KEY.fullmatch(fix):
        return quote(f"{dotted((*keys[:-1], found[1]))}={found[2]}") + (found[3] or "")
    if _MISSING_KEY.fullmatch(fix):
        return f"add {dotted(keys)}=VALUE"
    last = re.compile(rf"(.*\s){re.escape(str(keys[-1]))}: (\S+)") if keys else None
    if last is not None and (found := last.fullmatch(fix)):
        return found[1] + quote(f"{dotted(keys)}={found[2]}")
    return fix


def read(path: str | Path) -> Document:
    """Read a YAML file.

    Raises:
        UserError: E001 the file cannot be read; E002 it is no UTF-8 text; else as `load`.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = Problem("E001", name, f"cannot be read: {reason}", "give the path of a YAML file")
        raise UserError([problem]) from None
    found = foreign(data, name)
    if found is not None and not found.line:  # `load` names the place of a byte that is not UTF-8
        raise UserError([Problem("E002", name, found.what, found.fix)])
    return load(data.decode("utf-8", "surrogateescape"), name)


def load(text: str, name: str) -> Document:
    """Read one YAML document strictly.

    Args:
        text: At most `MAX_BYTES` bytes in UTF-8.
        name: Precedes ``:line:column`` in every message.

    Raises:
        UserError: E002..E012, with every problem that could be found; see ``docs/errors.md``.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        what = f"larger than {MAX_BYTES:,} bytes"
        fix = "keep data in files of their own and name them here"
        raise UserError([Problem("E009", name, what, fix)])
    if problems := list(_refused_characters(text, name)):
        raise UserError(problems[:MAX_PROBLEMS])
    reader = _Reader(text, name)
    value: Value = None
    try:
        value = reader.document()
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        reader.problems.append(_syntax_problem(error, name))
    if reader.problems:
        raise UserError(reader.problems[:MAX_PROBLEMS])
    return Document(name, value, reader.positions)


def scalar(text: str) -> bool | int | float | str | None:
    """The value of a word without quotes.

    >>> [scalar(word) for word in ("no", "true", "1e-5", "007", "~", "2024-01-01")]
    ['no', True, 1e-05, '007', None, '2024-01-01']

    Raises:
        ValueError: The word is a number that is infinite, not a number or beyond 64 bits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER or not -(2**63) <= int(text) < 2**63:
            raise ValueError("does not fit in 64 bits")
        return int(text)
    is_float = _FLOAT.fullmatch(text) and not _LEADING_ZERO.match(text)
    if _NOT_FINITE.fullmatch(text) or (is_float and abs(float(text)) == float("inf")):
        raise ValueError("is not a finite number")
    return float(text) if is_float else text


def scalar_type(word: str) -> type[Any] | None:
    """The type of `scalar`'s value; None if `scalar` refuses the word."""
    try:
        return type(scalar(word))
    except ValueError:
        return None


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
    """Leaves out the quotes only where `load` reads text without them; writes no anchor."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def write_text(self, text: str) -> yaml.ScalarNode:
        # By default, SafeDumper quotes what YAML 1.1 would misread ("no"), but not "1e-5".
        plain = _PLAIN.fullmatch(text) and scalar_type(text) is str
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _Dumper.write_text)


class _Stop(Exception):  # noqa: N818 - not an error of the program
    """There are enough problems, or the file cannot be read further after the last one."""


class _Reader:
    """Builds the value of one document from parse events, and collects what it refuses."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.positions: dict[Keys, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Value:
        stream, start = next(self._events), next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            self._refuse(stream, "E005", "the document is empty", "write key: value lines")
            return None
        if start.tags:
            self._refuse(start, "E007", "%TAG directives are refused", "remove the line")
        value = self._value(next(self._events), (), 0)
        _, after = next(self._events), next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "E011", "a second document starts here", "keep one document")
        return value

    def _value(self, event: Any, keys: Keys, depth: int) -> Value:
        """The value that starts with an event; ``depth`` collections are open around it."""
        if not keys or isinstance(keys[-1], int):
            self.positions[keys] = _line_column(event.start_mark)
        self._refuse_references(event)
        if isinstance(event, yaml.AliasEvent):
            return None
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if depth == MAX_DEPTH:
            what = f"more than {MAX_DEPTH} levels deep"
            self._refuse(event, "E009", what, "no configuration needs that; flatten it")
            raise _Stop
        nodes = self._nodes()
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(node, (*keys, at), depth + 1) for at, node in enumerate(nodes)]
        mapping: dict[str, Value] = {}
        for node in nodes:
            key = (*keys, self._key(node, mapping, keys, depth))
            self.positions[key] = _line_column(node.start_mark)
            mapping[key[-1]] = self._value(next(nodes), key, depth + 1)
        return mapping

    def _nodes(self) -> Iterator[Any]:
        """The first event of every node in the collection that has just started."""
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield event

    def _key(self, event: Any, mapping: dict[str, Value], keys: Keys, depth: int) -> str:
        """A mapping's key; a refused one gets a stand-in, so that reading can go on."""
        stand_in = f"\0{len(mapping)}"
        if not isinstance(event, yaml.ScalarEvent):
            what = "a key must be text, found something else"
            self._refuse(event, "E010", what, "write a word")
            self._value(event, (*keys, stand_in), depth + 1)
            return stand_in
        self._refuse_references(event)
        word, plain = event.value, event.style is None
        if plain and scalar_type(word) is not str:
            self._refuse(event, "E010", f"a key must be text, found {shown(word)}", f'"{word}":')
        elif plain and word == "<<":
            fix = "write the keys out where they are used"
            self._refuse(event, "E008", "merge keys (<<) are refused", fix)
        elif word in mapping:
            what = f"{shown(word)} appears twice, first in line {self.positions[*keys, word][0]}"
            self._refuse(event, "E006", what, "keep one of the two")
        else:
            return word
        return stand_in

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        if event.style is not None:
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            what = f"{shown(event.value)} {error}"
            self._refuse(event, "E012", what, "write a finite number, or quote it as text")
            return None

    def _refuse_references(self, event: Any) -> None:
        if event.anchor is not None:
            what = f"anchors and aliases are refused, found {shown(event.anchor)}"
            self._refuse(event, "E008", what, "write the value out where it is used")
        if (tag := getattr(event, "tag", None)) is not None:
            what = f"tags are refused, found {shown(tag)}"
            self._refuse(event, "E007", what, "write the plain value")

    def _refuse(self, event: yaml.Event, code: str, what: str, fix: str) -> None:
        line, column = _line_column(event.start_mark)
        self.problems.append(Problem(code, f"{self.name}:{line}:{column}", what, fix))
        if len(self.problems) == MAX_PROBLEMS:
            raise _Stop


def _line_column(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _refused_characters(text: str, name: str) -> Iterator[Problem]:
    """Characters that are refused anywhere in the file."""
    if text.startswith("\ufeff"):
        what = "the file starts with a byte-order mark (U+FEFF)"
        yield Problem("E002", f"{name}:1:1", what, "save the file as UTF-8 without BOM")
        text = text[1:]
    if match := _CONTROL.search(text):  # the first of perhaps thousands in a binary file
        code = ord(match[0])
        what = f"the character U+{code:04X} is refused"
        fix = "remove it, or write it as an escape in double quotes"
        if code in _ESCAPED_BYTES:
            what, fix = f"byte {code & 0xFF:#04x} is not UTF-8", "save the file as UTF-8"
        yield Problem("E002", f"{name}:{_place_of(text, match.start())}", what, fix)
        return
    for match in _INDENTING_TAB.finditer(text):
        where = f"{name}:{_place_of(text, text.index(chr(9), match.start()))}"
        yield Problem("E004", where, "a tab indents this line", "indent with spaces")


def _place_of(text: str, offset: int) -> str:
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"


def _syntax_problem(error: yaml.MarkedYAMLError, name: str) -> Problem:
    line, column = _line_column(error.problem_mark or error.context_mark)
    where = f"{name}:{line}:{column}"
    problem = error.problem or ""
    reason = " ".join(f"{problem} {error.context or ''}".split())[:200]
    if "'\\t'" in problem:
        return Problem("E004", where, "a tab separates here", "use spaces")
    if problem == "mapping values are not allowed here":
        what = "a key is not allowed here"
        fix = "quote text that contains ': ', or correct the indentation of the line"
        return Problem("E003", where, what, fix)
    if "tag" in reason.split():
        return Problem("E007", where, f"tags and directives are refused: {reason}", "remove it")
    return Problem("E003", where, f"not YAML: {reason}", "check indentation, brackets and quotes")
