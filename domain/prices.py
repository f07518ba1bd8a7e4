"""What a text message costs: so much a segment, in one currency, with other prices for some countries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.errors import ConfigError
from domain.messages import Channel

_ENTRY = re.compile(r"([A-Z]{2})\s*=?\s*(\d+(?:\.\d+)?)")
_DEFAULT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Z]{3})")


@dataclass(frozen=True, slots=True)
class SmsPrices:
    """Price of a segment in `currency` (ISO 4217), by country (ISO 3166) where it is another."""

    segment: float
    currency: str
    countries: Mapping[str, float] = field(default_factory=dict)

    def of(self, segments: int, *, country: str = "") -> float:
        """What so many segments cost, to a number of `country`."""
        return segments * self.countries.get(country, self.segment)


@dataclass(frozen=True, slots=True)
class Prices:
    """What messages cost, all in the currency of a text message."""

    sms: SmsPrices = SmsPrices(0.075, "EUR")
    voice: float = 0.1
    """Of one call."""

    def of(self, channel: Channel, segments: int = 1, *, country: str = "") -> float:
        """One message of so many segments; what is not charged by the piece costs nothing."""
        if channel is Channel.VOICE:
            return self.voice
        return self.sms.of(segments, country=country) if channel in {Channel.SMS, Channel.WHATSAPP} else 0.0


USUAL_PRICES = Prices()
"""Where the settings say nothing."""


def parse_prices(text: str) -> SmsPrices | None:
    """`0.075 EUR`, or `0.075 EUR, GB 0.04, CH 0.06`; None for an empty text. Raises ConfigError."""
    if not text.strip():
        return None
    first, *others = (part.strip() for part in text.split(","))
    default = _DEFAULT.fullmatch(first)
    entries = [_ENTRY.fullmatch(other) for other in others]
    if default is None or not all(entries):
        raise ConfigError(
            "PREVENANT_SMS_PRICE is not a price of a segment; write for example 0.075 EUR, "
            "or 0.075 EUR, GB 0.04 with other prices for some countries"
        )
    countries = {entry[1]: float(entry[2]) for entry in entries if entry}
    return SmsPrices(float(default[1]), default[2], countries)
