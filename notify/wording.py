"""From a brief to the words a template needs: which moment it is, and each fact in the person's language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain.clock import parse_iso
from domain.faults import Severity
from domain.messages import BAD_NEWS, REACHED, MessageStage, RecipientKind, audience
from domain.outbox import Brief, Words
from domain.people import AT_HOME
from domain.tickets import VisitState
from notify import times
from notify.templating import absent

LANGUAGES = ("en", "fr")
SAFETY = "safety"
MOMENTS = (*(str(stage) for stage in MessageStage), SAFETY)
"""Every moment that has words: the stages, and danger."""
FACTS: Mapping[str, str] = {
    "maker": "the sender, as customers know it",
    "noun": "what customers call the product: heat pump",
    "Noun": "the same, to begin a sentence with",
    "says": "what the product does, after the noun: stops too often",
    "title": "what is wrong, as a headline",
    "trouble": "the same within a sentence",
    "notice": "one sentence: what the person may notice",
    "instruction": "what to do at once in danger, as a command",
    "link": "signed link to the person's page",
    "danger": "true for a fault of severity safety",
    "in_thread": "true if an e-mail about the same went before, whose subject this one has",
    "unsubscribe": "signed link that ends e-mails of this kind; empty where a click does not",
    "restarted": "true if the product was restarted from here",
    "remote_try": "the command that was tried from here",
    "first_contact": "true if this person never heard from us before",
    "name": "whom it is for",
    "is_customer": "true unless it is for a technician or the dispatcher",
    "whose": "whose home it is, for a neighbour or caretaker who is told; not known to those who live there",
    "technician": "first name of who comes",
    "place": "where the product stands",
    "skill": "what the repair asks for",
    "device_id": "the device",
    "product": "its product",
    "ticket_id": "number of the ticket",
    "customer_name": "the owner",
    "customer_phone": "the owner's number",
    "why": "the reason for what happened",
    "since": "when it began to run normally again",
    "day": "day of the visit: Tue",
    "long_day": "day of the visit: Tuesday 3 March",
    "window": "hours of the visit: 14-16 h",
    "visit_start": "when the visit begins",
    "visit_end": "when the visit ends, while that is still to come",
    "count": "how many, in a summary or an approval",
    "items": "what a summary sums up: each with noun, Noun, says, title",
    "several": "true if a summary is about more than one kind of product",
    "until": "the day until when the person is away",
    "text": "a colleague's own words",
    "choices": "what somebody may mean, each as customers know it",
    "onset": "when it was first seen",
    "coming": "true if somebody comes for certain",
    "looking": "true while a technician is looked for",
    "template": "the template that failed",
    "problem": "what failed",
}
"""What templates may name, and what it is. One that is not known this time can be asked for with `if`, not printed."""
_COMING = frozenset({VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED})
"""Visits that a person may count on."""
_DEVICE: Words = {"en": "device", "fr": "appareil"}


def language_of(brief: Brief) -> str:
    """The recipient's language, English where we do not speak it."""
    wanted = brief.recipient.language.partition("-")[0].lower()
    return wanted if wanted in LANGUAGES else "en"


def moment_of(stage: MessageStage, brief: Brief) -> str:
    """Name of the template: the stage, but danger has its own words, and a relapse that is news opens."""
    is_news = stage is MessageStage.RELAPSED and brief.opening_state not in REACHED and not brief.in_contact
    if stage in BAD_NEWS and brief.severity is Severity.SAFETY:
        return SAFETY
    if is_news:
        return str(MessageStage.OPENING_AFTER_REMOTE_TRY if brief.remote_try else MessageStage.OPENING)
    return str(stage)


def audience_of(moment: str) -> RecipientKind:
    """Whom a moment is told to."""
    return RecipientKind.CUSTOMER if moment == SAFETY else audience(MessageStage(moment))


def pick(words: Words, language: str) -> str:
    """The phrase in `language`, else in English, else in any."""
    return words.get(language) or words.get("en") or next(iter(words.values()), "")


def facts(brief: Brief, *, language: str, now: datetime) -> dict[str, Any]:
    """All of FACTS in the person's language."""
    title = pick(brief.title, language)
    noun = _within_a_sentence(pick(brief.noun or _DEVICE, language))
    items = _items(brief.details, language)
    known = {
        "maker": brief.sender,
        "noun": noun,
        "Noun": _starting(noun),
        "says": pick(brief.says, language),
        "title": title,
        "trouble": _within_a_sentence(title),
        "notice": _sentence(pick(brief.notice, language)),
        "instruction": pick(brief.instruction, language).rstrip(".!"),
        "link": brief.link,
        "danger": brief.severity is Severity.SAFETY,
        "in_thread": brief.thread is not None,
        "unsubscribe": brief.unsubscribe,
        "restarted": brief.remote_try == "restart",
        "remote_try": brief.remote_try,
        "first_contact": brief.first_contact,
        "name": brief.recipient.name,
        "is_customer": brief.recipient.kind is RecipientKind.CUSTOMER,
        "whose": _whose(brief),
        "technician": brief.technician,
        "place": brief.place,
        "skill": brief.skill,
        "device_id": brief.device_id,
        "product": brief.product,
        "ticket_id": brief.ticket_id,
        "customer_name": brief.details.get("caller_name") or brief.customer_name,
        "customer_phone": brief.details.get("caller") or brief.customer_phone,
        "why": _why(brief.details),
        "count": brief.details.get("count"),
        "items": items,
        "several": len({item["noun"] for item in items}) > 1,
        "until": _until(brief, language=language),
        "template": brief.details.get("template"),
        "problem": brief.details.get("problem"),
        **_conversation(brief, language=language, now=now),
        **_hours(brief, language=language, now=now),
    }
    return {name: absent(name) if value is None or value == "" else value for name, value in known.items()}


def _items(details: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    """What a summary sums up; each says its noun and what is the matter."""
    return [_item(item, language) for item in details.get("items", ())]


def _item(item: Mapping[str, Any], language: str) -> dict[str, Any]:
    """`item` holds noun, says and title as phrases by language, or as plain text."""
    said = {name: item.get(name) or {} for name in ("noun", "says", "title")}
    phrases = {name: words if isinstance(words, str) else pick(words, language) for name, words in said.items()}
    noun = _within_a_sentence(phrases["noun"] or pick(_DEVICE, language))
    phrases |= {"noun": noun, "Noun": _starting(noun), "title": _within_a_sentence(phrases["title"])}
    return {name: phrase or absent(f"item.{name}") for name, phrase in phrases.items()}


def _whose(brief: Brief) -> str | None:
    """Who lives with the device, for a customer who does not."""
    at_home = brief.recipient.kind is not RecipientKind.CUSTOMER or brief.role in AT_HOME
    return None if at_home else brief.customer_name


def _until(brief: Brief, *, language: str) -> str | None:
    said = brief.details.get("until")
    moment = parse_iso(said) if said else brief.recipient.away_until
    zone = ZoneInfo(brief.recipient.timezone)
    return times.dated(moment, zone=zone, language=language) if moment else None


def _conversation(brief: Brief, *, language: str, now: datetime) -> dict[str, Any]:
    """What answers to a person are made of: an agent's own words, what may be meant, and whether somebody comes."""
    onset, zone = brief.details.get("onset"), ZoneInfo(brief.recipient.timezone)
    return {
        "text": brief.details.get("text"),
        "choices": [pick(words, language) for words in brief.details.get("choices", ())],
        "onset": times.since(parse_iso(onset), zone=zone, language=language, now=now) if onset else None,
        "coming": brief.visit_state in _COMING and brief.technician is not None,
        "looking": bool(brief.details.get("looking")),
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
            "visit_end": times.hour(brief.visit_end, zone=zone, language=language) if brief.visit_end > now else None,
        }
    return told


def _within_a_sentence(phrase: str) -> str:
    """`Heat pump X` becomes `heat pump X`, `TV` stays."""
    return phrase[:1].lower() + phrase[1:] if phrase[1:2].islower() else phrase


def _starting(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def _sentence(phrase: str) -> str:
    return phrase if not phrase or phrase[-1] in ".!?" else f"{phrase}."
