"""A ticket's timeline as sentences for agents: who, what, and the reason beside it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from api.views.phrases import CHANNELS, first_upper, number, said
from store.tables import TimelineEntry

LONGEST = 260
"""Characters of a message that are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: `head` stands out, `text` follows, `aside` is muted. `tone` colours the dot."""

    at: datetime
    tone: str
    head: str
    text: str = ""
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """Who is who, for one ticket."""

    people: Mapping[str, str]
    """By actor: "customer:c-1" is Alice Martin."""
    units: Mapping[str, str]
    """By metric."""

    def of(self, actor: str) -> str:
        """What an actor is called."""
        kind, _, key = actor.partition(":")
        if actor in self.people:
            return self.people[actor]
        return {"rule": f"Rule {key}", "playbook": f"Playbook {key}", "agent": "Agent", "clock": "Clock"}.get(
            kind, first_upper(actor)
        )


def lines(entries: Iterable[TimelineEntry], names: Names) -> list[Line]:
    """All entries in the order given; what only repeats its neighbour is left out."""
    return [line for entry in entries if (line := _line(entry, names)) is not None]


def _line(entry: TimelineEntry, names: Names) -> Line | None:
    if entry.kind in _SILENT:
        return None
    say = _SAY.get(entry.kind) or _by_prefix(entry.kind)
    tone, head, text, aside = say(Told(entry.actor, entry.detail or {}, names))
    return Line(entry.at, tone, head, text, aside)


class Told(NamedTuple):
    """What a sentence is made of."""

    actor: str
    detail: Mapping[str, Any]
    names: Names


Said = tuple[str, str, str, str]
"""Tone, head, text, aside."""
Sayer = Callable[[Told], Said]

_SILENT = frozenset({"message_waiting", "message_planned"})


def _fault(told: Told) -> Said:
    evidence = (told.detail.get("evidence") or {}).get("values") or {}
    shown = ", ".join(f"{name} {number(value, told.names.units.get(name))}" for name, value in evidence.items())
    return "bad", f"Fault {told.detail.get('rule', '')}:", shown, str(told.detail.get("severity") or "")


def _cleared(told: Told) -> Said:
    values = told.detail.get("values") or {}
    shown = ", ".join(f"{name} {number(value, told.names.units.get(name))}" for name, value in values.items())
    return "good", "Telemetry is healthy:", f"{told.detail.get('rule', 'the fault')} cleared", shown


def _command(words: str, tone: str) -> Sayer:
    def say(told: Told) -> Said:
        name = said(told.detail.get("title"), "en") or first_upper(str(told.detail.get("name", "")))
        return tone, f"Command {name}:", words, str(told.detail.get("detail") or told.detail.get("reason") or "")

    return say


def _message(words: str, tone: str) -> Sayer:
    def say(told: Told) -> Said:
        channel = first_upper(CHANNELS.get(str(told.detail.get("channel")), "message"))
        body = " ".join(str(told.detail.get("body") or "").split())
        quoted = f"“{_short(body)}”" if body else str(told.detail.get("stage", "")).replace("_", " ")
        whom = str(told.detail.get("to") or "customer")
        return tone, f"{channel} to the {whom}, {words}:", quoted, str(told.detail.get("reason") or "")

    return say


def _moved(words: str, tone: str = "") -> Sayer:
    def say(told: Told) -> Said:
        who = "" if told.actor.startswith(("rule", "playbook", "clock", "telemetry")) else told.names.of(told.actor)
        return tone, words, "", " · ".join(part for part in (str(told.detail.get("reason") or ""), who) if part)

    return say


def _visit(words: str, tone: str = "on") -> Sayer:
    def say(told: Told) -> Said:
        who = told.names.people.get(f"technician:{told.detail.get('technician_id', '')}") or told.names.of(told.actor)
        why = told.detail.get("reason") or told.detail.get("note") or ""
        return tone, f"{who}:", words, str(why)

    return say


def _reply(told: Told) -> Said:
    came, text = str(told.detail.get("channel")), told.detail.get("text", "")
    channel = "on the page" if came == "web" else f"by {CHANNELS[came]}" if came in CHANNELS else ""
    meant = str(told.detail.get("intent", "")).replace("_", " ")
    return (
        "on",
        f"{told.names.of(told.actor)} {channel}:".replace(" :", ":"),
        f"“{text}”" if text else "called us",
        f"understood: {meant}",
    )


def _words(head: str, tone: str = "") -> Sayer:
    def say(told: Told) -> Said:
        return tone, head, "", str(told.detail.get("text") or told.detail.get("reason") or "")

    return say


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _comment(told: Told) -> Said:
    return "on", f"{told.names.of(told.actor)}:", str(told.detail.get("text", "")), ""


def _assigned(told: Told) -> Said:
    to = told.detail.get("to")
    return "", f"Taken by {to}" if to else "Given back", "", told.names.of(told.actor)


def _verdict(told: Told) -> Said:
    real = told.detail.get("verdict") == "real"
    words = "A real fault" if real else "A false alarm"
    code = {"not_found": "no fault found", "other_cause": "another cause"}.get(str(told.detail.get("code")), "")
    overruled = "" if told.detail.get("counts", True) else "a weightier word counts"
    aside = " · ".join(part for part in (told.names.of(told.actor), code, overruled) if part)
    return "" if real else "bad", words, str(told.detail.get("rule", "")), aside


def _storm(told: Told) -> Said:
    devices = [str(name) for name in told.detail.get("devices") or []]
    more = int(told.detail.get("count") or 0) - len(devices)
    shown = ", ".join(devices) + (f" and {more} more" if more > 0 else "")
    return "bad", f"{told.detail.get('count')} devices at once:", shown, ""


def _about(head: str, key: str, *, ticket: bool = False) -> Sayer:
    def say(told: Told) -> Said:
        value = told.detail.get(key, "")
        return "", head, f"ticket {value}" if ticket else str(value), ""

    return say


def _by_prefix(kind: str) -> Sayer:
    words = first_upper(kind.replace("_", " "))
    if kind.startswith("ticket_"):
        return _moved(words)
    if kind.startswith("message_"):
        return _message(kind.removeprefix("message_").replace("_", " "), "")
    if kind.startswith("visit_"):
        return _visit(words, "")
    return _moved(words)


_SAY: dict[str, Sayer] = {
    "onset": _words("First bad reading", "bad"),
    "fault_fired": _fault,
    "fault_cleared": _cleared,
    "fault_ended": _words("Fault ended without proof", ""),
    "fault_flapping": _words("Comes and goes; watched as one fault", "bad"),
    "verify_failed": _words("Checked by telemetry", "bad"),
    "healthy": _words("Telemetry looks healthy; watching whether it stays so", "good"),
    "ticket_opened": _words("Ticket opened"),
    "ticket_open": _moved("Open"),
    "ticket_pending_device": _moved("Trying from afar"),
    "ticket_pending_customer": _moved("Waiting for the customer"),
    "ticket_pending_visit": _moved("Waiting for a visit"),
    "ticket_pending_agent": _moved("Needs a person", "bad"),
    "ticket_resolved": _moved("Resolved", "good"),
    "ticket_closed": _moved("Closed", "good"),
    "ticket_cancelled": _moved("Cancelled"),
    "ticket_reopened": _moved("Reopened", "bad"),
    "command_queued": _command("queued", ""),
    "command_sent": _command("sent", "on"),
    "command_done": _command("done", "on"),
    "command_failed": _command("failed", "bad"),
    "command_timed_out": _command("no answer in time", "bad"),
    "command_answered_late": _command("answered late", ""),
    "command_not_sent": _command("not sent", ""),
    "message_held": _message("held", ""),
    "message_accepted": _message("sent", "on"),
    "message_delivered": _message("delivered", "on"),
    "message_suppressed": _message("not sent", ""),
    "message_undelivered": _message("not delivered", "bad"),
    "message_failed": _message("failed", "bad"),
    "message_in_doubt": _message("outcome unknown", "bad"),
    "message_superseded": _message("not needed any more", ""),
    "nobody_answers": _words("Nobody answers; a person takes over", "bad"),
    "not_received": _words("It was not received", "bad"),
    "nobody_told": _words("Nobody was told", ""),
    "nobody_reachable": _words("Nobody can be reached; a person has to find another way", "bad"),
    "safety_override": _words("It could not wait", "bad"),
    "reply": _reply,
    "visit_offered": _visit("was offered the visit", ""),
    "visit_accepted": _visit("accepted the visit"),
    "visit_declined": _visit("declined the visit", ""),
    "visit_expired": _visit("did not answer in time", ""),
    "visit_en_route": _visit("is on the way"),
    "visit_arrived": _visit("has arrived"),
    "visit_paused": _visit("paused the work", ""),
    "visit_wanted": _words("A technician is looked for"),
    "no_technician": _words("Nobody with the skill is free", "bad"),
    "still_firing": _words("Telemetry still shows the fault", "bad"),
    "severity_raised": _words("More serious than before", "bad"),
    "opted_out": _words("The customer asked us not to write"),
    "opted_in": _words("The customer wants to hear from us again"),
    "muted": _words("Device muted"),
    "unmuted": _words("Device speaks again"),
    "assigned": _assigned,
    "verdict": _verdict,
    "visit_completed": _visit("finished the visit"),
    "visit_incomplete": _visit("could not finish", "bad"),
    "visit_cancelled": _visit("the visit was called off", ""),
    "comment": _comment,
    "agent_reply": _comment,
    "answers_stopped": _words("A machine answers; we do not answer back", "bad"),
    "storm_seen": _storm,
    "child_joined": _about("One more device:", "device_id"),
    "joined": _about("Part of a wider fault:", "parent_id", ticket=True),
    "released": _about("On its own again, after", "parent_id", ticket=True),
    "inhibited": _about("Nobody is contacted, because of fault", "by"),
    "firmware_compared": _words("Compared with the other firmwares", "bad"),
}
