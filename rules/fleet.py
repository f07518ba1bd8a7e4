"""Devices of a back-test: their attributes from a table or from manifests."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domain.errors import SourceError
from domain.telemetry import DeviceChanged, Value
from rules.cells import kind_and_values, to_epoch_ms
from rules.documents import Document, read_documents
from rules.readings import DEVICE, read_table

PRODUCT, REGISTERED = "product", "registered_at"
_NESTED = "attributes."


def read_devices(path: Path) -> list[DeviceChanged]:
    """CSV or NDJSON with a `device_id` column, where the other columns are attributes; or `device` manifests."""
    if path.is_dir() or path.suffix.lower() in (".yaml", ".yml", ".json"):
        return devices_in(read_documents(path))
    table = read_table(path)
    if DEVICE not in table.columns:
        raise SourceError(f"no column {DEVICE!r}", cure=f"it has {', '.join(table.columns)}", file=str(path))
    ids = table[DEVICE].cast(str).to_list()
    products = table[PRODUCT].to_list() if PRODUCT in table.columns else [""] * len(ids)
    since = to_epoch_ms(table[REGISTERED]).to_list() if REGISTERED in table.columns else [None] * len(ids)
    names = [name for name in table.columns if name not in (DEVICE, PRODUCT, REGISTERED)]
    columns = {name.removeprefix(_NESTED): kind_and_values(table[name])[1].to_list() for name in names}
    return [
        DeviceChanged(
            device_id,
            str(product or ""),
            {name: cells[row] for name, cells in columns.items() if cells[row] is not None},
            registered_at or 0,
        )
        for row, (device_id, product, registered_at) in enumerate(zip(ids, products, since, strict=True))
    ]


def devices_in(documents: Iterable[Document]) -> list[DeviceChanged]:
    """The `device` manifests among documents of any kind."""
    return [
        DeviceChanged(
            str(document.data.get("id", "")),
            str(document.data.get("product") or ""),
            {**_site(document.data.get("site")), **_attributes(document.data.get("attributes"))},
            0,
        )
        for document in documents
        if document.kind == "device"
    ]


def _site(given: Any) -> dict[str, Value]:
    """Where the device stands, under the names that the registry gives it, too."""
    known = _attributes(given)
    names = {"address": "site", "lat": "site.lat", "lon": "site.lon", "timezone": "timezone"}
    return {names[key]: value for key, value in known.items() if key in names}


def _attributes(given: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if isinstance(value, Mapping):
            found.update({f"{name}.{key}": inner for key, inner in _attributes(value).items()})
        elif isinstance(value, bool | str):
            found[str(name)] = value
        elif isinstance(value, int | float):
            found[str(name)] = float(value)
    return found
