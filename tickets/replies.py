"""What a customer answers moves their ticket; telemetry still has the last word on whether something is fixed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from domain.clock import iso
from domain.errors import Forbidden, NotFound
from domain.faults import Severity, TransitionState
from domain.messages import REACHED, Channel, MessageStage, Purpose, RecipientKind, ReplyIntent
from domain.tickets import OPEN_STATES, Announce, Effect, TicketCause, TicketState, VisitWanted
from domain.verdicts import Judgement
from store import absence, consent, people, timeline
from store.locking import locked
from store.tables import Customer, Device, Fault, Inbound, Message, Ticket, TimelineEntry
from tickets import answers
from tickets.acknowledging import acknowledge
from tickets.answers import Said, back_on, was_told
from tickets.correlator import RELAPSE_WITHIN
from tickets.faults import firing_of_ticket, of_ticket
from tickets.lifecycle import (
    find_ticket,
    is_open,
    open_new,
    open_with_key,
    playbook_of,
    reopen,
    shift,
    stop_steps,
    tell,
)
from tickets.recovery import resolve
from tickets.verdicts import judge_ticket

COMPLAINT = "complaint"
"""Fault family of what only a customer knows of."""
ANSWER_WITHIN = timedelta(days=7)
"""So long after its end a ticket is still what an answer without a link is about."""
_CONTENT = frozenset(
    {
        ReplyIntent.FIXED,
        ReplyIntent.FALSE_ALARM,
        ReplyIntent.ACKNOWLEDGED,
        ReplyIntent.HELP,
        ReplyIntent.NOT_MINE,
        ReplyIntent.AWAY,
    }
)
"""Answers that ask for no work."""
_NO_WORK_LEFT = frozenset({ReplyIntent.WHEN, ReplyIntent.PHOTO})
"""Said of what has ended, these are for a person to understand."""
_HELP_WANTED = {"en": "Customer asks for help", "fr": "Demande d'aide d'un client"}


def on_reply(
    session: Session,
    *,
    customer_id: str,
    intent: ReplyIntent,
    text: str,
    channel: str,
    now: datetime,
    ticket_id: int | None = None,
    inbound_id: int | str | None = None,
    until: datetime | None = None,
) -> tuple[int | None, list[Effect]]:
    """The ticket it was about (None: about none), and what it asks for. `until`: of AWAY, when they are back.

    `channel` is a Channel, or where else it came from ("web"). Without `ticket_id`, the newest open ticket that the
    customer was told of is meant. `inbound_id` tells one answer from the next; the same one again does nothing.
    Raises NotFound, and Forbidden for a ticket that is not theirs and that they were not told of.
    """
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    reference = str(inbound_id) if inbound_id is not None else iso(now)
    ticket = _meant(session, customer_id, ticket_id, now=now)
    if intent in {ReplyIntent.STOP, ReplyIntent.START}:
        stop = intent is ReplyIntent.STOP
        ticket = ticket or _newest(session, customer_id)
        return _wish(session, customer, ticket, stop=stop, channel=channel, text=text, reference=reference, now=now)
    if until is not None:
        absence.set_away(session, customer_id, until, now)
    if intent in _NO_WORK_LEFT and (ticket is None or not is_open(ticket)):
        intent = ReplyIntent.UNCLEAR
    ticket = _workable(session, customer, ticket, intent=intent, text=text, now=now)
    if ticket is None:
        return None, []
    if inbound_id is not None and _heard(session, ticket, reference):
        return ticket.id, []
    actor = f"customer:{customer_id}"
    unasked = ticket.first_contact_at is None
    ticket.first_contact_at = ticket.first_contact_at or now
    acknowledge(session, ticket, actor=actor, now=now)
    detail = {"intent": intent, "text": text, "channel": channel, "reference": reference}
    timeline.note(session, ticket.id, "reply", at=now, actor=actor, **detail)
    tell(session, ticket, "ticket.reply", now=now, intent=intent)
    if intent is ReplyIntent.FALSE_ALARM:
        note = text if channel in set(Channel) else ""
        return ticket.id, _false_alarm(session, ticket, actor=actor, note=note, reference=reference, now=now)
    said = Said(actor, customer_id, channel, reference, until, unasked=unasked)
    return ticket.id, _follow(session, ticket, intent, said, now=now)


def on_unanswered(session: Session, inbound_id: int, *, ticket_id: int, now: datetime) -> list[Effect]:
    """Nobody said which thing these words are about: a person reads them, on that ticket."""
    heard = session.get(Inbound, inbound_id)
    if heard is None or heard.ticket_id is not None or heard.recipient_id is None:
        return []
    heard.ticket_id, heard.intent = ticket_id, ReplyIntent.UNCLEAR
    _, effects = on_reply(
        session,
        customer_id=heard.recipient_id,
        intent=ReplyIntent.UNCLEAR,
        text=heard.body,
        channel=heard.channel,
        ticket_id=ticket_id,
        inbound_id=inbound_id,
        now=now,
    )
    return effects


def _follow(session: Session, ticket: Ticket, intent: ReplyIntent, said: Said, *, now: datetime) -> list[Effect]:
    answered = answers.answer(session, ticket, intent, said, now=now)
    if answered is not None or not is_open(ticket):
        return answered or []
    match intent:
        case ReplyIntent.FIXED:
            return _fixed(session, ticket, actor=said.actor, now=now)
        case ReplyIntent.SEND_SOMEONE:
            stop_steps(session, ticket)
            shift(session, ticket, TicketState.PENDING_VISIT, actor=said.actor, now=now, reason="a visit was asked for")
            return [VisitWanted(ticket.id, playbook_of(session, ticket).visit.skill, asked_by=said.actor)]
        case ReplyIntent.CALL_ME:
            stop_steps(session, ticket)
            shift(session, ticket, TicketState.PENDING_AGENT, actor=said.actor, now=now, reason="a call was asked for")
            # Who is on the telephone has just heard the promise.
            promise = Announce(ticket.id, MessageStage.CALL_PROMISED, said.reference, said.back)
            told = [] if said.channel == Channel.VOICE else [promise]
            return [*told, Announce(ticket.id, MessageStage.CALL_WANTED, said.reference)]
        case _:
            known = answers.known(session, ticket, said)
            return [*known, *answers.for_a_person(session, ticket, said, now=now)]


def _fixed(session: Session, ticket: Ticket, *, actor: str, now: datetime) -> list[Effect]:
    faults = of_ticket(session, ticket.id)
    if firing_of_ticket(session, ticket.id):
        reason = "telemetry still shows the fault"
        timeline.note(session, ticket.id, "still_firing", at=now, actor="telemetry", reason=reason)
        if ticket.state == TicketState.OPEN:
            shift(session, ticket, TicketState.PENDING_CUSTOMER, actor="telemetry", now=now, reason=reason)
        return []
    if faults and ticket.healthy_since is not None:
        reason = "the customer says so, and telemetry agrees"
        return resolve(session, ticket, by="telemetry", actor=actor, now=now, reason=reason)
    # They have just told us: no need to tell them.
    return resolve(session, ticket, by="customer", actor=actor, now=now, reason="the customer says so", stage=None)


def _false_alarm(
    session: Session, ticket: Ticket, *, actor: str, note: str, reference: str, now: datetime
) -> list[Effect]:
    """They see nothing wrong. That ends a ticket that rests on nothing else, also one that telemetry still shows: it is
    the telemetry that they doubt. Where their word is not enough, a person looks."""
    effects = judge_ticket(session, ticket.id, Judgement.FALSE_ALARM, actor=actor, now=now, note=note)
    if not is_open(ticket):
        return effects
    if not of_ticket(session, ticket.id):
        return _fixed(session, ticket, actor=actor, now=now)
    stop_steps(session, ticket)
    reason = "the customer sees nothing wrong; that is not enough to end it"
    shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason=reason)
    return [*effects, Announce(ticket.id, MessageStage.CALL_WANTED, reference)]


def _wish(
    session: Session,
    customer: Customer,
    ticket: Ticket | None,
    *,
    stop: bool,
    channel: str,
    text: str,
    reference: str,
    now: datetime,
) -> tuple[int | None, list[Effect]]:
    """Honour STOP and START on this channel; from elsewhere, on every channel."""
    meant = [Channel(channel)] if channel in set(Channel) else list(Channel)
    number, person = ticket.id if ticket else None, people.customer(session, customer.id)
    if all(person.refuses(one, purpose) is stop for one in meant for purpose in Purpose):
        return number, []
    source = consent.Source.STOP if stop else consent.Source.START
    consent.record(
        session,
        RecipientKind.CUSTOMER,
        customer.id,
        channels=meant,
        granted=not stop,
        source=source,
        actor=f"customer:{customer.id}",
        evidence=text,
        now=now,
    )
    if ticket is None:
        return None, []
    kind = "opted_out" if stop else "opted_in"
    timeline.note(session, ticket.id, kind, at=now, actor=f"customer:{customer.id}", channels=sorted(meant))
    tell(session, ticket, f"customer.{kind}", now=now, customer_id=customer.id)
    details = {"customer_id": customer.id, **back_on(channel)}
    stage = MessageStage.OPTED_OUT if stop else MessageStage.OPTED_IN
    return number, [Announce(ticket.id, stage, reference, details)]


def _meant(session: Session, customer_id: str, ticket_id: int | None, *, now: datetime) -> Ticket | None:
    if ticket_id is not None:
        ticket = find_ticket(session, ticket_id)
        if ticket.customer_id != customer_id and not was_told(session, ticket, customer_id):
            raise Forbidden(f"ticket {ticket_id} is not this customer's")
        return ticket
    reached = select(Message.ticket_id).where(
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id == customer_id,
        Message.state.in_(REACHED),
    )
    told, is_open_ = Ticket.id.in_(reached), Ticket.state.in_(OPEN_STATES)
    recent = Ticket.resolved_at >= now - ANSWER_WITHIN
    return (
        _newest(session, customer_id, is_open_, told)
        or _newest(session, customer_id, is_open_, Ticket.agents_only.is_(False))
        or _newest(session, customer_id, recent, told)
    )


def _newest(session: Session, customer_id: str, *conditions: ColumnElement[bool]) -> Ticket | None:
    query = select(Ticket).where(Ticket.customer_id == customer_id, *conditions)
    return session.scalar(locked(query.order_by(Ticket.opened_at.desc(), Ticket.id.desc()).limit(1)))


def _workable(
    session: Session, customer: Customer, ticket: Ticket | None, *, intent: ReplyIntent, text: str, now: datetime
) -> Ticket | None:
    """The ticket to work on: an ended one comes back if the answer asks for something, and a new one opens for want."""
    if ticket is not None and (is_open(ticket) or intent in _CONTENT or text.strip() in set("345")):
        return ticket
    if ticket is None and intent in _CONTENT:
        # To say who we are, or that an absence is noted, any ticket of theirs will do.
        return _newest(session, customer.id) if intent in {ReplyIntent.AWAY, ReplyIntent.HELP} else None
    actor = f"customer:{customer.id}"
    if ticket is not None:
        other = open_with_key(session, ticket.device_id, ticket.family)
        if other is not None:
            return other
        ended_at = ticket.resolved_at or ticket.closed_at
        if ticket.state != TicketState.CANCELLED and ended_at and now - ended_at <= RELAPSE_WITHIN:
            reopen(session, ticket, actor=actor, now=now, reason="the customer is not content")
            return ticket
    return _complaint(session, customer, device_id=ticket.device_id if ticket else None, actor=actor, now=now)


def _complaint(session: Session, customer: Customer, *, device_id: str | None, actor: str, now: datetime) -> Ticket:
    device_id = device_id or _likely_device(session, customer.id) or ""
    # A person without a product shares no key with others.
    family = COMPLAINT if device_id else f"{COMPLAINT}:{customer.id}"
    return open_with_key(session, device_id, family) or open_new(
        session,
        device_id=device_id,
        family=family,
        customer_id=customer.id,
        cause=TicketCause.CUSTOMER,
        severity=Severity.MINOR,
        title=_HELP_WANTED,
        onset=now,
        actor=actor,
        now=now,
        first_contact_at=now,
    )


def _likely_device(session: Session, customer_id: str) -> str | None:
    """Which of their products they mean: one with a fault, else the one heard of last."""
    devices: Sequence[Device] = session.scalars(
        select(Device)
        .where(Device.customer_id == customer_id)
        .order_by(Device.last_seen.desc().nulls_last(), Device.id)
    ).all()
    firing = select(Fault.device_id).where(
        Fault.state == TransitionState.FIRING, Fault.device_id.in_([device.id for device in devices])
    )
    faulty = set(session.scalars(firing))
    return next((device.id for device in devices if device.id in faulty), devices[0].id if devices else None)


def _heard(session: Session, ticket: Ticket, reference: str) -> bool:
    query = select(TimelineEntry.detail).where(TimelineEntry.ticket_id == ticket.id, TimelineEntry.kind == "reply")
    return any(detail.get("reference") == reference for detail in session.scalars(query))
