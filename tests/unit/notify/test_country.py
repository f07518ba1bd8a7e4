"""Which line to a provider an address belongs to: trouble in one country, or at one connector, stays there."""

import pytest

from notify.channels.country import country_of


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("+33612345678", "FR"),
        ("+12025550123", "US"),
        ("+88212345678", "001"),
        ("alice@example.net", ""),
        ("https://chat.example.net/hook/1", "chat.example.net"),
        ('{"endpoint": "https://fcm.googleapis.com/fcm/send/x", "keys": {}}', "fcm.googleapis.com"),
        ("{rubbish", ""),
        ("1 rue de la Paix\n75002 Paris", ""),
        ("+", ""),
    ],
)
def test_trouble_stays_where_it_is(address, where):
    assert country_of(address) == where
