"""The consent ledger: every word on who may be told what on which channel, and what is in force of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import Channel, Purpose, RecipientKind
from store.foresight import CONSENT, absent
from store.tables import Consent

EVERY_PURPOSE = tuple(Purpose)
Refused = Mapping[tuple[Channel, Purpose], str]
"""By channel and purpose, the source of the word that refused it."""


class Source(StrEnum):
    """Where a word came from."""

    STOP = "stop"
    START = "start"
    CARRIER = "carrier"
    """The provider knew of a STOP before us."""
    BOUNCE = "bounce"
    DEAD_NUMBER = "dead_number"
    UNSUBSCRIBE = "unsubscribe"
    PAGE = "page"
    AGENT = "agent"
    IMPORT = "import"


def record(
    session: Session,
    kind: RecipientKind,
    person_id: str,
    *,
    channels: Iterable[Channel],
    granted: bool,
    source: Source,
    actor: str,
    now: datetime,
    purposes: Iterable[Purpose] = EVERY_PURPOSE,
    evidence: str = "",
    address: str | None = None,
) -> None:
    """Write it down, one row a channel. With `address` it is about that address alone, and lapses with it."""
    session.add_all(
        Consent(
            person_kind=kind,
            person_id=person_id,
            channel=channel,
            purposes=sorted(purposes),
            granted=granted,
            source=source,
            actor=actor,
            evidence=evidence[:500],
            address=address,
            at=now,
        )
        for channel in channels
    )
    session.flush()


def refused(
    session: Session, kind: RecipientKind, person_id: str, *, addresses: Mapping[Channel, str | None]
) -> Refused:
    """What this person, reached at `addresses` now, is not to be told, and where."""
    if absent(session, CONSENT, kind, person_id):
        return {}
    query = select(Consent).where(Consent.person_kind == kind, Consent.person_id == person_id).order_by(Consent.id)
    return in_force(session.scalars(query), addresses=addresses)


def in_force(ledger: Iterable[Consent], *, addresses: Mapping[Channel, str | None]) -> Refused:
    """The newest word counts; one about an address that the person no longer has counts for nothing."""
    no: dict[tuple[Channel, Purpose], str] = {}
    known = set(Channel)
    for entry in ledger:
        if entry.channel not in known:
            continue
        channel = Channel(entry.channel)
        if entry.address is not None and entry.address != addresses.get(channel):
            continue
        for purpose in entry.purposes:
            if entry.granted:
                no.pop((channel, Purpose(purpose)), None)
            else:
                no[channel, Purpose(purpose)] = entry.source
    return no


def channels_refused(refused: Refused, purpose: Purpose = Purpose.SERVICE) -> list[Channel]:
    """The channels on which `purpose` is refused, in the order of their names."""
    return sorted(channel for channel, about in refused if about is purpose)
