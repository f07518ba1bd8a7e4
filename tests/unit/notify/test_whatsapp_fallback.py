"""What WhatsApp may not carry goes out on the person's next channel, and the ledger learns nothing from it."""

import pytest

from domain.messages import Channel, MessageState
from notify.channels.sandbox import SandboxChannel
from notify.channels.twilio_client import TwilioAccount
from notify.channels.twilio_whatsapp import TwilioWhatsapp
from notify.channels.whatsapp_templates import Template
from notify.receipts import receipt_of
from notify.sender import Sender
from store import receipts
from store.sandbox import SqlSandbox
from store.tables import Consent, Customer
from tests.fakes.outbox_rows import House
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, create_twilio


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    built.change(Customer, "c-1", channels=["whatsapp", "sms"])
    built.plan()
    yield built
    built.database.close()


def send(house, url, *, templates=None):
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)
    whatsapp = TwilioWhatsapp(account, house.clock, templates=templates or {}, timeout_s=2)
    sms = SandboxChannel(Channel.SMS, SqlSandbox(house.database, house.clock))
    sender = Sender(house.outbox(), {Channel.WHATSAPP: whatsapp, Channel.SMS: sms}, house.clock)
    for _ in range(5):
        sender.step()
    whatsapp.close()


def by_sms(house):
    message = house.message()
    with house.database.read() as session:
        assert session.query(Consent).count() == 0
    return (message.channel, message.state) == (Channel.SMS, MessageState.DELIVERED) and len(house.sandbox()) == 1


def test_without_an_approved_text_the_message_goes_by_sms(house):
    app = create_twilio()
    with served(app) as url:
        send(house, url)
    assert app.state.twilio.requests == []
    assert by_sms(house)


def test_free_text_that_was_taken_and_then_refused_goes_by_sms_too(house):
    app = create_twilio()
    with served(app) as url:
        templates = {"opening.en": Template("HX" + "1" * 32)}
        send(house, url, templates=templates)
        sid = house.message().provider_id
        told = receipt_of({"MessageSid": sid, "MessageStatus": "failed", "ErrorCode": "63016"})
        with house.database.write() as session:
            assert receipts.receipt(session, told, now=house.clock.now(), message_id=1)
        send(house, url, templates=templates)
    assert len(app.state.twilio.messages) == 1
    assert by_sms(house)
