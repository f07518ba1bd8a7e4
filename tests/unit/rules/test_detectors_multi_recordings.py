"""The multi-metric detector on labelled recordings kept beside the project: it must not get worse than it was."""

import importlib.util
from types import ModuleType

import numpy as np

from rules.detectors.interface import ALARM
from rules.detectors.multi import MultiDetector
from rules.samples import Flags, Floats
from tests.real import SHARED, require

DETECTION = SHARED / "data/detection"
SCORER = SHARED / "tools/detection/skab_score.py"
TEP_NORMAL_ROWS = 500
TEP_FAULT_AT = 160
UNDETECTABLE = {"03", "09", "15"}


def scorer() -> ModuleType:
    """The scorer of the SKAB recordings."""
    require(SCORER.is_file(), "the labelled recordings")
    spec = importlib.util.spec_from_file_location("skab_score", SCORER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def alarms(values: Floats) -> Flags:
    """Alarms (rows,) of one device's values (rows, metrics)."""
    detector, slot = MultiDetector(values.shape[1]), np.array([0])
    scores = [detector.update(slot, np.array([1000 * row]), values[row : row + 1])[0] for row in range(len(values))]
    return np.array(scores) >= ALARM


def test_on_the_pump_test_bed_it_stays_above_what_it_reached() -> None:
    skab = scorer()
    series = skab.load(str(DETECTION / "skab"))
    found = [alarms(s["X"])[skab.TRAIN :] for s in series]
    change_points = skab.nab(series, [skab.to_cp(a) for a in found])["standard"]
    rows = skab.binary(series, found)
    assert change_points >= 36.3
    assert rows["FAR"] <= 30
    assert 100 - (rows["FAR"] + rows["MAR"]) / 2 >= 76.7


def test_on_the_chemical_process_it_stays_above_what_it_reached() -> None:
    folder = DETECTION / "tep"
    require(folder.is_dir(), "the labelled recordings")
    normal = np.loadtxt(folder / "d00.dat")
    normal = normal.T if normal.shape[0] == 52 else normal
    runs = {p.name[1:3]: np.loadtxt(p) for p in sorted(folder.glob("d[0-9][0-9]_te.dat")) if p.name[1:3] != "00"}
    found = {fault: alarms(np.vstack([normal, run]))[TEP_NORMAL_ROWS:] for fault, run in runs.items()}
    detected = [a[TEP_FAULT_AT:].mean() for fault, a in found.items() if fault not in UNDETECTABLE]
    assert np.mean(detected) >= 0.913
    assert np.mean([a[:TEP_FAULT_AT].mean() for a in found.values()]) <= 0.02
