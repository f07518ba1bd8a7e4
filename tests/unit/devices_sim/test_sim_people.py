"""People act on what reaches them: once, in their own time, through the public surface only."""

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from devices_sim.people import People
from devices_sim.rest import Refused, Unreachable
from devices_sim.scenario import CustomerPlan, DevicePlan, Scenario, TechnicianPlan
from tests.unit.devices_sim.sim_fakes import MovingClock

SCENARIO = Scenario(
    "scenario",
    "test",
    {"hp-1": DevicePlan("heatpump"), "wm-1": DevicePlan("washer", cycles=("09:00",))},
    customers={
        "c-1": CustomerPlan("2", after="6m"),
        "c-2": CustomerPlan("1", after="10m", mends=("wm-1",)),
    },
    technicians={
        "t-1": TechnicianPlan("decline", after="4m"),
        "t-2": TechnicianPlan("accept", after="5m", leaves="5m", travel="20m", work="30m"),
    },
)


class FakeApi:
    """The product's surface, as far as people see it."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.visits: list[dict[str, Any]] = []
        self.posts: list[tuple[str, Mapping[str, Any] | None, str]] = []
        self.away = False
        self.refuse = False

    def items(self, path: str, **_query: str) -> Iterator[dict[str, Any]]:
        self._answer()
        yield from {"v1/messages": self.messages, "v1/visits": self.visits}[path]

    def get(self, path: str) -> dict[str, Any]:
        self._answer()
        assert path == "v1/tickets/3"
        return {"device_id": "hp-1"}

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str) -> dict[str, Any]:
        self._answer()
        self.posts.append((path, body, key))
        if self.refuse:
            raise Refused(409, "too late")
        return {}

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("restarting")


class Town:
    """People with a product and a clock."""

    def __init__(self) -> None:
        self.api, self.clock = FakeApi(), MovingClock()
        self.repaired: list[str] = []
        self.people = People(SCENARIO, api=self.api, clock=self.clock, repair=self._repair)

    def _repair(self, device_id: str, _at: datetime) -> None:
        self.repaired.append(device_id)

    def tell(self, person: str, *, stage: str, body: str = "", state: str = "accepted") -> None:
        self.api.messages.append(
            {
                "id": len(self.api.messages) + 1,
                "recipient_kind": "technician" if person.startswith("t-") else "customer",
                "recipient_id": person,
                "stage": stage,
                "channel": "sms",
                "body": body,
                "state": state,
                "created_at": self.clock.now().isoformat(),
            }
        )

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.people.step()
            self.clock.advance(minutes=1)

    @property
    def said(self) -> list[str]:
        return [path for path, _, _ in self.api.posts]


@pytest.fixture
def town() -> Town:
    return Town()


def test_a_customer_answers_an_opening_once_after_a_while(town: Town) -> None:
    town.tell("c-1", stage="opening_after_remote_try")
    town.minutes(6)
    assert town.said == []
    town.minutes(20)
    assert town.api.posts == [("sandbox/reply", {"person": "c-1", "channel": "sms", "text": "2"}, "answer/1")]


def test_other_messages_and_other_people_are_left_alone(town: Town) -> None:
    town.tell("c-1", stage="resolved")
    town.tell("c-9", stage="opening")
    town.tell("c-1", stage="opening", state="held")
    town.minutes(30)
    assert town.said == []


def test_what_was_said_before_the_story_is_left_alone(town: Town) -> None:
    town.clock.advance(hours=-1)
    town.tell("c-1", stage="opening")
    town.clock.advance(hours=1)
    town.minutes(30)
    assert town.said == []


def test_whoever_answers_fixed_has_mended_it_only_once_the_answer_has_arrived(town: Town) -> None:
    town.tell("c-2", stage="opening")
    town.minutes(5)
    town.api.away = True
    town.minutes(30)
    assert town.repaired == []
    town.api.away = False
    town.minutes(2)
    assert town.said == ["sandbox/reply"]
    assert town.repaired == ["wm-1"]


def test_a_technician_answers_through_the_link_in_the_offer(town: Town) -> None:
    town.tell("t-1", stage="visit_offer", body="Paris 11e, chauffe trop. Details: http://x.test/v/1.AbC-_9. Merci")
    town.tell("t-2", stage="visit_offer", body="Details: http://x.test/v/2.AbC")
    town.minutes(10)
    assert town.said == ["http://x.test/v/1.AbC-_9/decline", "http://x.test/v/2.AbC/accept"]


def test_a_visit_goes_its_way_and_mends_the_device(town: Town) -> None:
    visit = {"id": 5, "technician_id": "t-2", "ticket_id": 3, "state": "accepted"}
    town.api.visits.append(visit)
    steps = []
    for _ in range(90):
        town.minutes(1)
        if len(town.said) > len(steps):
            steps.append((town.said[-1], town.clock.now().minute + 60 * (town.clock.now().hour - 8)))
            visit["state"] = {"en-route": "en_route", "arrive": "on_site", "complete": "completed"}[
                town.said[-1].rsplit("/", 1)[-1]
            ]
    assert [path for path, _ in steps] == ["v1/visits/5/en-route", "v1/visits/5/arrive", "v1/visits/5/complete"]
    assert [body for _, body, _ in town.api.posts] == [None, None, {"closing_code": "fixed"}]
    minutes = [minute for _, minute in steps]
    assert [after - before for before, after in itertools.pairwise(minutes)] == [21, 31]
    assert town.repaired == ["hp-1"]


def test_a_technician_does_not_come_before_the_promised_window(town: Town) -> None:
    opens = town.clock.now().replace(hour=10)
    town.api.visits.append(
        {"id": 5, "technician_id": "t-2", "ticket_id": 3, "state": "accepted", "window_start": opens.isoformat()}
    )
    town.minutes(99)
    assert town.said == []
    town.minutes(3)
    assert town.said == ["v1/visits/5/en-route"]


def test_visits_of_others_are_left_alone(town: Town) -> None:
    town.api.visits.append({"id": 5, "technician_id": "t-9", "ticket_id": 3, "state": "accepted"})
    town.api.visits.append({"id": 6, "technician_id": "t-1", "ticket_id": 3, "state": "declined"})
    town.minutes(60)
    assert town.said == []


def test_a_repair_is_done_once_even_where_the_ticket_could_not_be_read_at_first(town: Town) -> None:
    town.api.visits.append({"id": 5, "technician_id": "t-2", "ticket_id": 3, "state": "completed"})
    town.api.away = True
    town.minutes(3)
    town.api.away = False
    town.minutes(3)
    assert town.repaired == ["hp-1"]


def test_an_outage_delays_and_a_refusal_ends_an_errand(town: Town) -> None:
    town.tell("c-1", stage="opening")
    town.minutes(2)
    town.api.away = True
    town.minutes(30)
    assert town.said == []
    town.api.away, town.api.refuse = False, True
    town.minutes(5)
    assert town.said == ["sandbox/reply"]
