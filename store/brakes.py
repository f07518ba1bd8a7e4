"""Brakes at rest: one row for each cause and purse, read for a batch and counted in the transaction of `submitting`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.brakes import Brakes, Cause, CauseState, Limits, Spent
from domain.delivery import Held, Step, Submitting
from domain.messages import MessageStage, Purpose, RecipientKind, Refusal
from domain.outbox import Pending
from domain.tickets import Announce
from store import due, events, planning
from store.locking import locked
from store.notes import in_force
from store.tables import CauseRow, Device, Message, Product, RuleVersion, SpendingRow, Ticket
from store.upsert import insert_once

FORGOTTEN_AFTER = timedelta(days=1)
"""So long after anybody was, or would have been, told of a cause, a decision on it counts no more."""
APPROVAL = "approval"
"""The kind of appointment at which an open question is asked again; its ref is the cause's id."""
ASK_AGAIN, DECIDE_WITHIN = timedelta(minutes=30), timedelta(days=1)
WARN_AT, FULL = 80, 100


def causes_of(session: Session, message: Message) -> tuple[str, ...]:
    """The keys of what the message's trouble has in common with that of others; none for a rule without `hold`."""
    ticket = session.get(Ticket, message.ticket_id) if message.ticket_id else None
    if ticket is None:
        return ()
    if ticket.parent_id is not None:
        return (f"storm:{ticket.parent_id}",)
    version = session.get(RuleVersion, (ticket.rule, ticket.rule_version)) if ticket.rule else None
    if version is not None and version.hold_s == 0:
        # Whoever wrote it wants nobody to wait.
        return ()
    keys = [f"rule:{ticket.rule}:{ticket.rule_version}"] if ticket.rule else []
    device = session.get(Device, ticket.device_id)
    firmware = in_force(device.reported, device.attributes).get("firmware") if device else None
    return (*keys, f"firmware:{device.product}:{firmware}") if device and firmware else tuple(keys)


def read(session: Session, messages: Sequence[Message], limits: Limits, *, now: datetime) -> Mapping[int, Brakes]:
    """The facts of each message, by its id: two queries for all of them, and none where nothing is limited."""
    customers = [one for one in messages if one.recipient_kind == RecipientKind.CUSTOMER]
    keys = {one.id: causes_of(session, one) for one in customers}
    scopes = {one.id: _scopes(session, one, limits) for one in customers}
    causes = _by_key(session, {key for some in keys.values() for key in some})
    amounts = _amounts(session, {scope for some in scopes.values() for scope in some}, now=now)
    tomorrow = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC) + timedelta(days=1)
    return {
        one.id: Brakes(
            limits.recipients,
            tuple(_cause(key, causes.get(key), limits, now=now) for key in keys.get(one.id, ())),
            tuple(Spent(scope, amounts.get(scope, 0.0), top) for scope, top in scopes.get(one.id, {}).items()),
            tomorrow,
            limits.prices,
        )
        for one in messages
    }


@dataclass(slots=True)
class BrakeBook:
    """The causes and purses that one transaction has to do with: locked in order, counted where they stand."""

    session: Session
    limits: Limits
    now: datetime
    _causes: dict[str, CauseRow] = field(default_factory=dict)
    _purses: dict[str, SpendingRow] = field(default_factory=dict)

    def open(self, reports: Iterable[tuple[Pending, Step]]) -> None:
        """Lock what `reports` count on."""
        reports = list(reports)
        asked = {
            cause.key
            for pending, step in reports
            if (isinstance(step, Submitting) and pending.counts) or _is_held(step, Refusal.AWAITING_APPROVAL)
            for cause in pending.brief.brakes.causes
        }
        paying = {
            purse.scope
            for pending, step in reports
            if (isinstance(step, Submitting) and step.cost) or _is_held(step, Refusal.COST)
            for purse in pending.brief.brakes.purses
        }
        for key in sorted(asked):
            insert_once(self.session, CauseRow, key=key, since=self.now, last_at=self.now, state=CauseState.COUNTING)
            self._causes[key] = _fresh(_one(self.session, CauseRow, key=key), self.limits, now=self.now)
        for scope in sorted(paying):
            insert_once(self.session, SpendingRow, day=_day(self.now), scope=scope, amount=0.0)
            self._purses[scope] = _one(self.session, SpendingRow, day=_day(self.now), scope=scope)

    def has_room(self, pending: Pending, step: Submitting) -> bool:
        """Whether it may go out still; not if others took the last place just now."""
        limit = pending.brief.brakes.limit
        if any(row.told >= limit and row.state != CauseState.APPROVED for row in self._rows(pending)):
            return False
        free = not step.cost or pending.goes_at_any_price
        return free or all(self._purses[one.scope].amount < one.ceiling for one in pending.brief.brakes.purses)

    def count(self, pending: Pending, step: Submitting) -> None:
        """It goes out: count it on its causes and purses."""
        for row in self._rows(pending):
            row.told, row.last_at = row.told + 1, self.now
        for purse in pending.brief.brakes.purses if step.cost else ():
            spending = self._purses[purse.scope]
            spending.amount += step.cost
            if pending.purpose is not Purpose.SAFETY:
                self._warn(pending, spending, purse)

    def _rows(self, pending: Pending) -> list[CauseRow]:
        return [self._causes[cause.key] for cause in pending.brief.brakes.causes] if pending.counts else []

    def held(self, message: Message, pending: Pending, step: Held) -> None:
        """A message has to wait: once for each cause, and each day's ceiling, the dispatcher is told."""
        if step.refusal is Refusal.COST:
            for purse in pending.brief.brakes.purses:
                self._warn(pending, self._purses[purse.scope], purse)
        if step.refusal is not Refusal.AWAITING_APPROVAL:
            return
        full = (self._causes[cause.key] for cause in pending.brief.brakes.causes if _is_full(cause, pending))
        for row in full:
            message.cause, row.last_at = row.key, self.now
            if row.state == CauseState.COUNTING:
                row.state, row.wanted_at, row.ticket_id = CauseState.WAITING, self.now, message.ticket_id
                ask(self.session, row, now=self.now)
            return

    def _warn(self, pending: Pending, row: SpendingRow, purse: Spent) -> None:
        share = FULL if row.amount >= purse.ceiling else int(100 * row.amount / purse.ceiling)
        reached = next((mark for mark in (FULL, WARN_AT) if share >= mark), 0)
        # A summary is about several tickets; the desk is pointed to the first.
        about = next((one.brief.ticket_id for one in (pending, *pending.brief.parts) if one.brief.ticket_id), None)
        if reached <= row.told or about is None:
            return
        row.told = reached
        reason = f"{row.amount:.2f} of {purse.ceiling:g} are spent today for {row.scope}"
        events.publish(self.session, "messages.cost", at=self.now, scope=row.scope, per_cent=reached)
        occurrence = f"{row.day}-{row.scope}-{reached}"
        details = {"reason": reason, "count": int(reached == FULL)}
        told = Announce(about, MessageStage.COST_CEILING, occurrence, details)
        planning.plan(self.session, told, now=self.now)


def ask(session: Session, row: CauseRow, *, now: datetime, times: int = 0) -> None:
    """Have a person decide on a cause, and ask again in a while."""
    cause = Cause(row.key)
    waiting = len(waiting_for(session, row.key))
    events.publish(session, "messages.approval_wanted", at=now, cause_id=row.id, cause=cause.name)
    details = {"count": max(1, waiting), "told": row.told, "reason": cause.name}
    if row.ticket_id is not None:
        occurrence = f"{row.key}-{row.wanted_at:%Y%m%dT%H%M%S}-{times}"
        planning.plan(session, Announce(row.ticket_id, MessageStage.APPROVAL_WANTED, occurrence, details), now=now)
    at = min(now + ASK_AGAIN * 2**times, (row.wanted_at or now) + DECIDE_WITHIN)
    due.schedule(session, APPROVAL, row.id, at=at, times=times)


def waiting_for(session: Session, key: str) -> Sequence[int]:
    """The messages that wait because of a cause, in the order in which they were planned."""
    query = select(Message.id).where(Message.cause == key, Message.state == "held").order_by(Message.id)
    return session.scalars(query).all()


def _cause(key: str, row: CauseRow | None, limits: Limits, *, now: datetime) -> Cause:
    if row is None or _is_over(row, limits, now=now):
        return Cause(key)
    decided = " ".join(part for part in (row.decided_by, row.note and f"({row.note})") if part)
    return Cause(key, row.told, CauseState(row.state), decided)


def _is_over(row: CauseRow, limits: Limits, *, now: datetime) -> bool:
    if row.state == CauseState.COUNTING:
        return now - row.since > timedelta(seconds=limits.window_s)
    return row.state != CauseState.WAITING and now - row.last_at > FORGOTTEN_AFTER


def _fresh(row: CauseRow, limits: Limits, *, now: datetime) -> CauseRow:
    if _is_over(row, limits, now=now):
        row.told, row.since, row.state, row.note = 0, now, CauseState.COUNTING, ""
        row.wanted_at = row.decided_at = row.decided_by = None
    return row


def _is_full(cause: Cause, pending: Pending) -> bool:
    return cause.told >= pending.brief.brakes.limit and cause.state is not CauseState.APPROVED


def _is_held(step: Step, refusal: Refusal) -> bool:
    return isinstance(step, Held) and step.refusal is refusal


def _scopes(session: Session, message: Message, limits: Limits) -> dict[str, float]:
    scopes: dict[str, float] = {}
    if limits.customer_day is not None:
        scopes[f"customer:{message.recipient_id}"] = limits.customer_day
    if limits.day is not None:
        ticket = session.get(Ticket, message.ticket_id) if message.ticket_id else None
        device = session.get(Device, ticket.device_id) if ticket else None
        product = session.get(Product, device.product) if device and device.product else None
        scopes[f"maker:{product.maker if product and product.maker else 'house'}"] = limits.day
    return scopes


def _by_key(session: Session, keys: set[str]) -> dict[str, CauseRow]:
    rows = session.scalars(select(CauseRow).where(CauseRow.key.in_(keys))) if keys else ()
    return {row.key: row for row in rows}


def _amounts(session: Session, scopes: set[str], *, now: datetime) -> dict[str, float]:
    today = select(SpendingRow).where(SpendingRow.day == _day(now), SpendingRow.scope.in_(scopes))
    return {row.scope: row.amount for row in session.scalars(today)} if scopes else {}


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def _one(session: Session, table: Any, **key: str) -> Any:
    return session.scalars(locked(select(table).filter_by(**key))).one()
