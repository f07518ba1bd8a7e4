"""`prevenant backtest` over files and over the history: the same transitions, a report, a diff, pictures."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backtesting import Request, print_backtest
from app.installation import prepare
from app.settings import ROLES, Settings
from domain.clock import iso, to_ms
from domain.errors import SourceError, StoreUnavailable
from domain.telemetry import Sample, Uplink
from rules.archive import recording_of
from rules.backtest import assemble, backtest, run, to_line
from rules.documents import read_documents
from store.database import Database
from store.history import History
from store.history_writer import HistoryWriter
from store.log_memory import MemoryLog
from store.tables import Device, Playbook, Product

T0 = datetime(2026, 3, 3, tzinfo=UTC)
NOON = to_ms(T0)
RULES = "kind: rule\nname: hot\nfamily: cooling\nwhen: temp > 90 AND (pressure > 1 OR pressure IS NULL)\nfor: 1m\n"


def into_history(url: str, uplinks: list[Uplink]) -> History:
    history, log = History(url), MemoryLog()
    log.append({0: uplinks}, msg_id="1")
    writer = HistoryWriter(history, log, partition=0, partitions=1)
    writer.step()
    writer.flush()
    return history


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """rules.yaml, and readings.csv where device a is hot from minute 10 to 20."""
    rows = [f"a,{NOON + n * 60_000},{95 if 10 <= n < 20 else 70},2" for n in range(30)]
    (tmp_path / "readings.csv").write_text("\n".join(["device_id,ts,temp,pressure", *rows]) + "\n")
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def test_json_prints_one_transition_a_line_and_nothing_else(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert print_backtest(Request(files / "rules.yaml", files / "readings.csv", as_json=True)) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        '{"rule": "hot", "device_id": "a", "episode": 1, "state": "firing", "at": "2026-03-03T00:11:00Z", '
        '"onset": "2026-03-03T00:10:00Z", "severity": "minor"}\n'
        '{"rule": "hot", "device_id": "a", "episode": 1, "state": "resolved", "at": "2026-03-03T00:20:00Z", '
        '"onset": "2026-03-03T00:10:00Z", "severity": "minor"}\n'
    )
    assert printed.err == ""


def test_a_report_counts_what_it_would_have_caused_and_how_well_it_did(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "faults.csv").write_text("device_id,start,end\na,2026-03-03T00:05:00Z,2026-03-03T00:12:00Z\n")
    (files / "other.yaml").write_text(RULES.replace("90", "99"))
    asked = Request(
        files / "rules.yaml",
        files / "readings.csv",
        faults=files / "faults.csv",
        diff=files / "other.yaml",
        as_json=True,
    )
    print_backtest(asked)
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rules"]
    assert (row["episodes"], row["tickets"], row["messages"], row["visits"]) == (1, 1, 2, 0)
    assert row["precision"] == row["recall"] == {"value": 1.0, "hits": 1, "n": 1}
    assert found["diff"]["rules"] == [{"rule": "hot", "same": 0, "shifts": 0, "appears": 0, "vanishes": 1}]


def test_people_get_tables_that_say_what_is_counted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "rules.yaml").write_text(RULES + "playbook: unheard-of\n")
    print_backtest(Request(files / "rules.yaml", files / "readings.csv", report=True, diff=files / "rules.yaml"))
    shown = capsys.readouterr().out
    assert "messages/day" in shown
    assert "counted: one open ticket per device and family" in shown
    assert "'unheard-of' is not known here" in shown
    assert "under the other rules" in shown


def test_playbooks_beside_the_rules_count(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "rules.yaml").write_text(
        RULES + "playbook: quick\n---\nkind: playbook\nname: quick\nsteps: [{message: {wait: 2m}}, {visit: {}}]\n"
    )
    print_backtest(Request(files / "rules.yaml", files / "readings.csv", report=True, as_json=True))
    assert json.loads(capsys.readouterr().out)["rules"][0]["visits"] == 1


def test_pictures_go_into_a_file_or_a_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_backtest(Request(files / "rules.yaml", files / "readings.csv", plot=files / "one.svg"))
    print_backtest(Request(files / "rules.yaml", files / "readings.csv", plot=files / "many"))
    assert "1 of 1 episodes drawn" in capsys.readouterr().err
    assert (files / "one.svg").read_text().startswith("<?xml")
    assert [path.name for path in (files / "many").iterdir()] == ["hot-a-1.png"]


def test_options_of_history_beside_a_file_are_refused(files: Path) -> None:
    with pytest.raises(SourceError, match="are for the history"):
        print_backtest(Request(files / "rules.yaml", files / "readings.csv", since=T0))
    with pytest.raises(SourceError, match="options of a file"):
        print_backtest(Request(files / "rules.yaml", Path("history"), devices=files / "readings.csv"))


def test_over_the_history_of_the_settings(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setenv("PREVENANT_DATA_DIR", str(files / "data"))
    asked = Request(files / "rules.yaml", Path("history"), since=T0, until=T0.replace(day=4), as_json=True)
    with pytest.raises(StoreUnavailable, match="no database yet"):
        print_backtest(asked)
    installed = Settings(data_dir=files / "data")
    prepare(installed)
    uplinks = [
        Uplink(device, NOON + n * 60_000, (Sample(NOON + n * 60_000, {"temp": 95.0 if 10 <= n < 20 else 70.0}),))
        for n in range(30)
        for device in ("a", "b")
    ]
    into_history(installed.history, uplinks)
    database = Database(installed.database)
    with database.write() as session:
        for name, device in (("pump", "a"), ("fan", "b")):
            session.add(Product(name=name, metrics={"pressure": {}}))
            session.flush()
            session.add(Device(id=device, product=name, registered_at=T0))
        session.add(Playbook(name="quick", body={"name": "quick"}))
    database.close()
    print_backtest(asked)
    assert {json.loads(line)["device_id"] for line in capsys.readouterr().out.splitlines()} == {"a", "b"}
    only = {"since": T0, "until": T0.replace(day=4), "product": "pump", "as_json": True, "report": True}
    print_backtest(Request(files / "rules.yaml", Path("history"), **only))
    assert json.loads(capsys.readouterr().out)["rules"][0]["devices"] == 1


SENT = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 40),
        st.integers(-3, 0),
        st.dictionaries(st.sampled_from(["temp", "pressure"]), st.sampled_from([0.0, 2.0, 95.0]), min_size=1),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(SENT)
def test_the_history_gives_the_same_transitions_as_the_file(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[str, int, int, dict[str, float]]]
) -> None:
    folder, lines, uplinks = tmp_path_factory.mktemp("both"), list[str](), list[Uplink]()
    for number, (device_id, minute, lag, values) in enumerate(sent):
        received, at = NOON + number * 1000, NOON + (minute + lag) * 60_000
        at = min(at, received)
        uplinks.append(Uplink(device_id, received, (Sample(at, values),)))
        for metric, value in values.items():
            about: dict[str, Any] = {"device_id": device_id, "ts": at, "received_at": iso(_time(received))}
            lines.append(json.dumps({**about, "metric": metric, "value": value}))
    (folder / "readings.ndjson").write_text("\n".join(lines) + "\n")
    # Without `pressure` anywhere, the rule of a file would name nothing that exists.
    (folder / "rules.yaml").write_text(RULES + "---\nkind: product\nname: p\nmetrics: {temp: {}, pressure: {}}\n")
    history = into_history(str(folder / "history"), uplinks)
    rows = history.recording(None, since=T0.replace(year=2025), until=T0.replace(year=2027), at_most=1000)
    assert rows is not None
    trial = assemble(read_documents(folder / "rules.yaml"), recording_of(rows), ())
    from_file = backtest(folder / "rules.yaml", folder / "readings.ndjson")
    assert [to_line(one) for one in run(trial).transitions] == [to_line(one) for one in from_file]


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_a_metric_that_changed_its_kind_is_of_the_first_one(tmp_path: Path) -> None:
    values: list[Any] = [1.0, "broken", 2.0]
    uplinks = [Uplink("a", NOON + n, (Sample(NOON + n, {"temp": value}),)) for n, value in enumerate(values)]
    history = into_history(str(tmp_path / "history"), uplinks)
    rows = history.recording(None, since=T0, until=T0.replace(day=4), at_most=9)
    assert rows is not None
    recording = recording_of(rows)
    assert recording.kinds == {"temp": "number"}
    assert {channel.kind: list(values) for channel, values in recording.values.items()} == {
        "number": [1.0, 2.0],
        "string": ["broken"],
    }


def test_no_role_loads_matplotlib() -> None:
    roles = "import app.wiring; from importlib import import_module as load"
    parts = "; ".join(f"load('app.parts.{role}')" for role in ROLES)
    code = f"import sys; {roles}; {parts}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
