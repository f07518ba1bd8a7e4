"""Templates into answers: one environment, versioned static files, and a page for every error."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from api import assets
from api.errors import Problem
from api.views.links import with_links
from api.views.phrases import first_name, first_upper, number, phone, plural, said

HERE = Path(__file__).resolve().parent.parent
_TITLES = {
    401: "Please sign in",
    403: "This link does not open anything",
    404: "There is nothing here",
    409: "That is not possible any more",
    410: "This page is over",
    503: "One moment, please",
}
_WORDS = {
    403: "It may have been cut off on its way. Open it again from the message that we sent you.",
    404: "It may have moved, or the address has a slip in it.",
    410: "What it was about is long done. If something is wrong again, answer our last message or call us.",
    503: "A part of the house is not answering. We keep trying; please load the page again in a moment.",
    500: "Something went wrong on our side. It has been noted.",
}
_FRENCH = {
    403: ("Ce lien n'ouvre rien", "Il a peut-être été coupé en route. Ouvrez-le de nouveau depuis notre message."),
    404: ("Il n'y a rien ici", "La page a peut-être changé de place."),
    409: ("Ce n'est plus possible", "La situation a changé entre-temps. Rechargez la page pour la voir."),
    410: (
        "Cette page est terminée",
        "Ce dont elle parlait est réglé depuis longtemps. En cas de nouveau souci, répondez à notre dernier message.",
    ),
    503: ("Un instant, s'il vous plaît", "Une partie de la maison ne répond pas. Rechargez la page dans un moment."),
    500: ("Cela n'a pas marché", "C'est de notre fait, et c'est noté. Réessayez dans un moment."),
}


def page(request: Request, template: str, *, part: str = "", status: int = 200, **context: Any) -> HTMLResponse:
    """The page, or its living `part` alone when htmx asks for it."""
    assets.check()
    wanted = part if part and request.headers.get("hx-request") else template
    context = {"request": request, "path": request.url.path, "part": part, **context}
    text = _environment().get_template(wanted).render(context)
    if wanted == part and "frame" in context:
        # The rail beside the part counts tickets too: it comes along, for htmx to swap where it stands.
        text += _environment().get_template("parts/rail.html").render(context)
    return HTMLResponse(text, status_code=status)


def error_page(request: Request, problem: Problem) -> Response:
    """The problem for a person: what it means, and the way back."""
    # Customers and technicians come by a link from us; their page is no way into the desk.
    outside = request.url.path.startswith(("/c/", "/v/", "/u/"))
    french = outside and request.headers.get("accept-language", "").lower().startswith("fr")
    title, words = _said_of(problem, french=french)
    answer: Response = page(
        request,
        "sign_in.html" if problem.status == 401 else "error.html",
        status=problem.status,
        language="fr" if french else "en",
        title=title,
        words=words,
        code=problem.status,
        outside=outside,
        wrong=False,
    )
    for name, value in problem.headers.items():
        if name.lower() != "www-authenticate":
            answer.headers[name] = value
    return answer


def _said_of(problem: Problem, *, french: bool) -> tuple[str, str]:
    """Title and words. What a person did wrong is said as it is; what went wrong inside is not."""
    if french:
        return _FRENCH.get(problem.status, _FRENCH[500])
    words = problem.detail if problem.status in {409, 422} else _WORDS.get(problem.status, problem.detail)
    return _TITLES.get(problem.status, "That did not work"), words


@cache
def static(name: str) -> str:
    """Address of a static file; changes with its content, so that browsers may keep it for ever."""
    digest = sha256((HERE / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def _as_json(value: Any) -> Markup:
    """JSON for a data attribute or script element."""
    text = json.dumps(value, ensure_ascii=False)
    for char, safe in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("'", "\\u0027")):
        text = text.replace(char, safe)
    return Markup(text)  # noqa: S704 - every character that HTML minds is escaped above


def _ticked(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": static}
    environment.filters |= {
        "said": said,
        "number": number,
        "first_name": first_name,
        "first_upper": first_upper,
        "with_links": with_links,
        "phone": phone,
        "as_json": _as_json,
        "ticked": _ticked,
    }
    environment.globals |= {"plural": plural}
    return environment
