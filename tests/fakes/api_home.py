"""Alice, who has a heat pump and a washing machine, shares a phone with Bob, and writes to us about them."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from api.inbound import receive
from domain.messages import Channel, MessageStage, RecipientKind
from store.tables import Inbound, Message, Ticket, TimelineEntry
from tests.fakes.api_house import PUBLIC_URL, House
from tests.fakes.api_story import CATALOGUE, Story

HOME = """---
kind: customer
id: c-1
name: Alice Martin
language: en
phone: "+33612345678"
email: alice@example.net
timezone: Europe/Paris
---
kind: customer
id: c-2
name: Bob Martin
phone: "+33612345678"
---
kind: device
id: hp-1
product: heatpump-x
customer: c-1
site: {lat: 48.869, lon: 2.331, timezone: Europe/Paris}
attributes: {max_temp: 95}
---
kind: device
id: wm-1
product: washer-s
customer: c-1
site: {lat: 48.869, lon: 2.331, timezone: Europe/Paris}
"""


class Home(Story):
    """Alice, who has a heat pump and a washing machine, and writes about them."""

    @classmethod
    def furnished(cls, folder: Path, *, public_url: str = PUBLIC_URL) -> "Home":
        """From nothing."""
        house = House(folder, public_url=public_url)
        house.apply(CATALOGUE + HOME)
        return cls(house)

    def writes(self, text: str, *, channel: Channel = Channel.SMS, address: str = "+33612345678", **more: Any) -> None:
        """By text message, unless said otherwise."""
        now = self.house.clock.now()
        facts: dict[str, Any] = {"provider_id": f"test-{len(self.rows(Inbound))}", "now": now, **more}
        with self.house.database.write() as session:
            effects = receive(session, channel=channel, address=address, text=text, **facts)
            self.house.services.hand_on(session, effects, now=now)
        self.settle()

    def pump_fails(self) -> None:
        self.fires("hp-1", "pressure-drift", {"pressure": 1.1})

    def washer_fails(self) -> None:
        self.fires("wm-1", "drain-blocked", {"drain_seconds": 200.0})

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.house.database.read() as session:
            return list(session.scalars(select(table).where(*conditions).order_by(table.id)))

    @property
    def last(self) -> Inbound:
        return self.rows(Inbound)[-1]

    def ticket(self, device_id: str) -> Ticket:
        return self.rows(Ticket, Ticket.device_id == device_id)[-1]

    def sent(self, to: str = RecipientKind.CUSTOMER) -> list[str]:
        return [message.stage for message in self.rows(Message, Message.recipient_kind == to)]

    def said(self, stage: MessageStage) -> str:
        """The text that went out."""
        return self.rows(Message, Message.stage == stage)[-1].body

    def story_of(self, device_id: str) -> list[str]:
        number = self.ticket(device_id).id
        return [entry.kind for entry in self.rows(TimelineEntry, TimelineEntry.ticket_id == number)]
