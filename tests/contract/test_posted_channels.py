"""Push, signed webhooks and letters: what each does beyond the suite that all channels share."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from py_vapid import Vapid
from pypdf import PdfReader

from domain.clock import FakeClock
from domain.errors import DeliveryError
from domain.messages import Refusal, Retry
from domain.outbox import Content
from notify.channels.letter import PRINTED, SpooledLetter
from notify.channels.posting import retry_after_s
from notify.channels.reference import reference
from notify.channels.web_push import PushIdentity, WebPush, new_private_key, public_key
from notify.channels.webhook import SignedWebhook
from tests.fakes.briefs import NOW, pending
from tests.fakes.posted import SECRET, Connector, PushService, as_bytes
from tests.fakes.servers import served
from tests.real import free_port

CONTENT = Content(
    text="La maison chauffe plus lentement.\n\nSouhaitez-vous que quelqu'un passe ?",
    subject="Votre pompe à chaleur se coupe trop souvent",
    link="https://prv.nt/c/1.abc",
    sender="Thermia",
    language="fr",
)
REFERENCE = "42-abc"
ADDRESS = "Alice Martin\n1 rue de la Paix\n75002 Paris"

ANSWERS = [
    (404, Refusal.BAD_ADDRESS, Retry.NEVER),
    (410, Refusal.BAD_ADDRESS, Retry.NEVER),
    (413, Refusal.REJECTED, Retry.NEVER),
    (302, Refusal.REJECTED, Retry.NEVER),
    (403, Refusal.MISCONFIGURED, Retry.SAFE),
    (429, Refusal.RATE_LIMITED, Retry.SAFE),
    (500, Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP),
]


@pytest.fixture
def push():
    service = PushService()
    with served(service.app()) as url:
        service.address = service.browser.subscription(f"{url}/push/1")
        yield service


@pytest.fixture
def connector():
    peer = Connector()
    with served(peer.app()) as url:
        peer.address = f"{url}/hook"
        yield peer


@pytest.fixture
def pusher():
    return WebPush(PushIdentity(new_private_key(), "mailto:desk@example.net"), timeout_s=2)


@pytest.fixture
def poster():
    return SignedWebhook(SECRET, FakeClock(NOW), timeout_s=2)


@pytest.fixture
def letters(tmp_path):
    return SpooledLetter(tmp_path / "spool", FakeClock(NOW))


def refused(adapter, address):
    with pytest.raises(DeliveryError) as caught:
        adapter.send(address, CONTENT, reference=REFERENCE)
    return caught.value


def test_a_push_is_read_by_the_browser_it_was_made_for(push, pusher):
    pusher.send(push.address, CONTENT, reference=REFERENCE)
    (told,) = push.waiting.values()
    assert told == {"id": REFERENCE, "title": CONTENT.subject, "body": CONTENT.text, "link": CONTENT.link}
    (headers,) = push.headers
    assert headers["urgency"] == "high"
    assert 600 <= int(headers["ttl"]) <= 1800
    assert headers["authorization"].startswith("vapid t=")


def test_a_push_that_is_repeated_replaces_itself(push, pusher):
    push.answers.append(500)
    assert refused(pusher, push.address).retry is Retry.LOOK_UP
    assert pusher.repeatable
    pusher.send(push.address, CONTENT, reference=REFERENCE)
    assert len(push.waiting) == 1


def test_a_browser_subscribes_with_the_key_that_we_sign_with():
    private = new_private_key()
    point = as_bytes(public_key(private))
    numbers = Vapid.from_string(private).public_key.public_numbers()
    assert point == b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


@pytest.mark.parametrize("address", ["", "{}", "[]", "null", '{"endpoint": "ftp://x", "keys": {"auth": "a"}}'])
def test_what_is_no_subscription_goes_nowhere(pusher, address):
    error = refused(pusher, address)
    assert (error.refusal, error.retry) == (Refusal.BAD_ADDRESS, Retry.NEVER)


def test_a_subscription_with_broken_keys_goes_nowhere(push, pusher):
    broken = json.loads(push.address) | {"keys": {"p256dh": "AAAA", "auth": "AAAA"}}
    assert refused(pusher, json.dumps(broken)).refusal is Refusal.BAD_ADDRESS
    assert not push.headers


@pytest.mark.parametrize(("answer", "refusal", "retry"), ANSWERS)
def test_answers_of_a_push_service_say_what_may_be_done(push, pusher, answer, refusal, retry):
    push.answers.append(answer)
    error = refused(pusher, push.address)
    assert (error.refusal, error.retry) == (refusal, retry)
    assert error.retry_after_s == (7 if answer == 429 else None)


@pytest.mark.parametrize(("answer", "refusal", "retry"), ANSWERS)
def test_answers_of_a_connector_say_what_may_be_done(connector, poster, answer, refusal, retry):
    connector.answers.append(answer)
    error = refused(poster, connector.address)
    assert (error.refusal, error.retry) == (refusal, retry)
    assert error.retry_after_s == (7 if answer == 429 else None)


def test_a_webhook_is_signed_and_says_it_all(connector, poster):
    poster.send(connector.address, CONTENT, reference=REFERENCE)
    (told,) = connector.taken.values()
    assert told["type"] == "message.created"
    assert datetime.fromisoformat(told["timestamp"]) == NOW
    assert told["data"] == {
        "id": REFERENCE,
        "subject": CONTENT.subject,
        "text": CONTENT.text,
        "link": CONTENT.link,
    }


def test_another_secret_opens_no_door(connector):
    stranger = SignedWebhook("whsec_" + "A" * 32, FakeClock(NOW))
    assert refused(stranger, connector.address).refusal is Refusal.MISCONFIGURED
    assert not connector.taken


def test_a_webhook_that_is_repeated_is_taken_once(connector, poster):
    connector.answers.append(500)
    assert refused(poster, connector.address).retry is Retry.LOOK_UP
    assert poster.repeatable
    poster.send(connector.address, CONTENT, reference=REFERENCE)
    assert list(connector.taken) == [REFERENCE]


def test_nobody_listening_means_never_posted(pusher, poster, push):
    port = free_port()
    assert refused(poster, f"http://127.0.0.1:{port}/hook").retry is Retry.SAFE
    gone = json.loads(push.address) | {"endpoint": f"http://127.0.0.1:{port}/push/1"}
    assert refused(pusher, json.dumps(gone)).retry is Retry.SAFE


def test_retry_after_is_read_in_both_forms():
    assert retry_after_s("120") == 120
    later = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert 80 < retry_after_s(later) <= 90
    assert retry_after_s("soon") is None
    assert retry_after_s("") is None


def test_a_letter_is_one_page_with_the_address_in_the_window(letters, tmp_path):
    letters.send(ADDRESS, CONTENT, reference=REFERENCE)
    reader = PdfReader(tmp_path / "spool" / f"{REFERENCE}.pdf")
    (sheet,) = reader.pages
    text = sheet.extract_text()
    for words in ("Thermia", "Alice Martin", "75002 Paris", CONTENT.subject, "mardi 3 mars", CONTENT.link):
        assert words in text
    at = {}
    sheet.extract_text(visitor_text=lambda text, _cm, tm, _font, _size: at.setdefault(text.strip(), (tm[4], tm[5])))
    left, bottom = at["Alice Martin"]
    assert 20 <= left * 25.4 / 72 <= 30
    assert 45 <= 297 - bottom * 25.4 / 72 <= 90
    assert all(font["/FontDescriptor"] for font in _fonts(sheet)), "a printer has none of our fonts"


def _fonts(sheet):
    faces = [font.get_object() for font in sheet["/Resources"]["/Font"].values()]
    return [face["/DescendantFonts"][0].get_object() for face in faces]


def test_a_letter_is_found_again_wherever_the_printer_put_it(letters, tmp_path):
    message = replace(pending(), id=7)
    assert letters.look_up(message) is None
    receipt = letters.send(ADDRESS, CONTENT, reference=reference(message))
    assert letters.look_up(message) == receipt
    spool = tmp_path / "spool"
    (spool / PRINTED).mkdir()
    name = f"{reference(message)}.pdf"
    (spool / name).rename(spool / PRINTED / name)
    assert letters.look_up(message) == receipt


def test_the_same_letter_twice_is_one_file(letters, tmp_path):
    for _ in range(2):
        letters.send(ADDRESS, CONTENT, reference=REFERENCE)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [f"{REFERENCE}.pdf"]


def test_a_letter_without_a_place_is_not_printed(letters, tmp_path):
    assert refused(letters, "Alice Martin").refusal is Refusal.BAD_ADDRESS
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_cannot_be_written_is_tried_again(letters, tmp_path):
    spool = tmp_path / "spool"
    spool.rmdir()
    spool.write_text("in the way")
    assert refused(letters, ADDRESS).retry is Retry.SAFE
