"""Topics and device ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.topics import Address, Kind, Misaddressed, address, id_problem


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("devices/d.1/telemetry", Address("d.1", Kind.TELEMETRY)),
        ("devices/é*>/attributes", Address("é*>", Kind.ATTRIBUTES)),
        ("devices/d/status", Address("d", Kind.STATUS)),
        ("devices/d/commands", Address("d", Kind.OURS)),
        ("devices/d/commands/c-1", Address("d", Kind.ANSWER, "c-1")),
        ("devices/$listener/somebody", Address("$listener", Kind.OURS)),
        (f"devices/{'x' * 128}/status", Address("x" * 128, Kind.STATUS)),
    ],
)
def test_native_topics(topic: str, expected: Address) -> None:
    assert address(topic) == expected


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("devices", "unknown_topic"),
        ("devices/", "unknown_topic"),
        ("devices/d", "unknown_topic"),
        ("devices/d/", "unknown_topic"),
        ("devices/d/nonsense", "unknown_topic"),
        ("devices/d/telemetry/more", "unknown_topic"),
        ("devices/d/commands/", "unknown_topic"),
        ("devices/d/commands/a/b", "unknown_topic"),
        ("elsewhere/d/telemetry", "unknown_topic"),
        ("devices//telemetry", "bad_device_id"),
        ("devices/a b/telemetry", "bad_device_id"),
        ("devices/a\u2003b/telemetry", "bad_device_id"),
        ("devices/a\x07b/telemetry", "bad_device_id"),
        ("devices/a+b/telemetry", "bad_device_id"),
        (f"devices/{'é' * 65}/telemetry", "bad_device_id"),
    ],
)
def test_what_fits_nothing_has_a_reason(topic: str, reason: str) -> None:
    got = address(topic)
    assert isinstance(got, Misaddressed)
    assert got.reason == reason


@given(st.text(max_size=200))
def test_every_topic_has_an_answer_that_a_database_can_keep(text: str) -> None:
    got = address(f"devices/{text}")
    if isinstance(got, Misaddressed):
        got.detail.encode()
        got.device_id.encode()
        assert "\x00" not in got.device_id + got.detail
    else:
        assert got.kind is Kind.OURS or id_problem(got.device_id) is None
