"""Settings, from the environment or a `.env` file; every one has a default."""

import os
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from domain.errors import ConfigError
from domain.messages import Channel
from domain.people import DAILY_CAPS
from domain.prices import parse_prices
from domain.signatures import key_of
from notify.channels.whatsapp_templates import parse_templates

NO_ENV_FILE = "PREVENANT_NO_ENV_FILE"
"""Set for the demo's processes: a `.env` file may name a real database and a real provider."""

Role = Literal["ingest", "rules", "notify", "clock", "api"]
ROLES: tuple[Role, ...] = ("ingest", "rules", "notify", "clock", "api")


class Settings(BaseSettings):
    """What CONTRACT section 2 lists, and a few more that have no need to be known."""

    model_config = SettingsConfigDict(env_prefix="PREVENANT_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Path("data")
    http_host: str = "127.0.0.1"
    http_port: int = Field(8080, ge=1, le=65535)
    public_url: str = ""
    database_url: str = ""
    nats_url: str = ""
    history_url: str = ""
    history_days: int = Field(400, ge=1)
    """Readings that were received longer ago are forgotten."""
    mqtt_url: str = ""
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = Field(1883, ge=1, le=65535)
    nats_port: int = Field(4222, ge=1, le=65535)
    admin_token: str = ""
    clock: str = ""
    partitions: int = Field(8, ge=1, le=1024)
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    twilio_from: str = ""
    twilio_base_url: str = ""
    twilio_voice_from: str = ""
    """The number that calls; default `twilio_from`, unless that is a Messaging Service, which cannot."""
    twilio_machine_detection: bool = False
    """Leaves answering machines a short message; Twilio charges for each detection."""
    twilio_whatsapp_from: str = ""
    twilio_whatsapp_templates: str = ""
    """JSON: {"opening.fr": "HX…", "resolved.fr": {"sid": "HX…", "words": ["maker", "noun"]}}."""
    human_phone: str = ""
    """Whom a caller is put through to who wants to talk to a person."""
    sms_price: str = ""
    """Of one segment: `0.075 EUR`, or `0.075 EUR, GB 0.04` with other prices for some countries."""
    send_rates: str = ""
    """Segments a second by sender, where the default is wrong: `+33755550000=10,+15550001111=1`; 0 means no limit."""
    smtp_url: str = ""
    mail_from: str = ""
    push_subject: str = ""
    webhook_secret: str = ""
    letter_spool: str = ""
    mail_reply_to: str = ""
    """Mailbox for answers and bounces; default: that of `mail_from`."""
    mail_hook_secret: str = ""
    """`whsec_` and base64; set where the mail system hands us what comes back."""
    dkim_selector: str = ""
    dkim_domain: str = ""
    """Default: the domain of `mail_from`."""
    dkim_key_file: str = ""
    dispatcher_email: str = "dispatcher@localhost"
    dispatcher_name: str = "Dispatcher"
    daily_cap_sms: int = Field(DAILY_CAPS[Channel.SMS], ge=0)
    daily_cap_email: int = Field(DAILY_CAPS[Channel.EMAIL], ge=0)
    daily_cap_voice: int = Field(DAILY_CAPS[Channel.VOICE], ge=0)
    """How much news one person gets a day; a maker may have its own."""
    log_level: str = "info"
    nats_sync_always: bool = False
    """The embedded log also survives a power cut, at the price of one disk write for each message."""
    demo_limit_s: float = Field(112.0, gt=0)
    """How long `prevenant demo --once` may take."""
    approval_above: int = Field(50, ge=0)
    """More people than this hear of one cause within an hour only if a person agrees."""
    approved_per_minute: int = Field(60, ge=1)
    """How many messages a minute go out once one has."""
    voice_price: float = Field(0.10, ge=0)
    """Of one call."""
    cost_ceiling_day: float | None = Field(None, gt=0)
    """What messages may cost each maker in a day (UTC)."""
    cost_ceiling_customer_day: float | None = Field(None, gt=0)
    """What messages may cost for one customer in a day (UTC)."""
    snapshot_every_s: float = Field(30.0, gt=0)

    def check(self) -> None:
        """Raises ConfigError for settings that do not go together."""
        if self.twilio_account_sid and not (self.twilio_auth_token and self.twilio_from):
            raise ConfigError(
                "PREVENANT_TWILIO_ACCOUNT_SID is set; "
                "PREVENANT_TWILIO_AUTH_TOKEN and PREVENANT_TWILIO_FROM are needed too"
            )
        parse_templates(self.twilio_whatsapp_templates)
        for name in ("human_phone", "twilio_voice_from", "twilio_whatsapp_from"):
            number = str(getattr(self, name))
            if number and not re.fullmatch(r"\+[1-9]\d{6,14}", number):
                raise ConfigError(
                    f"PREVENANT_{name.upper()} is no number as the world dials it; write for example +33155501234"
                )
        parse_prices(self.sms_price)
        if self.smtp_url and not self.mail_from:
            raise ConfigError("PREVENANT_SMTP_URL is set; PREVENANT_MAIL_FROM is needed too")
        if self.push_subject and not self.push_subject.startswith(("mailto:", "https:")):
            raise ConfigError(
                f"PREVENANT_PUSH_SUBJECT is {self.push_subject!r}; push services want mailto:you@example.net or https://…"
            )
        if self.webhook_secret and not _is_base64(self.webhook_secret.removeprefix("whsec_")):
            raise ConfigError("PREVENANT_WEBHOOK_SECRET is not base64; make one with: openssl rand -base64 24")
        if self.mail_hook_secret:
            key_of(self.mail_hook_secret, setting="PREVENANT_MAIL_HOOK_SECRET")
        if bool(self.dkim_selector) != bool(self.dkim_key_file):
            raise ConfigError("PREVENANT_DKIM_SELECTOR and PREVENANT_DKIM_KEY_FILE belong together; set both")
        if self.nats_url and not self.mqtt_url:
            raise ConfigError(
                "PREVENANT_NATS_URL is set, so there is no embedded broker; set PREVENANT_MQTT_URL too, "
                "for example mqtt://127.0.0.1:1883"
            )
        _ = self.rates
        if self.database_url:
            try:
                make_url(self.database_url).get_dialect()
            except (ArgumentError, NoSuchModuleError) as exc:
                raise ConfigError(
                    "PREVENANT_DATABASE_URL is not a database address; write for example "
                    "postgresql+psycopg://user:pass@host/prevenant"
                ) from exc

    @property
    def daily_caps(self) -> Mapping[Channel, int]:
        """How much news one person gets a day, by channel; WhatsApp is a text message too."""
        own = {
            Channel.SMS: self.daily_cap_sms,
            Channel.WHATSAPP: self.daily_cap_sms,
            Channel.EMAIL: self.daily_cap_email,
            Channel.VOICE: self.daily_cap_voice,
        }
        return {**DAILY_CAPS, **own}

    @property
    def embedded(self) -> bool:
        """Whether the log is the embedded server. It is the MQTT broker as well, unless `mqtt_url` names another."""
        return not self.nats_url

    @property
    def rates(self) -> dict[str, float]:
        """`send_rates` by sender. Raises ConfigError."""
        try:
            pairs = (part.rsplit("=", 1) for part in self.send_rates.split(",") if part.strip())
            return {sender.strip(): float(per_s) for sender, per_s in pairs}
        except ValueError as exc:
            raise ConfigError(
                "PREVENANT_SEND_RATES is not a list of senders and segments a second; write for example +33755550000=10"
            ) from exc

    @property
    def database(self) -> str:
        """SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'prevenant.db'}"

    @property
    def history(self) -> str:
        """Where the telemetry history is: a folder, or an address such as s3://bucket/path."""
        return self.history_url or str(self.data_dir.absolute() / "history")

    @property
    def nats(self) -> str:
        """NATS URL or URLs, comma-separated."""
        return self.nats_url or f"nats://127.0.0.1:{self.nats_port}"

    @property
    def mqtt(self) -> str:
        """MQTT URL or URLs, comma-separated."""
        return self.mqtt_url or f"mqtt://127.0.0.1:{self.mqtt_port}"

    @property
    def public(self) -> str:
        """What people's links begin with."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    @property
    def voice_from(self) -> str:
        """The number that calls; empty where there is none."""
        sender = "" if self.twilio_from.startswith("MG") else self.twilio_from
        return self.twilio_voice_from or sender

    @property
    def token_file(self) -> Path:
        """Where a generated admin token is kept."""
        return self.data_dir / "admin_token"


def _is_base64(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) >= 16
    except ValueError:
        return False


def load_settings() -> Settings:
    """Read the environment. Raises ConfigError with one line that names each wrong variable."""
    try:
        settings = Settings(_env_file=None) if os.environ.get(NO_ENV_FILE) else Settings()
        settings.check()
        return settings
    except ValidationError as exc:
        wrong = "; ".join(f"PREVENANT_{str(e['loc'][0]).upper()}: {e['msg']}, got {e['input']!r}" for e in exc.errors())
        raise ConfigError(wrong) from exc


def admin_token(settings: Settings) -> tuple[str, bool]:
    """The token, and whether it was made just now."""
    if settings.admin_token:
        return settings.admin_token, False
    path = settings.token_file
    if path.exists():
        return path.read_text().strip(), False
    token = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(token + "\n")
    return token, True
