"""Device commands asked for, by a playbook or a person: checked against what the product declares, then queued."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.errors import Conflict, NotFound, SourceError
from domain.tickets import COMMAND_RUNNING, CommandState
from store import due, events, timeline
from store.tables import Command, Device, Product

_KINDS: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def queue_command(
    session: Session,
    device_id: str,
    name: str,
    args: Mapping[str, Any] | None = None,
    *,
    asked_by: str,
    now: datetime,
    ticket_id: int | None = None,
    timeout_s: float = 300.0,
) -> Command:
    """A command for the ingest role to send. `asked_by` is playbook:NAME, agent …

    Raises NotFound for a device or command that is not there, SourceError for arguments that do not fit, and Conflict
    while another command runs on the device.
    """
    spec = _declared(session, device_id, name)
    arguments = check_args(args or {}, spec.get("args") or {})
    _refuse_second(session, device_id)
    command = Command(
        id=uuid4().hex,
        device_id=device_id,
        name=name,
        args=arguments,
        state=CommandState.QUEUED,
        ticket_id=ticket_id,
        asked_by=asked_by,
        idempotent=bool(spec.get("idempotent", False)),
        timeout_s=timeout_s,
        created_at=now,
    )
    session.add(command)
    session.flush()
    due.schedule(session, "command_timeout", command.id, at=now + timedelta(seconds=timeout_s))
    told = {"command_id": command.id, "name": name, "title": spec.get("title") or {"en": name}}
    if ticket_id is not None:
        timeline.note(session, ticket_id, "command_queued", at=now, actor=asked_by, **told, args=arguments)
    events.publish(session, "command.queued", at=now, **told, device_id=device_id, ticket_id=ticket_id)
    return command


def check_args(args: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with defaults filled in, checked against JSON Schema properties. Raises SourceError by key.

    Understood are type, enum, minimum, maximum, maxLength, default, and `required: true` on a property.
    """
    for name in args:
        if name not in properties:
            close = get_close_matches(str(name), properties, n=1)
            known = ", ".join(properties) or "none"
            raise SourceError(
                "unknown argument", key=f"args.{name}", cure=f"did you mean {close[0]}?" if close else f"known: {known}"
            )
    checked = {
        name: schema["default"] for name, schema in properties.items() if "default" in schema and name not in args
    }
    for name, schema in properties.items():
        if name in args:
            checked[name] = _check_value(args[name], schema, f"args.{name}")
        elif schema.get("required") is True:
            raise SourceError("is missing", key=f"args.{name}", cure="the product declares it as required")
    return checked


def _check_value(value: Any, schema: Mapping[str, Any], key: str) -> Any:
    kind = schema.get("type")
    fits = isinstance(value, _KINDS.get(str(kind), (object,)))
    # Python takes true for the number 1; JSON does not.
    if not fits or (kind in {"number", "integer"} and isinstance(value, bool)):
        raise SourceError(f"{value!r} is no {kind}", key=key, cure=f"write a {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise SourceError(f"{value!r} is not allowed", key=key, cure=f"one of {', '.join(map(str, schema['enum']))}")
    if "minimum" in schema and value < schema["minimum"]:
        raise SourceError(f"{value!r} is too small", key=key, cure=f"at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise SourceError(f"{value!r} is too large", key=key, cure=f"at most {schema['maximum']}")
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        raise SourceError("is too long", key=key, cure=f"at most {schema['maxLength']} characters")
    return value


def _declared(session: Session, device_id: str, name: str) -> Mapping[str, Any]:
    device = session.get(Device, device_id)
    if device is None:
        raise NotFound("device", device_id)
    product = session.get(Product, device.product) if device.product else None
    spec = product.commands.get(name) if product else None
    if product is None or spec is None:
        raise NotFound(f"command of product {device.product!r}", name)
    return spec if isinstance(spec, Mapping) else {}


def _refuse_second(session: Session, device_id: str) -> None:
    running = select(Command).where(Command.device_id == device_id, Command.state.in_(COMMAND_RUNNING)).limit(1)
    other = session.scalar(running)
    if other is not None:
        raise Conflict(f"device {device_id!r} is busy with command {other.name!r} ({other.state}, id {other.id})")
