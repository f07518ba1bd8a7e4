"""What should be said becomes message rows, in the transaction of the change that caused it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.delivery import of_use_until
from domain.faults import Severity
from domain.messages import (
    ANSWERS,
    BAD_NEWS,
    GOOD_NEWS,
    OPENINGS,
    MessageStage,
    MessageState,
    RecipientKind,
    audience,
    purpose_of,
)
from domain.people import DISPATCHER_ID
from domain.tickets import Announce
from store import contacts, events, timeline, upsert
from store.tables import Device, Message, RuleVersion, Ticket, TimelineEntry


def plan(session: Session, announce: Announce, *, now: datetime) -> list[int]:
    """The message rows that `announce` asks for, one a recipient. A second plan of the same announcement adds none."""
    return plan_all(session, [announce], now=now)


def plan_all(session: Session, announces: Iterable[Announce], *, now: datetime) -> list[int]:
    """As `plan`, many at once."""
    session.flush()  # tickets that were opened a moment ago
    rows = [row for announce in announces for row in _rows(session, announce, now=now)]
    if not rows:
        return []
    named = (Message.id, Message.ticket_id, Message.stage)
    insert = upsert.insert(session, Message).on_conflict_do_nothing().returning(*named)
    added = session.connection().execute(insert, rows).all()
    for message_id, ticket_id, stage in added:
        events.publish(session, "message.planned", at=now, message_id=message_id, ticket_id=ticket_id, stage=stage)
    return [message_id for message_id, _, _ in added]


def _rows(session: Session, announce: Announce, *, now: datetime) -> list[dict[str, Any]]:
    ticket = session.get_one(Ticket, announce.ticket_id)
    kind = audience(announce.stage)
    if kind is RecipientKind.CUSTOMER and ticket.agents_only:
        return _nobody(session, announce, "this ticket is for agents only", now=now)
    recipients = _recipients(session, ticket, announce, kind=kind, now=now)
    if not recipients:
        return _nobody(session, announce, f"there is no {kind} to tell", now=now)
    not_before = _not_before(session, ticket, announce.stage, now=now)
    held = not_before > now
    facts = {
        "ticket_id": ticket.id,
        "stage": announce.stage,
        "occurrence": announce.occurrence,
        "recipient_kind": kind,
        "purpose": purpose_of(announce.stage, Severity(ticket.severity)),
        "visit_id": announce.details.get("visit_id"),
        "details": announce.details,
        "state": MessageState.HELD if held else MessageState.READY,
        "reason": "waits a moment, so that a storm can be seen as one" if held else None,
        "not_before": not_before,
        "expires_at": of_use_until(announce.stage, now=now),
        "created_at": now,
    }
    return [{**facts, "recipient_id": one} for one in recipients]


def _nobody(session: Session, announce: Announce, why: str, *, now: datetime) -> list[dict[str, Any]]:
    query = select(TimelineEntry.detail).where(
        TimelineEntry.ticket_id == announce.ticket_id, TimelineEntry.kind == "nobody_told"
    )
    key = {"stage": str(announce.stage), "occurrence": announce.occurrence}
    if not any(key.items() <= detail.items() for detail in session.scalars(query)):
        timeline.note(session, announce.ticket_id, "nobody_told", at=now, actor="notify", reason=why, **key)
    return []


def _recipients(
    session: Session, ticket: Ticket, announce: Announce, *, kind: RecipientKind, now: datetime
) -> list[str]:
    """One where the announcement names them or answers them; else everybody of that kind whom it concerns."""
    wanted: str | None = announce.details.get(f"{kind}_id")
    if kind is RecipientKind.DISPATCHER:
        return [DISPATCHER_ID]
    if wanted or kind is RecipientKind.TECHNICIAN:
        return [wanted] if wanted else []
    owner, device = ticket.customer_id, session.get(Device, ticket.device_id)
    if announce.stage in ANSWERS or device is None or not device.contacts:
        return [owner] if owner else []
    severity = Severity(ticket.severity)
    if announce.stage in GOOD_NEWS:
        # Also those who are told of danger alone, or stood in for somebody who was away.
        heard = select(Message.recipient_id).where(
            Message.ticket_id == ticket.id, Message.recipient_kind == kind, Message.stage.in_(BAD_NEWS)
        )
        return list(dict.fromkeys([*([owner] if owner else []), *session.scalars(heard.order_by(Message.id))]))
    return contacts.told_of(session, device, purpose_of(announce.stage, severity), owner_id=owner, now=now)


def _not_before(session: Session, ticket: Ticket, stage: MessageStage, *, now: datetime) -> datetime:
    if stage not in OPENINGS or ticket.rule is None:
        return now
    if ticket.held_until is not None:
        return max(now, ticket.held_until)
    version = session.get(RuleVersion, (ticket.rule, ticket.rule_version))
    hold = timedelta(seconds=version.hold_s if version else 0.0)
    # A remote try has taken its time already: a storm would have been seen.
    since = now if stage is MessageStage.OPENING else ticket.opened_at
    return max(now, since + hold)
