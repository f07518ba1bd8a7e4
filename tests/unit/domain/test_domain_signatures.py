"""Signed calls: the scheme's own library agrees with us, and nothing changed, replayed or unsigned comes in."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from domain.errors import ConfigError, Forbidden
from domain.signatures import PREFIX, TOLERANCE_S, check, key_of, signed_headers

KEY = b"k" * 32
SECRET = PREFIX + b64encode(KEY).decode()
NOW = 1_800_000_000


@given(st.text(max_size=200), st.text("abc_0123456789", min_size=1))
def test_the_library_of_the_scheme_signs_and_checks_alike(text: str, name: str) -> None:
    ours = signed_headers(KEY, id=name, at_s=NOW, body=text.encode())
    assert Webhook(SECRET).sign(name, datetime.fromtimestamp(NOW, UTC), text) == ours["webhook-signature"]
    check(KEY, ours, text.encode(), now_s=NOW)


def test_the_library_takes_what_we_sign_now() -> None:
    now = int(datetime.now(UTC).timestamp())
    Webhook(SECRET).verify(b"{}", signed_headers(KEY, id="a", at_s=now, body=b"{}"))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_does_not_fit(body: bytes, other: bytes) -> None:
    headers = signed_headers(KEY, id="a", at_s=NOW, body=body)
    check(KEY, headers, body, now_s=NOW)
    if other != body:
        with pytest.raises(Forbidden):
            check(KEY, headers, other, now_s=NOW)


@pytest.mark.parametrize("late_s", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
def test_a_call_is_about_now(late_s: float) -> None:
    headers = signed_headers(KEY, id="a", at_s=NOW, body=b"x")
    check(KEY, headers, b"x", now_s=NOW + late_s * 0.9)
    with pytest.raises(Forbidden):
        check(KEY, headers, b"x", now_s=NOW + late_s)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "b"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "²"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v2,AAAA v1a,BBBB"},
    ],
)
def test_a_changed_header_opens_nothing(change: dict[str, str]) -> None:
    headers = signed_headers(KEY, id="a", at_s=NOW, body=b"x") | change
    with pytest.raises(Forbidden):
        check(KEY, headers, b"x", now_s=NOW)


def test_while_a_secret_is_changed_either_signature_will_do() -> None:
    old, new = (signed_headers(key, id="a", at_s=NOW, body=b"x") for key in (b"o" * 32, KEY))
    both = f"{old['webhook-signature']} {new['webhook-signature']}"
    check(KEY, new | {"webhook-signature": both}, b"x", now_s=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_c2hvcnQ=", "no base64 at all!"])
def test_what_is_no_secret_is_refused_with_the_cure(secret: str) -> None:
    with pytest.raises(ConfigError, match=r"PREVENANT_X is no secret; make one with: .*openssl"):
        key_of(secret, setting="PREVENANT_X")
