"""Customers and technicians: they read what reaches them and act in their own time, by the public surface only."""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from devices_sim.clock import StoryClock
from devices_sim.rest import Api, Refused, Unreachable
from devices_sim.scenario import CustomerPlan, Scenario, TechnicianPlan, span

log = logging.getLogger(__name__)

REACHED = {"accepted", "sent", "delivered"}
OPENINGS = {"opening", "opening_after_remote_try"}
POLL_S = 0.25
_LINK = re.compile(r"https?://[^\s\"'<>)]+")


@dataclass(frozen=True, slots=True)
class Errand:
    """Something that a person will do at a time; tried until it works or is refused."""

    due: datetime
    act: Callable[[], object]


class People:
    """Plays every person of a scenario.

    All that has been planned or done is known by a key (message or visit, and what to do about it), so that the same
    message seen twice is acted on once.
    """

    def __init__(
        self, scenario: Scenario, *, api: Api, clock: StoryClock, repair: Callable[[str, datetime], None]
    ) -> None:
        """`repair` mends a device of the fleet."""
        self._scenario, self._api, self._clock, self._repair = scenario, api, clock, repair
        self._since = clock.now()
        self._errands: dict[str, Errand] = {}
        self._done: set[str] = set()
        self._away = False

    def run(self, stop: threading.Event) -> None:
        """Poll and act until `stop`."""
        while not stop.is_set():
            try:
                self.step()
            except Exception:
                # One answer of an unforeseen shape must not end everybody's day.
                log.exception("people stumbled")
            stop.wait(POLL_S)

    def step(self) -> None:
        """Read what is new, and do what is due."""
        try:
            for message in self._api.items("v1/messages", limit="100"):
                self._read(message)
            for visit in self._api.items("v1/visits", limit="100"):
                self._watch(visit)
            self._say_back()
        except Unreachable as exc:
            self._say_away(exc)
        except Refused as exc:
            log.warning("people cannot read what was sent to them: %s", exc)
        self._act()

    def _act(self) -> None:
        now = self._clock.now()
        for key, errand in sorted(self._errands.items(), key=lambda item: item[1].due):
            if errand.due > now:
                continue
            try:
                errand.act()
            except Unreachable as exc:
                self._say_away(exc)
                continue
            except Refused as exc:
                log.info("errand=%s refused: %s", key, exc)
            del self._errands[key]
            self._done.add(key)

    def _plan(self, key: str, due: datetime, act: Callable[[], object]) -> None:
        if key not in self._done:
            self._errands.setdefault(key, Errand(due, act))

    def _read(self, message: Mapping[str, Any]) -> None:
        created = _moment(message.get("created_at"))
        if message.get("state") not in REACHED or (created is not None and created < self._since):
            return
        person = str(message.get("recipient_id"))
        if message.get("recipient_kind") == "customer" and message.get("stage") in OPENINGS:
            customer = self._scenario.customers.get(person)
            if customer is not None:
                self._plan_answer(message, person, customer)
        elif message.get("recipient_kind") == "technician" and message.get("stage") == "visit_offer":
            technician = self._scenario.technicians.get(person)
            if technician is not None:
                self._plan_decision(message, technician)

    def _plan_answer(self, message: Mapping[str, Any], person: str, plan: CustomerPlan) -> None:
        key = f"answer/{message['id']}"
        said = {"person": person, "channel": message.get("channel") or "sms", "text": plan.answer}

        def answer() -> None:
            self._api.post("sandbox/reply", said, key=key)
            # Only now: whoever says "fixed" has it fixed, and the telemetry follows.
            for device_id in plan.mends:
                self._repair(device_id, self._clock.now())

        self._plan(key, self._clock.now() + span(plan.after), answer)

    def _plan_decision(self, message: Mapping[str, Any], plan: TechnicianPlan) -> None:
        found = _LINK.search(str(message.get("body") or ""))
        if found is None:
            log.warning("message=%s: an offer without a link", message.get("id"))
            return
        key, url = f"decide/{message['id']}", f"{found.group().rstrip('.,;')}/{plan.answer}"
        self._plan(key, self._clock.now() + span(plan.after), lambda: self._api.post(url, key=key))

    def _watch(self, visit: Mapping[str, Any]) -> None:
        plan = self._scenario.technicians.get(str(visit.get("technician_id")))
        if plan is None:
            return
        now, number = self._clock.now(), visit["id"]
        match visit.get("state"):
            case "accepted":
                self._plan_step(number, "en-route", max(now + span(plan.leaves), _leaving(visit, span(plan.travel))))
            case "en_route":
                self._plan_step(number, "arrive", now + span(plan.travel))
            case "on_site":
                self._plan_step(number, "complete", now + span(plan.work))
            case "completed" if (key := f"repaired/{number}") not in self._done:
                self._repair(self._device_of(visit), now)
                self._done.add(key)
            case _:
                pass

    def _plan_step(self, visit_id: object, step: str, due: datetime) -> None:
        key = f"{step}/{visit_id}"
        # What is broken here is broken: whoever comes finds it.
        said = {"closing_code": "fixed"} if step == "complete" else None
        self._plan(key, due, lambda: self._api.post(f"v1/visits/{visit_id}/{step}", said, key=key))

    def _device_of(self, visit: Mapping[str, Any]) -> str:
        device_id = visit.get("device_id")
        return str(device_id or self._api.get(f"v1/tickets/{visit['ticket_id']}")["device_id"])

    def _say_away(self, exc: Unreachable) -> None:
        if not self._away:
            log.warning("people wait for the product to answer: %s", exc)
        self._away = True

    def _say_back(self) -> None:
        if self._away:
            log.info("the product answers again")
        self._away = False


def _leaving(visit: Mapping[str, Any], travel: timedelta) -> datetime:
    """When to leave so as to arrive as the promised window opens; long ago, if none was promised."""
    opens = _moment(visit.get("window_start"))
    return datetime.fromtimestamp(0).astimezone() if opens is None else opens - travel


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else None
