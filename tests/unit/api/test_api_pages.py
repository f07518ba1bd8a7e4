"""Pages as people use them: looking changes nothing, a tap does what it says, twice is once."""

from domain.links import Purpose
from domain.messages import Channel
from tests.fakes.api_house import House
from tests.fakes.api_story import Story


def customer(story: Story, ticket_id: int) -> str:
    return f"/c/{story.house.signer.token(Purpose.CUSTOMER, ticket_id)}"


def technician(story: Story, visit_id: int) -> str:
    return f"/v/{story.house.signer.token(Purpose.VISIT, visit_id)}"


def timeline(story: Story, ticket_id: int) -> list[str]:
    return [entry["kind"] for entry in story.house.client.get(f"/v1/tickets/{ticket_id}").json()["timeline"]]


def test_looking_changes_nothing(story: Story) -> None:
    before = story.house.client.get("/v1/tickets").json()
    client = story.house.browser()
    for path in ("/", "/tickets", "/tickets/2", "/devices", "/devices/hp-camille", "/sandbox", "/status"):
        assert client.get(path).status_code == 200, path
    for path in (customer(story, 4), technician(story, 1)):
        assert story.house.browser(signed_in=False).get(path).status_code == 200
    assert story.house.client.get("/v1/tickets").json() == before


def test_the_customer_reads_their_situation_in_their_language(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    french = client.get(customer(story, 4)).text
    assert "Votre lave-linge ne se vide plus" in french
    assert 'lang="fr"' in french
    english = client.get(customer(story, 4) + "?lang=en").text
    assert "Your washing machine does not drain" in english
    assert "Water stays in the drum." in english
    for ours in ("ticket", "anomaly", "drain_seconds", "drain-blocked"):
        assert ours not in _words(english).lower()


def test_the_customer_asks_for_someone_with_one_tap_and_two_taps_are_one(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    form = {"once": "abc123", "lang": "fr"}
    for _ in range(2):
        answer = client.post(f"{customer(story, 4)}/send", data=form)
        assert answer.status_code == 303
    assert timeline(story, 4).count("reply") == 1
    page = client.get(answer.headers["location"]).text
    assert "Merci" in page


def test_the_page_says_when_it_is_over_and_offers_no_visit(story: Story) -> None:
    page = story.house.browser(signed_in=False).get(customer(story, 1) + "?lang=en").text
    assert "Your heat pump is running normally again" in page
    assert "It has run normally since 9:07" in page
    assert "/send" not in page


def test_the_customer_reads_who_comes_and_when(story: Story) -> None:
    page = story.house.browser(signed_in=False).get(customer(story, 2) + "?lang=en").text
    assert "Karim comes today, 13:00 to 15:00." in page
    assert "We restarted it from here at 9:20. That was not enough." in page
    assert "rue Oberkampf" not in page


def test_stop_is_one_tap_away(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    assert client.post(f"{customer(story, 4)}/stop", data={"once": "s1"}).status_code == 303
    assert story.house.client.get("/v1/customers/c-sophie").json()["opted_out"] == sorted(Channel)
    assert "Vous ne souhaitez plus nos messages" in client.get(customer(story, 4)).text


def test_an_action_that_is_none_is_404(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    assert client.post(f"{customer(story, 4)}/explode").status_code == 404
    assert story.house.browser().post("/tickets/2/explode").status_code == 404


def test_the_technician_sees_facts_and_moves(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    page = client.get(technician(story, 1)).text
    assert "Camille Lefèvre" in page
    assert "96,3\u00a0°C" in page
    assert "geo:48.8645,2.37" in page
    for move, state in (("en-route", "En route"), ("arrive", "Sur place")):
        assert client.post(f"{technician(story, 1)}/{move}").status_code == 303
        assert state in client.get(technician(story, 1)).text
    done = client.post(f"{technician(story, 1)}/complete", data={"outcome": "fixed", "note": "Sonde changée"})
    assert done.status_code == 303
    assert "Sonde changée" in client.get(technician(story, 1)).text
    assert timeline(story, 2)[-2:].count("visit_completed") == 1


def test_an_offer_hides_who_the_customer_is(story: Story) -> None:
    story.answers("c-camille", "3")
    story.fires("hp-oliver", "compressor-overheat", {"compressor_temp": 99.0})
    story.command_answered("hp-oliver", "failed")
    story.advance(minutes=2)
    story.answers("c-oliver", "2")
    offered = [v for v in story.house.client.get("/v1/visits").json()["items"] if v["state"] == "offered"]
    page = story.house.browser(signed_in=False).get(technician(story, offered[0]["id"])).text
    assert "Bennett" not in page
    assert "+447400123456" not in page
    assert "/accept" in page


def test_a_visit_that_is_done_hides_who_the_customer_is(story: Story) -> None:
    for move in ("arrive", "complete"):
        story.visit(1, move)
    page = story.house.browser(signed_in=False).get(technician(story, 1))
    assert page.status_code == 200
    assert "Lefèvre" not in page.text
    assert "+33612345601" not in page.text


def test_a_technician_s_link_ends_a_week_after_the_visit(story: Story) -> None:
    for move in ("arrive", "complete"):
        story.visit(1, move)
    client = story.house.browser(signed_in=False)
    story.house.clock.advance(days=6, hours=23)
    assert client.get(technician(story, 1)).status_code == 200
    story.house.clock.advance(hours=2)
    assert client.get(technician(story, 1)).status_code == 410
    assert client.post(f"{technician(story, 1)}/complete", data={"note": "late"}).status_code == 410
    assert story.house.client.get("/v1/visits/1").json()["note"] is None


def test_a_customer_s_link_ends_a_month_after_the_ticket(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    story.house.clock.advance(days=29)
    assert "Your heat pump is running normally again" in client.get(customer(story, 1) + "?lang=en").text
    story.house.clock.advance(days=2)
    before = timeline(story, 1)
    gone = client.get(customer(story, 1))
    assert (gone.status_code, "This page is over" in gone.text) == (410, True)
    assert "Cette page est terminée" in client.get(customer(story, 1), headers={"Accept-Language": "fr"}).text
    for action in ("send", "call", "stop"):
        assert client.post(f"{customer(story, 1)}/{action}", data={"once": action}).status_code == 410
    assert timeline(story, 1) == before
    assert client.get(customer(story, 4)).status_code == 200, "an open ticket's link does not end"


def test_a_passed_on_visit_cannot_be_accepted(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    client.post(f"{technician(story, 1)}/decline", data={"reason": "ill"})
    answer = client.post(f"{technician(story, 1)}/accept")
    assert answer.status_code == 409
    assert "That is not possible any more" in answer.text


def test_the_agent_works_on_the_ticket_page(story: Story) -> None:
    client = story.house.browser()
    for action, fields in (
        ("comment", {"text": "Spoke to Jonas"}),
        ("assign", {"assignee": "Claire"}),
        ("move", {"to": "pending_customer", "reason": "called"}),
        ("command", {"name": "restart"}),
        ("verdict", {"verdict": "real"}),
        ("send", {}),
    ):
        answer = client.post(f"/tickets/3/{action}", data=fields)
        assert (action, answer.status_code, answer.headers.get("location")) == (action, 303, "/tickets/3")
    ticket = story.house.client.get("/v1/tickets/3").json()
    assert ticket["assignee"] == "Claire"
    assert {"comment", "assigned", "command_queued", "verdict", "visit_wanted"} <= set(timeline(story, 3))
    page = client.get("/tickets/3").text
    assert "Spoke to Jonas" in page


def test_the_next_best_action_is_the_call_that_was_asked_for(story: Story) -> None:
    page = story.house.browser().get("/tickets/3").text
    assert "Call Jonas Okafor" in page
    assert "It makes a noise again, like water running" in page
    assert 'href="tel:+447400123457"' in page


def test_a_visit_is_called_off_by_the_desk(story: Story) -> None:
    assert story.house.browser().post("/tickets/2/call-off").status_code == 303
    assert story.house.client.get("/v1/visits/1").json()["state"] == "cancelled"
    assert story.house.client.get("/v1/tickets/2").json()["state"] == "pending_agent"


def test_the_sandbox_answers_as_a_person(story: Story) -> None:
    client = story.house.browser()
    assert "votre lave-linge ne se vide plus" in client.get("/sandbox").text
    answer = client.post("/sandbox/reply", data={"person": "c-sophie", "channel": "sms", "text": "3"})
    assert answer.status_code == 303
    assert story.house.client.get("/v1/tickets/4").json()["state"] == "pending_agent"
    for wrong, status in (({"person": "nobody", "text": "1"}, 404), ({"person": "c-sophie"}, 422)):
        assert story.house.client.post("/sandbox/reply", json=wrong).status_code == status
    assert story.house.browser(signed_in=False).post("/sandbox/reply", data={}).status_code == 401


def test_what_people_write_is_never_markup(story: Story) -> None:
    story.answers("c-jonas", "<script>alert(1)</script> & <b>bold</b>")
    client = story.house.browser()
    for path in ("/sandbox", "/tickets/3", "/"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<b>bold" not in page


def test_a_part_of_the_page_alone_is_what_htmx_gets(story: Story) -> None:
    client = story.house.browser()
    part = client.get("/", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "As it happens" in part


def test_empty_pages_say_what_comes(empty: House) -> None:
    client = empty.browser()
    assert "All is well" in client.get("/").text
    assert "No device yet" in client.get("/devices").text
    assert "No message yet" in client.get("/sandbox").text
    missing = client.get("/tickets/7")
    assert (missing.status_code, "There is nothing here" in missing.text) == (404, True)


def test_a_log_that_is_down_leaves_the_pages_standing(story: Story) -> None:
    story.house.log.down = True
    assert story.house.browser().get("/tickets/2").status_code == 200
    assert story.house.browser(signed_in=False).get(customer(story, 2)).status_code == 200


def test_a_broken_link_is_said_kindly_in_the_reader_s_language(empty: House) -> None:
    client = empty.browser(signed_in=False)
    english = client.get("/c/2.broken")
    assert (english.status_code, "This link does not open anything" in english.text) == (403, True)
    french = client.get("/c/2.broken", headers={"Accept-Language": "fr-FR,fr"}).text
    assert "Ce lien n&#39;ouvre rien" in french
    assert 'href="/"' not in french


def test_a_ticket_by_hand_stands_with_what_needs_a_person(story: Story) -> None:
    story.house.client.post("/v1/tickets", json={"device_id": "hp-oliver", "title": "It hums"})
    page = story.house.browser().get("/").text
    assert "2 tickets need you" in page


def _words(page: str) -> str:
    import re

    return re.sub(r"<[^>]+>", " ", page.split("<body", 1)[1])
