"""How times leave the house: ISO 8601 UTC with a Z."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from domain.clock import iso

Moment = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


class Shown(BaseModel):
    """What answers are made of: read straight from rows."""

    model_config = ConfigDict(from_attributes=True)
