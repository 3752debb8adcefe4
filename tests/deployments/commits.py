"""Death at a commit: the process dies right after the n-th time that something was written for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from django.db import connection
from django.db.transaction import Atomic

from tests.deployments.rig import Killed

WRITES = ("INSERT", "UPDATE", "DELETE")


class Commits:
    """Counts what is committed, seen from inside the transaction that the test runs in."""

    def __init__(self, die_at: int) -> None:
        self.die_at = die_at
        self.count = 0
        self.ground = depth()
        self.is_dirty = False

    def wrote(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        """Count a write outside of any transaction at once, one inside of one when that ends."""
        answer = execute(sql, *args)
        if sql.lstrip().upper().startswith(WRITES):
            if depth() <= self.ground:
                self.tick()
            else:
                self.is_dirty = True
        return answer

    def left(self, failed: bool) -> None:
        if depth() > self.ground:
            return
        dirty, self.is_dirty = self.is_dirty, False
        if dirty and not failed:
            self.tick()

    def tick(self) -> None:
        self.count += 1
        if self.count == self.die_at:
            raise Killed


def depth() -> int:
    return len(connection.savepoint_ids)


@contextmanager
def dying_at(number: int) -> Iterator[Commits]:
    """Raise `Killed` right after the n-th commit; nothing that would tidy up afterwards reaches the database."""
    commits = Commits(number)
    leave = Atomic.__exit__

    def exit_and_count(self: Atomic, kind: Any, error: Any, trace: Any) -> Any:
        answer = leave(self, kind, error, trace)
        commits.left(kind is not None)
        return answer

    def dead(*args: Any, **kwargs: Any) -> None:
        """A killed process gives no lease back."""

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(commits.wrote))
        stack.enter_context(mock.patch.object(Atomic, "__exit__", exit_and_count))
        stack.enter_context(mock.patch("deployments.leases.release", dead))
        yield commits
