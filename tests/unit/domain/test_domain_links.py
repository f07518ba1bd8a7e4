"""Signed links: each opens one thing for one purpose, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Forbidden
from domain.links import LinkSigner, Purpose

SIGNER = LinkSigner(b"k" * 32, "https://prv.nt/")


@given(st.integers(1, 2**40))
def test_a_token_opens_what_it_was_made_for(number: int) -> None:
    token = SIGNER.token(Purpose.CUSTOMER, number)
    assert SIGNER.open(Purpose.CUSTOMER, token) == number
    with pytest.raises(Forbidden):
        SIGNER.open(Purpose.VISIT, token)


@given(st.integers(1, 10**6), st.data())
def test_no_altered_token_opens_anything(number: int, data: st.DataObject) -> None:
    token = SIGNER.token(Purpose.CUSTOMER, number)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[place]))
    with pytest.raises(Forbidden):
        SIGNER.open(Purpose.CUSTOMER, token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("token", ["", ".", "1", "1.", "-1.x", "0x1.abc", " 1.abc", "é.é"])
def test_rubbish_opens_nothing(token: str) -> None:
    with pytest.raises(Forbidden):
        SIGNER.open(Purpose.CUSTOMER, token)


def test_another_key_opens_nothing_and_links_are_short() -> None:
    other = LinkSigner(b"x" * 32, "https://prv.nt")
    with pytest.raises(Forbidden):
        other.open(Purpose.CUSTOMER, SIGNER.token(Purpose.CUSTOMER, 1))
    assert SIGNER.link(Purpose.CUSTOMER, 12345).startswith("https://prv.nt/c/9ix.")
    assert len(SIGNER.link(Purpose.CUSTOMER, 12345)) < 34
