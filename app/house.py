"""What every role shares, built once from settings."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.settings import Role, Settings
from domain.brakes import Limits
from domain.clock import Clock
from domain.links import LinkSigner
from domain.messages import Channel, RecipientKind
from domain.people import DISPATCHER_ID, Recipient
from domain.prices import USUAL_PRICES, Prices, parse_prices
from store import meta
from store.database import Database
from store.history import History
from store.log_jetstream import JetStreamLog

if TYPE_CHECKING:
    from notify.channels.web_push import PushIdentity

Probe = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One role, built: `run` until the event is set; `probe` says how it is."""

    run: Callable[[threading.Event], None]
    probe: Probe


@dataclass(frozen=True, slots=True)
class House:
    """What the roles share."""

    settings: Settings
    database: Database
    clock: Clock
    instance: str
    """role@host:pid: the name of this process in leases and reports."""

    def log(self) -> JetStreamLog:
        """A connection to the reading log."""
        return JetStreamLog(self.settings.nats, name=self.instance)

    def history(self) -> History:
        """A view of the telemetry history."""
        return History(self.settings.history)

    def signer(self) -> LinkSigner:
        """Signs and opens links; every process has the same key."""
        with self.database.write() as session:
            key = meta.signing_key(session)
        return LinkSigner(key, self.settings.public)

    def push_identity(self) -> "PushIdentity | None":
        """Who pushes to browsers; every process has the same key. None unless the settings say whom to write to."""
        if not self.settings.push_subject:
            return None
        from notify.channels.web_push import PushIdentity, new_private_key

        with self.database.write() as session:
            key = meta.settle(session, "vapid_key", new_private_key())
        return PushIdentity(key, self.settings.push_subject)

    def limits(self) -> Limits:
        """What brakes many messages, or costly ones."""
        settings = self.settings
        return Limits(
            settings.approval_above,
            prices=Prices(parse_prices(settings.sms_price) or USUAL_PRICES.sms, settings.voice_price),
            day=settings.cost_ceiling_day,
            customer_day=settings.cost_ceiling_customer_day,
        )

    def dispatcher(self) -> Recipient:
        """Who is told when nobody can be sent."""
        settings = self.settings
        return Recipient(
            RecipientKind.DISPATCHER,
            DISPATCHER_ID,
            settings.dispatcher_name,
            email=settings.dispatcher_email,
            channels=(Channel.EMAIL,),
        )


def instance_name(role: Role) -> str:
    """The name of this process."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"
