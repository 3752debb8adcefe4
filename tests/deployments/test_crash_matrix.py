"""Death at every commit of every verb, then a restart: at most one effect, an end, and one entry per move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.checking import verify_all
from audit.models import AuditEntry
from deployments.leases import LEASE
from deployments.models import Attempt, Change, Transition
from deployments.states import TERMINAL, State
from tests.deployments.commits import dying_at
from tests.deployments.rig import Killed, Rig, fresh
from tests.deployments.test_recovery import MUTATIONS

VERBS: dict[str, Callable[[Rig], Change]] = {ask.__name__: ask for ask, _ in MUTATIONS}
# The longest of them commits twenty-seven times from its first lease to its end.
COMMITS = range(1, 28)
ENDS = (*TERMINAL, State.NEEDS_ATTENTION)
EFFECTIVE = ("ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:StopTask")


@pytest.mark.parametrize("number", COMMITS)
@pytest.mark.parametrize("verb", VERBS)
def test_death_at_a_commit_leaves_one_effect_and_an_end(dev_rig: Rig, verb: str, number: int) -> None:
    change = VERBS[verb](dev_rig)
    dev_rig.calls.clear()
    work_until_death(dev_rig, change, number)
    dev_rig.world.advance(LEASE.total_seconds() + 1)
    change = dev_rig.until(fresh(change), *ENDS, limit=1500, step=15)
    made = [action for action in dev_rig.calls if action in EFFECTIVE]
    if change.state == State.NEEDS_ATTENTION:
        # A restart of which nobody knows whether it was sent is not sent again.
        assert (verb, made) == ("restart", [])
        dev_rig.cancel(change)
    else:
        assert change.state == State.SUCCEEDED, change.outcome
        assert len(made) == 1
    assert_history_is_whole(fresh(change))


def work_until_death(rig: Rig, change: Change, number: int) -> None:
    """Let workers go on with a change until the one that commits for the n-th time is killed, or it ends."""
    with dying_at(number):
        for _ in range(100):
            try:
                rig.wake(change)
            except Killed:
                return
            if fresh(change).state in TERMINAL:
                return
            rig.world.advance(15)


def assert_history_is_whole(change: Change) -> None:
    """Each move is in the history and in the ledger once, each attempt is closed, and the chain holds."""
    moves = list(Transition.objects.filter(change=change).values_list("to_state", flat=True))
    entries = AuditEntry.objects.filter(target=f"CR-{change.pk}").order_by("seq")
    recorded = [entry.data["to"] for entry in entries if entry.action in ("change.requested", "change.state")]
    assert recorded == moves
    assert len(set(moves)) == len(moves)
    unsettled = Attempt.objects.filter(change=change, outcome__in=("open", "unknown"))
    assert change.state == State.CANCELLED or not unsettled.exists()
    assert verify_all()[0].holds
