"""What the HTTP edge needs of the rest of the house, handed in once by `app/wiring.py`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import new as hmac
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from domain.clock import Clock
from domain.intake import RawUplink
from domain.links import LinkSigner
from domain.people import Recipient
from domain.prices import SmsPrices
from domain.telemetry import LogEntry, LogExtent, Uplink
from domain.tickets import Effect
from notify.render import Renderer
from store.database import Database
from store.history import History


class ReadingLog(Protocol):
    """The part of the reading log that pages and uplinks over HTTP use."""

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> Mapping[int, int]:
        """Returns once the log holds them. Raises LogUnavailable."""
        ...

    def extent(self) -> LogExtent:
        """Which log this is, and what it holds. Raises LogUnavailable."""
        ...

    def readings_of(
        self, *devices: str, partition: int, since: datetime, after: int = 0, patience_s: float = 60.0
    ) -> Iterator[Uplink]:
        """What devices sent since then and after that sequence, in order of arrival. Raises LogUnavailable."""
        ...

    def keep_unknown(self, messages: Mapping[str, Sequence[RawUplink]], *, msg_id: str) -> None:
        """Keep for an hour what came from devices that are not admitted yet. Raises LogUnavailable."""
        ...


class HandOn(Protocol):
    """Passes effects to their neighbours in the same transaction: `app.pipeline.hand_on`."""

    def __call__(self, session: Session, effects: Sequence[Effect], *, now: datetime) -> None: ...


@dataclass(frozen=True)
class Services:
    """Built once a process; handlers get it by `Depends`."""

    database: Database
    clock: Clock
    signer: LinkSigner
    log: ReadingLog
    history: History
    admin_token: str = field(repr=False)
    public_url: str
    hand_on: HandOn
    dispatcher: Recipient
    """Who runs the desk; the pages show times in this person's zone."""
    status: Callable[[], Mapping[str, Any]]
    """{"roles": [{role, pid, ready, trouble, …}], …} as `prevenant status --json` prints it."""
    twilio_auth_token: str | None = field(default=None, repr=False)
    push_key: str = ""
    """Our public VAPID key, base64url; empty where no browser is written to."""
    human_phone: str = ""
    """Who is dialled for a caller who wants to talk to a person; empty: they are promised a call instead."""
    renderer: Renderer = field(default_factory=Renderer)
    """Writes what is said on the telephone."""
    mail_hook_key: bytes | None = field(default=None, repr=False)
    """Signs what the mail system hands us."""
    partitions: int = 8
    sms_prices: SmsPrices | None = None
    """None: nobody said what a segment costs."""
    approved_per_minute: int = 60
    """How many messages a minute go out once a person has agreed to them."""

    @property
    def session_cookie(self) -> str:
        """What the browser of somebody who showed the token holds: proves it without containing it."""
        return hmac(self.admin_token.encode(), b"prevenant console", sha256).hexdigest()


def services_of(request: Request) -> Services:
    """The services of the application that serves `request`."""
    services: Services = request.app.state.services
    return services


House = Annotated[Services, Depends(services_of)]
"""Handlers declare `house: House`."""
