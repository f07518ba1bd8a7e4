"""Firmwares against each other: exact intervals, minimum exposure, and one ticket for agents."""

from datetime import timedelta
from math import comb, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.telemetry import DeviceChanged
from domain.tickets import TicketCause, TicketState
from store import due
from store.firmware import end_firmware, note_firmware
from store.tables import Device, Fault, FirmwarePeriod
from tests.fakes.desk import Desk
from tests.fakes.fleet import stand
from tickets.comparison import Exposure, compare, interval
from tickets.service import comparisons, move, verdict

counts = st.integers(0, 60)
exposures = st.floats(0.5, 5000)


def tail(n: int, p: float, least: int) -> float:
    """P(X ≥ least) of a binomial, term by term."""
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))


@given(counts, exposures, counts, exposures)
def test_the_interval_has_the_tails_that_clopper_and_pearson_say(x: int, t: float, y: int, u: float) -> None:
    low, high = interval(x, t, y, u)
    if x + y == 0:
        assert (low, high) == (0.0, None)
        return
    assert low <= (x / t) / (y / u) if y else low >= 0
    if x:
        p = low * t / (low * t + u)
        assert tail(x + y, p, x) == pytest.approx(0.025, abs=1e-6)
    if high is not None:
        p = high * t / (high * t + u)
        assert 1 - tail(x + y, p, x + 1) == pytest.approx(0.025, abs=1e-6)
    assert (high is None) == (y == 0)


@given(counts, exposures, counts, exposures)
def test_seen_from_the_other_side_the_interval_is_the_inverse(x: int, t: float, y: int, u: float) -> None:
    (low, high), (other_low, other_high) = interval(x, t, y, u), interval(y, u, x, t)
    if x and y:
        assert low == pytest.approx(1 / (other_high or inf), rel=1e-6)
        assert high == pytest.approx(1 / other_low, rel=1e-6)


def test_published_figures_are_met() -> None:
    """Five against none over the same time: the lower bound of p is 0.025 to the power of a fifth."""
    low, high = interval(5, 100, 0, 100)
    p = 0.025**0.2
    assert (low, high) == (pytest.approx(p / (1 - p)), None)


@pytest.mark.parametrize(
    ("one", "rest", "worse"),
    [
        (Exposure("2.0", 10, 280, 30), Exposure("1.0", 100, 2800, 60), True),
        (Exposure("2.0", 10, 280, 9), Exposure("1.0", 100, 2800, 60), False),
        (Exposure("2.0", 4, 280, 30), Exposure("1.0", 100, 2800, 60), False),
        (Exposure("2.0", 10, 20, 30), Exposure("1.0", 100, 2800, 60), False),
        (Exposure("2.0", 10, 280, 4), Exposure("1.0", 100, 2800, 0), False),
        (Exposure("2.0", 10, 280, 30), Exposure("1.0", 2, 20, 0), False),
        (Exposure("2.0", 10, 280, 10), Exposure("1.0", 100, 2800, 0), True),
    ],
)
def test_a_firmware_is_called_worse_only_on_enough_evidence(one: Exposure, rest: Exposure, worse: bool) -> None:
    assert [found.worse for found in compare([one, rest])] == [worse, False]


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """Ten devices on 2.0 and thirty on 1.0, heard all the time for four weeks."""
    stand(desk, 10, prefix="new", firmware="2.0")
    stand(desk, 30, prefix="old", firmware="1.0")
    with desk.write() as session:
        for period in session.query(FirmwarePeriod):
            period.since = desk.now - timedelta(days=27)
        for device in session.query(Device):
            device.last_seen = desk.now
    return desk


def breaks(desk: Desk, device: str, *, days_ago: int) -> None:
    desk.fires("overheat", device=device, age=timedelta(days=days_ago))
    desk.clears("overheat", device=device)


def compared(desk: Desk) -> dict[str, object]:
    with desk.write() as session:
        due.schedule(session, "firmware", "daily", at=desk.now)
    desk.advance(seconds=1)
    with desk.database.read() as session:
        return {found.firmware: found for found in comparisons(session, "heatpump", now=desk.now)}


def test_exposure_and_faults_are_counted_by_the_firmware_of_the_day(fleet: Desk) -> None:
    with fleet.write() as session:
        changed = DeviceChanged("old-0", "heatpump", {"firmware": "2.0"}, 0)
        note_firmware(session, changed, at=fleet.now - timedelta(days=7))
        note_firmware(session, changed, at=fleet.now - timedelta(days=3))
        end_firmware(session, "old-1", at=fleet.now - timedelta(days=17))
    breaks(fleet, "old-0", days_ago=10)
    breaks(fleet, "old-0", days_ago=2)
    found = compared(fleet)
    assert (found["2.0"].faults, found["1.0"].faults) == (1, 1)
    assert found["2.0"].device_days == pytest.approx(277, abs=0.01)
    assert found["1.0"].device_days == pytest.approx(27 * 30 - 7 - 17, abs=0.01)
    assert (found["2.0"].devices, found["1.0"].devices) == (11, 30)


def test_a_worse_firmware_gets_one_ticket_for_agents_and_no_second(fleet: Desk) -> None:
    for number in range(10):
        for day in (3, 9, 15):
            breaks(fleet, f"new-{number}", days_ago=day)
    for number in range(6):
        breaks(fleet, f"old-{number}", days_ago=5)
    told = list(fleet.announced)
    assert compared(fleet)["2.0"].worse
    tickets = [ticket for ticket in fleet.tickets() if ticket.cause == TicketCause.FIRMWARE]
    (ticket,) = tickets
    assert (ticket.device_id, ticket.scope, ticket.state) == ("firmware/heatpump/2.0", "firmware", "pending_agent")
    assert ticket.title["en"] == "Firmware 2.0 of heatpump: 15.0 times the faults of the others"
    assert fleet.announced == told
    fleet.do(move, ticket.id, TicketState.CLOSED, actor="agent", reason="known, 2.1 is on its way")
    fleet.advance(days=3)
    assert len([one for one in fleet.tickets() if one.cause == TicketCause.FIRMWARE]) == 1


def test_a_device_that_flaps_all_day_counts_once_and_a_false_alarm_not_at_all(fleet: Desk) -> None:
    for _ in range(20):
        breaks(fleet, "new-0", days_ago=2)
    breaks(fleet, "new-1", days_ago=2)
    with fleet.database.read() as session:
        last = session.query(Fault).order_by(Fault.id.desc()).first()
    fleet.do(verdict, last.id, "false_alarm", actor="agent")
    assert compared(fleet)["2.0"].faults == 1


def test_what_a_place_had_in_common_is_not_the_firmwares(fleet: Desk) -> None:
    fleet.rule("offline", family="link", hold_s=60.0)
    with fleet.write() as session:
        for number in range(10):
            session.get_one(Device, f"new-{number}").gateway = "gw-1"
    for number in range(10):
        fleet.fires("offline", device=f"new-{number}")
    fleet.advance(minutes=2)
    assert compared(fleet)["2.0"].faults == 0


def test_a_device_that_nobody_hears_is_not_exposed(fleet: Desk) -> None:
    with fleet.write() as session:
        session.get_one(Device, "new-0").last_seen = fleet.now - timedelta(days=20)
        session.get_one(Device, "new-1").last_seen = None
    found = compared(fleet)["2.0"]
    assert (found.devices, round(found.device_days)) == (9, 8 * 27 + 8)


def test_it_is_done_again_each_day(fleet: Desk) -> None:
    compared(fleet)
    with fleet.database.read() as session:
        row = due.oldest(session, now=fleet.now + timedelta(days=1))
    assert row is not None
    assert row.kind == "firmware"
