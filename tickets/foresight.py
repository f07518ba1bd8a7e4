"""What a batch of transitions need not ask of the database one by one, because it is asked for all of them at once.

Of a ticket that is opened meanwhile nobody else can know: its faults are those that joined it here.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from domain.faults import Transition, TransitionState
from store.foresight import AIMED, AIMS, EPISODE, TICKET, Foresight, Key, in_use, use, without_mutes
from store.ids import Reserve
from store.tables import Device, Fault, Inhibition, Playbook, Rule, RuleVersion, Ticket


@dataclass(slots=True, kw_only=True)
class Ahead(Foresight):
    """With ids for what the batch may add."""

    fault_ids: Reserve
    ticket_ids: Reserve


@contextmanager
def foreseeing(session: Session, transitions: Sequence[Transition]) -> Iterator[None]:
    """For as long as the block, within one transaction. In a savepoint's block, never around one."""
    use(session, _look(session, transitions))
    try:
        yield
    finally:
        use(session, None)


def fault_recorded(session: Session, fault: Fault) -> bool:
    """Add a new row to the session. Whether it has its id by now, and need not be written at once to get one."""
    ahead = in_use(session)
    session.add(fault)
    if not isinstance(ahead, Ahead):
        return False
    ahead.absent.discard((EPISODE, fault.rule, fault.device_id, fault.episode))
    fault.id = ahead.fault_ids.draw()
    return True


def ticket_opened(session: Session, ticket: Ticket) -> bool:
    """As `fault_recorded`; nobody else knows of the ticket."""
    ahead = in_use(session)
    session.add(ticket)
    if not isinstance(ahead, Ahead):
        return False
    ahead.absent.discard((TICKET, ticket.device_id, ticket.family))
    ticket.id = ahead.ticket_ids.draw()
    ahead.kept.append(ticket)
    ahead.faults[ticket.id] = []
    return True


def fault_joined(session: Session, fault: Fault, ticket: Ticket) -> None:
    """A fault is the ticket's from now on."""
    ahead = in_use(session)
    if ahead is not None and ticket.id in ahead.faults:
        ahead.faults[ticket.id].append(fault)


def is_new(session: Session, ticket: Ticket) -> bool:
    """Whether it was opened within this batch."""
    ahead = in_use(session)
    return isinstance(ahead, Ahead) and ticket.id in ahead.faults


def _look(session: Session, transitions: Sequence[Transition]) -> Ahead:
    ids, names = {step.device_id for step in transitions}, {step.rule for step in transitions}
    devices = session.scalars(select(Device).where(Device.id.in_(ids))).all()
    rules = session.scalars(select(Rule).where(Rule.name.in_(names))).all()
    used = {(step.rule, step.version) for step in transitions}
    versions = [row for key in used if (row := session.get(RuleVersion, key))]
    playbooks = session.scalars(select(Playbook).where(Playbook.name.in_({row.playbook for row in versions}))).all()
    absent = _episodes(session, transitions) | _keys(session, ids, {row.family for row in versions} | names)
    absent |= without_mutes(session, devices, names) | _inhibitions(session, versions)
    count = sum(step.state is TransitionState.FIRING for step in transitions)
    kept: list[object] = [*devices, *rules, *versions, *playbooks]
    return Ahead(kept, absent, fault_ids=Reserve(session, Fault, count), ticket_ids=Reserve(session, Ticket, count))


def _episodes(session: Session, transitions: Iterable[Transition]) -> set[Key]:
    wanted: set[Key] = {(EPISODE, step.rule, step.device_id, step.episode) for step in transitions}
    query = select(Fault.rule, Fault.device_id, Fault.episode)
    query = query.where(Fault.device_id.in_({device_id for _, _, device_id, _ in wanted}))
    return wanted - {(EPISODE, *row) for row in session.execute(query)}


def _keys(session: Session, ids: set[str], families: set[str]) -> set[Key]:
    query = select(Ticket.device_id, Ticket.family).where(Ticket.device_id.in_(ids), Ticket.family.in_(families))
    wanted: set[Key] = {(TICKET, device_id, family) for device_id in ids for family in families}
    return wanted - {(TICKET, *row) for row in session.execute(query)}


def _inhibitions(session: Session, versions: Iterable[RuleVersion]) -> set[Key]:
    names, families = {row.name for row in versions}, {row.family for row in versions}
    mine = or_(Inhibition.rule.in_(names), Inhibition.target_rule.in_(names), Inhibition.target_family.in_(families))
    found = session.execute(
        select(Inhibition.rule, Inhibition.version, Inhibition.target_rule, Inhibition.target_family).where(mine)
    ).all()
    aims = {(rule, version) for rule, version, _, _ in found}
    aimed = {target for _, _, *targets in found for target in targets}
    quiet: set[Key] = {(AIMS, row.name, row.version) for row in versions if (row.name, row.version) not in aims}
    return quiet | {(AIMED, row.name, row.family) for row in versions if not {row.name, row.family} & aimed}
