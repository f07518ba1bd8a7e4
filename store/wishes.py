"""What a person chooses for themselves: written to their row and, where it is a yes or a no, to the consent ledger."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain.messages import Channel, Purpose, RecipientKind
from store import absence, consent, people
from store.consent import Source
from store.tables import Customer

ASKED = (Purpose.SAFETY, Purpose.SERVICE, Purpose.APPOINTMENT)
"""What a person is asked about; the rest is never sent."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that a person can choose on their page."""

    language: str
    wanted: Collection[tuple[Channel, Purpose]]
    quiet: tuple[str, str] | None
    """From and to, as `HH:MM`; None: any hour is fine."""
    sundays: bool
    digest: bool
    away_until: datetime | None


def grant(session: Session, customer: Customer, wishes: Wishes, *, now: datetime) -> None:
    """Keep to it from now on. Only what changes is written down."""
    customer.language = wishes.language
    customer.digest = "daily" if wishes.digest else None
    customer.quiet_from, customer.quiet_to = wishes.quiet or (None, None)
    customer.quiet_sundays = wishes.sundays
    if wishes.away_until != absence.away_until(session, customer.id, now):
        absence.set_away(session, customer.id, wishes.away_until, now)
    person = people.customer(session, customer.id)
    for channel in person.reached_by:
        for granted in (True, False):
            changed = [
                purpose
                for purpose in ASKED
                if ((channel, purpose) in wishes.wanted) is granted and person.refuses(channel, purpose) is granted
            ]
            if changed:
                consent.record(
                    session,
                    RecipientKind.CUSTOMER,
                    customer.id,
                    channels=[channel],
                    purposes=changed,
                    granted=granted,
                    source=Source.PAGE,
                    actor=f"customer:{customer.id}",
                    now=now,
                )
