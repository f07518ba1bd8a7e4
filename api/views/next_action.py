"""What an agent should do next on a ticket, and why: one card, one main button."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from api.views import times
from api.views.phrases import first_name, first_upper, phone
from domain.tickets import TicketState, VisitState


@dataclass(frozen=True, slots=True)
class Situation:
    """What the card is decided on."""

    state: TicketState
    customer: str | None
    phone: str | None
    call_wanted: bool
    """The customer asked to be called, or wrote something that nobody but a person understands."""
    words: str
    """What the customer wrote last."""
    unanswered: str
    """On whom and what its ladder was climbed in vain; empty if somebody has answered."""
    nobody_free: bool
    unreached: str
    """Why nobody could be told; empty if somebody was, or nobody tried."""
    told_at: datetime | None
    command: str | None
    """Title of the command that runs or ran last."""
    command_at: datetime | None
    visit_state: VisitState | None
    technician: str | None
    window_start: datetime | None
    window_end: datetime | None
    firing: bool
    healthy_since: datetime | None
    resolved_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, slots=True)
class NextAction:
    """The card. `action` names the form's action on the ticket page, empty for none; `href` is a link instead."""

    title: str
    why: str
    label: str = ""
    action: str = ""
    href: str = ""


def next_action(now_is: Situation, *, zone: ZoneInfo, now: datetime) -> NextAction:
    """The next best action."""
    who = first_name(now_is.customer) if now_is.customer else "the customer"
    match now_is.state:
        case TicketState.PENDING_AGENT:
            return _for_a_person(now_is, who)
        case TicketState.PENDING_VISIT:
            return _visit(now_is, zone, now)
        case TicketState.PENDING_DEVICE:
            when = f" at {times.at(now_is.command_at, zone, now=now)}" if now_is.command_at else ""
            return NextAction(
                "Nothing to do: it is being tried from afar",
                f"{now_is.command or 'A command'} was sent{when}. Telemetry is watched; nobody is disturbed meanwhile.",
            )
        case TicketState.RESOLVED:
            return NextAction("Nothing to do: it closes by itself", _proof(now_is, zone, now))
        case TicketState.CLOSED | TicketState.CANCELLED:
            return NextAction("Nothing to do: this is over", _proof(now_is, zone, now))
    if now_is.healthy_since:
        since = times.at(now_is.healthy_since, zone, now=now)
        return NextAction(
            "Nothing to do: telemetry looks healthy again", f"Since {since}. Watched a little longer before it counts."
        )
    if now_is.told_at:
        told = times.at(now_is.told_at, zone, now=now)
        return NextAction(
            f"Waiting for {who}'s answer",
            f"Told at {told}. If you know better, send someone now; otherwise nothing is to be done.",
            "Send someone",
            "send",
        )
    if now_is.state is TicketState.PENDING_CUSTOMER:
        return NextAction(
            f"{who[:1].upper()}{who[1:]} is about to be told",
            "The message waits for its moment; the timeline says why.",
        )
    return NextAction("Decide what happens", "Nothing runs by itself here.", "Send someone", "send")


def _for_a_person(now_is: Situation, who: str) -> NextAction:
    if now_is.nobody_free:
        return NextAction(
            "Find a technician",
            "Nobody with the skill has a free window. Free somebody, or look again.",
            "Look again",
            "send",
        )
    if now_is.unanswered:
        label, href = (f"Call {phone(now_is.phone)}", f"tel:{now_is.phone}") if now_is.phone else ("", "")
        return NextAction(f"Reach {now_is.customer or who}", first_upper(now_is.unanswered), label, href=href)
    if now_is.call_wanted and now_is.phone:
        because = f"“{now_is.words}”" if now_is.words else f"{who[:1].upper()}{who[1:]} asked for it."
        label = f"Call {phone(now_is.phone)}"
        return NextAction(f"Call {now_is.customer or who}", because, label, href=f"tel:{now_is.phone}")
    if now_is.unreached:
        label, href = (f"Call {phone(now_is.phone)}", f"tel:{now_is.phone}") if now_is.phone else ("", "")
        return NextAction(
            f"Find another way to tell {who}",
            f"{now_is.unreached[:1].upper()}{now_is.unreached[1:]}.",
            label,
            href=href,
        )
    if now_is.words:
        return NextAction(f"Read what {who} wrote", f"“{now_is.words}”", "Send someone", "send")
    return NextAction(
        "Look at this yourself",
        "The playbook has come to its end and the fault is still there.",
        "Send someone",
        "send",
    )


def _visit(now_is: Situation, zone: ZoneInfo, now: datetime) -> NextAction:
    who = now_is.technician or "A technician"
    when = ""
    if now_is.window_start and now_is.window_end:
        when = times.window(now_is.window_start, now_is.window_end, zone, now=now)
    match now_is.visit_state:
        case VisitState.OFFERED:
            return NextAction(f"Waiting for {who} to accept", f"Offered for {when}. Unanswered, it goes to the next.")
        case VisitState.ACCEPTED:
            return NextAction(
                f"Nothing to do: {who} comes {when}",
                "Telemetry is read again before the journey; if it has recovered, the visit is called off by itself.",
            )
        case VisitState.EN_ROUTE:
            return NextAction(f"{who} is on the way", f"Expected {when}.")
        case VisitState.ON_SITE | VisitState.PAUSED:
            return NextAction(f"{who} is on site", "The ticket ends when telemetry shows that the fault is gone.")
        case VisitState.COMPLETED:
            return NextAction(
                "Waiting for telemetry's proof", f"{who} has finished; the device itself must say so too."
            )
    return NextAction("A technician is being found", "Offers go out one after the other.", "Look again", "send")


def _proof(now_is: Situation, zone: ZoneInfo, now: datetime) -> str:
    if now_is.closed_by == "telemetry" and now_is.healthy_since:
        return f"Telemetry has been healthy since {times.at(now_is.healthy_since, zone, now=now)}."
    if now_is.closed_by:
        return f"Ended by the {now_is.closed_by}."
    return "It has ended."
