"""A collection of rule files with one mistake each: `prevenant backtest` says one line with file, line, key and cure.

`bad_rules/expected.txt` holds the lines; one that ends in … goes on with a list of all there is. A new mistake is a new
file and its line.
"""

import re
import sys
from pathlib import Path

import pytest

from app.cli import main
from domain.errors import SourceError
from rules.documents import parse_documents
from rules.loader import rule_from_manifest, rules_from
from rules.vocabulary import Vocabulary

FOLDER = Path(__file__).parent / "bad_rules"
EXPECTED = {line.split(":")[0]: line for line in (FOLDER / "expected.txt").read_text(encoding="utf-8").splitlines()}
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
WITHOUT_LINE = {"empty.yaml", "only_comments.yaml", "not_utf8.yaml", "utf16.yaml"}
WITHOUT_KEY = {
    *WITHOUT_LINE,
    "just_words.yaml",
    "indented_key.yaml",
    "no_colon_space.yaml",
    "keys_not_aligned.yaml",
    "line_without_key.yaml",
}
READING = (
    '{"device_id": "a", "ts": 1700000000000, "temperature": 95.5, "pressure": 2.5, "humidity": 40, "mode": "auto", '
    '"door_open": true, "twin": 1.0, "motor-temp": 1.0, "motor.temp": 2.0}\n'
)
DEVICES = "device_id,region,model,max_temp,twin\na,EU,X1,90,3\n"


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, rules: Path) -> int:
    """The command, as from a shell; its exit code."""
    (folder / "readings.ndjson").write_text(READING)
    (folder / "devices.csv").write_text(DEVICES)
    arguments = [str(rules), str(folder / "readings.ndjson"), "--devices", str(folder / "devices.csv")]
    monkeypatch.setattr(sys, "argv", ["prevenant", "backtest", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_collection_is_complete() -> None:
    assert len(FILES) >= 150
    assert sorted(EXPECTED) == FILES


@pytest.mark.parametrize("name", FILES)
def test_one_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    assert run(monkeypatch, tmp_path, FOLDER / name) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.replace(f"{FOLDER}/", "").splitlines()
    wanted = f"prevenant: {EXPECTED[name]}"
    assert line.startswith(wanted[:-1]) if wanted.endswith("…") else line == wanted


@pytest.mark.parametrize("name", FILES)
def test_the_line_names_file_line_key_and_cure(name: str) -> None:
    place = r"" if name in WITHOUT_LINE else r":\d+:\d+"
    key = "" if name in WITHOUT_KEY else r"[\w.-]+: "
    assert re.fullmatch(rf"{re.escape(name)}{place}: {key}.+; .+", EXPECTED[name])


def test_the_same_files_mended_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The readings and devices are not what was wrong."""
    (tmp_path / "rules.yaml").write_text("\ufeffkind: rule\nname: hot\nwhen: temperature > max_temp AND door_open\n")
    assert run(monkeypatch, tmp_path, tmp_path / "rules.yaml") == 0


@pytest.mark.parametrize("line", ["title: {fr: Trop chaud}", "when: x = NULL"])
def test_a_rule_that_is_in_force_already_is_not_refused_for_making_no_sense(line: str) -> None:
    text = f"kind: rule\nname: hot\n{line}\n" + ("" if line.startswith("when") else "when: x > 1\n")
    (document,) = parse_documents(text)
    with pytest.raises(SourceError):
        rules_from([document], Vocabulary(closed=False))
    assert rule_from_manifest(document.data).name == "hot"


@pytest.mark.parametrize(
    "line", ["when: x > 1\nclear: x > 1", "when: 1 = 1", "when: x > 3 AND x < 1", "when: 'TRUE'\nmissing: ok"]
)
def test_what_the_language_gives_a_meaning_is_no_mistake(line: str) -> None:
    assert rules_from(parse_documents(f"kind: rule\nname: hot\n{line}\n"), Vocabulary(closed=False))
