"""What a state weighs: the bytes of everything that can be reached from it."""

import sys
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import polars as pl

LEAVES = (str, bytes, bytearray, int, float, bool, type(None))


def weight(root: object) -> int:
    """Bytes of arrays, columns, containers and the objects in them, each counted once."""
    seen: set[int] = set()
    total, open_ = 0, [root]
    while open_:
        one = open_.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += _own(one)
        open_.extend(_parts(one))
    return total


def _own(one: object) -> int:
    if isinstance(one, np.ndarray):
        return sys.getsizeof(one) if one.base is None else one.nbytes
    return int(one.estimated_size()) if isinstance(one, pl.Series) else sys.getsizeof(one)


def _parts(one: Any) -> list[Any]:
    if isinstance(one, (*LEAVES, type)):
        return []
    if isinstance(one, np.ndarray):
        return list(one) if one.dtype == object else []
    if isinstance(one, dict):
        return [*one.keys(), *one.values()]
    if isinstance(one, list | tuple | set | frozenset):
        return list(one)
    if is_dataclass(one):
        return [getattr(one, each.name) for each in fields(one)]
    return [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]
