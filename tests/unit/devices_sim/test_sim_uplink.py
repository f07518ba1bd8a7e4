"""A connection sends in order what had to wait, keeps a bounded amount, and vanishes and returns on demand."""

from collections.abc import Callable

import pytest

from devices_sim.uplink import WINDOW, Broker, Message, Uplink
from tests.unit.devices_sim.sim_fakes import FakeClient

BROKER = Broker.parse("mqtt://127.0.0.1:1884")


def linked(
    client: FakeClient,
    *,
    capacity: int = 1000,
    greetings: tuple[Message, ...] = (),
    on_message: Callable[[str, bytes], Message | None] = lambda _topic, _payload: None,
) -> Uplink:
    uplink = Uplink(
        lambda: client,
        BROKER,
        subscriptions=["devices/d/commands"],
        greetings=greetings,
        on_message=on_message,
        capacity=capacity,
    )
    uplink.start()
    return uplink


def say(uplink: Uplink, *numbers: int) -> None:
    for number in numbers:
        uplink.publish("t", b"%d" % number)


def test_what_was_said_before_the_connection_goes_out_in_order() -> None:
    client = FakeClient()
    uplink = linked(client)
    say(uplink, 1, 2, 3)
    assert client.payloads() == []
    client.up()
    say(uplink, 4)
    assert client.payloads() == [b"1", b"2", b"3", b"4"]
    assert client.subscribed == ["devices/d/commands"]


def test_an_outage_delays_and_loses_nothing() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    say(uplink, 1)
    client.ack()
    client.down()
    say(uplink, 2, 3)
    assert client.payloads() == [b"1"]
    client.up()
    uplink.flush()
    assert client.payloads() == [b"1", b"2", b"3"]


def test_nothing_overtakes_what_paho_repeats_after_a_reconnection() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    say(uplink, 1, 2)
    client.down()
    say(uplink, 3)
    client.up()
    uplink.flush()
    assert client.payloads() == [b"1", b"2"]
    client.ack(1)
    uplink.flush()
    assert client.payloads() == [b"1", b"2"]
    client.ack(1)
    uplink.flush()
    assert client.payloads() == [b"1", b"2", b"3"]


def test_in_flight_is_bounded() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    say(uplink, *range(WINDOW + 50))
    assert len(client.published) == WINDOW
    client.ack(10)
    uplink.flush()
    assert len(client.published) == WINDOW + 10
    assert uplink.backlog == WINDOW + 40


def test_a_full_buffer_drops_the_oldest_and_counts_it() -> None:
    client = FakeClient()
    uplink = linked(client, capacity=3)
    say(uplink, 1, 2, 3, 4, 5)
    client.up()
    uplink.flush()
    assert client.payloads() == [b"3", b"4", b"5"]
    assert uplink.dropped == 2


def test_a_refused_connection_sends_nothing() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up(reason="Not authorized")
    say(uplink, 1)
    assert not uplink.connected
    assert client.payloads() == []


def test_it_greets_on_every_connection() -> None:
    client = FakeClient()
    linked(client, greetings=(("devices/d/status", b"online", True),))
    client.up()
    client.down()
    client.up()
    assert client.published == [("devices/d/status", b"online", True)] * 2


def test_a_power_cut_has_no_goodbye_and_is_followed_by_a_return() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    uplink.drop()
    assert not client.looping
    assert not client.said_goodbye
    say(uplink, 1)
    assert client.payloads() == []
    uplink.start()
    client.up()
    uplink.flush()
    assert client.payloads() == [b"1"]
    assert client.started == 2


def test_an_answer_goes_where_it_belongs() -> None:
    client = FakeClient()
    linked(client, on_message=lambda topic, payload: (f"{topic}/7", payload.upper(), False))
    client.up()
    client.receive("devices/d/commands", b"done")
    assert client.published == [("devices/d/commands/7", b"DONE", False)]


def test_the_farewell_is_said_before_leaving() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    uplink.leave(farewell=("devices/d/status", b"offline", True))
    uplink.join()
    assert client.published == [("devices/d/status", b"offline", True)]
    assert client.said_goodbye
    assert not client.looping


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://localhost", Broker("localhost", 1883)),
        ("mqtts://a.example", Broker("a.example", 8883, tls=True)),
        ("mqtt://sam:p%40ss@h:1,mqtt://other:2", Broker("h", 1, "sam", "p@ss")),
    ],
)
def test_broker_addresses(url: str, broker: Broker) -> None:
    assert Broker.parse(url) == broker


@pytest.mark.parametrize("url", ["localhost:1883", "http://localhost", "mqtt://"])
def test_what_is_no_broker_address_says_what_is(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://"):
        Broker.parse(url)


def test_what_was_in_flight_at_a_power_cut_is_said_first_on_return() -> None:
    client = FakeClient()
    uplink = linked(client)
    client.up()
    say(uplink, 1, 2)
    client.ack(1)
    uplink.drop()
    say(uplink, 3)
    uplink.start()
    client.up()
    uplink.flush()
    assert client.payloads() == [b"1", b"2", b"2", b"3"]
