"""A conversation as bubbles: who said what, where, and what became of it; for the desk and for the person alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from api.views import times
from api.views.states import Pill, message_pill
from domain.messages import REACHED, Channel
from store.threads import Said

CHANNELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        Channel.SMS: "SMS",
        Channel.EMAIL: "e-mail",
        Channel.WHATSAPP: "WhatsApp",
        Channel.VOICE: "phone",
        "web": "on the page",
    },
    "fr": {
        Channel.SMS: "SMS",
        Channel.EMAIL: "e-mail",
        Channel.WHATSAPP: "WhatsApp",
        Channel.VOICE: "téléphone",
        "web": "sur cette page",
    },
}
_NOT_KEPT = {
    "en": "we could not keep this; send photos of 8 MB at most",
    "fr": "nous n'avons pas pu le garder ; envoyez des photos de 8 Mo au plus",
}
_CLOSE = timedelta(minutes=5)
_MANY = 400
"""Characters of a mail from which on it is folded."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture in it."""

    href: str
    """Empty for one that is not here."""
    name: str
    inline: bool
    """Whether browsers can show it."""
    why: str
    """Why it is not here."""


@dataclass(frozen=True, slots=True)
class Bubble:
    """One thing said. `mine` is on the right: the reader's own side."""

    id: str
    mine: bool
    text: str
    subject: str
    """Set where a long mail is folded below it."""
    when: str
    """Written above it where time has passed; empty right after the one before."""
    about: str
    """Channel, and what theirs was understood as."""
    pill: Pill | None
    pictures: Sequence[Shot]


def for_desk(thread: Iterable[Said], *, zone: ZoneInfo, now: datetime) -> list[Bubble]:
    """Ours on the right, with what became of each."""
    return [
        Bubble(
            said.id,
            mine=said.outgoing,
            text=said.text,
            subject=_folded(said),
            when=when,
            about=_about(said),
            pill=message_pill(said.state) if said.outgoing and said.state not in REACHED else None,
            pictures=_pictures(said, "/pictures"),
        )
        for said, when in _timed(thread, zone=zone, now=now, language="en")
    ]


def for_person(
    thread: Iterable[Said], *, zone: ZoneInfo, now: datetime, language: str, pictures_at: str
) -> list[Bubble]:
    """Theirs on the right; of ours, what reached them. What they wrote is never hidden."""
    seen = (said for said in thread if not said.outgoing or said.state in REACHED)
    return [
        Bubble(
            said.id,
            mine=not said.outgoing,
            text=said.text,
            subject=_folded(said),
            when=when,
            about=CHANNELS[language].get(said.channel, ""),
            pill=None,
            pictures=[
                replace(shot, why=_NOT_KEPT[language] if shot.why else "") for shot in _pictures(said, pictures_at)
            ],
        )
        for said, when in _timed(seen, zone=zone, now=now, language=language)
    ]


def _timed(thread: Iterable[Said], *, zone: ZoneInfo, now: datetime, language: str) -> Iterable[tuple[Said, str]]:
    before: datetime | None = None
    for said in thread:
        gap = before is None or said.at - before > _CLOSE
        yield said, times.at(said.at, zone, now=now, language=language) if gap else ""
        before = said.at


def _about(said: Said) -> str:
    parts = [CHANNELS["en"].get(said.channel, said.channel)]
    if said.outgoing:
        parts.append(said.stage.replace("_", " "))
        parts.append(said.reason if said.state not in REACHED else "")
    elif said.automatic:
        parts.append("written by a machine, not answered")
    else:
        parts.append("for you to read" if said.intent == "unclear" else f"understood: {said.intent.replace('_', ' ')}")
    return " · ".join(part for part in parts if part)


def _folded(said: Said) -> str:
    return said.subject or "…" if said.channel == Channel.EMAIL and len(said.text) > _MANY else ""


def _pictures(said: Said, at: str) -> list[Shot]:
    return [
        Shot(
            href=f"{at}/{one.id}" if one.state == "kept" else "",
            name=one.name or "Photo",
            inline=one.media_type != "image/heic",
            why=one.reason,
        )
        for one in said.pictures
    ]
