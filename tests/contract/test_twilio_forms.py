"""What Twilio is asked for beside the contract: what a call says, and which words WhatsApp may carry."""

import json
from datetime import timedelta

import pytest

from domain.clock import FakeClock
from domain.errors import ConfigError, DeliveryError
from domain.messages import Channel, MessageStage, Refusal, Retry
from domain.outbox import Content
from notify.channels.twilio_client import TwilioAccount
from notify.channels.twilio_sms import TwilioSms
from notify.channels.twilio_voice import TwilioVoice
from notify.channels.twilio_whatsapp import TwilioWhatsapp
from notify.channels.whatsapp_templates import parse_templates
from notify.render import Renderer
from tests.fakes.briefs import NOW, SHORT_LINK, brief
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, create_twilio, parsed

HOOK = "https://house.example/hooks/twilio/voice"
PHONE = "+33612345678"
OPENING, PLAIN = "HX" + "1" * 32, "HX" + "2" * 32
TEMPLATES = parse_templates(
    json.dumps({"opening.fr": OPENING, "resolved.fr": {"sid": PLAIN, "words": ["maker", "since"]}})
)


@pytest.fixture(scope="module")
def server():
    app = create_twilio()
    with served(app) as url:
        app.state.twilio.url = url
        yield app.state.twilio


@pytest.fixture
def twilio(server):
    yield server
    server.reset()


def account(twilio):
    return TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=twilio.url)


def call(twilio, text, *, language="fr", **options):
    adapter = TwilioVoice(account(twilio), timeout_s=2, **options)
    adapter.send(PHONE, Content(text, language=language), reference="7-a")
    adapter.close()
    return twilio.requests[0]


def written(twilio, content, *, templates=TEMPLATES):
    adapter = TwilioWhatsapp(account(twilio), FakeClock(NOW), templates=templates, timeout_s=2)
    try:
        adapter.send(PHONE, content, reference="7-a")
    finally:
        adapter.close()
    return twilio.requests[0]


def rendered(stage=MessageStage.OPENING, **changes):
    facts = brief(stage, language="fr", **changes)
    return Renderer().render(stage, facts, channel=Channel.WHATSAPP, now=NOW).content


SCRIPT = "Votre pompe chauffe trop.\n\nTapez 9.\n\nAu revoir."


def test_a_call_says_it_twice_in_the_persons_language_and_then_goodbye(twilio):
    spoken = parsed(call(twilio, SCRIPT, hook=HOOK)["Twiml"])
    assert [verb.tag for verb in spoken] == ["Gather", "Gather", "Say"]
    assert [say.text for say in spoken.iter("Say")] == ["Votre pompe chauffe trop.", "Tapez 9."] * 2 + ["Au revoir."]
    assert {say.attrib["language"] for say in spoken.iter("Say")} == {"fr-FR"}
    assert spoken[0].attrib["action"].startswith(f"{HOOK}?message=7-a")
    twilio.requests.clear()
    english = parsed(call(twilio, SCRIPT, language="en")["Twiml"])
    assert {say.attrib["language"] for say in english.iter("Say")} == {"en-GB"}


def test_a_call_that_nobody_could_take_a_key_from_asks_for_none(twilio):
    for text, options in ((SCRIPT, {}), ("Votre pompe chauffe trop.", {"hook": HOOK})):
        twilio.requests.clear()
        spoken = parsed(call(twilio, text, **options)["Twiml"])
        assert not list(spoken.iter("Gather"))
        assert [say.text for say in spoken.iter("Say")][:2] == ["Votre pompe chauffe trop."] * 2


def test_what_is_too_long_to_be_said_twice_is_said_once(twilio):
    long = "Votre pompe chauffe trop. " * 70
    spoken = parsed(call(twilio, f"{long}\n\nTapez 9.", hook=HOOK)["Twiml"])
    assert [verb.tag for verb in spoken] == ["Gather"]


def test_with_machine_detection_the_words_wait_until_it_is_known_who_answered(twilio):
    asked = call(twilio, SCRIPT, hook=HOOK, machine_detection=True)
    assert asked["Url"].startswith(f"{HOOK}?message=7-a")
    assert asked["MachineDetection"] == "DetectMessageEnd"
    assert "Twiml" not in asked


def test_calls_texts_and_whatsapp_of_one_number_break_apart_from_each_other(twilio):
    made = (
        TwilioSms(account(twilio)),
        TwilioVoice(account(twilio)),
        TwilioWhatsapp(account(twilio), FakeClock(NOW), templates={}),
    )
    assert len({adapter.sender for adapter in made}) == 3
    for adapter in made:
        adapter.close()


def test_what_is_said_cannot_become_a_verb(twilio):
    spoken = parsed(call(twilio, "</Say><Dial>+33999</Dial> & co")["Twiml"])
    assert not list(spoken.iter("Dial"))


def test_on_whatsapp_words_are_free_for_a_day_after_the_person_wrote(twilio):
    recently = {Channel.WHATSAPP: NOW - timedelta(hours=23)}
    content = rendered(last_inbound=recently)
    asked = written(twilio, content)
    assert (asked["To"], asked["From"]) == (f"whatsapp:{PHONE}", f"whatsapp:{SENDER}")
    assert asked["Body"] == content.text
    assert "ContentSid" not in asked


@pytest.mark.parametrize("heard", [None, NOW - timedelta(hours=24), NOW - timedelta(hours=23, minutes=55)])
def test_after_that_day_an_approved_template_goes_out(twilio, heard):
    asked = written(twilio, rendered(last_inbound={Channel.WHATSAPP: heard} if heard else {}))
    assert asked["ContentSid"] == OPENING
    assert json.loads(asked["ContentVariables"]) == {
        "1": "Thermia",
        "2": "pompe",
        "3": "compresseur trop chaud",
        "4": SHORT_LINK,
    }
    assert "Body" not in asked


def test_a_template_may_take_other_words(twilio):
    asked = written(twilio, rendered(MessageStage.RESOLVED))
    assert (asked["ContentSid"], json.loads(asked["ContentVariables"])) == (PLAIN, {"1": "Thermia", "2": "14 h 10"})


@pytest.mark.parametrize("stage", [MessageStage.RELAPSED, MessageStage.RESOLVED])
def test_without_a_fitting_template_whatsapp_is_refused_before_anything_is_sent(twilio, stage):
    with pytest.raises(DeliveryError) as caught:
        written(twilio, rendered(stage, healthy_since=None))
    assert (caught.value.refusal, caught.value.retry) == (Refusal.NEEDS_TEMPLATE, Retry.NEVER)
    assert stage in str(caught.value) or "since" in str(caught.value)
    assert twilio.requests == []


@pytest.mark.parametrize("text", ["{", "[]", '{"opening.fr": "SM1"}', '{"opening.fr": 7}', '{"opening.fr": {}}'])
def test_templates_that_cannot_be_read_name_the_setting(text):
    with pytest.raises(ConfigError, match="PREVENANT_TWILIO_WHATSAPP_TEMPLATES"):
        parse_templates(text)


def test_no_template_is_a_setting_too():
    assert parse_templates("") == {}
