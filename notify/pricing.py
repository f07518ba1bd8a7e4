"""What a message is expected to cost, from its text: written down before it is submitted. Pure."""

from domain.messages import Channel
from domain.outbox import Content
from domain.prices import Prices
from notify.segments import segments


def price(channel: Channel, content: Content, prices: Prices, *, country: str = "") -> tuple[int, float]:
    """Segments, and cost in the currency of `prices`. Only a text message comes in segments."""
    count = segments(content.text).count if channel is Channel.SMS else 1
    return count, prices.of(channel, count, country=country)
