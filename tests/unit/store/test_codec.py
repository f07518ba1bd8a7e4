"""What the log's messages look like, and that none is ever too large for it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ConfigError
from domain.telemetry import DeviceChanged, LogEntry, PeerSummary, RuleActivated, Sample, Serviced, Tick, Uplink
from store.codec import chunks, decode, encode

values = st.floats(allow_nan=False) | st.booleans() | st.text(max_size=30)
samples = st.builds(
    Sample, st.integers(0, 2**45), st.dictionaries(st.text(max_size=8), values, min_size=1, max_size=6), st.booleans()
)
uplinks = st.builds(
    Uplink, st.text(min_size=1, max_size=20), st.integers(0, 2**45), st.lists(samples, max_size=5).map(tuple)
)
numbers = st.floats(allow_nan=False)
summaries = st.builds(
    PeerSummary,
    *(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**45), st.integers(0, 2**20), numbers, numbers),
    st.lists(numbers, max_size=6).map(tuple),
)
others = st.builds(Tick, st.integers(0, 2**45), st.text(max_size=5)) | summaries
others |= st.builds(Serviced, st.text(min_size=1, max_size=20), st.integers(0, 2**45))
entries = st.lists(uplinks | others, min_size=1, max_size=6)


@settings(deadline=None)
@given(entries)
def test_what_goes_in_comes_out(batch: list[LogEntry]) -> None:
    assert decode(encode(batch)) == tuple(batch)


def test_numbers_stay_numbers_and_booleans_booleans() -> None:
    (entry,) = decode(encode([Uplink("d", 1, (Sample(1, {"f": 2.0, "b": True, "s": "1"}),))]))
    assert isinstance(entry, Uplink)
    assert [type(value) for value in entry.samples[0].values.values()] == [float, bool, str]


@settings(deadline=None, max_examples=50)
@given(entries, st.integers(120, 400))
def test_chunks_hold_the_same_readings_in_the_same_order(batch: list[LogEntry], limit: int) -> None:
    try:
        parts = list(chunks(batch, limit))
    except ConfigError:
        return  # a single value that is larger than the limit
    assert all(len(part) <= limit for part in parts)
    assert _flat([entry for part in parts for entry in decode(part)]) == _flat(batch)


def _flat(batch: list[LogEntry]) -> list[object]:
    found: list[object] = []
    for entry in batch:
        if isinstance(entry, Uplink):
            found += [
                (entry.device_id, entry.received_at, s.event_time, s.restamped, name, value)
                for s in entry.samples
                for name, value in s.values.items()
            ]
        else:
            found.append(entry)
    return found


def test_what_cannot_be_cut_is_an_error() -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        list(chunks([RuleActivated("r", 1, "live", {"when": "x" * 1000})], 500))


def test_a_later_version_and_foreign_bytes_are_errors_that_say_so() -> None:
    with pytest.raises(ConfigError, match="version 99"):
        decode(msgspec.msgpack.encode((99, [])))
    for foreign in (b"", b"garbage", msgspec.msgpack.encode([1, [["?", 1]]]), msgspec.msgpack.encode({"a": 1})):
        with pytest.raises(ConfigError):
            decode(foreign)


def test_a_reading_costs_few_bytes() -> None:
    batch: list[LogEntry] = [Uplink(f"pump-{n}", 10**12, (Sample(10**12, {"temp": 20.5}),)) for n in range(1000)]
    assert len(encode(batch)) < 40_000
    assert encode([DeviceChanged("d", "p", {"a": 1.0}, 5)])[0:1] == b"\x92"
