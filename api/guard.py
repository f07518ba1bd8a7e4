"""Who may come in: a bearer token on `/v1`, the cookie it can be exchanged for in a browser, and no forged posts."""

from hmac import compare_digest
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.security import HTTPBearer

from api.errors import Unauthorized
from api.services import House, Services
from domain.errors import Forbidden

COOKIE = "prevenant"
BEARER = HTTPBearer(auto_error=False, scheme_name="admin token")
"""Says in the OpenAPI document what `admitted` asks for."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def admitted(request: Request, house: House) -> None:
    """Let through whoever shows the admin token, or the cookie of a browser that did. Raises Unauthorized."""
    given = request.headers.get("authorization", "")
    if given:
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "bearer" and _same(token.strip(), house.admin_token):
            return
        raise Unauthorized("this token opens nothing here")
    if not has_cookie(request, house):
        raise Unauthorized("send the header Authorization: Bearer TOKEN")
    same_origin(request, house)


def has_cookie(request: Request, house: Services) -> bool:
    """Whether this browser has shown the token before."""
    return _same(request.cookies.get(COOKIE, ""), house.session_cookie)


def opens(token: str, house: Services) -> bool:
    """Whether `token` is the admin token."""
    return _same(token, house.admin_token)


def remember(response: Response, house: Services) -> None:
    """Give the browser the cookie."""
    secure = house.public_url.startswith("https:")
    response.set_cookie(
        COOKIE, house.session_cookie, httponly=True, samesite="lax", secure=secure, max_age=30 * 86400, path="/"
    )


def same_origin(request: Request, house: House) -> None:
    """Refuse a change that another site made this browser send. Raises Forbidden."""
    if request.method in _SAFE_METHODS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden("this form was sent from another site")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc not in {
        request.headers.get("host", ""),
        urlsplit(house.public_url).netloc,
    }:
        raise Forbidden("this form was sent from another site")


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(), wanted.encode())
