"""Pictures that a provider keeps: fetched once, tried again, and never from a place that is not the provider's."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from app.fetching import PictureFetcher
from domain.clock import FakeClock
from domain.errors import DeliveryError
from domain.messages import Refusal, Retry
from notify.channels.twilio_media import TwilioMedia
from store import pictures
from store.database import Database
from store.tables import Attachment, Base, Inbound

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


class Media:
    """A provider that answers as it is told."""

    def __init__(self, *answers: bytes | DeliveryError) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def fetch(self, source: str, *, max_bytes: int) -> bytes:
        self.asked.append(source)
        answer = self.answers.pop(0)
        if isinstance(answer, DeliveryError):
            raise answer
        return answer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'pictures.db'}")
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        inbound = Inbound(provider_id="SM1", channel="sms", address="+33612345678", intent="photo", body="", at=NOW)
        session.add(inbound)
        session.flush()
        pictures.add(session, inbound, [pictures.Picture(source="https://api.twilio.com/media/1")], now=NOW)
    yield database
    database.close()


def picture(database: Database) -> Attachment:
    with database.read() as session:
        return session.query(Attachment).one()


AWAY = DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail="ReadTimeout")


def test_a_picture_is_fetched_once(database: Database) -> None:
    clock, media = FakeClock(NOW), Media(JPEG)
    fetcher = PictureFetcher(database, clock, media, owner="clock@here:1")
    fetcher.fetch()
    fetcher.fetch()
    assert (picture(database).state, picture(database).media_type) == ("kept", "image/jpeg")
    assert media.asked == ["https://api.twilio.com/media/1"]


def test_what_does_not_come_is_tried_again_later_and_given_up_in_the_end(database: Database) -> None:
    clock, media = FakeClock(NOW), Media(*[AWAY] * 9)
    fetcher = PictureFetcher(database, clock, media, owner="clock@here:1")
    fetcher.fetch()
    fetcher.fetch()
    assert len(media.asked) == 1, "not at once"
    for _ in range(40):
        clock.advance(minutes=10)
        fetcher.fetch()
    assert (picture(database).state, picture(database).reason) == ("refused", "ReadTimeout")
    assert len(media.asked) == 1 + len(pictures.RETRY_AFTER)


def test_what_is_no_picture_is_not_kept(database: Database) -> None:
    PictureFetcher(database, FakeClock(NOW), Media(b"<svg onload=x>"), owner="clock@here:1").fetch()
    assert (picture(database).state, picture(database).reason) == ("refused", "it is no picture")


class Provider(BaseHTTPRequestHandler):
    """Keeps one picture, and sends others on."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        moved = {"/moved": "/picture", "/away": "http://169.254.169.254/latest", "/loop": "/loop"}.get(self.path)
        self.send_response(307 if moved else {"/picture": 200, "/large": 200, "/gone": 404}.get(self.path, 500))
        if moved:
            self.send_header("Location", moved)
        body = JPEG if self.path == "/picture" else bytes(5000) if self.path == "/large" else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(base: str) -> Callable[[str], bytes]:
    media = TwilioMedia("AC1", "secret", base_url=base)
    return lambda path: media.fetch(f"{base}{path}", max_bytes=1000)


def test_the_account_opens_the_first_door_alone(fetch: Callable[[str], bytes]) -> None:
    Provider.seen.clear()
    assert fetch("/moved") == JPEG
    (_, first), (_, second) = Provider.seen
    assert first.startswith("Basic ")
    assert second == ""


def test_a_large_one_is_read_no_further_than_its_bound(fetch: Callable[[str], bytes]) -> None:
    assert len(fetch("/large")) == 1001


@pytest.mark.parametrize(
    ("path", "retry"), [("/gone", Retry.NEVER), ("/away", Retry.NEVER), ("/loop", Retry.NEVER), ("/broken", Retry.SAFE)]
)
def test_what_went_wrong_says_whether_to_try_again(fetch: Callable[[str], bytes], path: str, retry: Retry) -> None:
    with pytest.raises(DeliveryError) as failure:
        fetch(path)
    assert failure.value.retry is retry


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com/media/1",
        "https://api.twilio.com.evil.example/media/1",
        "https://api.twilio.com@127.0.0.1/media/1",
        "https://127.0.0.1/media/1",
        "file:///etc/passwd",
        "https://api.twilio.com:8443/media/1",
    ],
)
def test_no_other_address_is_asked(url: str) -> None:
    with pytest.raises(DeliveryError) as failure:
        TwilioMedia("AC1", "secret").fetch(url, max_bytes=10)
    assert failure.value.retry is Retry.NEVER


def test_an_unreachable_provider_is_tried_again() -> None:
    with pytest.raises(DeliveryError) as failure:
        TwilioMedia("AC1", "secret", base_url="http://127.0.0.1:1").fetch("http://127.0.0.1:1/x", max_bytes=10)
    assert failure.value.retry is Retry.SAFE
