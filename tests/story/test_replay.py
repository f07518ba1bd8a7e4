"""A recording of a real pump, replayed through the whole service, ends with a ticket and a message about the fault."""

from pathlib import Path

import pytest

from tests.real import SHARED, require
from tests.story.service import running_service

RECORDING = SHARED / "data/detection/skab/data/valve1/2.csv"

pytestmark = [pytest.mark.slow]


def test_a_real_recording_ends_with_a_ticket_and_a_message(tmp_path: Path) -> None:
    require(RECORDING.exists(), "the recordings of the pump test bed")
    with running_service(tmp_path) as service:
        assert "in force" in service.cli("apply", "examples/pump_testbed").stdout
        shape = ["--delimiter", ";", "--time-column", "datetime", "--ignore", "anomaly,changepoint"]
        service.cli("replay", str(RECORDING), "--speed", "max", "--device", "testbed-1", *shape)
        (message,) = service.wait(
            lambda: [row for row in service.items("/v1/messages") if row["state"] == "delivered"],
            seconds=60,
            what="a message about the fault",
        )
        (ticket,) = service.items("/v1/tickets")
        (fault,) = service.items("/v1/faults")
    assert message["ticket_id"] == ticket["id"] == fault["ticket_id"]
    assert (ticket["device_id"], fault["rule"]) == ("testbed-1", "flow-drop")
    assert message["stage"] == "opening"
