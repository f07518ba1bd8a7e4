"""The homes of the latency benchmark: a pump, its owner and one telephone each, and one rule without `hold`."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from store.tables import Customer, Device, Maker, Product, Rule, RuleVersion

RULE = {
    "kind": "rule",
    "name": "too-hot",
    "product": "pump",
    "severity": "major",
    "when": "temp > 90",
    "hold": "0s",
    "stage": "live",
}
HOT, FINE = 99.5, 41.0


def device_of(number: int) -> str:
    return f"pump-{number:06d}"


def phone_of(number: int) -> str:
    return f"+3361{number:07d}"


def register(session: Session, homes: int) -> None:
    """As manifests would, row by row the same, but all at once."""
    now = datetime.now(UTC)
    session.add(Maker(id="thermia", name="Thermia"))
    session.flush()
    session.add(Product(name="pump", maker="thermia", noun={"en": "pump"}, metrics={"temp": {"unit": "celsius"}}))
    session.add(Rule(name="too-hot", stage="live", version=1))
    session.add(
        RuleVersion(
            name="too-hot",
            version=1,
            body=RULE,
            product="pump",
            family="too-hot",
            title={"en": "Pump too hot", "fr": "Pompe trop chaude"},
            says={"en": "gets too hot", "fr": "chauffe trop"},
            severity="major",
            hold_s=0.0,
            created_at=now,
        )
    )
    session.flush()
    session.execute(insert(Customer.__table__), [_owner(number) for number in range(homes)])
    session.execute(insert(Device.__table__), [_pump(number, now) for number in range(homes)])


def _owner(number: int) -> Mapping[str, object]:
    name, phone = f"Owner {number}", phone_of(number)
    return {"id": f"owner-{number:06d}", "name": name, "phone": phone, "channels": ["sms"]} | NEVER_QUIET


NEVER_QUIET = {"quiet_from": None, "quiet_to": None}


def _pump(number: int, now: datetime) -> Mapping[str, object]:
    return {
        "id": device_of(number),
        "product": "pump",
        "customer_id": f"owner-{number:06d}",
        "address": f"{number} rue de la Paix",
        "timezone": "Europe/Paris",
        "registered_at": now,
        "announced": True,
        "admitted": True,
    }
