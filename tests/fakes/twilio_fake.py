"""A Twilio that remembers: create, list and fetch of messages, with the error bodies the SDK expects.

How a number answers is set by `app.state.twilio.plan(to, *behaviours)`; without a plan it takes every message.
"""

import base64
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

ACCOUNT, TOKEN, SENDER = "AC" + "0" * 32, "secret", "+33755550000"
BASE = "/2010-04-01/Accounts/{account}"

ERRORS = {
    "21211": (400, 21211, "Invalid 'To' Phone Number"),
    "21610": (400, 21610, "Attempt to send to unsubscribed recipient"),
    "21606": (400, 21606, "The 'From' phone number is not a valid message-capable number"),
    "429": (429, 20429, "Too Many Requests"),
    "500": (500, 20500, "Internal Server Error"),
    "401": (401, 20003, "Authenticate"),
    "400": (400, 21617, "The concatenated message body exceeds the limit"),
}


class FormFields(BaseModel):
    """A create call, as the SDK sends it."""

    model_config = ConfigDict(extra="allow")
    To: str
    Body: str


@dataclass
class TwilioState:
    """What it took, and how it will answer next. Thread-safe."""

    messages: list[dict[str, object]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    plans: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    """Set to let hanging answers go."""

    def plan(self, to: str, *behaviours: str) -> None:
        """An error of ERRORS, accept-then-500, accept-then-hang, hang, or accept; one a request."""
        self.plans[to] = list(behaviours)

    def next_behaviour(self, to: str) -> str:
        with self.lock:
            waiting = self.plans.get(to, [])
            return waiting.pop(0) if waiting else "accept"

    def take(self, form: dict[str, str]) -> dict[str, object]:
        with self.lock:
            sid = f"SM{len(self.messages):032x}"
            now = format_datetime(datetime.now(UTC))
            message: dict[str, object] = {
                "sid": sid,
                "account_sid": ACCOUNT,
                "to": form["To"],
                "from": form.get("From"),
                "messaging_service_sid": form.get("MessagingServiceSid"),
                "body": form["Body"],
                "status": "queued",
                "error_code": None,
                "error_message": None,
                "num_segments": "1",
                "num_media": "0",
                "date_created": now,
                "date_updated": now,
                "date_sent": None,
                "direction": "outbound-api",
                "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
            }
            self.messages.append(message)
            return message


def create_twilio() -> FastAPI:
    """A fresh one; its memory is `app.state.twilio`."""
    app = FastAPI()
    state = app.state.twilio = TwilioState()

    @app.middleware("http")
    async def authenticated(request: Request, call_next):  # type: ignore[no-untyped-def]
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        return await call_next(request) if request.headers.get("authorization") == wanted else _error("401")

    @app.post(BASE + "/Messages.json", status_code=201)
    def create(account: str, request: Request, form: Annotated[FormFields, Form()]):  # type: ignore[no-untyped-def]
        fields = form.model_dump(exclude_none=True)
        state.requests.append(fields)
        behaviour = state.next_behaviour(fields["To"])
        if behaviour in ERRORS:
            return _error(behaviour)
        message = state.take(fields) if behaviour.startswith("accept") else None
        if behaviour.endswith("hang"):
            state.released.wait(30)
        return _error("500") if behaviour.endswith("500") or message is None else message

    @app.get(BASE + "/Messages.json")
    def listed(account: str, request: Request):  # type: ignore[no-untyped-def]
        wanted = {"to": request.query_params.get("To"), "from": request.query_params.get("From")}
        found = [
            one for one in reversed(state.messages) if all(one[key] == value for key, value in wanted.items() if value)
        ]
        return {"messages": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": str(request.url)}

    @app.get(BASE + "/Messages/{sid}.json")
    def fetch(account: str, sid: str):  # type: ignore[no-untyped-def]
        found = [one for one in state.messages if one["sid"] == sid]
        return found[0] if found else JSONResponse({"code": 20404, "message": "not found", "status": 404}, 404)

    return app


def _error(name: str) -> JSONResponse:
    status, code, text = ERRORS[name]
    body = {"code": code, "message": text, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return JSONResponse(body, status, headers={"Retry-After": "7"} if status == 429 else {})
