"""The feed over HTTP: what changes arrives, and a client that comes back misses nothing."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from store import events
from tests.fakes.api_house import START, TOKEN, House
from tests.fakes.api_server import serving
from tests.real import free_port


@pytest.fixture
def address(house: House) -> Iterator[str]:
    with serving(house.app, free_port()) as found:
        yield found


def publish(house: House, kind: str) -> None:
    with house.database.write() as session:
        events.publish(session, kind, at=START, device_id="hp-1")


def listen(
    address: str, *, last: int | None, wanted: int, ready: threading.Event | None = None
) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Last-Event-ID": str(last)} if last is not None else {})
    found: list[dict[str, object]] = []
    with httpx.stream("GET", f"{address}/v1/events", headers=headers, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("retry:") and ready is not None:
                ready.set()
            if line.startswith("data:"):
                found.append(json.loads(line.removeprefix("data:")))
            if len(found) == wanted:
                break
    return found


def test_a_client_that_comes_back_misses_nothing(house: House, address: str) -> None:
    with house.database.read() as session:
        before = events.newest_id(session)
    for kind in ("fault.firing", "ticket.opened", "message.accepted"):
        publish(house, kind)
    assert [event["kind"] for event in listen(address, last=before, wanted=3)] == [
        "fault.firing",
        "ticket.opened",
        "message.accepted",
    ]
    (last,) = listen(address, last=before + 2, wanted=1)
    assert (last["id"], last["at"], last["device_id"]) == (before + 3, "2026-03-03T08:00:00Z", "hp-1")


def test_a_new_client_hears_what_comes_and_not_what_was(house: House, address: str) -> None:
    publish(house, "fault.firing")
    ready = threading.Event()
    found: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: found.extend(listen(address, last=None, wanted=1, ready=ready)))
    thread.start()
    assert ready.wait(5)
    for _ in range(50):
        publish(house, "ticket.closed")
        thread.join(timeout=0.2)
        if not thread.is_alive():
            break
    assert [event["kind"] for event in found] == ["ticket.closed"]
