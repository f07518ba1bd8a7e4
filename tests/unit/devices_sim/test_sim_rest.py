"""The little HTTP that people need, against a real server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from devices_sim.rest import Api, Refused, Unreachable


class Product(HTTPServer):
    """Answers what the test says and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Product

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), json.loads(body) if body else None))
        status, answer = self.server.answers.pop(0)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def product() -> Iterator[Product]:
    with Product() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_page_of_a_list_is_read(product: Product) -> None:
    product.answers = [(200, {"items": [{"id": 1}], "next": "b c"}), (200, {"items": [{"id": 2}], "next": None})]
    api = Api(product.url, token="secret")
    assert [item["id"] for item in api.items("v1/messages", limit="1")] == [1, 2]
    assert [path for _, path, _, _ in product.asked] == ["/v1/messages?limit=1", "/v1/messages?limit=1&cursor=b+c"]
    assert product.asked[0][2]["Authorization"] == "Bearer secret"


def test_a_post_carries_its_key_and_body(product: Product) -> None:
    product.answers = [(200, {"ok": True})]
    assert Api(product.url, token="secret").post("sandbox/reply", {"text": "2"}, key="answer/1") == {"ok": True}
    method, path, headers, body = product.asked[0]
    assert (method, path, body) == ("POST", "/sandbox/reply", {"text": "2"})
    assert headers["Idempotency-Key"] == "answer/1"


def test_a_link_opens_without_the_token(product: Product) -> None:
    product.answers = [(200, b"<html>thank you</html>")]
    assert Api(product.url, token="secret").post(f"{product.url}/v/1.x/accept", key="k") == {}
    assert "Authorization" not in product.asked[0][2]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_worth_another_try(product: Product, status: int) -> None:
    product.answers = [(status, {})]
    with pytest.raises(Unreachable):
        Api(product.url, token="t").get("v1/tickets/1")


def test_a_no_is_a_no(product: Product) -> None:
    product.answers = [(409, {"title": "declined already"})]
    with pytest.raises(Refused, match=r"409.*declined already"):
        Api(product.url, token="t").get("v1/tickets/1")


def test_nobody_there_is_worth_another_try() -> None:
    server = Product()
    server.server_close()
    with pytest.raises(Unreachable):
        Api(server.url, token="t").get("healthz")


def test_a_base_that_is_no_web_address_is_refused() -> None:
    with pytest.raises(ValueError, match="http://"):
        Api("localhost:8080", token="t")
