"""The telemetry history on a real Delta table in a folder: exactly once, found again, compacted, expired."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import from_ms, to_ms
from domain.errors import HistoryUnavailable, LeaseLost
from domain.telemetry import LogBatch, Sample, Tick, Uplink, Value, partition_of
from store import history_upkeep, history_writer
from store.history import History, Source
from store.history_rows import RowBuilder, holds
from store.history_upkeep import keep_up
from store.history_writer import HistoryWriter
from store.log_memory import MemoryLog

T0 = datetime(2026, 3, 3, 12, tzinfo=UTC)
NOON = to_ms(T0)
BEFORE, AFTER = T0 - timedelta(days=3650), T0 + timedelta(days=3650)


class Stopwatch:
    """Real seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def uplink(device_id: str, ms: int, *, received_ms: int | None = None, **values: Value) -> Uplink:
    return Uplink(device_id, NOON + (ms if received_ms is None else received_ms), (Sample(NOON + ms, values),))


def writer(archive: history_writer.Archive, log: MemoryLog, watch: Stopwatch | None = None) -> HistoryWriter:
    return HistoryWriter(archive, log, partition=0, partitions=1, monotonic=watch or Stopwatch())


def move_all(archive: History, log: MemoryLog) -> None:
    """One step, and what is in hand."""
    one = writer(archive, log)
    one.step()
    one.flush()


def read(history: History, metrics: list[str] | None = None) -> pl.DataFrame:
    """All that device a ever sent."""
    found = history.readings("a", metrics, since=BEFORE, until=AFTER, at_most=1000)
    assert found is not None
    return found


def recorded(history: History, device_ids: list[str] | None = None) -> pl.DataFrame:
    """All that devices ever sent."""
    found = history.recording(device_ids, since=BEFORE, until=AFTER, at_most=10_000)
    assert found is not None
    return found


def stored(history: History) -> list[float]:
    return read(history).sort("ts", "sequence")["number"].to_list()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(str(tmp_path / "history"))


def test_what_was_never_written_reads_as_nothing_and_makes_no_table(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history"))
    assert read(history).is_empty()
    assert history.position(Source(0, 1, "log")) == 0
    assert not (tmp_path / "history").exists()


def test_a_value_of_each_kind_comes_back_as_it_was(history: History) -> None:
    log = MemoryLog()
    log.append({0: [uplink("a", 0, n=1.5, on=True, mode="é"), Tick(NOON, "l"), uplink("b", 0, n=2.0)]}, msg_id="1")
    move_all(history, log)
    rows = read(history).sort("metric")
    assert rows.select("metric", "number", "boolean", "string").rows() == [
        ("mode", None, None, "é"),
        ("n", 1.5, None, None),
        ("on", None, True, None),
    ]
    assert rows["ts"].to_list() == [T0] * 3
    assert read(history, ["on"])["boolean"].to_list() == [True]


def test_times_are_a_closed_range_of_event_time_however_late_it_came(history: History) -> None:
    log = MemoryLog()
    late = [uplink("a", ms, received_ms=50 * 86_400_000, n=float(ms)) for ms in (0, 1000, 2000, 3000)]
    log.append({0: late}, msg_id="1")
    move_all(history, log)
    found = history.readings("a", None, since=from_ms(NOON + 1000), until=from_ms(NOON + 2000), at_most=9)
    assert found is not None
    assert sorted(found["number"]) == [1000.0, 2000.0]


def test_it_appends_after_so_many_rows_or_so_much_time(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_writer, "ROWS", 3)
    log, watch = MemoryLog(), Stopwatch()
    one = writer(history, log, watch)
    log.append({0: [uplink("a", 0, n=0.0)]}, msg_id="0")
    one.step()
    assert stored(history) == []
    watch.now = 61
    one.step()
    assert stored(history) == [0.0]
    log.append({0: [uplink("a", n, n=float(n)) for n in (1, 2, 3)]}, msg_id="1")
    one.step()
    assert stored(history) == [0.0, 1.0, 2.0, 3.0]


def test_past_ticks_alone_the_position_moves_too(history: History) -> None:
    log, watch = MemoryLog(), Stopwatch()
    one = writer(history, log, watch)
    log.append({0: [Tick(NOON, "l")]}, msg_id="1")
    one.step()
    source = Source(0, 1, log.extent().identity)
    assert history.position(source) == 0
    watch.now = 601
    one.step()
    assert history.position(source) == 1
    assert one.seen_at == T0


class Killing:
    """Stands before a history and dies around chosen appends: before anything, or after all of it is written."""

    def __init__(self, history: History, deaths: Sequence[str]) -> None:
        self.history, self.deaths = history, list(deaths)

    def position(self, source: Source) -> int:
        return self.history.position(source)

    def append(self, source: Source, rows: pl.DataFrame, *, after: int, up_to: int) -> None:
        death = self.deaths.pop(0) if self.deaths else ""
        if death == "before":
            raise KeyboardInterrupt
        self.history.append(source, rows, after=after, up_to=up_to)
        if death == "after":
            raise KeyboardInterrupt


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    deaths=st.lists(st.sampled_from(["before", "after", ""]), max_size=8),
)
def test_a_writer_killed_around_any_append_leaves_neither_gap_nor_duplicate(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], deaths: list[str]
) -> None:
    history = History(str(tmp_path_factory.mktemp("delta")))
    archive, log, sent = Killing(history, deaths), MemoryLog(), 0
    one = writer(archive, log)
    for number, size in enumerate(sizes):
        log.append({0: [uplink("a", sent + n, n=float(sent + n)) for n in range(size)]}, msg_id=str(number))
        sent += size
        try:
            one.step()
            one.flush()
        except KeyboardInterrupt:
            one = writer(archive, log)
    archive.deaths = []
    one.step()
    one.flush()
    assert stored(history) == [float(n) for n in range(sent)]


def test_after_a_failure_the_same_writer_goes_on_from_what_the_history_says(history: History) -> None:
    log = MemoryLog()
    log.append({0: [uplink("a", 0, n=0.0)]}, msg_id="1")
    one = writer(Killing(history, ["after"]), log)
    one.step()
    with pytest.raises(KeyboardInterrupt):
        one.flush()
    log.append({0: [uplink("a", 1, n=1.0)]}, msg_id="2")
    one.step()
    one.flush()
    assert stored(history) == [0.0, 1.0]


def test_of_two_writers_of_one_partition_the_second_is_refused(history: History) -> None:
    log = MemoryLog()
    log.append({0: [uplink("a", 0, n=0.0)]}, msg_id="1")
    slow, quick = writer(history, log), writer(History(history.url), log)
    slow.step()
    quick.step()
    quick.flush()
    with pytest.raises(LeaseLost):
        slow.flush()
    assert stored(history) == [0.0]


def test_two_writers_that_looked_at_the_same_moment_do_not_both_append(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    log.append({0: [uplink("a", 0, n=0.0)]}, msg_id="1")
    source, builder = Source(0, 1, log.extent().identity), RowBuilder(1)
    builder.add(LogBatch(1, (uplink("a", 0, n=0.0),)))
    other = History(history.url)
    with history.table(), other.table():
        pass
    # The other process is paused after it has looked, and wakes when we are done.
    opened = other._opened
    assert opened is not None
    history.append(source, builder.rows(), after=0, up_to=1)
    monkeypatch.setattr(other, "_newest", lambda: opened)
    with pytest.raises(LeaseLost):
        other.append(source, builder.rows(), after=0, up_to=1)
    assert stored(history) == [0.0]


def test_a_log_made_anew_is_read_from_its_beginning(history: History) -> None:
    for number in range(2):
        log = MemoryLog()
        log.append({0: [uplink("a", number, n=float(number))]}, msg_id="1")
        move_all(history, log)
    assert stored(history) == [0.0, 1.0]


def test_what_the_log_let_go_of_before_it_was_written_is_said(
    history: History, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = MemoryLog()
    log.append({0: [uplink("a", 0, n=0.0)]}, msg_id="1")
    move_all(history, log)
    extent = log.extent()
    monkeypatch.setattr(log, "extent", lambda: type(extent)(extent.identity, 900, 950))
    writer(history, log).step()
    assert "let go of messages" in capsys.readouterr().out


def test_after_the_number_of_partitions_changed_a_device_has_all_its_readings(history: History) -> None:
    for partitions in (1, 8):
        log, partition = MemoryLog(), partition_of("a", partitions)
        log.append({partition: [uplink("a", partitions, n=float(partitions))]}, msg_id="1")
        one = HistoryWriter(history, log, partition=partition, partitions=partitions)
        one.step()
        one.flush()
    assert stored(history) == [1.0, 8.0]
    assert [name for name in (f"{n}of8" for n in range(8)) if holds(name, "a")] == [f"{partition_of('a', 8)}of8"]


def test_what_lies_in_the_partition_of_before_is_found_too(history: History) -> None:
    log, elsewhere = MemoryLog(), (partition_of("a", 8) + 1) % 8
    log.append({elsewhere: [uplink("a", 0, n=1.0)]}, msg_id="1")
    one = HistoryWriter(history, log, partition=elsewhere, partitions=8)
    one.step()
    one.flush()
    assert stored(history) == [1.0]


def test_the_sick_storage_is_named(tmp_path: Path) -> None:
    (tmp_path / "history" / "_delta_log").mkdir(parents=True)
    (tmp_path / "history" / "_delta_log" / f"{0:020}.json").write_text("{oops")
    with pytest.raises(HistoryUnavailable, match="history at"):
        read(History(str(tmp_path / "history")))


def fill(history: History, *, days: int, appends: int = 3) -> None:
    for day in range(days):
        for part in range(appends):
            log = MemoryLog()
            entries = [
                uplink(f"d{n}", part * 1000, received_ms=day * 86_400_000 + part * 1000, n=float(part))
                for n in range(20)
            ]
            log.append({0: entries}, msg_id="1")
            move_all(history, log)


def test_a_day_that_is_over_becomes_one_sorted_file_and_loses_nothing(history: History) -> None:
    fill(history, days=2)
    before = recorded(history)
    done = keep_up(history, today=date(2026, 3, 4), keep_days=400)
    assert (done.compacted, done.expired_files) == (1, 0)  # the second day is today
    after = recorded(history)
    assert after.sort(pl.all()).equals(before.sort(pl.all()))
    with history.table() as table:
        files = [uri for uri in table.file_uris() if "2026-03-03" in uri]
        assert len(files) == 1
        assert pl.read_parquet(files[0])["device_id"].is_sorted()
        assert history_upkeep.scattered(table, today=date(2026, 3, 4)) == []


def test_compaction_keeps_how_far_the_writers_have_got(history: History) -> None:
    log = MemoryLog()
    for number in range(3):
        log.append({0: [uplink("a", number, n=float(number))]}, msg_id=str(number))
        move_all(history, log)
    assert keep_up(history, today=date(2026, 4, 1), keep_days=400).compacted == 1
    move_all(History(history.url), log)
    assert stored(history) == [0.0, 1.0, 2.0]


def test_what_is_older_than_the_setting_goes(history: History) -> None:
    fill(history, days=4, appends=1)
    assert keep_up(history, today=date(2026, 3, 6), keep_days=1).expired_files == 2
    found = recorded(history)
    assert sorted(found["day"].unique()) == [date(2026, 3, 5), date(2026, 3, 6)]


def test_a_recording_stands_in_order_of_arrival_or_is_refused_for_its_size(history: History) -> None:
    log = MemoryLog()
    log.append({0: [uplink("b", 5, received_ms=9, n=1.0), uplink("a", 9, n=2.0)]}, msg_id="1")
    log.append({0: [uplink("a", 3, received_ms=10, n=3.0)]}, msg_id="2")
    move_all(history, log)
    assert recorded(history)["number"].to_list() == [1.0, 2.0, 3.0]
    assert recorded(history, ["a"])["number"].to_list() == [2.0, 3.0]
    assert history.recording(None, since=BEFORE, until=AFTER, at_most=2) is None
    assert history.readings("a", None, since=BEFORE, until=AFTER, at_most=1) is None
