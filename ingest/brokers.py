"""Which MQTT brokers to listen to, from their URLs."""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from domain.errors import ConfigError

_VERSIONS = {"5": 5, "3.1.1": 4, "4": 4}
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker. `protocol` is 5 or 4 (MQTT 3.1.1), None to try 5 first."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    protocol: int | None = None
    group: str | None = "prevenant"
    """Shared-subscription group on MQTT 5, None for a subscription of one's own."""

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_brokers(urls: str) -> list[Broker]:
    """`mqtt[s]://user:pass@host:port?version=5|3.1.1&group=NAME`, comma-separated. An empty group: none.

    Raises ConfigError that says what would be right.
    """
    brokers = [_parse(url.strip()) for url in urls.split(",") if url.strip()]
    if not brokers:
        raise ConfigError("PREVENANT_MQTT_URL names no broker; write for example mqtt://127.0.0.1:1883")
    return brokers


def _parse(url: str) -> Broker:
    parts = urlsplit(url)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"PREVENANT_MQTT_URL: {shown!r} has a port that is no number from 1 to 65535") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(
            f"PREVENANT_MQTT_URL: {shown!r} is no MQTT address; write mqtt://host:1883 or mqtts://host:8883"
        )
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(options) - {"version", "group"}):
        raise ConfigError(f"PREVENANT_MQTT_URL: unknown option {unknown[0]!r}; known are version and group")
    version = options.get("version", [""])[-1]
    if version and version not in _VERSIONS:
        raise ConfigError(f"PREVENANT_MQTT_URL: version {version!r} is none; write 5 or 3.1.1")
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        protocol=_VERSIONS.get(version),
        group=options.get("group", ["prevenant"])[-1] or None,
    )
