"""Peers that take a POST: a push service that can read what was encrypted for a browser, and a chat connector."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class Browser:
    """One browser's subscription at a push service, with the keys that never leave it."""

    def __init__(self) -> None:
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"

    def subscription(self, endpoint: str) -> str:
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _text(public), "auth": _text(self.auth)}
        return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": keys})

    def read(self, body: bytes) -> dict[str, Any]:
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        told: dict[str, Any] = json.loads(plain)
        return told


class PushService:
    """By topic, as RFC 8030 says: a newer message replaces one that still waits."""

    def __init__(self) -> None:
        self.browser, self.waiting, self.headers = Browser(), dict[str, dict[str, Any]](), list[dict[str, str]]()
        self.answers: list[int] = []

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/push/{subscription}")
        async def push(subscription: str, request: Request) -> Response:
            planned = self.answers.pop(0) if self.answers else 201
            body = await request.body()
            if planned < 300 or planned == 500:
                told = self.browser.read(body)
                self.headers.append(dict(request.headers))
                self.waiting[request.headers["topic"]] = told
            headers = {"Retry-After": "7"} if planned == 429 else {"Location": f"/m/{len(self.headers)}"}
            return Response(status_code=planned, headers=headers)

        return app


class Connector:
    """Takes what is signed as Standard Webhooks says, each id once."""

    def __init__(self) -> None:
        self.taken, self.answers = dict[str, dict[str, Any]](), list[int]()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/hook")
        async def hook(request: Request) -> Response:
            planned = self.answers.pop(0) if self.answers else 200
            try:
                told = Webhook(SECRET).verify(await request.body(), dict(request.headers))
            except WebhookVerificationError:
                return Response(status_code=401)
            if planned < 300 or planned == 500:
                self.taken.setdefault(request.headers["webhook-id"], told)
            headers = {"Retry-After": "7", "Location": "http://127.0.0.1:9/elsewhere"}
            return Response(status_code=planned, headers=headers)

        return app


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def as_bytes(text: str) -> bytes:
    """From base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
