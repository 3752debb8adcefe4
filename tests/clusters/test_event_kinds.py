from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from clusters.event_kinds import Kind, Piece, group_days, kind_of, pieces_of, task_ids_of

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
TASK = "9c02d7aa00000000000000000000beef"


@dataclass(frozen=True)
class Event:
    created_at: datetime
    message: str


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("(service a) has reached a steady state.", Kind.STEADY),
        ("(service a) (deployment ecs-svc/1) deployment completed.", Kind.STEADY),
        ("(service a) (deployment ecs-svc/1) deployment failed: tasks failed to start.", Kind.TROUBLE),
        ("(service a) rolling back to deployment ecs-svc/1.", Kind.TROUBLE),
        ("(service a) was unable to place a task. Reason: …", Kind.TROUBLE),
        ("(service a) is unable to consistently start tasks successfully.", Kind.TROUBLE),
        ("(service a) (task b) (port 80) is unhealthy in (target-group c)", Kind.WARNING),
        ("(service a) has started 3 tasks: (task b).", Kind.TASKS),
        ("(service a) has stopped 1 running tasks: (task b).", Kind.TASKS),
        ("(service a) registered 1 targets in (target-group b)", Kind.ROUTINE),
        ("(service a) deregistered 1 targets in (target-group b)", Kind.ROUTINE),
        ("(service a, taskSet b) has begun draining connections on 2 tasks.", Kind.ROUTINE),
        ("something that ECS says for the first time", Kind.TASKS),
    ],
)
def test_every_event_has_its_volume(message: str, kind: Kind) -> None:
    assert kind_of(message) is kind


def test_a_message_is_quoted_unchanged_with_links_to_known_tasks() -> None:
    message = f"(service a) has started 2 tasks: (task {TASK}) (task 0123456789)."
    assert task_ids_of([message]) == {TASK, "0123456789"}
    pieces = pieces_of(message, {TASK})
    assert "".join(piece.text for piece in pieces) == message
    assert [piece for piece in pieces if piece.task_id] == [Piece(TASK, TASK)]


def test_events_are_grouped_by_utc_day() -> None:
    events = [Event(NOON, "x"), Event(NOON - timedelta(hours=13), "y")]
    days = group_days(events, set(), folds=False)
    assert [(day.date.day, day.count) for day in days] == [(12, 1), (11, 1)]


def test_runs_of_quiet_events_fold_and_trouble_never_does() -> None:
    quiet = [Event(NOON - timedelta(minutes=n), "has reached a steady state.") for n in range(4)]
    trouble = Event(NOON - timedelta(minutes=5), "was unable to place a task.")
    rest = [Event(NOON - timedelta(minutes=6 + n), "registered 1 targets") for n in range(2)]
    (day,) = group_days([*quiet, trouble, *rest], set(), folds=True)
    assert [line.folded for line in day.lines] == [4, 0, 0, 0]
    assert day.lines[1].kind is Kind.TROUBLE
    assert day.lines[0].until == NOON - timedelta(minutes=3)
    assert day.count == 7
    assert [line.folded for line in group_days(quiet, set(), folds=False)[0].lines] == [0, 0, 0, 0]
