"""Pictures of episodes: what is on them, and that they are real files."""

from pathlib import Path

import pytest

from domain.errors import SourceError
from rules.backtest import Trial, prepare, run
from rules.episodes import Episode, episodes_of
from rules.loader import rule_from_manifest
from rules.model import Rule
from rules.plot import Limit, file_name, limits_of, metrics_of, plot_episode


def tried(folder: Path, device_id: str = "pump-1") -> tuple[Trial, Episode]:
    rows = "".join(f"{device_id},{1_770_000_000_000 + n * 60_000},{80 + n},{n}\n" for n in range(30))
    (folder / "readings.csv").write_text(f"device_id,ts,temp,pressure\n{rows}")
    (folder / "rules.yaml").write_text(
        "kind: rule\nname: hot\nsignals: {rise: {op: delta, of: pressure, over: 5m}}\n"
        "when: temp > 90 AND rise > 1\nclear: temp < 60\n"
    )
    trial = prepare(folder / "rules.yaml", folder / "readings.csv")
    (episode,) = episodes_of(run(trial).transitions)
    return trial, episode


def rule(when: str, clear: str | None = None) -> Rule:
    return rule_from_manifest({"kind": "rule", "name": "r", "when": when, **({"clear": clear} if clear else {})})


def test_the_metrics_of_the_rule_and_of_its_signals_are_drawn(tmp_path: Path) -> None:
    trial, _ = tried(tmp_path)
    assert metrics_of(trial.rules[0], trial.recording) == ["temp", "pressure"]


@pytest.mark.parametrize(
    ("when", "limits"),
    [
        ("temp > 90", [Limit("temp", 90)]),
        ("-5 >= temp OR (temp) BETWEEN 1 AND 2", [Limit("temp", -5)]),
        ("temp BETWEEN 1 AND -2", [Limit("temp", 1), Limit("temp", -2)]),
        ("temp > coalesce(max_temp, 95)", [Limit("temp", 88)]),
        ("temp > coalesce(other, 95)", [Limit("temp", 95)]),
        ("temp > max_temp", [Limit("temp", 88)]),
        ("temp > pressure AND mode = 'eco'", []),
    ],
)
def test_limits_are_what_a_name_is_compared_with(when: str, limits: list[Limit]) -> None:
    assert list(limits_of(rule(when), {"max_temp": 88.0})) == limits


def test_the_limit_of_clear_counts_too() -> None:
    assert list(limits_of(rule("temp > 90", "temp < 80"), {})) == [Limit("temp", 90), Limit("temp", 80)]


def test_a_picture_holds_the_rule_the_marks_and_the_limit(tmp_path: Path) -> None:
    trial, episode = tried(tmp_path)
    path = tmp_path / "episode.svg"
    plot_episode(path, trial, episode)
    svg = path.read_text()
    for words in ("hot on pump-1, episode 1", "when: temp &gt; 90 AND rise &gt; 1", "onset", "fired", ">temp<", ">90<"):
        assert words in svg or f"<!-- {words.strip('<>')} -->" in svg, words


def test_a_png_is_one_even_for_names_that_no_font_has(tmp_path: Path) -> None:
    trial, episode = tried(tmp_path, "泵$1$")
    path = tmp_path / file_name(episode, ".png")
    plot_episode(path, trial, episode)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(path.read_bytes()) > 5000


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    trial, episode = tried(tmp_path)
    with pytest.raises(SourceError, match=r"end it with \.png or \.svg"):
        plot_episode(tmp_path / "episode.gif", trial, episode)
