"""What manifests and REST bodies may say of each kind of thing: one model for both doors."""

import sys
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import holidays
import phonenumbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.durations import parse_duration_s
from domain.messages import Channel
from ingest.topics import LISTENER_ID, id_problem

LARGEST_NUMBER = sys.float_info.max
LONGEST_SENDER = 11
"""Characters of a name in place of a number, as carriers have it."""


def _device_id(text: str) -> str:
    problem = id_problem(text) or ("this id is our own" if text == LISTENER_ID else None)
    if problem:
        raise ValueError(f"{problem}; use letters, digits, - and _, for example hp-1")
    return text


def _phone(text: str) -> str:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as exc:
        raise ValueError(f"{text!r} is not a phone number; write it like +33612345678, with the country") from exc
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"{text!r} is not a valid phone number; check its digits and country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(text: str) -> str:
    local, _, domain = text.strip().rpartition("@")
    if not local or "." not in domain.strip(".") or any(c.isspace() or c in "<>,;" for c in text.strip()):
        raise ValueError(f"{text!r} is not an e-mail address; write it like alice@example.net")
    return f"{local}@{domain.lower()}"


def _webhook(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f"{text!r} is no address to post to; write it like https://chat.example.net/hook")
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(f"{text!r} is not a time zone; write it like Europe/Paris")
    ZoneInfo(text)
    return text


def _wall_time(text: str) -> str:
    try:
        return time.fromisoformat(text).strftime("%H:%M")
    except ValueError as exc:
        raise ValueError(f'{text!r} is not a time of day; write it in quotes like "21:00"') from exc


def _sms_sender(text: str) -> str:
    if text.startswith("+"):
        return _phone(text)
    named = text.isascii() and text.replace(" ", "").isalnum() and any(letter.isalpha() for letter in text)
    if not named or len(text) > LONGEST_SENDER:
        raise ValueError(f"{text!r} is no sender of text messages; write a number, or up to 11 letters and digits")
    return text


def _country(text: str) -> str:
    if text not in holidays.list_supported_countries():
        raise ValueError(f"{text!r} is not a country whose public holidays are known; write it like FR")
    return text


def _words(value: object) -> object:
    return {"en": value} if isinstance(value, str) else value


def _attribute(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("an attribute is a number, a boolean or text")
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        raise ValueError("this number cannot be counted with; rules count in 64-bit floating point")
    return value


Id = Annotated[str, AfterValidator(_device_id)]
Phone = Annotated[str, AfterValidator(_phone)]
Email = Annotated[str, AfterValidator(_email)]
Webhook = Annotated[str, AfterValidator(_webhook)]
SmsSender = Annotated[str, AfterValidator(_sms_sender)]
Zone = Annotated[str, AfterValidator(_zone)]
WallTime = Annotated[str, AfterValidator(_wall_time)]
Words = Annotated[dict[str, str], BeforeValidator(_words)]
"""A phrase by language; a bare string counts as English."""
Language = Literal["en", "fr"]
Attribute = Annotated[bool | int | float | str, BeforeValidator(_attribute)]


class Declared(BaseModel):
    """A thing somebody declares. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class QuietHoursIn(Declared):
    """Hours on the person's own clock in which nobody writes; Sundays and public holidays too if that is wanted."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    start: WallTime = Field("21:00", alias="from")
    end: WallTime = Field("08:00", alias="to")
    sundays: bool = False
    holidays: Annotated[str, AfterValidator(_country)] | None = None
    """A country."""


class MakerIn(Declared):
    """A maker of products, by the name that customers know."""

    id: Id
    name: str
    sms_sender: SmsSender | None = None
    """The number, or the name of up to 11 letters and digits, that text messages come from."""
    mail_from: Email | None = None
    quiet_hours: QuietHoursIn | None = None
    """For customers who said nothing of their own."""
    daily_caps: dict[Channel, Annotated[int, Field(ge=0)]] = {}
    """News a day and person, by channel; what is left out is as the settings have it."""


class MetricIn(Declared):
    """One declared metric."""

    unit: str | None = None
    kind: Literal["number", "boolean", "string"] | None = None
    title: Words = {}


class CommandIn(Declared):
    """One command that devices of a product take. `args` are JSON Schema properties."""

    title: Words = {}
    args: dict[str, dict[str, Any]] = {}
    idempotent: bool = False


class ProductIn(Declared):
    """A kind of device."""

    name: Id
    maker: str | None = None
    title: Words = {}
    noun: Words = {}
    """What customers call it: "heat pump"."""
    metrics: dict[str, MetricIn] = {}
    commands: dict[str, CommandIn] = {}
    strict: bool = False

    @model_validator(mode="before")
    @classmethod
    def _empty_entries(cls, value: Any) -> Any:
        """`metrics: {pressure: }` declares it with nothing more to say."""
        if isinstance(value, dict):
            for key in ("metrics", "commands"):
                if isinstance(entries := value.get(key), dict):
                    value = {**value, key: {name: {} if item is None else item for name, item in entries.items()}}
        return value


class CustomerIn(Declared):
    """A person with a product."""

    id: Id
    name: str
    language: Language = "en"
    phone: Phone | None = None
    email: Email | None = None
    webhook: Webhook | None = None
    """Where a connector takes messages for this person, signed."""
    postal: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field([], max_length=5)
    """Lines on an envelope, below the name."""
    channels: list[Channel] = [Channel.SMS, Channel.EMAIL]
    timezone: Zone | None = None
    quiet_hours: QuietHoursIn | None = QuietHoursIn()
    digest: Literal["daily"] | None = None
    """What can wait comes in one message a day."""
    away_until: datetime | None = None
    """Until then only danger and visits are told."""

    @model_validator(mode="after")
    def _away_somewhere(self) -> "CustomerIn":
        if self.away_until is not None and self.away_until.tzinfo is None:
            raise ValueError("away_until has no time zone; end it with Z or an offset")
        return self


class ContactIn(Declared):
    """Somebody else whom a device concerns."""

    customer: str
    role: str = "contact"
    """owner, tenant, caretaker, neighbour, or anything else."""
    tells: list[Literal["safety", "service", "appointment"]] | None = None
    """What they are told of; left out, what their role usually is."""


class SiteIn(Declared):
    """Where a device stands."""

    address: str | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    timezone: Zone | None = None


class DeviceIn(Declared):
    """A connected product."""

    id: Id
    product: str | None = None
    customer: str | None = None
    contacts: list[ContactIn] = []
    gateway: Id | None = None
    site: SiteIn = SiteIn()
    attributes: dict[str, Attribute] = {}


class PlaceIn(Declared):
    """A point on the map."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


class TechnicianIn(Declared):
    """A person who repairs. `shifts`: {"mon-fri": ["08:00-12:00", …]} in `timezone`."""

    id: Id
    name: str
    language: Language = "en"
    phone: Phone | None = None
    email: Email | None = None
    skills: list[str] = []
    home: PlaceIn | None = None
    timezone: Zone = "UTC"
    shifts: dict[str, list[str]] = {}


class MuteIn(Declared):
    """One device keeps quiet until a time, or for a while."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    until: datetime | None = None
    lasts: str | None = Field(None, alias="for")
    reason: str = ""

    @model_validator(mode="after")
    def _one_end(self) -> "MuteIn":
        if (self.until is None) == (self.lasts is None):
            raise ValueError('say either "until" (a time) or "for" (a duration like 2h)')
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until has no time zone; end it with Z or an offset")
        if self.lasts is not None:
            parse_duration_s(self.lasts)
        return self

    def end(self, now: datetime) -> datetime:
        """When it is over."""
        return self.until if self.until is not None else now + timedelta(seconds=parse_duration_s(self.lasts))
