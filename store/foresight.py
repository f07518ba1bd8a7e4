"""What a transaction knows before it asks, because it was read for many things at once.

Rows that many look up by key are kept, so that the session has them. Of the rest mostly absence is foreseen: what is
there is read, and locked, when it is needed. `tickets.foresight` looks ahead for faults, `store.warming` for messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.tables import Device, Fault, Mute

EPISODE, TICKET, MUTE, AIMED, AIMS = "episode", "ticket", "mute", "inhibited", "inhibits"
CONSENT, COMMAND, VISIT, MESSAGE, REACHED = "consent", "command", "visit", "message", "reached"
WRITTEN, DISOWNED = "written", "disowned"
"""First words of keys; what follows is up to who looks and who asks."""

_FORESIGHT = "foresight"
Key = tuple[object, ...]


@dataclass(slots=True)
class Foresight:
    """Holds rows so that the session, which forgets what nobody holds, finds them without asking."""

    kept: list[object]
    absent: set[Key]
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    """By ticket: all of them."""


def use(session: Session, foresight: Foresight | None) -> None:
    """From here on in this transaction; None: no more."""
    session.info[_FORESIGHT] = foresight


def in_use(session: Session) -> Foresight | None:
    """What is foreseen in this transaction."""
    found: Foresight | None = session.info.get(_FORESIGHT)
    return found


def absent(session: Session, *key: object) -> bool:
    """Whether there is certainly no such row."""
    foresight = in_use(session)
    return foresight is not None and key in foresight.absent


def faults_of(session: Session, ticket_id: int) -> list[Fault] | None:
    """All faults of a ticket; None: that has to be asked."""
    foresight = in_use(session)
    return foresight.faults.get(ticket_id) if foresight else None


def scopes_of(device: Device) -> dict[str, str]:
    """What a maintenance window over the device may name: scope by scope."""
    scopes = {"device": device.id, "site": device.address, "gateway": device.gateway, "product": device.product}
    return {scope: value for scope, value in scopes.items() if value}


def without_mutes(session: Session, devices: Iterable[Device], rules: Iterable[str]) -> set[Key]:
    """Scopes of these devices and rules over which there is no maintenance window."""
    scopes = {pair for device in devices for pair in scopes_of(device).items()} | {("rule", rule) for rule in rules}
    found = session.execute(select(Mute.scope, Mute.value).where(Mute.value.in_({value for _, value in scopes})))
    return {(MUTE, *pair) for pair in scopes - {(scope, value) for scope, value in found}}
