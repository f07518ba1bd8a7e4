"""The native codec against CONTRACT section 3, sentence by sentence, and against anything at all."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.intake import KnownDevice
from domain.telemetry import Sample
from ingest.decode import MAX_PAYLOAD_BYTES, Decoded, decode
from ingest.topics import Address, Kind
from store.codec import decode as from_log
from store.codec import encode as to_log

NOW = 1_700_000_000_000
DEVICE = KnownDevice("d1")


def telemetry(payload: object, *, device: KnownDevice = DEVICE, at: int = NOW) -> Decoded:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(Address(device.id, Kind.TELEMETRY), raw, received_at=at, device=device)


def samples(payload: object, **how: int) -> tuple[Sample, ...]:
    decoded = telemetry(payload, **how)  # type: ignore[arg-type]
    assert decoded.dead == []
    return decoded.uplink.samples if decoded.uplink else ()


def reasons(decoded: Decoded) -> dict[str, int]:
    return {letter.reason: letter.count for letter in decoded.dead}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"temp": 21.5}, [Sample(NOW, {"temp": 21.5})]),
        ({"ts": NOW - 5, "temp": 21.5}, [Sample(NOW - 5, {"temp": 21.5})]),
        ({"ts": NOW - 5, "values": {"temp": 21.5}}, [Sample(NOW - 5, {"temp": 21.5})]),
        ({"values": {"temp": 21.5}}, [Sample(NOW, {"temp": 21.5})]),
        ({"ts": NOW - 5, "values": {"a": 1}, "b": 2}, [Sample(NOW - 5, {"b": 2.0, "a": 1.0})]),
        ({"values": 3}, [Sample(NOW, {"values": 3.0})]),
        ({"ts": None, "temp": 1}, [Sample(NOW, {"temp": 1.0})]),
        ({"ts": float(NOW - 5), "temp": 1}, [Sample(NOW - 5, {"temp": 1.0})]),
        ({"on": True, "mode": "eco", "n": 3, "gone": None}, [Sample(NOW, {"on": True, "mode": "eco", "n": 3.0})]),
        ({"a": {"b": {"c": 1}, "d": False}}, [Sample(NOW, {"a.b.c": 1.0, "a.d": False})]),
        ({}, []),
        ([], []),
        ({"a": None}, []),
        ([{"ts": NOW - 5}], []),
    ],
)
def test_every_shape_of_the_contract(payload: object, expected: list[Sample]) -> None:
    assert list(samples(payload)) == expected


def test_integers_become_floats_and_booleans_stay() -> None:
    (sample,) = samples({"n": 3, "on": True})
    assert type(sample.values["n"]) is float
    assert sample.values["on"] is True


def test_readings_of_one_message_are_in_order_of_event_time_and_equal_times_are_one_sample() -> None:
    got = samples([{"ts": NOW - 1, "a": 1}, {"ts": NOW - 9, "a": 2}, {"ts": NOW - 1, "b": 3}, {"c": 4}])
    assert list(got) == [
        Sample(NOW - 9, {"a": 2.0}),
        Sample(NOW - 1, {"a": 1.0, "b": 3.0}),
        Sample(NOW, {"c": 4.0}),
    ]


def test_a_stamp_more_than_five_minutes_ahead_is_replaced_and_flagged() -> None:
    limit = NOW + 5 * 60_000
    assert samples({"ts": limit, "a": 1}) == (Sample(limit, {"a": 1.0}),)
    assert samples({"ts": limit + 1, "a": 1}) == (Sample(NOW, {"a": 1.0}, restamped=True),)
    assert samples({"ts": 10**25, "a": 1}) == (Sample(NOW, {"a": 1.0}, restamped=True),)


@pytest.mark.parametrize("stamp", [1_700_000_000, 0, -5, True, "2024-01-01", 1.5, [], {}])
def test_a_stamp_that_is_none_takes_its_record_with_it(stamp: object) -> None:
    decoded = telemetry([{"ts": stamp, "a": 1}, {"ts": NOW, "b": 2}])
    assert reasons(decoded) == {"bad_timestamp": 1}
    assert decoded.uplink is not None
    assert decoded.uplink.samples == (Sample(NOW, {"b": 2.0}),)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"bad": NaN, "good": 1}', "not_finite"),
        (b'{"bad": -Infinity, "good": 1}', "not_finite"),
        (b'{"bad": 1e999, "good": 1}', "not_finite"),
        (b'{"bad": ' + b"9" * 400 + b', "good": 1}', "not_finite"),
        (b'{"bad": [1, 2], "good": 1}', "wrong_type"),
        (b'{"bad": "\\ud800", "good": 1}', "wrong_type"),
        (b'{"bad": "a\\u0000b", "good": 1}', "wrong_type"),
        (b'{"": 3, "good": 1}', "bad_metric"),
        (b'{"a\\nb": 3, "good": 1}', "bad_metric"),
        (b'{"' + b"x" * 300 + b'": 3, "good": 1}', "bad_metric"),
        (b'{"bad": "' + b"x" * 70_000 + b'", "good": 1}', "too_large"),
        (b'[{"good": 1}, 7]', "wrong_type"),
        (b'[{"good": 1}, null, [{"a": 1}]]', "wrong_type"),
    ],
)
def test_a_bad_value_is_a_dead_letter_by_itself_and_the_good_beside_it_counts(payload: bytes, reason: str) -> None:
    decoded = telemetry(payload)
    assert list(reasons(decoded)) == [reason]
    assert decoded.uplink is not None
    assert decoded.uplink.samples == (Sample(NOW, {"good": 1.0}),)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "invalid_json"),
        (b"garbage", "invalid_json"),
        (b'{"a": 1', "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b"[" * 200_000, "invalid_json"),
        (b'{"a":' * 100_000, "invalid_json"),
        (b"9" * 5000, "invalid_json"),
        (b'{"a": 1}' + b" " * MAX_PAYLOAD_BYTES, "too_large"),
        (b"7", "wrong_type"),
        (b'"text"', "wrong_type"),
        (b"null", "wrong_type"),
        (b"true", "wrong_type"),
    ],
)
def test_a_payload_that_is_none_becomes_one_dead_letter(payload: bytes, reason: str) -> None:
    decoded = telemetry(payload)
    assert reasons(decoded) == {reason: 1}
    assert decoded.uplink is None
    assert len(decoded.dead[0].payload) <= 4096


def test_many_bad_values_of_one_kind_are_one_letter_with_a_count() -> None:
    assert reasons(telemetry({f"m{n}": [] for n in range(1000)})) == {"wrong_type": 1000}


def test_nesting_cannot_blow_names_up() -> None:
    deep: object = {f"k{n}": n for n in range(100)}
    for _ in range(40):
        deep = {"level" * 10: deep}
    decoded = telemetry({"x": deep, "good": 1})
    assert decoded.uplink is not None
    assert decoded.uplink.samples[0].values == {"good": 1.0}
    assert reasons(decoded) == {"bad_metric": 1}


def test_a_key_that_comes_twice_counts_with_its_last_value() -> None:
    assert samples(b'{"a": 1, "a": 2}') == (Sample(NOW, {"a": 2.0}),)


def test_declared_kinds_are_checked_and_strict_products_refuse_what_they_do_not_declare() -> None:
    lax = KnownDevice("d1", "pump", {"temp": "number", "mode": "string", "any": ""})
    decoded = telemetry({"temp": True, "mode": "eco", "any": 1, "extra": 2}, device=lax)
    assert reasons(decoded) == {"wrong_kind": 1}
    assert decoded.uplink is not None
    assert decoded.uplink.samples[0].values == {"mode": "eco", "any": 1.0, "extra": 2.0}
    strict = KnownDevice("d1", "pump", {"temp": "number"}, strict=True)
    decoded = telemetry({"temp": 1, "extra": 2}, device=strict)
    assert reasons(decoded) == {"metric_not_declared": 1}
    assert decoded.uplink is not None
    assert decoded.uplink.samples[0].values == {"temp": 1.0}


def other(kind: Kind, payload: bytes, command_id: str = "") -> Decoded:
    return decode(Address("d1", kind, command_id), payload, received_at=NOW, device=DEVICE)


def test_attributes_are_flat_values() -> None:
    decoded = other(Kind.ATTRIBUTES, b'{"firmware": "1.4.2", "net": {"rssi": -70}, "old": null, "bad": []}')
    assert decoded.attributes == {"firmware": "1.4.2", "net.rssi": -70.0}
    assert reasons(decoded) == {"wrong_type": 1}
    assert reasons(other(Kind.ATTRIBUTES, b"[1]")) == {"wrong_type": 1}
    assert reasons(other(Kind.ATTRIBUTES, b"null")) == {"wrong_type": 1}
    assert reasons(other(Kind.ATTRIBUTES, b"{")) == {"invalid_json": 1}


def test_status_is_online_or_offline() -> None:
    assert other(Kind.STATUS, b"online").presence == "online"
    assert other(Kind.STATUS, b"offline\n").presence == "offline"
    assert other(Kind.STATUS, b"") == Decoded()
    assert reasons(other(Kind.STATUS, b"maybe")) == {"wrong_type": 1}


def test_an_answer_says_done_or_failed() -> None:
    answer = other(Kind.ANSWER, b'{"status": "failed", "detail": "hot"}', "c1").answer
    assert answer is not None
    assert (answer.command_id, answer.status, answer.detail) == ("c1", "failed", "hot")
    for bad in (b'{"status": "maybe"}', b"[]", b"null", b'{"status": ["done"]}'):
        assert reasons(other(Kind.ANSWER, bad, "c1")) == {"wrong_type": 1}
    assert reasons(other(Kind.ANSWER, b"done", "c1")) == {"invalid_json": 1}


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["ts", "values"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | json_like.map(lambda value: json.dumps(value).encode()), st.sampled_from(list(Kind)))
def test_nothing_makes_it_raise_and_all_it_lets_through_fits_the_log(payload: bytes, kind: Kind) -> None:
    device = KnownDevice("d1", "pump", {"ts": "number", "a": "string"})
    decoded = decode(Address("d1", kind, "c"), payload, received_at=NOW, device=device)
    for letter in decoded.dead:
        letter.detail.encode()
    if decoded.uplink is not None:
        assert from_log(to_log([decoded.uplink])) == (decoded.uplink,)
        times = [sample.event_time for sample in decoded.uplink.samples]
        assert times == sorted(set(times))
        assert all(sample.values for sample in decoded.uplink.samples)
