"""Firmwares: how often each has faults, beside the others of its product."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.services import House
from domain.errors import NotFound
from store.tables import Product
from tickets import service

router = APIRouter(prefix="/v1/firmwares", tags=["firmwares"])


class FirmwareOut(BaseModel):
    """One firmware against the rest over four weeks. Rates are faults per device-day; `low` … `high` hold 95 %."""

    firmware: str
    devices: int
    device_days: float
    faults: int
    rate: float | None
    rest_device_days: float
    rest_faults: int
    rest_rate: float | None
    ratio: float | None
    low: float
    high: float | None
    enough: bool
    worse: bool


class FirmwaresOut(BaseModel):
    """All firmwares of a product."""

    product: str
    items: list[FirmwareOut]
    next: None = None


@router.get("", response_model=FirmwaresOut, summary="Compare the firmwares of a product")
def list_firmwares(product: str, house: House) -> Any:
    with house.database.read() as session:
        if session.get(Product, product) is None:
            raise NotFound("product", product)
        found = service.comparisons(session, product, now=house.clock.now())
    items = [{name: getattr(one, name) for name in FirmwareOut.model_fields} for one in found]
    return {"product": product, "items": items}
