"""Named tasks that one process at a time does. Leases run on real time: they are about processes."""

import time

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from store.tables import Lease


def hold(session: Session, name: str, *, owner: str, seconds: float) -> bool:
    """Take or renew the lease on `name`; False when somebody else holds it."""
    if session.get(Lease, name) is None:
        session.add(Lease(name=name, owner=None, until=0.0))
        session.flush()
    now = time.time()
    free = or_(Lease.owner == owner, Lease.owner.is_(None), Lease.until < now)
    session.execute(update(Lease).where(Lease.name == name, free).values(owner=owner, until=now + seconds))
    return session.scalar(select(Lease.owner).where(Lease.name == name)) == owner
