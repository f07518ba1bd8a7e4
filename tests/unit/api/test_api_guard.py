"""Who may come in: the token, the cookie, signed links, signed hooks, and nobody else."""

from base64 import b64encode
from hashlib import sha1
from hmac import new as hmac
from pathlib import Path

import pytest

from domain.links import Purpose
from store.tables import Inbound, Message
from tests.fakes.api_house import PUBLIC_URL, TOKEN, House
from tests.fakes.api_story import Story


@pytest.mark.parametrize(
    "header", [None, "Bearer nonsense", "Basic abc", f"bearer{TOKEN}", "Bearer", f"Bearer {TOKEN}x"]
)
def test_rest_wants_the_token(empty: House, header: str | None) -> None:
    client = empty.browser(signed_in=False)
    answer = client.get("/v1/devices", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_every_rest_route_wants_the_token(empty: House) -> None:
    document = empty.client.get("/openapi.json").json()
    client = empty.browser(signed_in=False)
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for method in operations:
                concrete = path.replace("{ticket_id}", "1").replace("{visit_id}", "1").replace("{move}", "accept")
                assert client.request(method, concrete).status_code == 401, (method, path)


def test_the_token_in_the_address_becomes_a_cookie(empty: House) -> None:
    client = empty.browser(signed_in=False)
    answer = client.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200
    assert client.get("/v1/devices").status_code == 200


def test_a_wrong_token_in_the_address_opens_nothing(empty: House) -> None:
    client = empty.browser(signed_in=False)
    assert client.get("/", params={"token": "wrong"}).status_code == 401
    assert client.get("/").status_code == 401
    assert "Sign in" in client.get("/").text


def test_signing_in_goes_where_one_wanted_and_never_elsewhere(empty: House) -> None:
    client = empty.browser(signed_in=False)
    assert client.post("/sign-in", data={"token": "wrong"}).status_code == 401
    assert client.post("/sign-in", data={"token": TOKEN, "next": "/status"}).headers["location"] == "/status"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example"):
        assert client.post("/sign-in", data={"token": TOKEN, "next": elsewhere}).headers["location"] == "/"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_cannot_post_with_our_cookie(house: House, headers: dict[str, str]) -> None:
    client = house.browser()
    assert client.post("/v1/messages/pause", headers=headers).status_code == 403
    assert client.post("/status/pause", headers=headers).status_code == 403
    assert client.post("/v1/messages/pause", headers={"Origin": PUBLIC_URL}).status_code == 200


def test_pages_carry_a_policy_that_runs_only_our_own_scripts(empty: House) -> None:
    answer = empty.browser().get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_link_opens_only_its_own_door(story: Story) -> None:
    house = story.house
    client = house.browser(signed_in=False)
    token = house.signer.token(Purpose.CUSTOMER, 2)
    assert client.get(f"/c/{token}").status_code == 200
    assert client.get(f"/v/{token}").status_code == 403
    assert client.get(f"/c/{token[:-1]}").status_code == 403
    assert client.get(f"/c/1{token[1:]}").status_code == 403
    assert client.post(f"/c/{token}x/call").status_code == 403
    assert client.get("/tickets/2").status_code == 401
    foreign = {"Origin": "https://evil.example"}
    assert client.post(f"/c/{token}/call", headers=foreign).status_code == 403


SECRET = "twilio-secret"


def signature(path: str, fields: dict[str, str], *, secret: str = SECRET) -> str:
    """As https://www.twilio.com/docs/usage/security has it: the URL, then each field's name and value, sorted."""
    text = PUBLIC_URL + path + "".join(name + fields[name] for name in sorted(fields))
    return b64encode(hmac(secret.encode(), text.encode(), sha1).digest()).decode()


@pytest.fixture
def hooked(told: Story, tmp_path: Path) -> House:
    return told.house.copy(tmp_path, twilio_auth_token=SECRET)


def test_a_hook_without_a_fitting_signature_is_refused(hooked: House, house: House) -> None:
    fields = {"MessageSid": "SM1", "From": "+33612345601", "Body": "STOP"}
    for wrong in (
        {},
        {"X-Twilio-Signature": "nonsense"},
        {"X-Twilio-Signature": signature("/hooks/twilio/status", fields)},
    ):
        assert hooked.client.post("/hooks/twilio/inbound", data=fields, headers=wrong).status_code == 403
    right = {"X-Twilio-Signature": signature("/hooks/twilio/inbound", fields)}
    assert house.client.post("/hooks/twilio/inbound", data=fields, headers=right).status_code == 403


def test_an_answer_by_sms_moves_the_ticket_once(hooked: House) -> None:
    fields = {"MessageSid": "SM7", "From": "+33612345603", "Body": "2"}
    headers = {"X-Twilio-Signature": signature("/hooks/twilio/inbound", fields)}
    for _ in range(3):
        answer = hooked.client.post("/hooks/twilio/inbound", data=fields, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/xml"
    ticket = hooked.client.get("/v1/tickets/4").json()
    assert [entry["kind"] for entry in ticket["timeline"]].count("reply") == 1
    assert ticket["state"] in {"pending_visit", "pending_agent"}


def test_a_stranger_s_words_are_kept_and_move_nothing(hooked: House) -> None:
    fields = {"MessageSid": "SM8", "From": "+15005550006", "Body": "who is this?"}
    headers = {"X-Twilio-Signature": signature("/hooks/twilio/inbound", fields)}
    before = hooked.client.get("/v1/tickets").json()
    assert hooked.client.post("/hooks/twilio/inbound", data=fields, headers=headers).status_code == 200
    assert hooked.client.get("/v1/tickets").json() == before
    with hooked.database.read() as session:
        kept = session.query(Inbound).filter_by(provider_id="SM8").one()
        assert (kept.recipient_id, kept.body) == (None, "who is this?")


def test_a_receipt_finds_its_message(hooked: House) -> None:
    with hooked.database.write() as session:
        message = session.query(Message).filter_by(recipient_id="c-sophie").one()
        message.provider_id, message.state = "SM55", "accepted"
    fields = {"MessageSid": "SM55", "MessageStatus": "undelivered"}
    headers = {"X-Twilio-Signature": signature("/hooks/twilio/status", fields)}
    assert hooked.client.post("/hooks/twilio/status", data=fields, headers=headers).status_code == 204
    (shown,) = hooked.client.get("/v1/messages?customer_id=c-sophie").json()["items"]
    assert shown["state"] == "undelivered"
