"""The pictures that people send: kept in the database, bounded in size and number, images alone.

They stay as they were sent. What a file is, its first bytes say; what the sender calls it counts for nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.tables import Attachment, Inbound

MAX_BYTES = 8 * 1024 * 1024
MAX_EACH = 10
"""Pictures of one message, as many as a text message carries."""
MAX_A_DAY = 50
"""Pictures of one sender in a day: what comes beyond is refused, and said."""
RETRY_AFTER = (timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))


@dataclass(frozen=True, slots=True)
class Picture:
    """One as it arrives: its bytes, or the address from which they are still to be fetched."""

    content: bytes | None = None
    source: str = ""
    name: str = ""


def image_type(content: bytes) -> str | None:
    """The media type of an image, by its first bytes (the WHATWG MIME sniffing standard; HEIF: ISO 23008-12)."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:6] in {b"GIF87a", b"GIF89a"}:
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in {b"heic", b"heix", b"mif1", b"heif"}:
        return "image/heic"
    return None


def add(session: Session, inbound: Inbound, pictures: Iterable[Picture], *, now: datetime) -> None:
    """Keep what came with a message; one that cannot be kept leaves its name and the reason."""
    room = MAX_A_DAY - _of_last_day(session, inbound, now=now)
    for place, picture in enumerate(pictures):
        row = Attachment(inbound_id=inbound.id, state="pending", name=picture.name[:120], source=picture.source)
        session.add(row)
        if place >= min(MAX_EACH, room):
            _refuse(row, "there were too many at once")
        elif picture.content is not None:
            keep(row, picture.content)
        else:
            row.next_try_at = now
    session.flush()


def keep(row: Attachment, content: bytes) -> None:
    """The bytes are here."""
    media_type = image_type(content)
    if len(content) > MAX_BYTES:
        _refuse(row, f"it has more than {MAX_BYTES // 1024 // 1024} MB")
    elif media_type is None:
        _refuse(row, "it is no picture")
    else:
        row.state, row.media_type, row.size, row.content = "kept", media_type, len(content), content
        row.next_try_at = None


def fetch_failed(row: Attachment, reason: str, *, now: datetime, for_good: bool) -> None:
    """It did not come: later once more, unless that is of no use."""
    if for_good or row.tries >= len(RETRY_AFTER):
        _refuse(row, reason)
        return
    row.next_try_at = now + RETRY_AFTER[row.tries]
    row.tries += 1


def due(session: Session, *, now: datetime, limit: int = 20) -> Sequence[Attachment]:
    """Those to be fetched now."""
    query = select(Attachment).where(Attachment.state == "pending", Attachment.next_try_at <= now)
    return session.scalars(query.order_by(Attachment.next_try_at, Attachment.id).limit(limit)).all()


def of_inbound(session: Session, ids: Iterable[int]) -> dict[int, list[Attachment]]:
    """The pictures of these messages, without their bytes."""
    found: dict[int, list[Attachment]] = {}
    for row in session.scalars(select(Attachment).where(Attachment.inbound_id.in_(list(ids))).order_by(Attachment.id)):
        found.setdefault(row.inbound_id, []).append(row)
    return found


def of_ticket(session: Session, ticket_id: int) -> Sequence[Attachment]:
    """The pictures about a ticket, without their bytes."""
    query = select(Attachment).join(Inbound, Inbound.id == Attachment.inbound_id).where(Inbound.ticket_id == ticket_id)
    return session.scalars(query.where(Attachment.state == "kept").order_by(Attachment.id)).all()


def _of_last_day(session: Session, inbound: Inbound, *, now: datetime) -> int:
    same = Inbound.address == inbound.address
    if inbound.recipient_id is not None:
        same = (Inbound.recipient_kind == inbound.recipient_kind) & (Inbound.recipient_id == inbound.recipient_id)
    query = select(func.count(Attachment.id)).join(Inbound, Inbound.id == Attachment.inbound_id)
    return session.scalar(query.where(same, Inbound.at > now - timedelta(days=1))) or 0


def _refuse(row: Attachment, reason: str) -> None:
    row.state, row.reason, row.next_try_at = "refused", reason, None
