"""The example's rules against real recordings of real faults: what its README claims is measured here."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from domain.faults import TransitionState
from rules.backtest import backtest
from rules.readings import Layout
from tests.real import SHARED, require

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/pump_testbed"
SKAB = SHARED / "data/detection/skab/data"
LABELS = ("anomaly", "changepoint")


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules made of one recording."""

    before: int
    delay_s: float | None
    by: str | None
    open_at_end: bool


def fired(recording: Path) -> tuple[list[tuple[str, float]], bool]:
    """(rule, epoch seconds) of each firing, and whether any fault is still open at the end."""
    labelled = "anomaly" in pl.read_csv(recording, separator=";", n_rows=1).columns
    layout = Layout(time_column="datetime", device="testbed-1", ignore=LABELS if labelled else (), delimiter=";")
    transitions = backtest(EXAMPLE, recording, layout=layout)
    firing = [(t.rule, t.at.timestamp()) for t in transitions if t.state is TransitionState.FIRING]
    return firing, len(firing) > sum(t.state is TransitionState.RESOLVED for t in transitions)


@cache
def measured() -> dict[str, Found]:
    """Every labelled recording."""
    require(SKAB.is_dir(), f"the recordings in {SKAB}")
    return {
        f"{path.parent.name}/{path.stem}": measure(path)
        for path in sorted(SKAB.glob("*/*.csv"))
        if path.stem != "anomaly-free"
    }


def measure(path: Path) -> Found:
    frame = pl.read_csv(path, separator=";").with_columns(pl.col("datetime").str.to_datetime(time_zone="UTC"))
    labelled = frame.filter(pl.col("anomaly") > 0)["datetime"]
    begins, ends = (float(moment.timestamp()) for moment in (labelled[0], labelled[-1]))
    firing, still_open = fired(path)
    hits = [(at - begins, rule) for rule, at in firing if begins <= at <= ends]
    delay, by = min(hits, default=(None, None))
    return Found(sum(at < begins for _, at in firing), delay, by, still_open)


def test_most_faults_are_found_soon() -> None:
    found = [one.delay_s for one in measured().values() if one.delay_s is not None]
    assert len(measured()) == 17
    assert len(found) == 15
    assert max(found) < 100
    assert sorted(found)[len(found) // 2] == pytest.approx(56, abs=1)


def test_few_alarms_come_before_their_fault() -> None:
    assert {name: one.before for name, one in measured().items() if one.before} == {"other/4": 1}


def test_hours_without_a_fault_are_quiet() -> None:
    require(SKAB.is_dir(), f"the recordings in {SKAB}")
    firing, _ = fired(SKAB / "anomaly-free/anomaly-free.csv")
    assert [rule for rule, _ in firing] == ["flow-drop"] * 2


def test_a_fault_is_still_open_when_its_recording_ends() -> None:
    """Or a replay at full speed would resolve it before its message could go out."""
    assert all(one.open_at_end for one in measured().values() if one.delay_s is not None)


def test_the_readme_says_what_is_measured() -> None:
    text = (EXAMPLE / "README.md").read_text("utf-8")
    for name, one in measured().items():
        told = f"yes | {one.by} | {one.delay_s:.0f} s" if one.delay_s is not None else "no | |"
        assert f"| {name} | {told} | {one.before} |" in text, (name, one)
