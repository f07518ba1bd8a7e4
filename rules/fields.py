"""Reads the fields of a manifest one by one, and collects every mistake with its place."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar

from domain.errors import SourceError
from domain.spelling import suggest
from rules.documents import Document, Route
from rules.durations import parse_duration
from rules.expressions import parse

Choice = TypeVar("Choice", bound=StrEnum)

LANGUAGES = ("en", "fr")


class Fields:
    """The mapping at `at` of a document. A field that is wrong adds to `errors` and reads as its default."""

    def __init__(self, document: Document, at: Route = (), *, errors: list[SourceError] | None = None) -> None:
        self.document, self.at = document, at
        self.errors: list[SourceError] = [] if errors is None else errors
        self.misspelt: set[str] = set()
        """Required keys that stand here under a name that is not known."""
        found = document.get(at)
        self.data: Mapping[str, Any] = found if isinstance(found, dict) else {}
        if not isinstance(found, dict):
            self.errors.append(document.error(f"{found!r} is not a mapping", at=at, cure="write key: value lines"))

    def only(self, allowed: Iterable[str], *, required: Iterable[str] = ()) -> None:
        """Keys outside `allowed` are mistakes. One such key in place of one `required` one is one mistake, not two."""
        known = list(allowed)
        strange = [key for key in self.data if key not in known]
        absent = [key for key in required if key not in self.data]
        if len(strange) == len(absent) == 1 and not self.document.key_meant(strange[0], known).startswith("did"):
            self.wrong(strange[0], "unknown key", cure=f"write {absent[0]} instead")
            self.misspelt.add(absent[0])
            return
        self.misspelt.update(key for key in absent if any(self._means(each, key, known) for each in strange))
        self.errors.extend(self.document.unknown_keys(known, at=self.at))

    def _means(self, strange: str, key: str, known: list[str]) -> bool:
        return self.document.key_meant(strange, known) == f"did you mean {key}?"

    def lacks(self, key: str, *, cure: str) -> None:
        """Note that `key` is missing, unless it is there by another name."""
        if key not in self.misspelt:
            self.wrong(key, "is missing", cure=cure)

    def wrong(self, key: str, problem: str, *, cure: str = "") -> None:
        """Note a mistake in `key`."""
        self.errors.append(self.document.error(problem, at=(*self.at, key), cure=cure))

    def text(self, key: str, *, required: bool = False, example: str = "") -> str | None:
        """A string that is not empty."""
        value = self.data.get(key)
        if value is None and not required:
            return None
        if isinstance(value, str) and value.strip():
            return value
        cure = f"write {key}: {example}" if example else "write a text"
        if key not in self.data:
            self.lacks(key, cure=cure)
        elif value is None or value == "":
            self.wrong(key, "is empty", cure=cure)
        elif not example and not isinstance(value, (dict, list)):
            self.wrong(key, f"{value!r} is not a text", cure=f"write {key}: '{value}'")
        else:
            self.wrong(key, f"{value!r} is not a text", cure=cure)
        return None

    def expression(self, key: str, *, required: bool = False, example: str) -> str | None:
        """The text of an expression that is within the language."""
        listed = self.data.get(key)
        if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
            example = " AND ".join(listed)
        value = self.text(key, required=required, example=example)
        if value is None:
            return None
        try:
            parse(value)
        except SourceError as exc:
            self.errors.append(self.document.error_inside(exc, at=(*self.at, key)))
            return None
        return value

    def duration(self, key: str, *, default: int | None = None, least: int = 0, required: bool = False) -> int | None:
        """Milliseconds. None, like an absent field, is the default."""
        value = self.data.get(key)
        if value is None:
            if required:
                self.lacks(key, cure=f"write {key}: 30m")
            return default
        try:
            found = parse_duration(value)
        except SourceError as exc:
            self.wrong(key, exc.problem, cure=exc.cure)
            return default
        if found < least:
            self.wrong(key, f"{value!r} is too short", cure=f"write {key}: 5m")
            return default
        return found

    def span(self, key: str, *, default: int) -> int:
        """A duration that always has a value."""
        found = self.duration(key, default=default)
        return default if found is None else found

    def choice(self, key: str, among: type[Choice]) -> Choice | None:
        """One of a fixed list of words."""
        value = self.data.get(key)
        if value is None:
            return None
        words = [str(each) for each in among]
        if value in words:
            return among(value)
        near = suggest(value, words) if isinstance(value, str) else ""
        self.wrong(key, f"{value!r} is not one of them", cure=f"{near} write {', '.join(words)}".strip())
        return None

    def whole(self, key: str, *, least: int, most: int) -> int | None:
        """A whole number within bounds; required."""
        value = self.data.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        cure = f"write {key}: {least}" if least == most else f"write {key}: {max(least, 3)}"
        if value is None:
            self.lacks(key, cure=cure)
        else:
            self.wrong(key, f"{value!r} is not a whole number from {least} to {most}", cure=cure)
        return None

    def number(self, key: str, *, example: str) -> float | None:
        """A number; required."""
        value = self.data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
        self.wrong(key, "is missing" if value is None else f"{value!r} is not a number", cure=f"write {key}: {example}")
        return None

    def words(self, key: str, *, example: str) -> tuple[str, ...]:
        """A list of different texts, or one text for a list of one; required, empty where it is wrong."""
        value = self.data.get(key)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            problem = "is missing" if value is None else f"{value!r} is not a list of names"
            self.wrong(key, problem, cure=f"write {key}: {example}")
            return ()
        for place, item in enumerate(items):
            if not isinstance(item, str) or not item.strip() or item in items[:place]:
                problem = "stands twice" if item in items[:place] else "is no name"
                self.errors.append(
                    self.document.error(
                        f"{item!r} {problem}", at=(*self.at, key, place), cure=f"write {key}: {example}"
                    )
                )
                return ()
        return tuple(items)

    def flag(self, key: str) -> bool:
        """true or false; false when absent."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, f"{value!r} is neither", cure="write true or false")
        return value is True

    def part(self, key: str, *, example: str = "{…}") -> "Fields | None":
        """The mapping at `key`, sharing the list of mistakes; None if absent or wrong."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(key, f"{value!r} is not a mapping", cure=f"write {key}: {example}")
            return None
        return Fields(self.document, (*self.at, key), errors=self.errors)

    def translations(self, key: str) -> dict[str, str]:
        """A text per language."""
        value = self.data.get(key)
        if isinstance(value, str):
            self.wrong(key, "is not given per language", cure=f"write {key}: {{en: {value}}}")
        part = None if isinstance(value, str) else self.part(key, example="{en: …, fr: …}")
        if part is None:
            return {}
        part.only(LANGUAGES)
        found = {language: part.text(language) for language in LANGUAGES if language in part.data}
        return {language: text for language, text in found.items() if text is not None}
