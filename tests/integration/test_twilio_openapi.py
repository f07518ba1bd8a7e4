"""Twilio's own OpenAPI description stands between our adapters and our fake of it: neither side may break it.

The description is fetched data and never part of the repository: PREVENANT_TWILIO_SPEC names it, else it lies in
../shared. Prism, which validates, is an npm part.
"""

import copy
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from domain.clock import FakeClock
from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal
from domain.outbox import Content
from notify.channels.base import ChannelAdapter
from notify.channels.twilio_client import TwilioAccount
from notify.channels.twilio_sms import TwilioSms
from notify.channels.twilio_voice import TwilioVoice
from notify.channels.twilio_whatsapp import TwilioWhatsapp
from notify.channels.whatsapp_templates import Template
from tests.fakes.briefs import NOW, pending
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, TwilioState, create_twilio
from tests.real import SHARED, free_port, require

PRISM = Path(__file__).resolve().parents[1] / "prism" / "node_modules" / ".bin" / "prism"
USED = ("Messages.json", "Messages/{Sid}.json", "Calls.json", "Calls/{Sid}.json")
PHONE = "+33612345678"
HX = "HX" + "1" * 32
SAID = "Votre pompe chauffe trop: https://prv.nt/c/1.abc"

ERROR = {
    "type": "object",
    "required": ["code", "message", "more_info", "status"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "more_info": {"type": "string"},
        "status": {"type": "integer"},
    },
}
"""https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions; the description names no error."""


def description() -> dict[str, Any]:
    """Twilio's, or the test is skipped: it may not be kept here, so its absence is nobody's mistake."""
    named = os.environ.get("PREVENANT_TWILIO_SPEC")
    path = Path(named) if named else SHARED / "data" / "twilio" / "twilio_api_v2010.json"
    if not path.exists():
        pytest.skip("Twilio's OpenAPI description is not at hand; PREVENANT_TWILIO_SPEC names where it is")
    spec: dict[str, Any] = json.loads(path.read_text())
    return spec


def subset(spec: dict[str, Any]) -> dict[str, Any]:
    """The paths in use and all that they refer to, error answers added, nothing else loosened but `format: uri`.

    Twilio's own examples hold relative addresses there, which Prism calls a violation.
    """
    base = "/2010-04-01/Accounts/{AccountSid}/"
    paths = {base + name: copy.deepcopy(spec["paths"][base + name]) for name in USED}
    for operations in paths.values():
        for operation in (operations[verb] for verb in ("get", "post", "delete") if verb in operations):
            answer = {"description": "Error", "content": {"application/json": {"schema": ERROR}}}
            operation["responses"] |= dict.fromkeys(("400", "401", "404", "429", "500"), answer)
            for form in operation.get("requestBody", {}).get("content", {}).values():
                form["encoding"] = _encoding(form["schema"])
    kept = {key: spec[key] for key in ("openapi", "info", "components")}
    return _without_uri(kept | {"servers": [{"url": "http://127.0.0.1"}], "paths": paths})  # type: ignore[no-any-return]


def _encoding(schema: dict[str, Any]) -> dict[str, Any]:
    """Says what OpenAPI takes for granted, that a list is a field repeated: Prism wants to read it."""
    lists = [name for name, field in schema["properties"].items() if field.get("type") == "array"]
    return {name: {"style": "form", "explode": True} for name in lists}


def _without_uri(node: Any) -> Any:
    if isinstance(node, dict):
        loose = node.get("format") == "uri"
        return {key: _without_uri(value) for key, value in node.items() if not (key == "format" and loose)}
    return [_without_uri(one) for one in node] if isinstance(node, list) else node


@contextmanager
def prism(spec: Path, upstream: str) -> Iterator[str]:
    """A validating proxy before `upstream`: what breaks the description, in either direction, becomes an error."""
    port = free_port()
    command = [
        str(PRISM),
        "proxy",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--errors",
        "--validate-request",
        str(spec),
        upstream,
    ]
    with (spec.parent / "prism.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_up(process, port, spec.parent / "prism.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _until_up(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(600):
        if "Prism is listening" in log.read_text():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    pytest.fail(f"Prism did not start on port {port}: {log.read_text()}")


@pytest.fixture(scope="module")
def twilio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioState]:
    require(PRISM.exists(), "Prism is not installed (npm)")
    path = tmp_path_factory.mktemp("prism") / "twilio.json"
    path.write_text(json.dumps(subset(description())))
    app = create_twilio()
    state: TwilioState = app.state.twilio
    with served(app) as upstream, prism(path, upstream) as url:
        state.url = url
        yield state


def adapters(url: str) -> dict[Channel, ChannelAdapter]:
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)
    hooks: Any = {"status_callback": "https://house.example/hooks/twilio/status", "timeout_s": 20.0}
    return {
        Channel.SMS: TwilioSms(account, **hooks),
        Channel.VOICE: TwilioVoice(account, hook="https://house.example/hooks/twilio/voice", **hooks),
        Channel.WHATSAPP: TwilioWhatsapp(account, FakeClock(NOW), templates={"opening.fr": Template(HX)}, **hooks),
    }


CHANNELS = [Channel.SMS, Channel.VOICE, Channel.WHATSAPP]
CONTENTS = {
    "plain": Content(SAID, language="fr", moment="opening", last_inbound=NOW),
    "template": Content(
        SAID,
        language="fr",
        moment="opening",
        facts={"maker": "Thermia", "noun": "pompe", "trouble": "chauffe", "link": "https://prv.nt/c/1.abc"},
    ),
}


@pytest.fixture
def line(twilio: TwilioState) -> Iterator[dict[Channel, ChannelAdapter]]:
    made = adapters(twilio.url)
    yield made
    for adapter in made.values():
        adapter.close()


def get(twilio: TwilioState, path: str) -> requests.Response:
    address = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT}/{path}"
    return requests.get(address, auth=(ACCOUNT, TOKEN), timeout=20)


def sought(phone: str) -> Any:
    return replace(pending(), id=1, address=phone, body=SAID)


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_created_is_listed_and_fetched(
    twilio: TwilioState, line: dict[Channel, ChannelAdapter], channel: Channel
) -> None:
    adapter, phone = line[channel], f"+3361234000{CHANNELS.index(channel)}"
    for content in CONTENTS.values():
        receipt = adapter.send(phone, content, reference="1-a")
        assert receipt.state is MessageState.ACCEPTED
        folder = "Calls" if channel is Channel.VOICE else "Messages"
        fetched = get(twilio, f"{folder}/{receipt.provider_id}.json")
        assert (fetched.status_code, fetched.json()["sid"]) == (200, receipt.provider_id)
    found = adapter.look_up(sought(phone))
    assert found is not None
    assert adapter.look_up(sought("+33611111111")) is None


def test_a_call_with_machine_detection_and_a_messaging_service_hold_too(twilio: TwilioState) -> None:
    url, hooks = twilio.url, "https://house.example/hooks/twilio"
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)
    voice = TwilioVoice(account, hook=f"{hooks}/voice", status_callback=f"{hooks}/status", machine_detection=True)
    sms = TwilioSms(replace(account, sender="MG" + "1" * 32))
    for adapter in (voice, sms):
        assert adapter.send(PHONE, CONTENTS["plain"], reference="1-a").provider_id
        adapter.close()


@pytest.mark.parametrize("status", ["ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"])
def test_every_end_of_a_call_is_one_that_twilio_knows(
    twilio: TwilioState, line: dict[Channel, ChannelAdapter], status: str
) -> None:
    receipt = line[Channel.VOICE].send("+33612349999", CONTENTS["plain"], reference="1-a")
    twilio.post = lambda _url, _fields, _headers: ""
    twilio.call_back(receipt.provider_id, status)
    assert get(twilio, f"Calls/{receipt.provider_id}.json").json()["status"] == status


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("21211", (Refusal.BAD_ADDRESS, "21211")),
        ("21610", (Refusal.OPTED_OUT, "21610")),
        ("63016", (Refusal.NEEDS_TEMPLATE, "63016")),
        ("429", (Refusal.RATE_LIMITED, "20429")),
        ("404", (Refusal.MISCONFIGURED, "20404")),
        ("500", (Refusal.UNKNOWN_OUTCOME, "20500")),
    ],
)
def test_errors_come_through_as_twilio_words_them(
    twilio: TwilioState, line: dict[Channel, ChannelAdapter], channel: Channel, answer: str, wanted: tuple[Refusal, str]
) -> None:
    twilio.plan(f"whatsapp:{PHONE}" if channel is Channel.WHATSAPP else PHONE, answer)
    with pytest.raises(DeliveryError) as caught:
        line[channel].send(PHONE, CONTENTS["plain"], reference="1-a")
    # A violation would carry no code of Twilio's.
    assert (caught.value.refusal, caught.value.code) == wanted


def test_what_is_not_there_and_who_may_not_ask_are_answered_as_twilio_does(twilio: TwilioState) -> None:
    assert get(twilio, f"Calls/CA{'9' * 32}.json").json()["code"] == 20404
    address = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    assert requests.get(address, auth=(ACCOUNT, "wrong"), timeout=20).json()["code"] == 20003


def test_the_proxy_does_look_both_ways(twilio: TwilioState) -> None:
    address = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    ours = {"To": PHONE, "From": SENDER, "ContentSid": "no sid"}
    assert requests.post(address, data=ours, auth=(ACCOUNT, TOKEN), timeout=20).status_code == 422
    taken = twilio.take({"To": PHONE, "From": SENDER, "Body": "x"})
    taken["status"] = "dreaming"
    theirs = get(twilio, f"Messages/{taken['sid']}.json")
    twilio.messages.remove(taken)
    assert theirs.status_code == 500
    assert "VIOLATIONS" in theirs.json()["type"]
