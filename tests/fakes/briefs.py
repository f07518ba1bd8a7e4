"""Sample briefs: every fact known, as the examples in ../shared/VOICE.md have them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.faults import Severity
from domain.messages import Channel, MessageStage, MessageState, RecipientKind, audience
from domain.outbox import Brief, Pending
from domain.people import QuietHours, Recipient

NOW = datetime(2026, 3, 3, 13, 20, tzinfo=UTC)
"""A Tuesday, 14:20 in Paris."""
SHORT_LINK = "https://prv.nt/c/7k.q7WkZp3xY-aB"


def brief(stage: MessageStage = MessageStage.OPENING, *, language: str = "en", **changes: Any) -> Brief:
    """The facts of a heat pump that stops too often, for whomever `stage` is told to."""
    kind = audience(stage)
    person = Recipient(
        kind=kind,
        id="c-1",
        name="Alice Martin",
        language=language,
        phone="+33612345678",
        email="alice@example.net",
        timezone="Europe/Paris",
        quiet_hours=QuietHours() if kind is RecipientKind.CUSTOMER else None,
    )
    told = Brief(
        recipient=person,
        sender="Thermia",
        ticket_id=77,
        ticket_open=stage not in {MessageStage.RESOLVED, MessageStage.FALSE_ALARM},
        link=SHORT_LINK,
        title={"en": "Compressor too hot", "fr": "Compresseur trop chaud"},
        noun={"en": "heat pump", "fr": "pompe"},
        says={"en": "stops too often", "fr": "se coupe trop souvent"},
        notice={"en": "The house warms more slowly.", "fr": "La maison chauffe plus lentement."},
        severity=Severity.MAJOR,
        remote_try="restart",
        opening_state=MessageState.DELIVERED,
        opening_channel=Channel.SMS,
        healthy_since=NOW - timedelta(minutes=10),
        technician="Sam",
        visit_start=NOW.replace(hour=13, minute=0),
        visit_end=NOW.replace(hour=15, minute=0),
        visit_state={"visit_offer": "offered", "visit_cancelled": "cancelled", "on_the_way": "en_route"}.get(
            stage, "accepted"
        ),
        place="1 rue de la Paix, Paris",
        skill="refrigerant",
        device_id="hp-1",
        product="heatpump-x",
        customer_name="Alice Martin",
        customer_phone="+33612345678",
        details={
            "text": "Sam brings the valve on Tuesday.",
            "onset": "2026-03-03T13:10:00Z",
            "choices": [{"en": "heat pump", "fr": "pompe"}, {"en": "boiler", "fr": "chaudière"}],
        },
    )
    return replace(told, **changes)


def pending(stage: MessageStage = MessageStage.OPENING, *, language: str = "en", **changes: Any) -> Pending:
    """A message due now; `changes` are of the brief."""
    return Pending(
        id=1,
        stage=stage,
        state=MessageState.READY,
        channel=None,
        attempt=0,
        created_at=NOW - timedelta(minutes=1),
        lease=1,
        brief=brief(stage, language=language, **changes),
    )
