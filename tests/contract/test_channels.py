"""One suite that every channel adapter passes, against a provider that answers over a real socket or a real file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from twilio.request_validator import RequestValidator

from domain.clock import FakeClock
from domain.errors import DeliveryError
from domain.messages import REACHED, Channel, Refusal, Retry
from domain.outbox import Content, Pending
from notify.channels.base import ChannelAdapter
from notify.channels.email_message import Letterhead
from notify.channels.email_smtp import SmtpEmail, parse_smtp_url
from notify.channels.reference import reference
from notify.channels.sandbox import SandboxChannel
from notify.channels.twilio_client import TwilioAccount, signature_ok
from notify.channels.twilio_sms import TwilioSms
from notify.channels.twilio_voice import TwilioVoice
from notify.channels.twilio_whatsapp import TwilioWhatsapp
from store.database import Database
from store.sandbox import SqlSandbox
from store.tables import Base, SandboxMessage
from tests.fakes.briefs import NOW, pending
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, create_twilio
from tests.real import free_port

CONTENT = Content(
    text="Thermia: votre pompe marche à nouveau: https://prv.nt/c/1.abc",
    subject="Réparé",
    html="<p>ok</p>",
    last_inbound=NOW,
)
VOICE = "https://house.example/hooks/twilio/voice"
STATUS = "https://house.example/hooks/twilio/status"


@dataclass
class Rig:
    """An adapter, the address it sends to, and how many messages its provider took."""

    adapter: ChannelAdapter
    address: str
    took: Callable[[], int]
    fail: Any
    """How the next answers of the provider are planned."""

    def sent(self, number: int = 1) -> Pending:
        """The message as the store has it once it is `submitting`."""
        return replace(pending(), id=number, address=self.address, body=CONTENT.text)


class Relay:
    """An SMTP relay that answers as planned, and keeps what it took."""

    def __init__(self):
        self.mails, self.answers = [], {"MAIL": [], "RCPT": [], "DATA": []}

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.answers["MAIL"]:
            return self.answers["MAIL"].pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.answers["RCPT"]:
            return self.answers["RCPT"].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers["DATA"].pop(0) if self.answers["DATA"] else "250 taken"
        if answer == "drop":
            self.mails.append(envelope.content)
            server.transport.abort()
            return "250 never heard"
        if answer.startswith("2"):
            self.mails.append(envelope.content)
        return answer


@pytest.fixture
def relay():
    handler = Relay()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    handler.url = f"smtp://127.0.0.1:{controller.port}"
    yield handler
    controller.stop()


@pytest.fixture(scope="module")
def twilio_server():
    app = create_twilio()
    with served(app) as url:
        app.state.twilio.url = url
        yield app.state.twilio


@pytest.fixture
def twilio(twilio_server):
    yield twilio_server
    twilio_server.reset()


@pytest.fixture
def twilio_sms(twilio):
    adapter = TwilioSms(account(twilio.url), status_callback=STATUS, timeout_s=0.5)
    yield adapter
    adapter.close()


def account(url):
    return TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)


@pytest.fixture
def sandbox(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'sandbox.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def twilio_rig(twilio, twilio_sms):
    return Rig(twilio_sms, "+33612345678", lambda: len(twilio.messages), twilio.plan)


@pytest.fixture
def voice_rig(twilio):
    adapter = TwilioVoice(account(twilio.url), hook=VOICE, status_callback=STATUS, timeout_s=0.5)
    yield Rig(adapter, "+33612345678", lambda: len(twilio.calls), twilio.plan)
    adapter.close()


@pytest.fixture
def whatsapp_rig(twilio):
    adapter = TwilioWhatsapp(account(twilio.url), FakeClock(NOW), templates={}, status_callback=STATUS, timeout_s=0.5)

    def plan(to, *behaviours):
        twilio.plan(f"whatsapp:{to}", *behaviours)

    yield Rig(adapter, "+33612345678", lambda: len(twilio.messages), plan)
    adapter.close()


@pytest.fixture(params=["twilio_rig", "voice_rig", "whatsapp_rig"])
def by_twilio(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def smtp_rig(relay):
    letterhead = Letterhead("Thermia <care@thermia.example>")
    adapter = SmtpEmail(parse_smtp_url(relay.url), FakeClock(NOW), letterhead=letterhead, timeout_s=2)
    return Rig(adapter, "alice@example.net", lambda: len(relay.mails), relay.answers)


@pytest.fixture
def sandbox_rig(sandbox):
    adapter = SandboxChannel(Channel.SMS, SqlSandbox(sandbox, FakeClock(NOW)))

    def took():
        with sandbox.read() as session:
            return session.query(SandboxMessage).count()

    return Rig(adapter, "+33612345678", took, None)


@pytest.fixture(params=["twilio_rig", "voice_rig", "whatsapp_rig", "smtp_rig", "sandbox_rig"])
def rig(request):
    return request.getfixturevalue(request.param)


def test_it_takes_a_message_once_and_names_it(rig):
    receipt = rig.adapter.send(rig.address, CONTENT, reference=reference(pending()))
    assert rig.took() == 1
    assert receipt.provider_id
    assert receipt.state in REACHED


def test_two_messages_have_two_names(rig):
    names = {rig.adapter.send(rig.address, CONTENT, reference=reference(rig.sent(n))).provider_id for n in (1, 2)}
    assert (len(names), rig.took()) == (2, 2)


def test_what_was_never_sent_is_not_found(rig):
    assert rig.adapter.look_up(rig.sent()) is None


def test_what_was_taken_is_found_where_anybody_can_tell(rig):
    receipt = rig.adapter.send(rig.address, CONTENT, reference=reference(rig.sent()))
    found = rig.adapter.look_up(rig.sent())
    if rig.adapter.authoritative:
        assert (found.provider_id, found.state) == (receipt.provider_id, receipt.state)
    else:
        assert found is None


def test_it_says_how_long_it_takes_and_who_it_is(rig):
    assert rig.adapter.patience_s > 0
    assert rig.adapter.provider
    assert rig.adapter.channel in Channel
    assert rig.adapter.authoritative or not rig.adapter.look_up_after_s


def refused(rig):
    with pytest.raises(DeliveryError) as caught:
        rig.adapter.send(rig.address, CONTENT, reference=reference(rig.sent()))
    return caught.value


@pytest.mark.parametrize(
    ("answer", "refusal", "retry"),
    [
        ("21211", Refusal.BAD_ADDRESS, Retry.NEVER),
        ("21610", Refusal.OPTED_OUT, Retry.NEVER),
        ("21606", Refusal.MISCONFIGURED, Retry.NEVER),
        ("21215", Refusal.MISCONFIGURED, Retry.NEVER),
        ("63003", Refusal.BAD_ADDRESS, Retry.NEVER),
        ("63007", Refusal.MISCONFIGURED, Retry.NEVER),
        ("63016", Refusal.NEEDS_TEMPLATE, Retry.NEVER),
        ("400", Refusal.REJECTED, Retry.NEVER),
        ("429", Refusal.RATE_LIMITED, Retry.SAFE),
        ("401", Refusal.MISCONFIGURED, Retry.SAFE),
        ("500", Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP),
    ],
)
def test_twilio_errors_say_what_may_be_done(by_twilio, answer, refusal, retry):
    by_twilio.fail(by_twilio.address, answer)
    error = refused(by_twilio)
    assert (error.refusal, error.retry) == (refusal, retry)
    assert by_twilio.took() == 0


def test_twilio_says_when_to_come_back(by_twilio):
    by_twilio.fail(by_twilio.address, "429", "21610")
    assert refused(by_twilio).retry_after_s == 7
    assert refused(by_twilio).retry_after_s is None


@pytest.mark.parametrize("answer", ["accept-then-500", "accept-then-hang"])
def test_twilio_taking_it_without_saying_so_is_found_again(by_twilio, answer):
    by_twilio.fail(by_twilio.address, answer)
    error = refused(by_twilio)
    assert (error.refusal, error.retry) == (Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP)
    assert by_twilio.took() == 1
    assert by_twilio.adapter.look_up(by_twilio.sent()).provider_id.startswith(("SM", "CA"))


def test_twilio_finds_the_message_and_not_its_twin(by_twilio):
    first = by_twilio.adapter.send(by_twilio.address, CONTENT, reference="1-a")
    sought = replace(by_twilio.sent(2), taken=frozenset({first.provider_id}))
    assert by_twilio.adapter.look_up(sought) is None


def test_twilio_finds_no_message_that_reads_otherwise(twilio_rig):
    twilio_rig.adapter.send(twilio_rig.address, CONTENT, reference="1-a")
    other = replace(twilio_rig.sent(2), body="something else altogether")
    assert twilio_rig.adapter.look_up(other) is None


def test_twilio_finds_what_a_trial_account_prefixed(twilio, twilio_rig):
    twilio.take({"To": twilio_rig.address, "From": SENDER, "Body": "Sent from your trial account - " + CONTENT.text})
    assert twilio_rig.adapter.look_up(twilio_rig.sent()) is not None


def test_twilio_is_told_where_to_send_receipts(twilio, by_twilio):
    by_twilio.adapter.send(by_twilio.address, CONTENT, reference="42-abc")
    assert twilio.requests[0]["StatusCallback"].startswith(f"{STATUS}?message=42-abc")


def test_twilio_is_told_until_when_it_may_deliver(twilio, twilio_rig):
    twilio_rig.adapter.send(twilio_rig.address, CONTENT, reference="42-abc")
    asked = twilio.requests[0]
    assert 600 <= int(asked["ValidityPeriod"]) <= 1800
    assert asked["From"] == SENDER


def test_twilio_with_a_messaging_service_names_no_number(twilio):
    service = replace(account(twilio.url), sender="MG" + "1" * 32)
    adapter = TwilioSms(service)
    adapter.send("+33612345678", CONTENT, reference="1-a")
    adapter.close()
    assert twilio.requests[0]["MessagingServiceSid"] == service.sender
    assert "From" not in twilio.requests[0]


def test_twilio_signs_its_calls_and_nobody_else_can():
    url, fields = (
        "https://house.example/hooks/twilio/status?message=1-a",
        {"MessageSid": "SM1", "MessageStatus": "sent"},
    )
    signature = RequestValidator(TOKEN).compute_signature(url, fields)
    assert signature_ok(TOKEN, url, fields, signature)
    assert not signature_ok(TOKEN, url.replace("1-a", "2-a"), fields, signature)
    assert not signature_ok(TOKEN, url, {**fields, "MessageStatus": "failed"}, signature)
    assert not signature_ok("another token", url, fields, signature)
    assert not signature_ok(TOKEN, url, fields, "")


def test_numbers_and_texts_stay_out_of_the_log(by_twilio, caplog):
    caplog.set_level("INFO")
    by_twilio.adapter.send(by_twilio.address, CONTENT, reference="1-a")
    by_twilio.adapter.look_up(by_twilio.sent())
    assert by_twilio.address.lstrip("+") not in caplog.text
    assert "votre" not in caplog.text


def test_nobody_listening_means_never_submitted():
    nowhere = account(f"http://127.0.0.1:{free_port()}")
    sms, voice = TwilioSms(nowhere, timeout_s=0.5), TwilioVoice(nowhere, timeout_s=0.5)
    server = parse_smtp_url(f"smtp://127.0.0.1:{free_port()}")
    email = SmtpEmail(server, FakeClock(NOW), letterhead=Letterhead("care@thermia.example"))
    for adapter in (sms, voice, email):
        with pytest.raises(DeliveryError) as caught:
            adapter.send("alice@example.net", CONTENT, reference="1-a")
        assert (caught.value.refusal, caught.value.retry) == (Refusal.UNREACHABLE, Retry.SAFE)
    for adapter in (sms, voice):
        with pytest.raises(DeliveryError):
            adapter.look_up(pending())
        adapter.close()


@pytest.mark.parametrize(
    ("command", "answer", "refusal", "retry"),
    [
        ("MAIL", "550 who are you", Refusal.MISCONFIGURED, Retry.NEVER),
        ("MAIL", "451 later", Refusal.RATE_LIMITED, Retry.SAFE),
        ("RCPT", "550 5.1.1 no such user", Refusal.BAD_ADDRESS, Retry.NEVER),
        ("RCPT", "553 sorry, no mailbox of that name", Refusal.BAD_ADDRESS, Retry.NEVER),
        ("RCPT", "550 5.7.1 we do not like you", Refusal.UNREACHABLE, Retry.NEVER),
        ("RCPT", "552 5.2.2 mailbox full", Refusal.UNREACHABLE, Retry.NEVER),
        ("RCPT", "450 greylisted", Refusal.RATE_LIMITED, Retry.SAFE),
        ("DATA", "554 looks like spam", Refusal.REJECTED, Retry.NEVER),
        ("DATA", "452 disk full", Refusal.RATE_LIMITED, Retry.SAFE),
        ("DATA", "drop", Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP),
    ],
)
def test_smtp_answers_say_what_may_be_done(smtp_rig, command, answer, refusal, retry):
    smtp_rig.fail[command].append(answer)
    error = refused(smtp_rig)
    assert (error.refusal, error.retry) == (refusal, retry)


def test_an_email_has_both_forms_and_says_that_a_machine_wrote_it(relay, smtp_rig):
    receipt = smtp_rig.adapter.send(smtp_rig.address, CONTENT, reference="42-abc")
    mail = message_from_bytes(relay.mails[0], policy=policy.default)
    assert mail["Message-ID"] == receipt.provider_id == "<prevenant.42-abc@thermia.example>"
    assert mail["Subject"] == "Réparé"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["From"], mail["Reply-To"], mail["To"]) == (
        "Thermia <care@thermia.example>",
        "Thermia <care@thermia.example>",
        smtp_rig.address,
    )
    assert mail["Date"].datetime == NOW
    assert mail.get_body(("plain",)).get_content().strip() == CONTENT.text
    assert mail.get_body(("html",)).get_content().strip() == CONTENT.html


@pytest.mark.parametrize("address", ["nobody", "a@b@c", "é@example.net", "a b@example.net", ""])
def test_what_is_no_address_never_reaches_the_relay(smtp_rig, address):
    with pytest.raises(DeliveryError) as caught:
        smtp_rig.adapter.send(address, CONTENT, reference="1-a")
    assert (caught.value.refusal, caught.value.retry) == (Refusal.BAD_ADDRESS, Retry.NEVER)


def test_a_subject_cannot_smuggle_a_header(smtp_rig):
    with pytest.raises(ValueError, match="linefeed"):
        smtp_rig.adapter.send(smtp_rig.address, Content(text="x", subject="a\nBcc: b@c.d"), reference="1-a")
    assert smtp_rig.took() == 0


def test_the_sandbox_takes_one_message_once(sandbox_rig):
    names = {sandbox_rig.adapter.send(sandbox_rig.address, CONTENT, reference="5-a").provider_id for _ in range(3)}
    assert (len(names), sandbox_rig.took()) == (1, 1)
