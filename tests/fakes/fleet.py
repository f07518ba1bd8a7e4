"""Many devices for stories about storms: behind one gateway, at one site, or on one firmware."""

from typing import Any

from store.tables import Customer, Device, FirmwarePeriod
from tests.fakes.desk import Desk


def stand(desk: Desk, count: int, *, prefix: str = "d", **common: Any) -> list[str]:
    """`count` devices, each with an owner of its own; `common` are columns, a `firmware` is noted as running."""
    firmware = common.pop("firmware", None)
    names = [f"{prefix}-{number}" for number in range(count)]
    with desk.write() as session:
        for number, name in enumerate(names):
            session.add(Customer(id=f"o-{name}", name=f"Owner {number}", phone=f"+3361{number:07}"))
        session.flush()
        for name in names:
            facts = {"product": "heatpump", "customer_id": f"o-{name}", "registered_at": desk.now, **common}
            facts["attributes"] = facts.get("attributes", {}) | ({"firmware": firmware} if firmware else {})
            session.add(Device(id=name, **facts))
            if firmware:
                period = {"device_id": name, "product": "heatpump", "firmware": firmware, "since": desk.now}
                session.add(FirmwarePeriod(**period))
    return names
