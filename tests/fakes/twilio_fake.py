"""A Twilio that remembers: create, list and fetch of messages and calls, with the error bodies the SDK expects.

How a number answers is set by `app.state.twilio.plan(to, *behaviours)`; without a plan it takes everything. What it has
to say to us later, signed as Twilio signs it, goes out by `call_back` and `press`.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any
from urllib.parse import urldefrag
from xml.etree import ElementTree as ET

import requests
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from twilio.request_validator import RequestValidator

ACCOUNT, TOKEN, SENDER = "AC" + "0" * 32, "secret", "+33755550000"
BASE = "/2010-04-01/Accounts/{account}"

ERRORS = {
    "21211": (400, 21211, "Invalid 'To' Phone Number"),
    "21215": (400, 21215, "Account not authorized to call this number"),
    "21610": (400, 21610, "Attempt to send to unsubscribed recipient"),
    "21606": (400, 21606, "The 'From' phone number is not a valid message-capable number"),
    "63003": (400, 63003, "Channel could not find To address"),
    "63007": (400, 63007, "Twilio could not find a Channel with the specified From address"),
    "63016": (400, 63016, "Failed to send freeform message because you are outside the allowed window"),
    "429": (429, 20429, "Too Many Requests"),
    "500": (500, 20500, "Internal Server Error"),
    "401": (401, 20003, "Authenticate"),
    "404": (404, 20404, "The requested resource was not found"),
    "400": (400, 21617, "The concatenated message body exceeds the limit"),
}

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], str]
"""Posts fields and headers to an address, and returns the body of the answer."""


class FormFields(BaseModel):
    """A create call, as the SDK sends it."""

    model_config = ConfigDict(extra="allow")
    To: str


def _post(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> str:
    answer = requests.post(url, data=dict(fields), headers=dict(headers), timeout=10)
    answer.raise_for_status()
    return answer.text


@dataclass
class TwilioState:
    """What it took, and how it will answer next. Thread-safe."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    plans: dict[str, list[str]] = field(default_factory=dict)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """By sid, the create call that made it."""
    post: Post = _post
    url: str = ""
    """Where it answers, once it is served."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    """Set to let hanging answers go."""

    def reset(self) -> None:
        """Forget everything, and let hanging answers go."""
        self.released.set()
        self.released = threading.Event()
        for kept in (self.messages, self.calls, self.requests, self.plans, self.asked):
            kept.clear()

    def plan(self, to: str, *behaviours: str) -> None:
        """An error of ERRORS, accept-then-500, accept-then-hang, hang, or accept; one a request."""
        self.plans[to] = list(behaviours)

    def next_behaviour(self, to: str) -> str:
        with self.lock:
            waiting = self.plans.get(to, [])
            return waiting.pop(0) if waiting else "accept"

    def take(self, form: dict[str, str]) -> dict[str, Any]:
        """One message."""
        with self.lock:
            message = _taken(form, f"SM{len(self.messages):032x}", folder="Messages") | {
                "messaging_service_sid": form.get("MessagingServiceSid"),
                "body": form.get("Body") or f"{form.get('ContentSid')}: {form.get('ContentVariables')}",
                "error_code": None,
                "error_message": None,
                "num_segments": "1",
                "num_media": "0",
                "date_sent": None,
            }
            self.messages.append(message)
            self.asked[message["sid"]] = form
            return message

    def dial(self, form: dict[str, str]) -> dict[str, Any]:
        """One call."""
        with self.lock:
            call = _taken(form, f"CA{len(self.calls):032x}", folder="Calls") | {
                "parent_call_sid": None,
                "start_time": None,
                "end_time": None,
                "duration": None,
                "answered_by": None,
            }
            self.calls.append(call)
            self.asked[call["sid"]] = form
            return call

    def call_back(self, sid: str, status: str, **fields: str) -> None:
        """The status callback of a message or call, to where its create call asked for it."""
        made = next(one for one in (*self.messages, *self.calls) if one["sid"] == sid)
        made["status"] = status
        name = {"SM": ("MessageSid", "MessageStatus"), "CA": ("CallSid", "CallStatus")}[sid[:2]]
        known = {"AccountSid": ACCOUNT, "To": made["to"], "From": made["from"] or "", name[0]: sid, name[1]: status}
        self.signed(self.asked[sid]["StatusCallback"], known | fields)

    def first_words(self, sid: str, **fields: str) -> str:
        """The TwiML that a call of ours begins with: what came with it, or what its address answers."""
        form = self.asked[sid]
        return form["Twiml"] if "Twiml" in form else self.signed(form["Url"], _of_call(self._call(sid)) | fields)

    def incoming(self, url: str, number: str, **fields: str) -> tuple[str, str]:
        """Somebody calls us: the call's sid, and the TwiML that answers them."""
        call = self.dial({"To": SENDER, "From": number}) | {"direction": "inbound", "status": "ringing"}
        self.calls[-1] = call
        self.asked[call["sid"]] = {"Url": url}
        return call["sid"], self.first_words(call["sid"], CallStatus="ringing", **fields)

    def press(self, sid: str, twiml: str, digit: str) -> str:
        """The TwiML that comes of pressing a key while `twiml` asks for one."""
        gather = parsed(twiml).find("Gather")
        assert gather is not None, "nothing is asked"
        return self.signed(gather.attrib["action"], _of_call(self._call(sid)) | {"Digits": digit})

    def dialled(self, sid: str, twiml: str, outcome: str) -> str:
        """The TwiML that follows once the person whom `twiml` dials has answered, or has not."""
        dial = parsed(twiml).find("Dial")
        assert dial is not None, "nobody is dialled"
        return self.signed(dial.attrib["action"], _of_call(self._call(sid)) | {"DialCallStatus": outcome})

    def signed(self, url: str, fields: Mapping[str, str]) -> str:
        """Post as Twilio does: the part of the address after # is for its own eyes."""
        url = urldefrag(url).url
        signer: Any = RequestValidator  # without types in the SDK
        return self.post(url, fields, {"X-Twilio-Signature": signer(TOKEN).compute_signature(url, dict(fields))})

    def _call(self, sid: str) -> dict[str, Any]:
        return next(one for one in self.calls if one["sid"] == sid)


def parsed(twiml: str) -> ET.Element:
    """What a call does, verb by verb."""
    return ET.fromstring(twiml)  # noqa: S314 - our own words


def _taken(form: dict[str, str], sid: str, *, folder: str) -> dict[str, Any]:
    now = format_datetime(datetime.now(UTC))
    return {
        "sid": sid,
        "account_sid": ACCOUNT,
        "to": form["To"],
        "from": form.get("From"),
        "status": "queued",
        "date_created": now,
        "date_updated": now,
        "direction": "outbound-api",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/{folder}/{sid}.json",
    }


def _of_call(call: Mapping[str, Any]) -> dict[str, str]:
    return {
        "CallSid": call["sid"],
        "AccountSid": ACCOUNT,
        "From": call["from"],
        "To": call["to"],
        "CallStatus": "in-progress",
        "Direction": call["direction"],
    }


def create_twilio() -> FastAPI:
    """A fresh one; its memory is `app.state.twilio`."""
    app = FastAPI()
    state = app.state.twilio = TwilioState()

    @app.middleware("http")
    async def authenticated(request: Request, call_next):  # type: ignore[no-untyped-def]
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        return await call_next(request) if request.headers.get("authorization") == wanted else _error("401")

    def answered(form: FormFields, take: Callable[[dict[str, str]], dict[str, Any]]) -> object:
        fields = form.model_dump(exclude_none=True)
        state.requests.append(fields)
        behaviour = state.next_behaviour(fields["To"])
        if behaviour in ERRORS:
            return _error(behaviour)
        taken = take(fields) if behaviour.startswith("accept") else None
        if behaviour.endswith("hang"):
            state.released.wait(30)
        return _error("500") if behaviour.endswith("500") or taken is None else taken

    @app.post(BASE + "/Messages.json", status_code=201)
    def write(account: str, form: Annotated[FormFields, Form()]):  # type: ignore[no-untyped-def]
        return answered(form, state.take)

    @app.post(BASE + "/Calls.json", status_code=201)
    def call(account: str, form: Annotated[FormFields, Form()]):  # type: ignore[no-untyped-def]
        return answered(form, state.dial)

    @app.get(BASE + "/{kind}.json")
    def listed(account: str, kind: str, request: Request):  # type: ignore[no-untyped-def]
        wanted = {"to": request.query_params.get("To"), "from": request.query_params.get("From")}
        made = {"Messages": state.messages, "Calls": state.calls}[kind]
        found = [one for one in reversed(made) if all(one[key] == value for key, value in wanted.items() if value)]
        page = {"page": 0, "page_size": 50, "next_page_uri": None, "uri": request.url.path}
        return {kind.lower(): found, **page}

    @app.get(BASE + "/{kind}/{sid}.json")
    def fetch(account: str, kind: str, sid: str):  # type: ignore[no-untyped-def]
        made = {"Messages": state.messages, "Calls": state.calls}[kind]
        return next((one for one in made if one["sid"] == sid), None) or _error("404")

    return app


def _error(name: str) -> JSONResponse:
    status, code, text = ERRORS[name]
    body = {"code": code, "message": text, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return JSONResponse(body, status, headers={"Retry-After": "7"} if status == 429 else {})
