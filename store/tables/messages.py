"""The outbox, what became of each attempt, and what people wrote back."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Message(Base):
    """One message to one person about one moment of one ticket; a summary is about none, or several."""

    __tablename__ = "messages"
    __table_args__ = (
        # "One message per stage and recipient" is the database's word.
        UniqueConstraint(
            "ticket_id",
            "stage",
            "occurrence",
            "recipient_kind",
            "recipient_id",
            "rung",
            name="uq_messages_one_per_stage",
        ),
        Index("ix_messages_due", "state", "not_before"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    stage: Mapped[str]
    occurrence: Mapped[str] = mapped_column(default="")
    recipient_kind: Mapped[str]
    recipient_id: Mapped[str] = mapped_column(index=True)
    rung: Mapped[int] = mapped_column(default=0, server_default="0")
    """Its place on a ladder, tenfold; the last digit tells apart what is said on several channels at once."""
    ladder: Mapped[int | None]
    """The message at the bottom of its ladder; NULL: it is that itself, or stands alone."""
    ladder_over: Mapped[str | None]
    """Why nothing of its ladder is to go out any more: somebody acknowledged, it recovered, the ticket ended."""
    cause: Mapped[str | None] = mapped_column(index=True)
    """What a person has to agree to before it goes out: the key of a cause; NULL: nothing, so far."""
    purpose: Mapped[str] = mapped_column(default="service", server_default="service")
    visit_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str]
    reason: Mapped[str | None]
    """One sentence: why it is where it is."""
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """When it would be of no use any more."""
    only_channel: Mapped[str | None]
    """The one channel that it may take; NULL: whichever the person likes best."""
    folded_into: Mapped[int | None] = mapped_column(index=True)
    """The summary in which it stands instead of going out itself: who was told by that was told of this."""
    channel: Mapped[str | None]
    address: Mapped[str | None]
    subject: Mapped[str | None]
    body: Mapped[str | None]
    html: Mapped[str | None]
    template: Mapped[str | None]
    """Whose words it was written with: `sms/opening.fr.txt`, or `thermia.opening.sms v3`."""
    attempts: Mapped[int] = mapped_column(default=0)
    forgiven: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many submissions there had been when a person sent it again: they count for no giving up."""
    look_ups: Mapped[int] = mapped_column(default=0)
    """How often the provider was asked about the last submission."""
    refused_channels: Mapped[list[Any]] = mapped_column(default=list)
    """Channels whose provider said that this address will never do."""
    lease_owner: Mapped[str | None]
    lease_until: Mapped[float | None]
    """Real epoch seconds: leases are about processes, not about the simulated day."""
    lease: Mapped[int] = mapped_column(default=0)
    sender: Mapped[str | None]
    """The number or address that it left from."""
    country: Mapped[str | None]
    """Of the number that it goes to, as ISO 3166 writes it; empty where an address has none."""
    segments: Mapped[int | None]
    cost: Mapped[float | None]
    """What was expected on submission, in the currency of the settings."""
    provider: Mapped[str | None]
    provider_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class MessageAttempt(Base):
    """One submission, or one receipt, as it happened. Append-only."""

    __tablename__ = "message_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    """submit | look_up | receipt | render | given_up | tried_again | desk"""
    outcome: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")


class SandboxMessage(Base):
    """What the sandbox channel took: the last hop of an installation without providers, one row a message."""

    __tablename__ = "sandbox_messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(unique=True)
    channel: Mapped[str]
    address: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(default="")
    body: Mapped[str]
    html: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Inbound(Base):
    """What a person sent us; the provider's id makes a repeated webhook harmless."""

    __tablename__ = "inbound"
    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    address: Mapped[str]
    recipient_kind: Mapped[str | None]
    recipient_id: Mapped[str | None] = mapped_column(index=True)
    ticket_id: Mapped[int | None]
    reply_to: Mapped[int | None]
    """The message of ours that it answers, as far as that is plain."""
    automatic: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A machine wrote it: it is kept and shown, and nobody answers."""
    intent: Mapped[str]
    body: Mapped[str]
    at: Mapped[datetime]


class Attachment(Base):
    """A picture that came with somebody's words; as they sent it, for its turn and date are part of it."""

    __tablename__ = "attachments"
    id: Mapped[int] = mapped_column(primary_key=True)
    inbound_id: Mapped[int] = mapped_column(ForeignKey("inbound.id"), index=True)
    state: Mapped[str]
    """pending | kept | refused"""
    reason: Mapped[str] = mapped_column(default="")
    """Why it was refused, in words."""
    name: Mapped[str] = mapped_column(default="")
    media_type: Mapped[str] = mapped_column(default="")
    """As its first bytes tell, whatever the sender said."""
    size: Mapped[int] = mapped_column(default=0)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    source: Mapped[str] = mapped_column(default="")
    """Where the provider keeps it, until it is fetched."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
