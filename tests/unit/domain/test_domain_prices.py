"""What a text message costs."""

import pytest

from domain.errors import ConfigError
from domain.prices import SmsPrices, parse_prices


def test_one_price_and_others_for_some_countries():
    assert parse_prices("0.075 EUR") == SmsPrices(0.075, "EUR")
    prices = parse_prices(" 0.075 EUR , GB 0.04, CH=0.06")
    assert prices == SmsPrices(0.075, "EUR", {"GB": 0.04, "CH": 0.06})
    assert prices.of(2) == prices.of(2, country="FR") == 0.15
    assert prices.of(2, country="GB") == 0.08


def test_nobody_has_to_say_a_price():
    assert parse_prices(" ") is None


@pytest.mark.parametrize("wrong", ["EUR 0.075", "0,075 EUR", "0.075", "0.075 EUR, Britain 0.04", "-1 EUR", "0.1 EUR,"])
def test_what_is_no_price_is_told_with_one_that_is(wrong):
    with pytest.raises(ConfigError, match="write for example"):
        parse_prices(wrong)
