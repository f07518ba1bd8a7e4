"""What words look like to the person who gets them: the bubble, the inbox and mail, the voice; and what they cost."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape

from domain.errors import SourceError
from domain.messages import Channel
from domain.outbox import Content
from domain.prices import SmsPrices
from domain.wordings import Override
from notify.inspection import trial
from notify.phrasebook import Words
from notify.render import Renderer
from notify.samples import Sample, samples
from notify.segments import ROOM, ROOM_OF_SEVERAL, Culprit, Encoding, culprits, foreign, segments, units

ENCODINGS = {Encoding.GSM_7: "GSM-7", Encoding.UCS_2: "UCS-2"}
WORDS_PER_S = 2.3
"""How fast a machine reads to somebody on the telephone."""

_DARK = re.compile(r"@media\s*\([^{]*prefers-color-scheme:\s*dark\s*\)")
_HIDDEN = re.compile(r"<div[^>]*display:\s*none[^>]*>(.*?)</div>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at."""

    moment: str
    language: str
    channel: Channel
    maker: str
    maker_name: str
    sample: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a text; `instead` is set for what leaves GSM-7."""

    text: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one text costs."""

    segments: int
    encoding: str
    fill: str
    """`122 of 160`"""
    price: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One sample in the list of all."""

    name: str
    bill: Bill | None
    """None where a text has no segments, or fails."""
    problem: str


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail as an inbox lists it and as it is read."""

    sender: str
    subject: str
    preheader: str
    light: str
    dark: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything that is shown of some words with one sample."""

    problem: SourceError | None
    sender: str
    pieces: Sequence[Piece]
    bill: Bill | None
    culprits: Sequence[Culprit]
    mail: Mail | None
    spoken: Sequence[str]
    seconds: int
    tried: Sequence[Tried]


def preview(renderer: Renderer, choice: Choice, parts: Mapping[str, str], *, prices: SmsPrices | None) -> Preview:
    """`parts` with the chosen sample, and in short with all others."""
    own = Override(choice.maker, choice.moment, choice.channel, 0, {choice.language: dict(parts)})
    every = _samples(choice)
    try:
        words = renderer.book.compile(own, choice.language)
    except SourceError as exc:
        return _broken(exc)
    tried = [_try(renderer, words, sample, choice) for sample in every]
    chosen = next(result for sample, result in zip(every, tried, strict=True) if sample.name == choice.sample)
    listed = [_tried(sample, result, choice, prices) for sample, result in zip(every, tried, strict=True)]
    if isinstance(chosen, SourceError):
        return _broken(chosen, listed)
    return _shown(chosen, choice, listed, prices)


def _samples(choice: Choice) -> list[Sample]:
    """As the chosen maker's customers would have them."""
    return [
        replace(
            sample,
            brief=replace(sample.brief, maker=choice.maker, sender=choice.maker_name or sample.brief.sender),
        )
        for sample in samples(choice.moment, choice.language)
    ]


def _try(renderer: Renderer, words: Words, sample: Sample, choice: Choice) -> Content | SourceError:
    try:
        return trial(renderer, words, sample, channel=choice.channel, language=choice.language)
    except SourceError as exc:
        return exc


def _tried(sample: Sample, result: Content | SourceError, choice: Choice, prices: SmsPrices | None) -> Tried:
    if isinstance(result, SourceError):
        return Tried(sample.name, None, result.problem)
    return Tried(sample.name, bill(result.text, prices) if choice.channel is Channel.SMS else None, "")


def _broken(problem: SourceError, tried: Sequence[Tried] = ()) -> Preview:
    return Preview(problem, "", (), None, (), None, (), 0, tried)


def _shown(content: Content, choice: Choice, tried: Sequence[Tried], prices: SmsPrices | None) -> Preview:
    texted = choice.channel in {Channel.SMS, Channel.WHATSAPP}
    billed = choice.channel is Channel.SMS
    spoken = content.text.split("\n\n") if choice.channel is Channel.VOICE else []
    return Preview(
        problem=None,
        sender=content.sender,
        pieces=pieces(content.text, marked=billed) if texted else (),
        bill=bill(content.text, prices) if billed else None,
        culprits=culprits(content.text) if billed else (),
        mail=_mail(content) if choice.channel is Channel.EMAIL else None,
        spoken=spoken,
        seconds=round(len(" ".join(spoken).split()) / WORDS_PER_S),
        tried=tried,
    )


def bill(text: str, prices: SmsPrices | None) -> Bill:
    """Segments, how full they are, and the price to a number of the usual country."""
    found = segments(text)
    room = ROOM[found.encoding] if found.count == 1 else ROOM_OF_SEVERAL[found.encoding] * found.count
    price = f"{prices.of(found.count):.3f}".rstrip("0").rstrip(".") + f" {prices.currency}" if prices else ""
    return Bill(found.count, ENCODINGS[found.encoding], f"{units(text)} of {room}", price)


def pieces(text: str, *, marked: bool = True) -> list[Piece]:
    """The text in runs, each character outside GSM-7 by itself with what would be right."""
    outside = foreign(text) if marked else ""
    if not outside:
        return [Piece(text)]
    instead = {one.char: str(one) for one in culprits(text)}
    runs = re.split(f"([{re.escape(outside)}])", text)
    return [Piece(run, instead.get(run, "")) for run in runs if run]


def _mail(content: Content) -> Mail:
    hidden = _HIDDEN.search(content.html)
    paragraphs = content.text.split("\n\n")
    preheader = unescape(re.sub(r"<[^>]+>", "", hidden[1])).strip() if hidden else "".join(paragraphs[1:2])
    return Mail(
        sender=content.sender,
        subject=content.subject,
        preheader=preheader,
        light=_DARK.sub("@media not all", content.html),
        dark=_DARK.sub("@media all", content.html),
        text=content.text,
    )
