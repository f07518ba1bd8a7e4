"""The door of the desk: a token for a cookie."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api import guard
from api.pages.rendering import page
from api.routes.raw import FormFields
from api.services import House

router = APIRouter()


@router.get("/sign-in")
def sign_in(request: Request) -> Response:
    return page(request, "sign_in.html", wrong=False)


@router.post("/sign-in", dependencies=[Depends(guard.same_origin)])
def signed_in(request: Request, fields: FormFields, house: House) -> Response:
    """To the page that was wanted; only paths of our own count."""
    if not guard.opens(fields.get("token", "").strip(), house):
        return page(request, "sign_in.html", status=401, wrong=True)
    wanted = fields.get("next", "/")
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        wanted = "/"
    answer = RedirectResponse(wanted, status_code=303)
    guard.remember(answer, house)
    return answer
