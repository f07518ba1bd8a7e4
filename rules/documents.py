"""Manifest files as people write them, YAML or JSON, read so that every mistake can be shown where it stands."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from domain.errors import SourceError
from domain.spelling import suggest
from rules.yaml_mistakes import yaml_mistake

Route = tuple[str | int, ...]
"""The way to a value: keys and positions from the top of the document."""

SUFFIXES = (".yaml", ".yml", ".json")
_MAX_DEPTH = 50
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_HALVES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_ELSEWHERE = {
    "alert": "name", "id": "name", "expr": "when", "expression": "when", "condition": "when", "if": "when",
    "threshold": "when", "trigger": "when", "recovery": "clear", "duration": "for", "delay": "for",
    "annotations": "title", "description": "title", "message": "title", "labels": "family", "group": "family",
    "enabled": "stage", "active": "stage", "priority": "severity", "level": "severity", "metric": "of",
    "window": "over",
}  # fmt: skip
"""What other systems call the keys of a rule."""


class Place(NamedTuple):
    """Line and column in the file, from 1; 0 where there is no file."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document: plain data (dict, list, str, int, float, bool, None), and where each part of it stands."""

    data: Any
    file: str = ""
    text: str = field(default="", repr=False)
    keys: Mapping[Route, Place] = field(default_factory=dict, repr=False)
    """Where each key, or item of a list, begins."""
    values: Mapping[Route, int] = field(default_factory=dict, repr=False)
    """Where in `text` each scalar value begins."""

    @property
    def kind(self) -> str:
        """What the document says it is; empty if it does not."""
        found = self.data.get("kind") if isinstance(self.data, dict) else None
        return found if isinstance(found, str) else ""

    def where(self, at: Route = ()) -> Place:
        """The place of a part, or of the nearest part around it that the file does have."""
        for length in range(len(at), -1, -1):
            if at[:length] in self.keys:
                return self.keys[at[:length]]
        return Place(0, 0)

    def error(self, problem: str, *, at: Route = (), cure: str = "") -> SourceError:
        """A SourceError that points at a part of this document."""
        place = self.where(at)
        return SourceError(
            problem, cure=cure, file=self.file, line=place.line, column=place.column, key=".".join(map(str, at))
        )

    def error_inside(self, exc: SourceError, *, at: Route) -> SourceError:
        """`exc` tells a line and column inside the text at `at`; the same error with the place in the file."""
        line, column = exc.line, exc.column
        start = self.values.get(at)
        if start is not None:
            line, column = self._place_inside(start, at, Place(exc.line, exc.column))
        key = ".".join(map(str, at))
        return SourceError(exc.problem, cure=exc.cure, file=self.file, line=line, column=column, key=key)

    def unknown_keys(self, allowed: Iterable[str], *, at: Route = ()) -> Iterator[SourceError]:
        """One error for each key of the mapping at `at` that is not among `allowed`."""
        known = list(allowed)
        for key in self.get(at) or {}:
            if key not in known:
                yield self.error("unknown key", at=(*at, key), cure=self.key_meant(key, known))

    @staticmethod
    def key_meant(key: str, known: Sequence[str]) -> str:
        """The cure for a key that is not among `known`."""
        elsewhere = _ELSEWHERE.get(key.casefold().replace("-", "_"), "")
        if elsewhere in known:
            return f"did you mean {elsewhere}?"
        return suggest(key, known) or f"known are: {', '.join(known)}"

    def get(self, at: Route) -> Any:
        """The part at `at`; None where there is none."""
        part: Any = self.data
        for step in at:
            try:
                part = part[step]
            except (KeyError, IndexError, TypeError):
                return None
        return part

    def _place_inside(self, start: int, at: Route, inner: Place) -> Place:
        """Follow the written text beside the value: quotes, indentation and folding add only characters to skip."""
        value = str(self.get(at))
        rows = value.split("\n")
        target = sum(len(row) + 1 for row in rows[: inner.line - 1]) + max(inner.column - 1, 0)
        position = start
        header = re.compile(r"[|>][-+0-9]*[^\n]*\n").match(self.text, start)
        if header:
            position = header.end()
        for char in value[:target]:
            if not char.isspace():
                found = self.text.find(char, position)
                position = position if found < 0 else found + 1
        wanted = value[target : target + 1]
        found = self.text.find(wanted, position) if wanted.strip() else -1
        position = position if found < 0 else found
        return Place(self.text.count("\n", 0, position) + 1, position - self.text.rfind("\n", 0, position))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes only; plain scalars are resolved here, by the rules of JSON and YAML 1.2 rather than YAML 1.1.

    In YAML 1.1 `no` is false, `21:00` is 1260 and `+33612345678` loses its plus.
    """

    yaml_implicit_resolvers: Mapping[str, Any] = {}


def read_documents(path: Path) -> list[Document]:
    """The documents of a file, or of all YAML and JSON files in a folder and below, in order of their names."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
        if not files:
            raise SourceError("no manifest in this folder", cure="put .yaml or .json files there", file=str(path))
        return [document for file in files for document in read_documents(file)]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        cure = f"save it as UTF-8; the first byte that is none is in line {line}"
        raise SourceError("not UTF-8 text", cure=cure, file=str(path)) from exc
    except OSError as exc:
        raise SourceError(f"cannot be read: {exc.strerror}", file=str(path)) from exc
    return parse_documents(text.replace("\t", " ") if path.suffix == ".json" else text, file=str(path))


def parse_documents(text: str, *, file: str = "") -> list[Document]:
    """The documents of a text; a list at the top holds one document per item. Empty documents are left out."""
    if text.lstrip()[:1] in {"{", "["}:
        text = _HALVES.sub(_whole, text)
    try:
        roots = [root for root in yaml.compose_all(text, Loader=_Loader) if root is not None]
    except yaml.YAMLError as exc:
        raise yaml_mistake(exc, text, file) from exc
    nodes = [item for root in roots for item in (root.value if isinstance(root, SequenceNode) else [root])]
    return [_Builder(text, file).document(node) for node in nodes if not _is_empty(node)]


def _whole(found: re.Match[str]) -> str:
    """JSON writes characters beyond the first plane as two halves, which YAML does not know."""
    high, low = int(found[2], 16), int(found[3], 16)
    return found[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.style and _PLAIN.get(node.value, node) is None


class _Builder:
    """Turns one composed node into plain data and remembers the places."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.keys: dict[Route, Place] = {}
        self.values: dict[Route, int] = {}
        self.left = 1000 + 4 * len(text)  # only aliases can make more of it than it has characters

    def document(self, node: Node) -> Document:
        self.keys[()] = _place(node)
        data = self._build(node, ())
        return Document(data=data, file=self.file, text=self.text, keys=self.keys, values=self.values)

    def _build(self, node: Node, at: Route) -> Any:
        self.left -= 1
        if self.left < 0 or len(at) > _MAX_DEPTH:
            raise self._error("nested too deeply, or too large once its aliases are written out", node, at)
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        if isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                self.keys[*at, index] = _place(item)
            return [self._build(item, (*at, index)) for index, item in enumerate(node.value)]
        self.values[at] = node.start_mark.index
        return self._scalar(node, at)

    def _mapping(self, node: MappingNode, at: Route) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._error("a key must be plain text", key_node, at)
            key = str(key_node.value)
            if key in built:
                first = self.keys[*at, key].line
                raise self._error(
                    f"this key stands here twice; it is in line {first} already",
                    key_node,
                    (*at, key),
                    cure="put --- between two documents" if (*at, key) == ("kind",) else "keep one",
                )
            self.keys[*at, key] = _place(key_node)
            built[key] = self._build(value_node, (*at, key))
        return built

    def _scalar(self, node: Node, at: Route) -> Any:
        tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if tag not in {"str", "!"}:
            raise self._error(f"the tag {node.tag} is not supported", node, at, cure="leave the tag out")
        value = str(node.value)
        if tag == "!" or getattr(node, "style", None):
            return value
        if value in _PLAIN:
            return _PLAIN[value]
        if _NUMBER.fullmatch(value):
            return _number(value)
        return value

    def _error(self, problem: str, node: Node, at: Route, *, cure: str = "") -> SourceError:
        place = _place(node)
        return SourceError(
            problem, cure=cure, file=self.file, line=place.line, column=place.column, key=".".join(map(str, at))
        )


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _number(text: str) -> int | float:
    # Python refuses to read integers of thousands of digits; as floats they are infinite, which checks refuse in words.
    convert: Callable[[str], int | float] = float if any(mark in text for mark in ".eE") or len(text) > 400 else int
    return convert(text)


def plain(data: Mapping[str, Any]) -> Document:
    """A document that has no file: errors in it tell only the key."""
    return Document(data=data)


def raise_all(errors: Sequence[SourceError]) -> None:
    """Raise the one error, or all as an ExceptionGroup; nothing if there is none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} mistakes", list(errors))
