"""Which channel a message leaves by: a provider where the settings name one, else the sandbox."""

import pytest

from app.house import House
from app.parts.notify import channels
from app.settings import Settings
from domain.clock import FakeClock
from domain.errors import ConfigError
from domain.messages import Channel
from store.database import Database
from tests.fakes.briefs import NOW

NUMBER, SERVICE = "+33755550000", "MG" + "1" * 32


def leave_by(database: Database, **settings: object) -> dict[Channel, str]:
    house = House(Settings.model_validate(settings), database, FakeClock(NOW), "notify@test:1")
    return {channel: adapter.provider for channel, adapter in channels(house).items()}


def twilio(database: Database, **settings: object) -> set[Channel]:
    account = {"twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "secret"}
    return {channel for channel, who in leave_by(database, **account, **settings).items() if who == "twilio"}


def test_without_settings_everything_goes_to_the_sandbox(database: Database) -> None:
    assert leave_by(database) == dict.fromkeys(Channel, "sandbox")


def test_one_number_texts_and_calls(database: Database) -> None:
    assert twilio(database, twilio_from=NUMBER) == {Channel.SMS, Channel.VOICE}


def test_a_messaging_service_cannot_call(database: Database) -> None:
    assert twilio(database, twilio_from=SERVICE) == {Channel.SMS}
    assert twilio(database, twilio_from=SERVICE, twilio_voice_from=NUMBER) == {Channel.SMS, Channel.VOICE}


def test_whatsapp_has_a_number_of_its_own(database: Database) -> None:
    found = twilio(database, twilio_from=NUMBER, twilio_whatsapp_from=NUMBER)
    assert found == {Channel.SMS, Channel.VOICE, Channel.WHATSAPP}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("human_phone", "01 55 50 12 34"),
        ("twilio_voice_from", SERVICE),
        ("twilio_whatsapp_from", "+0155"),
        ("twilio_whatsapp_templates", "opening.fr=HX1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"PREVENANT_{name.upper()}"):
        Settings.model_validate({name: value}).check()
