"""From a brief to the words a template needs: which moment it is, and each fact in the person's language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain.faults import Severity
from domain.messages import OPENINGS, REACHED, MessageStage, RecipientKind
from domain.outbox import Brief, Words
from notify import times

LANGUAGES = ("en", "fr")
SAFETY = "safety"
_DEVICE: Words = {"en": "device", "fr": "appareil"}


def language_of(brief: Brief) -> str:
    """The recipient's language, English where we do not speak it."""
    wanted = brief.recipient.language.partition("-")[0].lower()
    return wanted if wanted in LANGUAGES else "en"


def moment_of(stage: MessageStage, brief: Brief) -> str:
    """Name of the template: the stage, but danger has its own words, and a relapse that is news opens."""
    is_news = stage is MessageStage.RELAPSED and brief.opening_state not in REACHED and not brief.in_contact
    if (stage in OPENINGS or stage is MessageStage.RELAPSED) and brief.severity is Severity.SAFETY:
        return SAFETY
    if is_news:
        return MessageStage.OPENING_AFTER_REMOTE_TRY if brief.remote_try else MessageStage.OPENING
    return stage


def pick(words: Words, language: str) -> str:
    """The phrase in `language`, else in English, else in any."""
    return words.get(language) or words.get("en") or next(iter(words.values()), "")


def facts(brief: Brief, *, language: str, now: datetime) -> dict[str, Any]:
    """What templates may name. None stands for what is not known: a template that prints it fails."""
    title = pick(brief.title, language)
    noun = _within_a_sentence(pick(brief.noun or _DEVICE, language))
    return {
        "maker": brief.sender,
        "noun": noun,
        "Noun": _starting(noun),
        "says": pick(brief.says, language),
        "title": title,
        "trouble": _within_a_sentence(title),
        "notice": _sentence(pick(brief.notice, language)),
        "link": brief.link,
        "restarted": brief.remote_try == "restart",
        "remote_try": brief.remote_try,
        "first_contact": brief.first_contact,
        "name": brief.recipient.name,
        "is_customer": brief.recipient.kind is RecipientKind.CUSTOMER,
        "technician": brief.technician,
        "place": brief.place,
        "skill": brief.skill,
        "device_id": brief.device_id,
        "product": brief.product,
        "ticket_id": brief.ticket_id,
        "customer_name": brief.customer_name,
        "customer_phone": brief.customer_phone,
        "why": _why(brief.details),
        "count": brief.details.get("count"),
        "items": brief.details.get("items", []),
        **_hours(brief, language=language, now=now),
    }


def _why(details: Mapping[str, Any]) -> str:
    """One reason, or those of each technician that was left out."""
    left_out = (f"{one['technician_id']}: {one['reason']}" for one in details.get("left_out", ()))
    return str(details.get("reason") or "; ".join(left_out)).rstrip(".")


def _hours(brief: Brief, *, language: str, now: datetime) -> dict[str, str | None]:
    zone = ZoneInfo(brief.recipient.timezone)
    told: dict[str, str | None] = dict.fromkeys(("since", "day", "long_day", "window", "visit_start", "visit_end"))
    if brief.healthy_since:
        told["since"] = times.since(brief.healthy_since, zone=zone, language=language, now=now)
    if brief.visit_start and brief.visit_end:
        told |= {
            "day": times.day(brief.visit_start, zone=zone, language=language, now=now),
            "long_day": times.long_day(brief.visit_start, zone=zone, language=language),
            "window": times.window(brief.visit_start, brief.visit_end, zone=zone, language=language),
            "visit_start": times.hour(brief.visit_start, zone=zone, language=language),
            "visit_end": times.hour(brief.visit_end, zone=zone, language=language) if brief.visit_end > now else "",
        }
    return told


def _within_a_sentence(phrase: str) -> str:
    """`Heat pump X` becomes `heat pump X`, `TV` stays."""
    return phrase[:1].lower() + phrase[1:] if phrase[1:2].islower() else phrase


def _starting(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def _sentence(phrase: str) -> str:
    return phrase if not phrase or phrase[-1] in ".!?" else f"{phrase}."
