"""Named tasks that one process at a time does. Leases run on real time: they are about processes."""

import socket
import time

import psutil
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from store.tables import Lease


def hold(session: Session, name: str, *, owner: str, seconds: float) -> bool:
    """Take or renew the lease on `name` for `owner` (role@host:pid); False when somebody else holds it."""
    if session.get(Lease, name) is None:
        session.add(Lease(name=name, owner=None, until=0.0))
        session.flush()
    now = time.time()
    holder = session.scalar(select(Lease.owner).where(Lease.name == name))
    free = or_(Lease.owner == owner, Lease.owner.is_(None), Lease.until < now)
    if holder is not None and is_gone(holder):
        free = Lease.owner == holder
    session.execute(update(Lease).where(Lease.name == name, free).values(owner=owner, until=now + seconds))
    return session.scalar(select(Lease.owner).where(Lease.name == name)) == owner


def is_gone(instance: str) -> bool:
    """Whether `role@host:pid` names a process of this host that has ended: its leases need not run out first."""
    place, _, pid = instance.rpartition(":")
    return place.endswith(f"@{socket.gethostname()}") and pid.isdigit() and not psutil.pid_exists(int(pid))
