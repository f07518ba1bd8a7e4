"""Whose a device is not: somebody's word that it is not theirs, kept whatever a manifest says."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store import events
from store.foresight import DISOWNED, absent
from store.tables import Disowned
from store.upsert import insert_once


def disown(session: Session, *, device_id: str, customer_id: str, source: str, now: datetime) -> None:
    """`customer_id` says that the device is not theirs: from now on they are told nothing more about it."""
    if insert_once(session, Disowned, device_id=device_id, customer_id=customer_id, source=source, at=now):
        events.publish(session, "device.disowned", at=now, device_id=device_id, customer_id=customer_id)


def own_again(session: Session, *, device_id: str, customer_id: str) -> None:
    """They say that it is theirs after all."""
    session.execute(delete(Disowned).where(Disowned.device_id == device_id, Disowned.customer_id == customer_id))


def disowned(session: Session, customer_id: str) -> frozenset[str]:
    """The devices that a person said are not theirs."""
    if absent(session, DISOWNED, customer_id):
        return frozenset()
    return frozenset(session.scalars(select(Disowned.device_id).where(Disowned.customer_id == customer_id)))
