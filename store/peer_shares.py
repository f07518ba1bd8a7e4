"""What partitions say of groups of peers, on its way from the workers that evaluate to the clock role that sums up."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.tables import PeerShare


class GroupShare(NamedTuple):
    """One partition's latest values of one group: all `n`, or evenly spaced quantiles of them."""

    subject: str
    group: str
    n: int
    points: Sequence[float]


def put(session: Session, partition: int, shares: Iterable[GroupShare], *, at: datetime) -> None:
    """What the partition says now, instead of what it said before."""
    session.execute(delete(PeerShare).where(PeerShare.partition == partition))
    session.add_all(
        PeerShare(partition=partition, subject=one.subject, peers=one.group, at=at, n=one.n, points=list(one.points))
        for one in shares
    )


def since(session: Session, moment: datetime) -> list[GroupShare]:
    """What all partitions have said since then; one that has been silent for longer is not counted."""
    rows = session.scalars(select(PeerShare).where(PeerShare.at >= moment).order_by(PeerShare.partition))
    return [GroupShare(row.subject, row.peers, row.n, row.points) for row in rows]
