"""Device ids to device numbers, a column at a time."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.devices import Devices
from rules.samples import Ints

_NONE = -1


class Directory:
    """An open hash table over the ids of the devices that were there when it was made. It is a cache: what it does not
    find, the engine's own dictionary does. 40 bytes a device.
    """

    __slots__ = ("_hashes", "_ids", "_table", "made_for")

    def __init__(self, devices: Devices) -> None:
        self.made_for = (len(devices.ids), devices.deleted)
        self._ids = pl.Series(devices.ids, dtype=pl.String)
        self._hashes = self._ids.hash().to_numpy()
        size = 1 << max(4, (2 * len(self._ids)).bit_length())
        self._table: NDArray[np.int32] = np.full(size, _NONE, dtype=np.int32)
        left = np.flatnonzero(self._ids.is_not_null().to_numpy())
        place = self._start(self._hashes[left])
        while len(left):
            free = self._table[place] == _NONE
            self._table[place[free]] = left[free]  # of several for one place the last stays
            settled = self._table[place] == left
            left, place = left[~settled], (place[~settled] + 1) & (size - 1)

    def find(self, ids: pl.Series) -> Ints:
        """The number of each; -1 for an id that is not here."""
        if not len(self._ids):
            return np.full(len(ids), _NONE, dtype=np.int64)
        hashes = ids.hash().to_numpy()
        found = np.full(len(ids), _NONE, dtype=np.int64)
        left, place = np.arange(len(ids)), self._start(hashes)
        while len(left):
            candidate = self._table[place]
            same = (candidate != _NONE) & (self._hashes[candidate] == hashes[left])
            found[left[same]] = candidate[same]
            on = (candidate != _NONE) & ~same
            left, place = left[on], (place[on] + 1) & (len(self._table) - 1)
        known = np.flatnonzero(found != _NONE)
        # Two ids with one hash: rare, and not to be taken for one another.
        wrong = (self._ids.gather(found[known]) != ids.gather(known)).to_numpy()
        found[known[wrong]] = _NONE
        return found

    def _start(self, hashes: NDArray[np.uint64]) -> Ints:
        return (hashes & np.uint64(len(self._table) - 1)).astype(np.int64)


def numbers(ids: pl.Series, devices: Devices) -> Ints:
    """The number of each device; one that is new gets its own."""
    directory = devices.directory
    made, deleted = directory.made_for if isinstance(directory, Directory) else (0, 0)
    if not isinstance(directory, Directory) or deleted != devices.deleted or 4 * made < 3 * len(devices.ids):
        directory = devices.directory = Directory(devices)
    found = directory.find(ids)
    missing = np.flatnonzero(found == _NONE)
    found[missing] = [devices.slot(device_id) for device_id in ids.gather(missing).to_list()]
    return found
