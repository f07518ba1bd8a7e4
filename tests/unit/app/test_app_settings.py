"""Settings, the admin token, and the one clock of an installation."""

from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from app.cli import mail_in
from app.installation import prepare, settle_clock
from app.mailing_in import EX_TEMPFAIL
from app.serve import check_port
from app.settings import Settings, admin_token, load_settings
from domain.clock import SimulatedClock, parse_clock
from domain.errors import ConfigError
from store.database import Database
from store.migration import is_current


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_wrong_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREVENANT_HTTP_PORT", "eighty")
    with pytest.raises(ConfigError, match=r"PREVENANT_HTTP_PORT: .*'eighty'"):
        load_settings()


def test_the_token_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    token, fresh = admin_token(settings)
    assert fresh
    assert admin_token(settings) == (token, False)
    assert settings.token_file.stat().st_mode & 0o077 == 0


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", clock="2026-03-02T09:00:00Z*60")
    first = prepare(settings)
    second = prepare(settings)
    assert first.first_run
    assert not second.first_run
    assert (first.admin_token, first.clock_spec) == (second.admin_token, second.clock_spec)
    database = Database(settings.database)
    assert is_current(database)
    database.close()


def test_every_process_settles_on_the_same_clock(database: Database) -> None:
    spec = "2026-03-02T09:00:00Z*60"
    one, two = settle_clock(spec, database), settle_clock(spec, database)
    assert one == two
    assert isinstance(parse_clock(one), SimulatedClock)


@pytest.mark.parametrize(
    "spec", ["yesterday*60", "2026-03-02T09:00:00*60", "2026-03-02T09:00:00Z*0", "2026-03-02T09:00:00Z*x"]
)
def test_a_clock_that_cannot_be_read_says_how_to_write_one(spec: str) -> None:
    with pytest.raises(ConfigError, match="2026-03-02T09:00:00Z\\*60"):
        parse_clock(spec)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PREVENANT_DKIM_SELECTOR", "2026", "PREVENANT_DKIM_KEY_FILE belong together"),
        ("PREVENANT_DKIM_KEY_FILE", "key.pem", "PREVENANT_DKIM_SELECTOR and"),
        ("PREVENANT_MAIL_HOOK_SECRET", "hunter2", "PREVENANT_MAIL_HOOK_SECRET is no secret; make one with"),
    ],
)
def test_mail_settings_that_cannot_work_are_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_wrong_setting_leaves_the_mail_in_the_mail_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"From: a@b.example")))
    assert mail_in() == EX_TEMPFAIL


def test_a_taken_port_is_one_line_that_names_the_setting() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .* is taken .*PREVENANT_HTTP_PORT"):
            check_port(Settings(http_port=port))
