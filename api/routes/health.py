"""Is it alive, is it ready to work, and what it counts."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy import text

from api.metrics import SqlCollector
from api.services import House
from domain.errors import StoreUnavailable

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Ready to work")
def readyz(house: House) -> JSONResponse:
    """200 when the database answers and every role is ready, else 503 with what is waited for."""
    waiting: list[str] = []
    try:
        with house.database.read() as session:
            session.execute(text("SELECT 1"))
    except StoreUnavailable as exc:
        waiting.append(f"database: {exc}")
    found = house.status()
    if not found.get("ready", True):
        waiting += found.get("trouble") or ["a role is not ready yet"]
    if waiting:
        return JSONResponse({"status": "waiting", "waiting": waiting}, status_code=503, headers={"Retry-After": "2"})
    return JSONResponse({"status": "ready", "waiting": []})


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(house: House) -> Response:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SqlCollector(house))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
