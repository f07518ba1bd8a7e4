"""Makers, products, devices, customers and technicians: one shape of list, POST, GET, PATCH and DELETE for all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import APIRouter, status
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.manifests.applying import apply
from api.manifests.removal import remove
from api.paging import Page, Wanted, page_of
from api.schemas.declared import CustomerIn, Declared, DeviceIn, MakerIn, ProductIn, TechnicianIn
from api.schemas.moments import Shown
from api.schemas.things import CustomerOut, DeviceOut, MakerOut, ProductOut, TechnicianOut
from api.services import House
from domain.errors import AlreadyExists, NotFound, SourceError
from rules.documents import plain
from store.tables import Customer, Device, Maker, Product, Technician
from store.tables.base import Base


@dataclass(frozen=True)
class Collection:
    """One kind of thing that manifests declare too."""

    kind: str
    table: type[Base]
    path: str
    body: type[Declared]
    key: InstrumentedAttribute[str]
    shown: type[Shown]
    page: type[Page[Any]]
    show: Callable[[Any], Shown]


COLLECTIONS = (
    Collection("maker", Maker, "makers", MakerIn, Maker.id, MakerOut, Page[MakerOut], MakerOut.of),
    Collection("product", Product, "products", ProductIn, Product.name, ProductOut, Page[ProductOut], ProductOut.of),
    Collection("device", Device, "devices", DeviceIn, Device.id, DeviceOut, Page[DeviceOut], DeviceOut.of),
    Collection(
        "customer", Customer, "customers", CustomerIn, Customer.id, CustomerOut, Page[CustomerOut], CustomerOut.of
    ),
    Collection(
        "technician",
        Technician,
        "technicians",
        TechnicianIn,
        Technician.id,
        TechnicianOut,
        Page[TechnicianOut],
        TechnicianOut.of,
    ),
)


@cache
def router_of(collection: Collection) -> APIRouter:
    """Its five doors; `devices` gets its own GET of one, with more in it."""
    router = APIRouter(prefix=f"/v1/{collection.path}", tags=[collection.path])
    one, shown = collection.kind, collection.shown
    router.get("", response_model=collection.page, summary=f"List {collection.path}")(_list(collection))
    router.post("", response_model=shown, status_code=status.HTTP_201_CREATED, summary=f"Create a {one}")(
        _create(collection)
    )
    if collection.kind != "device":
        router.get("/{key}", response_model=shown, summary=f"Read a {one}")(_read(collection))
    router.patch("/{key}", response_model=shown, summary=f"Change some keys of a {one}")(_change(collection))
    router.delete("/{key}", status_code=status.HTTP_204_NO_CONTENT, summary=f"Delete a {one}")(_delete(collection))
    return router


def _list(collection: Collection) -> Callable[..., Any]:
    def list_page(house: House, wanted: Wanted) -> Any:
        with house.database.read() as session:
            rows, cursor = page_of(session, select(collection.table), collection.key, wanted)
            return collection.page(items=[collection.show(row) for row in rows], next=cursor)

    return list_page


def _create(collection: Collection) -> Callable[..., Any]:
    def create(body: Declared, house: House) -> Shown:
        said = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
        key = getattr(body, collection.key.key)
        with house.database.write() as session:
            if session.get(collection.table, key) is not None:
                raise AlreadyExists(f"{collection.kind} {key!r} exists; change it with PATCH")
            return _declare(session, collection, key, said, now=house.clock.now())

    create.__annotations__["body"] = collection.body  # FastAPI reads the schema from here
    return create


def _read(collection: Collection) -> Callable[..., Any]:
    def read(key: str, house: House) -> Shown:
        with house.database.read() as session:
            return collection.show(_row(session, collection, key))

    return read


def _change(collection: Collection) -> Callable[..., Any]:
    def change(key: str, body: dict[str, Any], house: House) -> Shown:
        with house.database.write() as session:
            row = _row(session, collection, key)
            name = collection.key.key
            if body.get(name, key) != key:
                cure = "leave it out; to rename a thing, create the new one and delete the old one"
                raise SourceError(f"{body[name]!r} is not the {name} in the address", cure=cure, key=name)
            said = {**row.body, **body, name: key}
            # What is asked for here counts, also where a person has meanwhile chosen otherwise for themselves.
            row.body = {name: value for name, value in row.body.items() if name not in body}
            return _declare(session, collection, key, said, now=house.clock.now())

    return change


def _delete(collection: Collection) -> Callable[..., Any]:
    def delete(key: str, house: House) -> None:
        with house.database.write() as session:
            remove(session, _row(session, collection, key), now=house.clock.now())

    return delete


def _declare(session: Session, collection: Collection, key: str, said: dict[str, Any], *, now: datetime) -> Shown:
    apply(session, [plain({"kind": collection.kind, **said})], now=now)
    return collection.show(_row(session, collection, key))


def _row(session: Session, collection: Collection, key: str) -> Any:
    row = session.get(collection.table, key)
    if row is None:
        raise NotFound(collection.kind, key)
    return row
