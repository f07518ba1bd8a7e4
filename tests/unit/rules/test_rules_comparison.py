"""Two versions of a rule, and a rule against confirmed faults: which episodes pair with what."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceError
from domain.faults import Severity
from rules.comparison import Change, compare
from rules.confirmed import Confirmed, Share, quality, read_faults
from rules.episodes import Episode

T0 = datetime(2026, 3, 3, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def episode(begin: float, end: float | None, device: str = "a", rule: str = "hot") -> Episode:
    return Episode(rule, device, 1, at(begin), at(begin), at(begin), None if end is None else at(end), Severity.MINOR)


def changes(before: list[Episode], after: list[Episode]) -> list[str]:
    return [str(one.change) for one in compare(before, after)]


def test_episodes_pair_by_overlap() -> None:
    before = [episode(0, 10), episode(20, 30), episode(40, 50)]
    after = [episode(0, 10), episode(25, 33), episode(60, None)]
    assert changes(before, after) == ["same", "shifts", "vanishes", "appears"]
    (shifted,) = (one for one in compare(before, after) if one.change is Change.SHIFTS)
    assert (shifted.episode, shifted.was) == (after[1], before[1])


def test_one_long_episode_is_the_partner_of_one_short_one() -> None:
    assert changes([episode(0, 60)], [episode(0, 10), episode(20, 30)]) == ["shifts", "appears"]


def test_other_devices_and_rules_are_no_partners() -> None:
    assert sorted(changes([episode(0, 9)], [episode(0, 9, "b"), episode(0, 9, rule="loud")])) == [
        "appears",
        "appears",
        "vanishes",
    ]


EPISODES = st.lists(
    st.builds(lambda b, n, d: episode(b, b + n, d), st.integers(0, 300), st.integers(0, 40), st.sampled_from("ab")),
    max_size=15,
    unique_by=lambda one: (one.device_id, one.fired),
)


@given(EPISODES, EPISODES)
def test_every_episode_of_both_sides_is_told_exactly_once(before: list[Episode], after: list[Episode]) -> None:
    found = compare(before, after)
    key = lambda one: (one.device_id, one.fired, one.ended)  # noqa: E731
    old = [one.was or one.episode for one in found if one.change is not Change.APPEARS]
    new = [one.episode for one in found if one.change is not Change.VANISHES]
    assert sorted(old, key=key) == sorted(before, key=key)
    assert sorted(new, key=key) == sorted(after, key=key)


@given(EPISODES)
def test_a_version_does_not_differ_from_itself(episodes: list[Episode]) -> None:
    assert set(changes(episodes, episodes)) <= {"same", "shifts"}
    assert len(compare(episodes, episodes)) == len(episodes)


def test_precision_counts_episodes_and_recall_counts_faults() -> None:
    confirmed = [Confirmed("a", at(5), at(45)), Confirmed("a", at(100), None, "cooling"), Confirmed("b", at(0), at(9))]
    episodes = [episode(0, 10), episode(20, 30), episode(60, 70)]
    found = quality(episodes, confirmed, family="cooling", devices={"a", "b"}, all_known=True)
    assert (found.precision, found.recall) == (Share(2, 3), Share(1, 3))
    assert found.precision.value == pytest.approx(2 / 3)


def test_faults_of_another_family_or_of_devices_not_recorded_are_none_of_its_business() -> None:
    confirmed = [Confirmed("a", at(0), at(9), "noise"), Confirmed("zz", at(0), at(9))]
    found = quality([], confirmed, family="cooling", devices={"a"}, all_known=True)
    assert (found.recall.n, found.recall.value, found.precision.value) == (0, None, None)


def test_of_verdicts_only_what_was_judged_counts_and_real_is_stronger() -> None:
    confirmed = [
        Confirmed("a", at(0), at(9), real=False),
        Confirmed("a", at(5), at(6)),
        Confirmed("a", at(20), at(21), real=False),
    ]
    episodes = [episode(0, 10), episode(20, 22), episode(50, 60)]
    found = quality(episodes, confirmed, family="cooling", devices={"a"}, all_known=False)
    assert (found.precision, found.recall) == (Share(1, 2), Share(1, 1))


def test_a_file_of_confirmed_faults_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.csv"
    path.write_text("device_id,start,end,family\na,2026-03-03T00:00:00Z,,\nb,1772496000000,1772496060000,noise\n")
    assert read_faults(path) == [Confirmed("a", T0, None), Confirmed("b", T0, at(1), "noise")]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("device_id,start\na,2026-03-03T00:00:00Z\n", 0, "no column 'end'"),
        ("device_id,start,end\na,soon,\n", 2, "'soon' is no time"),
        ("device_id,start,end\na,2026-03-03T00:00:00Z,\na,2026-03-03T00:00:00Z,later\n", 3, "'later' is no time"),
        ("device_id,start,end\na,2026-03-03T00:00:00Z,2026-03-02T00:00:00Z\n", 2, "ends before"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "faults.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=words) as found:
        read_faults(path)
    assert (found.value.file, found.value.line) == (str(path), line)
