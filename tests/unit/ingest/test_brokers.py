"""Broker URLs."""

import pytest

from domain.errors import ConfigError
from ingest.brokers import Broker, parse_brokers


def test_several_brokers_with_everything() -> None:
    assert parse_brokers("mqtt://a , mqtts://me:s%3Ac@b:9?version=5&group=g,mqtt://[::1]:1?version=3.1.1&group=") == [
        Broker("a", 1883),
        Broker("b", 9, tls=True, username="me", password="s:c", protocol=5, group="g"),
        Broker("::1", 1, protocol=4, group=None),
    ]
    assert parse_brokers("mqtts://b")[0].port == 8883


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        ("", "names no broker"),
        ("http://a", "is no MQTT address"),
        ("mqtt://", "is no MQTT address"),
        ("mqtt://a:x", "port"),
        ("mqtt://a?version=4.2", "write 5 or 3.1.1"),
        ("mqtt://a?qos=1", "unknown option 'qos'"),
    ],
)
def test_a_wrong_one_says_what_would_be_right(urls: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_brokers(urls)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in str(parse_brokers("mqtt://me:secret@a")[0])
    with pytest.raises(ConfigError) as error:
        parse_brokers("http://me:secret@a")
    assert "secret" not in str(error.value)
