"""The customer's "so far": only what means something to them, in their words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.views.customer_words import LANGUAGES
from api.views.phrases import first_name, said
from domain.messages import BAD_NEWS
from store.tables import TimelineEntry

_REPLIES = {
    "fixed": "log_fixed",
    "send_someone": "log_send",
    "call_me": "log_call",
    "acknowledged": "log_heard",
    "false_alarm": "log_wrong",
    "unclear": "log_wrote",
    "photo": "log_photo",
    "away": "log_wrote",
    "not_mine": "log_not_mine",
}
_VISITS = {
    "visit_accepted": "log_accepted",
    "visit_en_route": "log_way",
    "visit_arrived": "log_arrived",
    "visit_completed": "log_completed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line."""

    at: datetime
    tone: str
    text: str


def so_far(entries: Iterable[TimelineEntry], *, language: str, noun: str, technicians: Mapping[str, str]) -> list[Step]:
    """What happened, oldest first. `technicians` are names by id."""
    words = LANGUAGES[language]
    steps: list[Step] = []
    waited = False
    for entry in entries:
        detail = entry.detail or {}
        waited = waited or (entry.kind == "message_held" and detail.get("refusal") == "quiet_hours")
        key, tone = _key(entry, detail, waited=waited)
        if not key:
            continue
        who = first_name(technicians.get(_technician(entry, detail), "")) or words["technician"]
        title = said(detail.get("title"), language, default=str(detail.get("name", "")))
        steps.append(Step(entry.at, tone, words[key].format(noun=noun, who=who, title=title)))
    return steps


def _key(entry: TimelineEntry, detail: Mapping[str, Any], *, waited: bool) -> tuple[str, str]:
    match entry.kind:
        case "onset":
            return "log_onset", "bad"
        case "command_queued":
            return "log_command", "on"
        case "message_accepted" if detail.get("to") == "customer" and detail.get("stage") in BAD_NEWS:
            return ("log_told_waited" if waited else "log_told"), "on"
        case "reply":
            return _REPLIES.get(str(detail.get("intent")), ""), "on"
        case "fault_cleared":
            return "log_cleared", "good"
        case "ticket_reopened":
            return "log_again", "bad"
        case "ticket_resolved":
            return "log_over", "good"
    return _VISITS.get(entry.kind, ""), "on"


def _technician(entry: TimelineEntry, detail: Mapping[str, Any]) -> str:
    return str(detail.get("technician_id") or entry.actor.removeprefix("technician:"))
