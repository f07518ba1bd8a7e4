"""The correlator: tickets wait here for their rule's `hold`, storms among them become parents, the rest go their way.

State is in rows, and each decision is one transaction of the clock role: a restart forgets nothing and repeats nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from domain.faults import Severity, TransitionState
from domain.tickets import OPEN_STATES, Effect, TicketCause, TicketState
from domain.verdicts import Judgement
from store import due, timeline
from store.locking import locked
from store.tables import Device, Fault, RuleVersion, Ticket
from tickets import quiet
from tickets.lifecycle import find_ticket, is_open, open_new, open_with_key, reopen, shift, tell
from tickets.populations import Silence, can_storm, groups_of, population, silence_of
from tickets.recovery import resolve
from tickets.steps import retell
from tickets.storms import FLEET, Group, Population, Waiting, is_silence, read_policy, storms

SETTLE = timedelta(minutes=15)
"""A silence of the fleet is over when most devices have been back for so long; who is silent then is so alone."""
RELAPSE_WITHIN = timedelta(days=30)
_NAMED = 20
"""Devices that a parent's timeline names."""
_NOUNS = {
    "gateway": ("Gateway", "Passerelle"),
    "site": ("Site", "Site"),
    "firmware": ("Firmware", "Micrologiciel"),
    FLEET: ("All of", "Tous les"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A ticket that waits, with its oldest firing fault."""

    ticket: Ticket
    fault: Fault
    version: RuleVersion
    device: Device | None
    groups: tuple[Group, ...]

    @property
    def silence(self) -> Silence | None:
        return silence_of(self.fault, self.version)

    @property
    def waiting(self) -> Waiting:
        policy, hold = read_policy(self.version.storm), timedelta(seconds=self.version.hold_s)
        return Waiting(self.ticket.id, self.groups, self.fault.fired_at, hold, policy, bool(self.version.silence))


def hold(session: Session, ticket: Ticket, fault: Fault, version: RuleVersion | None, *, now: datetime) -> None:
    """Before the ticket's playbook begins: where a storm is possible, it waits for the correlator.

    What endangers people never waits for others, unless it is silence.
    """
    ticket.held, ticket.held_until = False, None
    if version is None or not _may_wait(ticket, version):
        return
    groups = groups_of(session, session.get(Device, fault.device_id), version)
    if not can_storm(session, groups, read_policy(version.storm)):
        return
    ticket.held, ticket.held_until = True, now + timedelta(seconds=version.hold_s)
    due.schedule(session, "storm", ticket.id, at=ticket.held_until)


def _may_wait(ticket: Ticket, version: RuleVersion) -> bool:
    return bool(version.silence) or (version.hold_s > 0 and ticket.severity != Severity.SAFETY)


def correlate(session: Session, ticket_id: int, *, now: datetime) -> None:
    """The hold of a ticket is over: look at all that wait in its family, and let it go unless it is one of a storm."""
    ticket = session.get(Ticket, ticket_id)
    if ticket is None or not ticket.held:
        return
    tickets = _locked(session, ticket.family)
    held = _held(session, ticket.family)
    parents = _open_parents(session, ticket.family, {group for one in held for group in one.groups})
    left = [one for one in held if not _absorbed(session, one, parents, now=now)]
    found = storms([one.waiting for one in left], _populations(session, left, now=now))
    by_id = {one.ticket.id: one for one in left}
    for group, members in found.items():
        _make(session, group, [by_id[member.ticket_id] for member in members], now=now)
    for one in tickets:
        if one.held and one.held_until is not None and one.held_until <= now:
            one.held = False
            quiet.go_on(session, one, now=now)


def on_child_end(session: Session, child_id: int, *, now: datetime) -> list[Effect]:
    """A child is done: so is its parent, if it was the last."""
    child = session.get(Ticket, child_id)
    if child is None or child.parent_id is None:
        return []
    parent = find_ticket(session, child.parent_id)
    if not is_open(parent) or open_children(session, parent.id):
        return []
    reason = "all its children are over"
    return resolve(session, parent, by="telemetry", actor="clock", now=now, reason=reason)


def on_parent_end(session: Session, parent_id: int, *, now: datetime) -> list[Effect]:
    """The parent is over or was none: children whose fault still fires go on by themselves."""
    effects: list[Effect] = []
    for child in session.scalars(locked(_children(parent_id))).all():
        timeline.note(session, child.id, "released", at=now, actor="clock", parent_id=parent_id)
        if not quiet.go_on(session, child, now=now):
            effects += retell(session, child, now=now)
    return effects


def leave(ticket: Ticket) -> None:
    """Danger waits for nobody: the ticket goes on by itself, whatever its neighbours have."""
    ticket.held, ticket.held_until, ticket.parent_id = False, None, None


def on_settled(session: Session, parent_id: int, *, now: datetime) -> list[Effect]:
    """Is the storm over? If it is, and was so a while ago, those who still have the fault have it alone."""
    parent = find_ticket(session, parent_id)
    if not is_open(parent):
        return []
    held = _held(session, parent.family, parent_id=parent.id)
    silence = next((one for one in held if one.silence), None)
    group = Group(parent.scope or "", parent.device_id.partition("/")[2])
    figures = _populations(session, held, now=now).get(group, Population(0))
    last = session.scalar(select(func.max(Ticket.updated_at)).where(Ticket.parent_id == parent.id)) or now
    if silence is not None:
        common, reason = is_silence(figures, read_policy(silence.version.storm)), "most of its devices are heard again"
    else:
        common = bool(held) and len(held) >= min(read_policy(one.version.storm).devices for one in held)
        reason = "few of its devices have it still"
    if common or now < last + SETTLE:
        due.schedule(session, "settle", parent.id, at=now + SETTLE)
        return []
    return resolve(session, parent, by="telemetry", actor="clock", now=now, reason=reason)


def open_children(session: Session, parent_id: int) -> int:
    """How many children of a parent are open."""
    return session.scalar(select(func.count()).select_from(_children(parent_id).subquery())) or 0


def _children(parent_id: int) -> Select[Ticket]:
    return select(Ticket).where(Ticket.parent_id == parent_id, Ticket.state.in_(OPEN_STATES)).order_by(Ticket.id)


def _locked(session: Session, family: str) -> Sequence[Ticket]:
    """All that wait, so that two clocks do not decide at once."""
    query = select(Ticket).where(Ticket.family == family, Ticket.held.is_(True), Ticket.state.in_(OPEN_STATES))
    return session.scalars(locked(query.order_by(Ticket.id))).all()


def _held(session: Session, family: str, *, parent_id: int | None = None) -> list[Held]:
    """Those that wait in `family`, or the children of `parent_id`, that telemetry still shows."""
    which = Ticket.held.is_(True) if parent_id is None else Ticket.parent_id == parent_id
    query = (
        select(Ticket, Fault, RuleVersion, Device)
        .join(Fault, Fault.ticket_id == Ticket.id)
        .join(RuleVersion, and_(RuleVersion.name == Fault.rule, RuleVersion.version == Fault.rule_version))
        .outerjoin(Device, Device.id == Ticket.device_id)
        .where(
            Ticket.family == family,
            which,
            Ticket.state.in_(OPEN_STATES),
            Fault.state == TransitionState.FIRING,
            Fault.verdict.is_distinct_from(Judgement.FALSE_ALARM),
        )
        .order_by(Ticket.id, Fault.fired_at.desc())
    )
    rows = {ticket.id: (ticket, fault, version, device) for ticket, fault, version, device in session.execute(query)}
    return [
        Held(ticket, fault, version, device, groups_of(session, device, version))
        for ticket, fault, version, device in rows.values()
    ]


def _populations(session: Session, held: Sequence[Held], *, now: datetime) -> dict[Group, Population]:
    members: dict[Group, list[Held]] = {}
    for one in held:
        for group in one.groups:
            members.setdefault(group, []).append(one)
    return {
        group: population(
            session,
            group,
            products={one.device.product for one in ones if one.device and one.device.product},
            family=ones[0].ticket.family,
            silence=min((one.silence for one in ones if one.silence), key=lambda each: each.since, default=None),
            now=now,
        )
        for group, ones in members.items()
    }


def _open_parents(session: Session, family: str, groups: Iterable[Group]) -> dict[Group, Ticket]:
    found = {group: open_with_key(session, group.key, family) for group in sorted(groups)}
    return {group: parent for group, parent in found.items() if parent is not None and parent.scope is not None}


def _absorbed(session: Session, one: Held, parents: Mapping[Group, Ticket], *, now: datetime) -> bool:
    """A parent of one of its groups is open: it is one more of that storm."""
    parent = next((parents[group] for group in one.groups if group in parents), None)
    if parent is None:
        return False
    _join(session, parent, one.ticket, now=now)
    timeline.note(session, parent.id, "child_joined", at=now, actor="clock", device_id=one.ticket.device_id)
    return True


def _make(session: Session, group: Group, members: Sequence[Held], *, now: datetime) -> None:
    """One parent, for agents; its children contact nobody while it is open."""
    parent = _brought_back(session, group, members[0].ticket.family, now=now) or _opened(
        session, group, members, now=now
    )
    for one in members:
        _join(session, parent, one.ticket, now=now)
    devices = [one.ticket.device_id for one in members]
    detail = {"scope": group.by, "value": group.value, "count": len(devices), "devices": devices[:_NAMED]}
    timeline.note(session, parent.id, "storm_seen", at=now, actor="clock", **detail)
    reason = f"{len(devices)} devices at once have {group.by} {group.value} in common"
    shift(session, parent, TicketState.PENDING_AGENT, actor="clock", now=now, reason=reason)
    tell(session, parent, "ticket.storm", now=now, scope=group.by, count=len(devices))
    due.schedule(session, "settle", parent.id, at=now + SETTLE)


def _opened(session: Session, group: Group, members: Sequence[Held], *, now: datetime) -> Ticket:
    worst = max((Severity(one.ticket.severity) for one in members), key=lambda severity: severity.rank)
    return open_new(
        session,
        device_id=group.key,
        family=members[0].ticket.family,
        customer_id=None,
        cause=TicketCause.FLEET if group.by == FLEET else TicketCause.STORM,
        severity=worst,
        title=_title(group, members),
        onset=min(one.fault.onset for one in members),
        actor="clock",
        now=now,
        agents_only=True,
        scope=group.by,
    )


def _brought_back(session: Session, group: Group, family: str, *, now: datetime) -> Ticket | None:
    """The last parent, if telemetry had shown the storm to be over; what an agent has ended stays so."""
    query = select(Ticket).where(Ticket.device_id == group.key, Ticket.family == family, Ticket.scope.is_not(None))
    last = session.scalar(locked(query.order_by(Ticket.id.desc()).limit(1)))
    if last is None or last.closed_by != "telemetry" or last.state == TicketState.CANCELLED:
        return None
    ended_at = last.resolved_at or last.closed_at
    if ended_at is None or now - ended_at > RELAPSE_WITHIN:
        return None
    reopen(session, last, actor="clock", now=now, reason="the storm is back")
    return last


def _join(session: Session, parent: Ticket, child: Ticket, *, now: datetime) -> None:
    child.parent_id, child.held, child.updated_at = parent.id, False, now
    timeline.note(session, child.id, "joined", at=now, actor="clock", parent_id=parent.id, title=parent.title)


def _title(group: Group, members: Sequence[Held]) -> dict[str, str]:
    (usual, _), *_ = Counter(tuple(sorted(one.ticket.title.items())) for one in members).most_common(1)
    what = dict(usual)
    english, french = _NOUNS.get(group.by, (group.by, group.by))
    return {
        "en": f"{english} {group.value}: {what.get('en') or members[0].fault.rule}",
        "fr": f"{french} {group.value} : {what.get('fr') or what.get('en') or members[0].fault.rule}",
    }
