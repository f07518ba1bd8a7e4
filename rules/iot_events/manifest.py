"""Writes a rule as YAML that people go on with: comments stand where what they speak of would stand."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rules.iot_events.account import Note

_PLAIN_TEXT = re.compile(r"[A-Za-z_][\w .<>=+*/()-]*")
_WIDTH = 118


@dataclass(slots=True)
class RuleText:
    """A rule to be written: fields in their order, each as YAML; comments by the field they stand above."""

    name: str
    fields: dict[str, str] = field(default_factory=dict)
    comments: list[Note] = field(default_factory=list)
    refused: str = ""
    """Why it is not written; then the fields say what it would have been, as comments."""


def duration(seconds: int) -> str:
    """`90` is `1m30s`."""
    parts = ((seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def text(value: str) -> str:
    """A YAML scalar that reads back as `value`."""
    return json.dumps(value, ensure_ascii=False)


def expression(sql: str) -> str:
    """The same for an expression: bare where that is safe, else on a line of its own."""
    return sql if _PLAIN_TEXT.fullmatch(sql) else f">-\n  {sql}"


def file_text(head: Iterable[str], notes: Iterable[Note], rules: Sequence[RuleText]) -> str:
    """The whole file."""
    lines = [line for part in head for line in _comment(part)]
    general = [line for note in notes for line in _note(note)]
    if general:
        lines += ["#", "# Of no rule in particular:", *general]
    documents = ["\n".join(_rule(rule)) for rule in rules]
    return "".join(f"{line}\n" for line in lines) + "\n" + "---\n".join(f"{each}\n" for each in documents)


def _rule(rule: RuleText) -> Iterator[str]:
    if rule.refused:
        yield from _comment(f"NOT EXPRESSED: {rule.name}:")
        for note in rule.comments:
            yield from _note(note)
        return
    waiting = list(rule.comments)
    for key, value in rule.fields.items():
        for note in [note for note in waiting if note.at == key]:
            waiting.remove(note)
            yield from _note(note)
        yield f"{key}: {value}"
    for note in waiting:
        yield from _note(note)


def _note(note: Note) -> Iterator[str]:
    yield from _comment(f"{note.weight}: {note.path}: {note.reason}")


def _comment(line: str) -> Iterator[str]:
    flat = " ".join(line.split())
    yield from textwrap.wrap(
        flat, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
    ) or ["#"]
