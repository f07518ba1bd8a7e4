"""Faults develop, yield or not to a restart, and end with a repair."""

from datetime import timedelta

from devices_sim.faults import RELIEF, Effects, Fault, FaultKind, Restart, effects_of
from tests.unit.devices_sim.sim_fakes import START

MINUTE = timedelta(minutes=1)


def overheat(restart: Restart = Restart.IGNORED) -> Fault:
    return Fault(FaultKind.OVERHEAT, START + 10 * MINUTE, restart=restart)


def heat(fault: Fault, minutes: float) -> float:
    return effects_of([fault], START + minutes * MINUTE).overheat


def test_nothing_happens_before_a_fault_begins() -> None:
    assert effects_of([overheat()], START + 9 * MINUTE) == Effects()


def test_overheating_grows_and_stays() -> None:
    grown = [heat(overheat(), minutes) for minutes in (10, 15, 20, 25, 200)]
    assert grown == sorted(grown)
    assert grown[0] == 0
    assert grown[-2:] == [1, 1]


def test_a_restart_relieves_for_a_while_and_does_not_cure() -> None:
    fault = overheat(Restart.RELIEVES).restarted(START + 60 * MINUTE)
    assert 0 < heat(fault, 61) < 1
    assert effects_of([fault], START + 60 * MINUTE + RELIEF).overheat == 1


def test_a_restart_may_be_ignored_or_cure() -> None:
    at = START + 60 * MINUTE
    assert heat(overheat(Restart.IGNORED).restarted(at), 61) == 1
    assert heat(overheat(Restart.CURES).restarted(at), 61) == 0


def test_a_restart_before_the_fault_changes_nothing() -> None:
    fault = overheat(Restart.CURES)
    assert fault.restarted(START) is fault


def test_a_repair_ends_what_is_broken_and_not_what_is_still_to_come() -> None:
    broken, coming = overheat(), Fault(FaultKind.LEAK, START + 300 * MINUTE)
    at = START + 100 * MINUTE
    after = [fault.repaired(at) for fault in (broken, coming)]
    assert effects_of(after, at) == Effects()
    assert effects_of(after, START + 360 * MINUTE).leaking_hours == 1


def test_effects_of_several_faults_add_up() -> None:
    kinds = (FaultKind.LEAK, FaultKind.BLOCKED_DRAIN, FaultKind.CHATTER, FaultKind.SILENCE)
    effects = effects_of([Fault(kind, START) for kind in kinds], START + 30 * MINUTE)
    assert effects == Effects(leaking_hours=0.5, drain_blocked=True, chatter=True, silent=True)


def test_a_fault_that_goes_by_itself() -> None:
    fault = Fault(FaultKind.SILENCE, START, START + 5 * MINUTE)
    assert [effects_of([fault], START + minutes * MINUTE).silent for minutes in (0, 4, 5)] == [True, True, False]
