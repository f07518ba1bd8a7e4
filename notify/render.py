"""Messages are written here: a brief and the words for its moment become what a person reads or hears.

A template that fails must not silence us: the next best words are tried, at last the safe text, and it is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import mrml
from jinja2 import FileSystemLoader, FunctionLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from domain.errors import SourceError
from domain.messages import Channel, MessageStage
from domain.outbox import Brief, Content
from domain.wordings import Failure
from notify import wording
from notify.phrasebook import MAILED, TEMPLATES, Overrides, Phrasebook, Words
from notify.safe_text import safe_text
from notify.segments import plain

_BLANKS = re.compile(r"\s+")
_LEAVE = {"en": "Stop these e-mails", "fr": "Ne plus recevoir ces e-mails"}
LONGEST_TEXT = 1600
"""Characters that a text message may have at most, by Twilio."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes out, and which better words failed before it."""

    content: Content
    failures: tuple[Failure, ...] = ()

    @property
    def problem(self) -> str:
        """All failures in one line; empty if there was none."""
        return "; ".join(failure.problem for failure in self.failures)


class Renderer:
    """Renders with the words below `folder`, and those of `overrides` before them."""

    def __init__(self, folder: Path = TEMPLATES, overrides: Overrides | None = None) -> None:
        self.book = Phrasebook(folder, overrides)
        loader = FileSystemLoader(folder)
        self._text = SandboxedEnvironment(loader=loader, undefined=StrictUndefined, auto_reload=False)
        mjml = FunctionLoader(lambda name: _compiled(folder / name))
        self._html = SandboxedEnvironment(loader=mjml, undefined=StrictUndefined, auto_reload=False, autoescape=True)

    def render(self, stage: MessageStage, brief: Brief, *, channel: Channel, now: datetime) -> Rendered:
        """Never raises for a template's sake."""
        language = wording.language_of(brief)
        facts = wording.facts(brief, language=language, now=now)
        moment = wording.moment_of(stage, brief)
        aside = _aside(facts, language) | {"moment": moment, "last_inbound": brief.last_inbound.get(channel)}
        aside["facts"] = {name: fact for name, fact in facts.items() if isinstance(fact, str)}
        failures: list[Failure] = []
        for name, words in self.book.find(moment, channel=channel, language=language, maker=brief.maker):
            try:
                if isinstance(words, SourceError):
                    raise words
                content = self.compose(words, facts, channel=channel, language=language)
                return Rendered(_posted(replace(content, **aside), brief, channel), tuple(failures))
            except SourceError as exc:
                failures.append(Failure(name, str(exc)))
        safe = safe_text(moment, facts, channel=channel, language=language)
        return Rendered(_posted(replace(safe, **aside), brief, channel), tuple(failures))

    def compose(self, words: Words, facts: Mapping[str, Any], *, channel: Channel, language: str) -> Content:
        """What `words` say of `facts` on `channel`. Raises SourceError with file, line and part."""
        if channel is Channel.EMAIL:
            content = self._mail(words, facts, language=language)
        elif channel in MAILED:
            content = _sheet(words, facts)
        elif channel is Channel.VOICE:
            content = Content("\n\n".join(_paragraphs(words.parts["text"].render(facts))))
        else:
            content = Content(plain(_one_line(words.parts["text"].render(facts))))
            if len(content.text) > LONGEST_TEXT:
                problem = f"comes to {len(content.text)} characters, {LONGEST_TEXT} is the most that can be sent"
                raise SourceError(problem, file=words.name, line=1, cure="shorten it; one segment is the aim")
        if not content.text.strip():
            raise SourceError("says nothing", file=words.name, line=1, cure="write at least one sentence outside of if")
        return replace(content, template=words.name, **_aside(facts, language))

    def line(self, name: str, facts: Mapping[str, Any], *, language: str) -> str:
        """What a call says beside its message: block `name` of `voice/lines.LANGUAGE.txt`. Raises SourceError."""
        return _one_line(self.book.blocks(f"voice/lines.{language}.txt", (name,))[name].render(facts))

    def _mail(self, words: Words, facts: Mapping[str, Any], *, language: str) -> Content:
        said = {name: part.render(facts) for name, part in words.parts.items()}
        headline, paragraphs = _one_line(said["headline"]), _paragraphs(said["body"])
        subject = "" if facts["in_thread"] else _one_line(said["subject"])
        footer = self.book.one(f"email/footer.{language}.txt")
        parts: dict[str, Any] = {
            "language": language,
            "maker": facts["maker"],
            "link": facts["link"],
            "headline": headline,
            # What a list of mails shows beside the subject: in a thread that is the first mail's, and no news.
            "preheader": ". ".join([headline.rstrip("."), *paragraphs[:1]] if headline != subject else paragraphs[:1]),
            "paragraphs": paragraphs,
            "button": _one_line(said["button"]),
            "footer": _one_line(footer.render(facts)),
            "unsubscribe": facts["unsubscribe"],
            "leave": _LEAVE[language],
        }
        for name in ("subject", "headline", "button"):
            if not said[name].strip():
                raise SourceError("says nothing", file=words.name, line=1, key=name, cure="write a few words")
        return Content(
            text=_laid_out(self._text, "email/layout.txt", parts),
            subject=_one_line(said["subject"]),
            html=_laid_out(self._html, "email/layout.mjml", parts),
        )


def _sheet(words: Words, facts: Mapping[str, Any]) -> Content:
    """Headline and paragraphs, for a push, a connector or a letter, which keep the link apart."""
    body, headline = (words.parts[name].render(facts) for name in ("body", "headline"))
    return Content(text="\n\n".join(_paragraphs(body)), subject=_one_line(headline))


def _aside(facts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """What channels need beside the text."""
    return {"link": facts["link"], "sender": facts["maker"], "language": language}


def _posted(content: Content, brief: Brief, channel: Channel) -> Content:
    """All mails of a ticket are one thread, for which mail clients want one subject with `Re:` as well as the header;
    the news is in the first line beside it. Danger stands in the subject all the same.
    """
    if channel is not Channel.EMAIL:
        return content
    sent = replace(content, unsubscribe=brief.unsubscribe)
    if brief.thread is None or content.moment == wording.SAFETY:
        return sent
    return replace(sent, in_reply_to=brief.thread.message_id, subject=f"Re: {brief.thread.subject}")


def _compiled(layout: Path) -> str | None:
    """MJML to HTML that any client shows, as a Jinja template; without web fonts, which come from elsewhere."""
    if not layout.exists():
        return None
    try:
        return mrml.to_html(layout.read_text(), render_options=mrml.RenderOptions(fonts={})).content
    except OSError as exc:
        raise TemplateError(f"{layout.name} is no MJML: {exc}") from exc


def _laid_out(environment: SandboxedEnvironment, file: str, parts: Mapping[str, Any]) -> str:
    try:
        return environment.get_template(file).render(parts)
    except TemplateError as exc:
        raise SourceError(f"the layout fails: {exc}", file=file, line=getattr(exc, "lineno", 0) or 0) from exc


def _one_line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()


def _paragraphs(text: str) -> list[str]:
    return [line for line in (_one_line(part) for part in re.split(r"\n\s*\n", text)) if line]
