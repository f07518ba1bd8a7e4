"""An API on a real SQLite file, the log in memory, and a clock that the test moves."""

import sqlite3
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from starlette.exceptions import StarletteDeprecationWarning

from api.application import create_app
from api.services import Services
from app.pipeline import hand_on
from domain.clock import FakeClock
from domain.links import LinkSigner
from domain.messages import RecipientKind
from domain.people import DISPATCHER_ID, Recipient
from rules.documents import parse_documents
from store.database import Database
from store.history import History
from store.log_memory import MemoryLog
from store.tables import Base

with warnings.catch_warnings():
    # The test client would rather have httpx2, which is not among our dependencies; httpx serves as well.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from fastapi.testclient import TestClient

TOKEN = "let-me-in"
PUBLIC_URL = "http://testserver"
START = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)

FLEET = """
kind: maker
id: thermia
name: Thermia
---
kind: product
name: heatpump-x
maker: thermia
title: {en: Heat pump X, fr: Pompe à chaleur X}
noun: {en: heat pump, fr: pompe à chaleur}
metrics: {compressor_temp: {unit: °C}, pressure: {unit: bar}, running: {kind: boolean}}
commands: {restart: {title: {en: Restart, fr: Redémarrer}, args: {}}}
---
kind: customer
id: c-1
name: Alice Martin
language: fr
phone: "+33612345678"
email: alice@example.net
timezone: Europe/Paris
---
kind: device
id: hp-1
product: heatpump-x
customer: c-1
site: {address: 1 rue de la Paix, lat: 48.869, lon: 2.331, timezone: Europe/Paris}
attributes: {max_temp: 90, firmware: 1.4.2}
---
kind: technician
id: t-1
name: Sam Diallo
language: en
phone: "+33698765432"
skills: [refrigerant]
home: {lat: 48.85, lon: 2.35}
timezone: Europe/Paris
shifts: {mon-fri: ["08:00-12:00", "13:00-17:00"]}
---
kind: playbook
name: restart-then-ask
steps: [{command: restart}, {verify: {for: 15m}}, {message: customer}]
visit: {skill: refrigerant, duration: 45m}
notice: {en: The house warms more slowly., fr: La maison chauffe plus lentement.}
---
kind: rule
name: compressor-overheat
product: heatpump-x
family: cooling
title: {en: Heat pump gets too hot, fr: La pompe à chaleur chauffe trop}
severity: major
when: compressor_temp > coalesce(max_temp, 95)
for: 5m
stage: live
playbook: restart-then-ask
"""


class House:
    """One running API with everything behind it in reach."""

    def __init__(
        self,
        folder: Path,
        *,
        public_url: str = PUBLIC_URL,
        twilio_auth_token: str | None = None,
        mail_hook_key: bytes | None = None,
    ) -> None:
        self.path = folder / "api.db"
        self.database = Database(f"sqlite:///{self.path}", busy_timeout_s=0.3)
        Base.metadata.create_all(self.database.engine)
        self.clock = FakeClock(START)
        self.log = MemoryLog()
        self.history = History(str(folder / "history"))
        self.status: dict[str, Any] = {"ready": True, "trouble": [], "roles": [], "partitions": [], "services": {}}
        self.signer = LinkSigner(b"key", public_url)
        self.services = Services(
            database=self.database,
            clock=self.clock,
            signer=self.signer,
            log=self.log,
            history=self.history,
            admin_token=TOKEN,
            public_url=public_url,
            hand_on=hand_on,
            dispatcher=Recipient(
                RecipientKind.DISPATCHER,
                DISPATCHER_ID,
                "Claire at the desk",
                email="desk@example.net",
                timezone="Europe/Paris",
            ),
            status=self._status,
            twilio_auth_token=twilio_auth_token,
            mail_hook_key=mail_hook_key,
        )
        self.app = create_app(self.services)
        self._clients = ExitStack()
        self.client = self._client({"Authorization": f"Bearer {TOKEN}"})

    def _client(self, headers: dict[str, str]) -> TestClient:
        # Entered, a client keeps one event loop for all its requests.
        return self._clients.enter_context(TestClient(self.app, headers=headers, follow_redirects=False))

    def copy(
        self, folder: Path, *, twilio_auth_token: str | None = None, mail_hook_key: bytes | None = None
    ) -> "House":
        """Another house where everything has happened that happened here."""
        folder = Path(mkdtemp(dir=folder))
        with sqlite3.connect(self.path) as connection:
            connection.execute("VACUUM INTO ?", [str(folder / "api.db")])
        other = House(folder, twilio_auth_token=twilio_auth_token, mail_hook_key=mail_hook_key)
        other.clock.advance(seconds=(self.clock.now() - START).total_seconds())
        for partition in range(self.services.partitions):
            for batch in self.log.read(partition, after=0, max_entries=1_000_000, wait_s=0):
                other.log.append({partition: batch.entries}, msg_id=str(batch.sequence))
        return other

    def _status(self) -> Mapping[str, Any]:
        return self.status

    def browser(self, *, signed_in: bool = True) -> TestClient:
        """A client with a cookie instead of a token."""
        client = self._client({"Accept": "text/html"})
        if signed_in:
            client.get("/", params={"token": TOKEN})
        return client

    def apply(self, text: str = FLEET) -> None:
        """Declare what `text` says."""
        answer = self.client.post("/v1/apply", content=text)
        assert answer.status_code == 200, answer.text

    def documents(self, text: str = FLEET) -> Any:
        return parse_documents(text)

    def close(self) -> None:
        self._clients.close()
        self.database.close()
