"""Notifications of a browser: offered where they are set up, asked for with a tap, first of the person's channels."""

import json
from dataclasses import replace

from domain.links import Purpose
from domain.messages import Channel
from store import people
from store.tables import Customer, Message
from tests.fakes.api_story import Story
from tests.fakes.posted import Browser

ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


def door(story: Story, ticket_id: int = 4) -> str:
    return f"/c/{story.house.signer.token(Purpose.CUSTOMER, ticket_id)}"


def set_up(story: Story) -> None:
    app = story.house.client.app
    app.state.services = replace(app.state.services, push_key="BKey")


def subscribe(story: Story, endpoint: str = ENDPOINT):
    told = json.loads(Browser().subscription(endpoint))
    return story.house.browser(signed_in=False).post(f"{door(story)}/push", json=told)


def test_nothing_is_offered_where_nothing_is_set_up(story: Story) -> None:
    page = story.house.browser(signed_in=False).get(door(story)).text
    assert "push" not in page
    assert subscribe(story).status_code == 410


def test_a_tap_makes_this_browser_the_first_channel(story: Story) -> None:
    set_up(story)
    page = story.house.browser(signed_in=False).get(door(story)).text
    assert 'data-push-key="BKey"' in page
    assert f'data-push-to="{door(story)}/push"' in page
    for _ in range(2):
        assert subscribe(story).status_code == 204
    with story.house.database.read() as session:
        person = people.customer(session, "c-sophie")
        assert person.channels[0] is Channel.PUSH
        assert list(person.channels).count(Channel.PUSH) == 1
        assert json.loads(person.address(Channel.PUSH) or "")["endpoint"] == ENDPOINT


def test_a_page_that_others_have_the_link_of_decides_nothing_for_the_owner(story: Story) -> None:
    set_up(story)
    stranger, now = story.house.browser(signed_in=False), story.house.clock.now()
    assert "/p/c-sophie" in stranger.get(door(story)).text
    with story.house.database.write() as session:
        session.add(Customer(id="c-next", name="Next Door"))
        to = {"recipient_kind": "customer", "recipient_id": "c-next", "not_before": now, "created_at": now}
        session.add(Message(ticket_id=4, stage="opening", state="delivered", **to))
    page = stranger.get(door(story)).text
    for its_owners_alone in ("/p/", "/push", "/stop", "/write", "SMS"):
        assert its_owners_alone not in page
    assert f"{door(story)}/send" in page
    assert subscribe(story).status_code == 410
    for action, said in (("stop", {}), ("write", {"text": "please stop texting me"})):
        assert stranger.post(f"{door(story)}/{action}", data={"once": "a1", **said}).status_code == 404
    with story.house.database.read() as session:
        sophie = people.customer(session, "c-sophie")
        assert (sophie.refused, Channel.PUSH in sophie.channels) == ({}, False)


def test_only_push_services_are_posted_to(story: Story) -> None:
    set_up(story)
    for endpoint in (
        "https://router.local/admin",
        "http://127.0.0.1:4222/",
        "https://fcm.googleapis.com.evil.example/",
    ):
        answer = subscribe(story, endpoint)
        assert (answer.status_code, "endpoint" in answer.text) == (422, True), answer.text
    with story.house.database.read() as session:
        assert session.get_one(Customer, "c-sophie").push is None


def test_the_worker_stands_at_the_root(story: Story) -> None:
    answer = story.house.browser(signed_in=False).get("/push-worker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "showNotification" in answer.text
