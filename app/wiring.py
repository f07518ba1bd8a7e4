"""Builds each role's part; nothing else knows how the parts are joined. `app/pipeline.py` shows the flow."""

from importlib import import_module

from app.house import House, Part
from app.settings import Role


def build(role: Role, house: House) -> Part:
    """The part that `role` names. Its module is imported only here: no process loads what only others need."""
    part: Part = import_module(f"app.parts.{role}").build(house)
    return part
