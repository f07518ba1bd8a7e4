"""The engine's state as bytes and back, so that a worker can go on where another stopped."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.faults import EpisodeState
from rules.detector import Detector
from rules.devices import NO_ATTRIBUTES, Devices
from rules.hearing import Ears, Known
from rules.lanes import Carry, Lane
from rules.loader import rule_from_manifest
from rules.machine import Machine
from rules.model import Kind
from rules.program import compile_rule
from rules.readout import Past
from rules.samples import DTYPES, Channel, Ints, Rows
from rules.signals.beyond import Beyond
from rules.signals.blocks import Blocks
from rules.signals.ewma import Averages
from rules.signals.history import History
from rules.signals.logic import Memory
from rules.signals.silence import Coverage
from rules.slots import SlotInts, SlotValues
from rules.state import State, Track, settle_kinds

VERSION = 3


def dump(state: State) -> bytes:
    """All of the state, in order, so that `load` gives one that behaves the same."""
    plain = {
        "devices": _devices(state.devices),
        "kinds": state.kinds,
        "coverage": (state.coverage.last, state.coverage.holes),
        "ticked": _ints(state.ticked),
        "past_episodes": state.past_episodes,
        "refused": state.refused,
        "tracks": [_track(track) for track in state.tracks.values()],
    }
    return msgspec.msgpack.encode((VERSION, plain))


def load(data: bytes) -> State:
    """ValueError for bytes that another version wrote, or that are no snapshot."""
    try:
        version, plain = msgspec.msgpack.decode(data, type=tuple[int, dict[str, Any]])
    except msgspec.MsgspecError as exc:
        raise ValueError(f"no snapshot of the engine: {exc}") from exc
    if version != VERSION:
        raise ValueError(f"a snapshot of version {version}; this engine reads version {VERSION}")
    last, holes = plain["coverage"]
    state = State(
        devices=_read_devices(plain["devices"]),
        kinds=_kinds(plain["kinds"]),
        coverage=Coverage(last, [(start, end) for start, end in holes]),
        ticked=_read_ints(plain["ticked"]),
        past_episodes=plain["past_episodes"],
        refused=plain["refused"],
    )
    for one in plain["tracks"]:
        track = _read_track(one)
        state.tracks[track.lane.lateness] = track
    settle_kinds(state)
    return state


def _devices(devices: Devices) -> Any:
    products = {product: code for code, product in enumerate(dict.fromkeys(devices.products))}
    return (
        devices.ids,
        list(products),
        np.array([products[product] for product in devices.products], dtype=np.int64).tobytes(),
        [dict(known) if known else None for known in devices.attributes],
        _ints(devices.registered_at),
        bytes(devices.registered),
        _ints(devices.serviced),
        devices.kinds,
    )


def _read_devices(plain: Any) -> Devices:
    ids, products, codes, attributes, registered_at, registered, serviced, kinds = plain
    return Devices(
        ids,
        [products[code] for code in _array(codes).tolist()],
        [known or NO_ATTRIBUTES for known in attributes],
        SlotInts(_array(registered_at), empty=0),
        bytearray(registered),
        _read_ints(serviced),
        {device_id: slot for slot, device_id in enumerate(ids) if device_id is not None},
        _kinds(kinds),
    )


def _kinds(plain: Mapping[str, str]) -> dict[str, Kind]:
    return {name: Kind(kind) for name, kind in plain.items()}


def _ints(times: SlotInts) -> bytes:
    return times.data.tobytes()


def _read_ints(plain: bytes) -> SlotInts:
    return SlotInts(_array(plain))


def _array(plain: bytes) -> Ints:
    return np.frombuffer(plain, dtype=np.int64).copy()


def _blocks(blocks: Blocks) -> Any:
    size, ts, value = blocks.packed()
    return blocks.valued, size.tobytes(), ts.tobytes(), value.tobytes()


def _read_blocks(plain: Any) -> Blocks:
    valued, size, ts, value = plain
    return Blocks.of(_array(size), _array(ts), np.frombuffer(value).copy(), valued=valued)


def _values(values: SlotValues) -> Any:
    return values.data.tolist() if values.kind is Kind.STRING else values.data.tobytes()


def _read_values(kind: Kind, plain: Any) -> SlotValues:
    data: NDArray[Any]
    if kind is Kind.STRING:
        data = np.full(len(plain), None, dtype=object)
        data[:] = plain
    else:
        data = np.frombuffer(plain, dtype=np.float64 if kind is Kind.NUMBER else np.bool_).copy()
    return SlotValues(kind, data)


def _track(track: Track) -> dict[str, Any]:
    lane, past = track.lane, track.past
    return {
        "lateness": lane.lateness,
        "late": lane.late,
        "evaluated": _ints(lane.evaluated),
        "newest": _ints(lane.newest),
        "heard": _ints(lane.heard),
        "carries": [(channel, _ints(carry.ts), _values(carry.values)) for channel, carry in lane.carries.items()],
        "waiting": None if lane.waiting is None else _rows(lane.waiting),
        "histories": [(channel, each.horizon, _blocks(each.blocks)) for channel, each in past.histories.items()],
        "beyond": past.beyond.dump(),
        "averages": [
            (channel, half_life, _ints(each.moment), _values(each.average))
            for (channel, half_life), each in past.averages.items()
        ],
        "ears": [(metric, _ints(heard)) for metric, heard in past.ears.heard.items()],
        "known": [(channel, _blocks(each.blocks), _ints(each.newest)) for channel, each in past.ears.known.items()],
        "detectors": [_detector(detector) for detector in track.detectors.values()],
    }


def _read_track(plain: Mapping[str, Any]) -> Track:
    lane = Lane(
        plain["lateness"],
        evaluated=_read_ints(plain["evaluated"]),
        newest=_read_ints(plain["newest"]),
        heard=_read_ints(plain["heard"]),
        waiting=None if plain["waiting"] is None else _read_rows(plain["waiting"]),
        late=plain["late"],
    )
    for raw, ts, values in plain["carries"]:
        channel = _channel(raw)
        lane.carries[channel] = Carry(channel.kind, _read_ints(ts), _read_values(channel.kind, values))
    detectors = [_read_detector(one) for one in plain["detectors"]]
    return Track(lane, _read_past(plain), {detector.rule.name: detector for detector in detectors})


def _read_past(plain: Mapping[str, Any]) -> Past:
    past = Past(ears=Ears({metric: _read_ints(heard) for metric, heard in plain["ears"]}))
    past.beyond = Beyond.load(plain["beyond"])
    for raw, horizon, blocks in plain["histories"]:
        past.histories[_channel(raw)] = History(horizon, _read_blocks(blocks))
    for raw, half_life, moment, average in plain["averages"]:
        past.averages[_channel(raw), half_life] = Averages(_read_ints(moment), _read_values(Kind.NUMBER, average))
    for raw, blocks, newest in plain["known"]:
        past.ears.known[_channel(raw)] = Known(_read_blocks(blocks), _read_ints(newest))
    return past


def _channel(plain: Any) -> Channel:
    metric, kind = plain
    return Channel(metric, Kind(kind))


def _rows(rows: Rows) -> Any:
    heads = [column.tobytes() for column in (rows.slot, rows.ts, rows.received, rows.bound, rows.entry)]
    return heads, [(channel, column.to_list()) for channel, column in rows.values.items()]


def _read_rows(plain: Any) -> Rows:
    heads, columns = plain
    values = {}
    for raw, cells in columns:
        channel = _channel(raw)
        values[channel] = pl.Series(cells, dtype=DTYPES[channel.kind])
    slot, ts, received, bound, entry = map(_array, heads)
    return Rows(slot, ts, received, bound, entry, values)


def _detector(detector: Detector) -> dict[str, Any]:
    return {
        "manifest": detector.rule.manifest,
        "version": detector.rule.version,
        "machines": {slot: _machine(machine) for slot, machine in detector.machines.items()},
        "episodes": detector.episodes,
        "memories": {name: _memory(memory) for name, memory in detector.memories.items()},
    }


def _read_detector(plain: Mapping[str, Any]) -> Detector:
    rule = rule_from_manifest(plain["manifest"], version=plain["version"])
    return Detector(
        compile_rule(rule),
        machines={slot: _read_machine(machine) for slot, machine in plain["machines"].items()},
        episodes=plain["episodes"],
        memories={name: _read_memory(memory) for name, memory in plain["memories"].items()},
    )


def _machine(machine: Machine) -> dict[str, Any]:
    plain = {each.name: getattr(machine, each.name) for each in fields(machine)}
    return {**plain, "window": list(machine.window), "changes": list(machine.changes)}


def _read_machine(plain: Mapping[str, Any]) -> Machine:
    state, window, changes = EpisodeState(plain["state"]), deque(plain["window"]), deque(plain["changes"])
    return Machine(**{**plain, "state": state, "window": window, "changes": changes})


def _memory(memory: Memory) -> Any:
    times = [_ints(one) for one in (memory.known, memory.before, memory.last_true, memory.true_from)]
    return times, _blocks(memory.rises)


def _read_memory(plain: Any) -> Memory:
    times, rises = plain
    known, before, last_true, true_from = map(_read_ints, times)
    return Memory(known, before, last_true, true_from, _read_blocks(rises))
