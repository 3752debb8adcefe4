"""Looks into AWS side by side, within one bound of time: what has not come back by then is said, not waited for."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from aws.errors import AwsAccessDenied, AwsError, AwsNotDelivered
from deployments.plans import WARN, Check

logger = structlog.get_logger(__name__)
T = TypeVar("T")

# A person waits for the plan: longer than this and the rest is not checked.
SECONDS = 4.0
PARALLEL = 12
# The composer plans anew at each key: an answer this old still serves.
FRESH_SECONDS = 30.0
KEPT = 4096
# Errors that are as good as answers: asking again for a permission costs a call, and for a download up to seconds.
LASTING = (AwsAccessDenied, AwsNotDelivered)
# An answer of a form that AWS does not document; it is logged, and the plan says that the check was not made.
ODD = (LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class Look:
    """One look into AWS; it must not touch the database, because it runs in a thread of its own."""

    id: str
    title: str
    make: Callable[[], list[Check]]


_pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="preflight")


def gather(looks: Sequence[Look]) -> list[Check]:
    """Make all looks side by side and return their checks in order; takes no longer than the bound."""
    seconds = SECONDS
    pending = [(look, _pool.submit(contextvars.copy_context().run, look.make)) for look in looks]
    wait([future for _, future in pending], timeout=seconds)
    return [check for look, future in pending for check in outcome(look, future, seconds)]


def outcome(look: Look, future: Future[list[Check]], seconds: float) -> list[Check]:
    """Return what a look found, or why it found nothing."""
    if not future.done():
        future.cancel()
        return [unchecked(look, f"AWS did not answer within {seconds:g} seconds")]
    try:
        return future.result()
    except AwsError as error:
        return [unchecked(look, reason_of(error))]
    except ODD as error:
        logger.exception("preflight_answer_odd", check=look.id)
        return [unchecked(look, f"AWS's answer could not be read ({type(error).__name__})")]


def unchecked(look: Look, reason: str) -> Check:
    return Check(look.id, look.title, WARN, f"This cannot be checked: {reason}.")


def reason_of(error: AwsError) -> str:
    """Say why a read failed, as the end of a sentence; a missing permission by the action's name."""
    if isinstance(error, AwsAccessDenied):
        return f"the read role may not call {error.action}"
    return str(error).rstrip(".")


class Answers:
    """Answers of AWS of the last seconds, per process; that something is absent is never kept, so a remedy shows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, Any]] = OrderedDict()

    def get(self, function: Callable[..., T], *args: Any) -> T:
        """Return what a function of hashable arguments answers, by itself or within the last seconds."""
        key = (function.__module__, function.__qualname__, *args)
        with self._lock:
            at, found = self._kept.get(key, (float("-inf"), None))
        if self._clock() - at < FRESH_SECONDS:
            if isinstance(found, LASTING):
                raise found
            return found  # type: ignore[no-any-return]
        try:
            answer = function(*args)
        except LASTING as error:
            self._keep(key, error)
            raise
        if answer is not None and answer is not False:
            self._keep(key, answer)
        return answer

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _keep(self, key: tuple[Any, ...], answer: Any) -> None:
        with self._lock:
            self._kept[key] = (self._clock(), answer)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


answers = Answers()
