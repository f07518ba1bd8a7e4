"""Turns what the YAML parser says into what a person did: the place, the key, and how to write it."""

import re

import yaml
from yaml.reader import ReaderError

from domain.errors import SourceError

_KEY = re.compile(r"\s*(?:-\s+)?([A-Za-z_][\w-]*)\s*:(?=\s|$)")
_AFTER_QUOTE = re.compile(r"""\s*[\w-]+\s*:\s+("[^"]*"|'[^']*')\s+[^\s#]""")
_NO_SPACE = re.compile(r"\s*([A-Za-z_][\w-]*):(\S.*)")
_BELOW = "or write it below the key, after >-"


def yaml_mistake(exc: yaml.YAMLError, text: str, file: str) -> SourceError:
    """One SourceError for what keeps `text` from being YAML."""
    if isinstance(exc, ReaderError):
        line = text.count("\n", 0, exc.position) + 1
        return SourceError("not YAML: a control character", cure="save it as plain text", file=file, line=line)
    if not isinstance(exc, yaml.MarkedYAMLError):
        return SourceError(f"not YAML: {str(exc).splitlines()[0]}", cure="check it with any YAML tool", file=file)
    place, opened = exc.problem_mark or exc.context_mark, exc.context_mark or exc.problem_mark
    if place is None or opened is None:
        return SourceError(f"not YAML: {exc.problem}", cure="check it with any YAML tool", file=file)
    rows = [*text.split("\n"), ""]
    row = rows[min(place.line, len(rows) - 1)]
    problem, cure, at_opening = _explain(str(exc.problem), row, rows[opened.line], opened.column)
    mark = opened if at_opening else place
    found = _KEY.match(rows[min(mark.line, len(rows) - 1)])
    # The key of a line that is indented too far is part of the line before it: it is none.
    key = found[1] if found and not problem.startswith("this line") else ""
    return SourceError(
        f"not YAML: {problem}", cure=cure, file=file, line=mark.line + 1, column=mark.column + 1, key=key
    )


def _explain(problem: str, row: str, opening: str, column: int) -> tuple[str, str, bool]:
    """Problem, cure, and whether the place is where the broken part begins. By the parser's (libyaml's) own words."""
    char = opening[column : column + 1]
    if "cannot start any token" in problem and char == "\t":
        return "a tab indents this line", "write spaces instead of tabs", True
    if "cannot start any token" in problem:
        return f"text cannot begin with {char}", f"put the whole text in quotes, {_BELOW}", True
    if "undefined alias" in problem:
        return "text that begins with * is an alias in YAML", f"put the whole text in quotes, {_BELOW}", False
    if "unexpected end of stream" in problem:
        return "this quote is not closed", f"close it with {char}", True
    if "expected ',' or" in problem:
        return f"this {char} is not closed", "close it with }" if char == "{" else "close it with ]", True
    if _AFTER_QUOTE.match(row) and "mapping values" not in problem:
        return "text goes on after a closing quote", f"put the whole text in single quotes, {_BELOW}", False
    if "expected comment or line break" in problem:
        return f"text that begins with {char} is a block in YAML", f"put the whole text in quotes, {_BELOW}", True
    if "expected ':'" in problem:
        return _no_key(opening)
    if "mapping values are not allowed" in problem:
        return _two_colons(row)
    if "expected key" in problem or "block end" in problem or "block mapping" in problem:
        return "this line is not indented like its neighbours", "begin keys of one level in one column", False
    return problem, "check indentation and quotes there; text with a colon or # stands in quotes", False


def _no_key(opening: str) -> tuple[str, str, bool]:
    found = _NO_SPACE.match(opening)
    if found:
        return f"no space after {found[1]}:", f"write {found[1]}: {found[2]}", True
    return "a line without a key", "write key: value, or indent what goes on from the line before", True


def _two_colons(row: str) -> tuple[str, str, bool]:
    if len(re.findall(r":(?:\s|$)", row)) > 1:
        return "a second colon in one line", f"put text with a colon in quotes, {_BELOW}", False
    return "this line is indented deeper than the key before it", "begin it in the same column", False
