"""The feed as lines of a live wall: one short sentence for each thing that happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from api.views.phrases import CHANNELS, first_upper, said
from domain.tickets import TicketCause
from store.tables import Event

_TICKET = {
    "opened": ("watch", "Ticket opened"),
    "pending_agent": ("alarm", "A person is needed"),
    "resolved": ("good", "Resolved"),
    "closed": ("good", "Closed"),
    "reopened": ("alarm", "Came back: reopened"),
    "cancelled": ("calm", "Cancelled"),
    "acknowledged": ("good", "Somebody has seen it"),
    "nobody_answers": ("alarm", "Nobody answers"),
    "storm": ("alarm", "Many devices at once"),
}
_OTHER = {
    "fault.firing": ("alarm", "Fault noticed"),
    "fault.resolved": ("good", "Telemetry is healthy"),
    "fault.flapping": ("watch", "Comes and goes"),
    "command.queued": ("calm", "Trying from afar"),
    "command.done": ("good", "Command done"),
    "command.failed": ("alarm", "Command failed"),
    "command.timed_out": ("watch", "Command without answer"),
    "message.accepted": ("good", "Message sent"),
    "message.held": ("watch", "Message held"),
    "message.suppressed": ("calm", "Message not needed any more"),
    "message.failed": ("alarm", "Message failed"),
    "message.in_doubt": ("alarm", "Message: outcome unknown"),
    "message.undelivered": ("alarm", "Message not delivered"),
    "inbound.received": ("watch", "An answer came"),
    "visit.offered": ("calm", "Visit offered"),
    "visit.accepted": ("good", "Visit accepted"),
    "visit.declined": ("watch", "Visit declined"),
    "visit.expired": ("watch", "Visit offer not answered"),
    "visit.en_route": ("calm", "Technician on the way"),
    "visit.arrived": ("calm", "Technician has arrived"),
    "visit.completed": ("good", "Visit completed"),
    "visit.incomplete": ("watch", "Visit incomplete"),
    "visit.cancelled": ("calm", "Visit called off"),
    "visit.no_technician": ("alarm", "Nobody with the skill is free"),
    "mute.set": ("calm", "Maintenance window set"),
    "mute.lifted": ("calm", "Maintenance window lifted"),
    "device.deleted": ("calm", "Device deleted"),
    "messages.paused": ("alarm", "All sending paused"),
    "messages.resumed": ("good", "Sending resumed"),
    "messages.approval_wanted": ("alarm", "Messages wait for approval"),
    "messages.approved": ("good", "Messages approved"),
    "messages.declined": ("calm", "Messages declined"),
    "messages.cost": ("watch", "What messages cost nears its ceiling"),
    "rule.live": ("calm", "Rule is live"),
    "rule.shadow": ("calm", "Rule runs in shadow"),
    "rule.agents_only": ("calm", "Rule is for agents only"),
    "rule.retired": ("calm", "Rule retired"),
}
_VERDICT = {"real": ("calm", "Judged a real fault"), "false_alarm": ("watch", "Judged a false alarm")}
_IN_SHADOW = {"fault.firing": ("calm", "Noticed in shadow"), "fault.resolved": ("calm", "Over, in shadow")}


@dataclass(frozen=True, slots=True)
class News:
    """One line. `about` says which thing, `href` where more stands."""

    id: int
    at: datetime
    tone: str
    text: str
    about: str
    href: str


def news(events: Iterable[Event], titles: Mapping[int, str], owners: Mapping[str, str]) -> list[News]:
    """The events that people want to see, in the order given; `titles` by ticket, `owners` by device."""
    return [line for event in events if (line := _line(event, titles, owners)) is not None]


def _line(event: Event, titles: Mapping[int, str], owners: Mapping[str, str]) -> News | None:
    group, _, what = event.kind.partition(".")
    tone_text = _TICKET.get(what) if group == "ticket" else _OTHER.get(event.kind)
    body = event.body or {}
    if event.kind == "device.presence":
        tone_text = ("good", "Online") if body.get("presence") == "online" else ("watch", "Offline")
    if event.kind == "fault.verdict":
        tone_text = _VERDICT.get(str(body.get("verdict")))
    if body.get("stage") == "shadow":
        tone_text = _IN_SHADOW.get(event.kind, tone_text)
    if tone_text is None or (event.kind == "ticket.opened" and body.get("cause") == TicketCause.FAULT):
        return None
    ticket_id, device_id = body.get("ticket_id"), str(body.get("device_id") or "")
    named = "" if body.get("command_id") else said(body.get("title"), "en")
    owner = owners.get(device_id, device_id)
    about = (
        titles.get(ticket_id or 0) or ": ".join(part for part in (owner, named) if part) or str(body.get("rule") or "")
    )
    return News(event.id, event.at, tone_text[0], _text(tone_text[1], body), first_upper(about), _href(body))


def _href(body: Mapping[str, Any]) -> str:
    for key, path in (("ticket_id", "tickets"), ("device_id", "devices"), ("rule", "rules")):
        if body.get(key):
            return f"/{path}/{quote(str(body[key]), safe='')}"
    return ""


def _text(words: str, body: Mapping[str, Any]) -> str:
    channel = CHANNELS.get(str(body.get("channel")), "")
    whom = str(body.get("to") or "")
    extra = " ".join(part for part in (f"by {channel}" if channel else "", f"to the {whom}" if whom else "") if part)
    name = said(body.get("title"), "en") if body.get("command_id") else ""
    return ": ".join(part for part in (f"{words} {extra}".strip(), name or str(body.get("name") or "")) if part)
