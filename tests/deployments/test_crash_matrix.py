"""Death at every commit of every verb, then a restart: at most one effect, an end, and one entry per move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.checking import verify_all
from audit.models import AuditEntry
from deployments.leases import LEASE
from deployments.models import Attempt, Change, Transition
from deployments.states import TERMINAL, State
from tests.deployments.asked import ASKED
from tests.deployments.commits import dying_at
from tests.deployments.rig import Killed, Rig, fresh
from tests.deployments.test_recovery import MUTATIONS
from tests.deployments.threads import SOAK

VERBS: dict[str, Callable[[Rig], Change]] = {ask.__name__: ask for ask, _ in MUTATIONS}
# The longest of them commits twenty-seven times from its first lease to its end.
COMMITS = range(1, 28)
# Of the verbs with more steps; all of them under SOAK. Calls are written down between the fifth and the nineteenth.
SOME_COMMITS = (2, 4, 5, 6, 7, 8, 10, 12, 15)
ENDS = (*TERMINAL, State.NEEDS_ATTENTION)
EFFECTIVE = ("ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:StopTask")


@pytest.mark.parametrize("number", COMMITS)
@pytest.mark.parametrize("verb", VERBS)
def test_death_at_a_commit_leaves_one_effect_and_an_end(dev_rig: Rig, verb: str, number: int) -> None:
    change = die_and_go_on(dev_rig, VERBS[verb], number)
    made = [action for action in dev_rig.calls if action in EFFECTIVE]
    if change.state == State.NEEDS_ATTENTION:
        # A restart of which nobody knows whether it was sent is not sent again.
        assert (verb, made) == ("restart", [])
        dev_rig.cancel(change)
    else:
        assert change.state == State.SUCCEEDED, change.outcome
        assert len(made) == 1
    assert_history_is_whole(fresh(change))


@pytest.mark.parametrize("number", COMMITS if SOAK else SOME_COMMITS)
@pytest.mark.parametrize("ask", ASKED, ids=[ask.__name__ for ask in ASKED])
def test_death_at_a_commit_leaves_each_call_made_once_in_its_order(
    dev_rig: Rig, ask: Callable[[Rig], Change], number: int
) -> None:
    change = die_and_go_on(dev_rig, ask, number)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ASKED[ask]
    assert_history_is_whole(change)


def die_and_go_on(rig: Rig, ask: Callable[[Rig], Change], number: int) -> Change:
    """Ask, kill the worker at a commit, and have another one carry it to its end once the lease has run out."""
    change = ask(rig)
    rig.calls.clear()
    work_until_death(rig, change, number)
    rig.world.advance(LEASE.total_seconds() + 1)
    return rig.until(fresh(change), *ENDS, limit=1500, step=15)


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
