"""Where the words of a message come from: a maker's own, those for all makers, the files shipped here, in this order.

`templates/FORM/MOMENT.LANGUAGE.txt` is shipped: for `sms`, `whatsapp` and `voice` one text; for `email` the blocks
subject, headline, body and button. Everything is compiled once and kept.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from domain.errors import SourceError, StoreUnavailable
from domain.messages import Channel
from domain.wordings import Override
from notify import templating
from notify.templating import Part
from notify.wording import FACTS

TEMPLATES = Path(__file__).parent / "templates"
TEXT = ("text",)
MAIL = ("subject", "headline", "body", "button")
MAILED = frozenset({Channel.EMAIL, Channel.PUSH, Channel.WEBHOOK, Channel.LETTER})
"""Channels whose words have a headline and paragraphs; they share those of e-mail."""
_FOLDERS: Mapping[Channel, Sequence[str]] = {Channel.VOICE: ("voice",), Channel.WHATSAPP: ("whatsapp", "sms")}
REFRESH_S = 1.0
_NAMES = tuple(FACTS)

_log = structlog.get_logger()


class Overrides(Protocol):
    """What the phrasebook asks of the store: `store.wordings.SqlWordings` is the one."""

    def changed(self, since: int) -> tuple[int, Sequence[Override]] | None:
        """All words in force and their mark; None while the mark is still `since`. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one moment in one language, ready to be filled with facts."""

    name: str
    """`sms/opening.fr.txt`, or `thermia.opening.sms v3`."""
    parts: Mapping[str, Part]


Found = Words | SourceError
"""A SourceError stands for words that are broken: nobody can be told anything with them."""


def parts_of(channel: Channel) -> Sequence[str]:
    """What words for `channel` are made of."""
    return MAIL if channel in MAILED else TEXT


class Phrasebook:
    """Finds words. `overrides` are looked at once a second; while they cannot be read, the last ones stand."""

    def __init__(self, folder: Path = TEMPLATES, overrides: Overrides | None = None) -> None:
        self._folder, self._environment = folder, templating.environment(folder)
        self._overrides, self._mark, self._look_at = overrides, 0, 0.0
        self._own: dict[tuple[str, str, Channel], Override] = {}
        self._compiled: dict[tuple[str, ...], Found] = {}

    def find(self, moment: str, *, channel: Channel, language: str, maker: str = "") -> Iterator[tuple[str, Found]]:
        """The words that may be used and their names, the best first."""
        self._refresh()
        for whose in dict.fromkeys((maker, "")):
            own = self._own.get((whose, moment, channel))
            if own is not None and language in own.words:
                yield f"{own.name} v{own.version}", self._overriding(own, language)
        yield self._file(moment, channel, language), self.shipped(moment, channel=channel, language=language)

    def shipped(self, moment: str, *, channel: Channel, language: str) -> Found:
        """The words of the files here."""
        file = self._file(moment, channel, language)
        return self._once((file,), lambda: self._read(file, parts_of(channel)))

    def source(self, moment: str, *, channel: Channel, language: str, maker: str = "") -> tuple[str, dict[str, str]]:
        """Whose words count, and the text of each part as it was written, for somebody who wants to change it."""
        self._refresh()
        name = self._file(moment, channel, language)
        text = self._written(name)
        said = {part: _block(text, part) for part in MAIL} if channel in MAILED else {"text": text.strip()}
        for whose in ("", maker):
            own = self._own.get((whose, moment, channel))
            if own is not None and language in own.words:
                name, said = f"{own.name} v{own.version}", {**said, **own.words[language]}
        return name, said

    def one(self, file: str) -> Part:
        """Any file here that is one text, such as the footer of e-mail. Raises SourceError."""
        return _or_raise(self._once((file,), lambda: self._read(file, TEXT))).parts["text"]

    def blocks(self, file: str, wanted: Sequence[str]) -> Mapping[str, Part]:
        """The blocks of any file here, such as the lines that a call says beside its message. Raises SourceError."""
        return _or_raise(self._once((file, *wanted), lambda: self._read(file, wanted))).parts

    def _overriding(self, own: Override, language: str) -> Found:
        key = (own.name, str(own.version), language)
        return self._once(key, lambda: self.compile(own, language))

    def compile(self, own: Override, language: str) -> Words:
        """What `own` leaves unsaid is taken from the file. Raises SourceError; its key is the part."""
        name = f"{own.name} v{own.version}"
        said = own.words[language]
        made = {part: self._part(said[part], name=name, part=part) for part in said}
        if len(made) < len(parts_of(own.channel)):
            made = {**_or_raise(self.shipped(own.moment, channel=own.channel, language=language)).parts, **made}
        return Words(name, made)

    def _part(self, text: str, *, name: str, part: str) -> Part:
        return templating.compile_whole(self._environment, text, file=name, names=_NAMES, key=part)

    def _once(self, key: tuple[str, ...], make: Callable[[], Words]) -> Found:
        found = self._compiled.get(key)
        if found is None:
            try:
                found = make()
            except SourceError as exc:
                found = exc
            self._compiled[key] = found
        return found

    def _file(self, moment: str, channel: Channel, language: str) -> str:
        folders = _FOLDERS.get(channel, ("email",) if channel in MAILED else ("sms",))
        files = [f"{folder}/{moment}.{language}.txt" for folder in folders]
        return next((file for file in files[:-1] if (self._folder / file).exists()), files[-1])

    def _read(self, file: str, wanted: Sequence[str]) -> Words:
        text = self._written(file)
        if wanted == TEXT:
            part = templating.compile_whole(self._environment, text, file=file, names=_NAMES)
            return Words(file, {"text": part})
        parts = templating.compile_blocks(self._environment, text, file=file, names=_NAMES, wanted=wanted)
        return Words(file, parts)

    def _written(self, file: str) -> str:
        try:
            return (self._folder / file).read_text(encoding="utf-8")
        except OSError as exc:
            cure = "write it; docs/templates.md says how"
            raise SourceError(f"cannot be read: {exc.strerror}", file=file, cure=cure) from exc

    def _refresh(self) -> None:
        now = time.monotonic()
        if self._overrides is None or now < self._look_at:
            return
        self._look_at = now + REFRESH_S
        try:
            news = self._overrides.changed(self._mark)
        except StoreUnavailable as exc:
            _log.warning("wordings_not_read", detail=str(exc))
            return
        if news is not None:
            self._mark, found = news
            self._own = {(own.maker, own.moment, own.channel): own for own in found}


def _block(text: str, name: str) -> str:
    found = re.search(rf"{{%-?\s*block {name}\s*-?%}}(.*?){{%-?\s*endblock", text, re.DOTALL)
    return found[1].strip() if found else ""


def _or_raise(found: Found) -> Words:
    if isinstance(found, SourceError):
        raise found
    return found
