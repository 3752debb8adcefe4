"""Troubles on order: throttling, slowness, errors, refusals, outages, stale reads."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.identity import QUERY_SERVICES, expired
from sandbox.messages import Answer
from sandbox.ports import ApiError

KINDS = (
    "throttle",
    "latency",
    "error",
    "access-denied",
    "expired-credentials",
    "outage",
    "reset",
    "reset-after",
    "stale",
)


@dataclass(frozen=True, slots=True)
class Call:
    """What a fault selects by, and what its error text names."""

    service: str
    operation: str
    account_id: str
    region: str
    principal_arn: str = ""


@dataclass(slots=True)
class Fault:
    """One trouble; an empty selector matches all, `remaining` None means without end, `until` is a monotonic time."""

    kind: str
    service: str = ""
    operation: str = ""
    account: str = ""
    region: str = ""
    remaining: int | None = None
    until: float | None = None
    milliseconds: int = 1000
    code: str = ""
    message: str = ""
    status: int = 0
    id: int = 0
    frozen: dict[tuple[str, ...], Answer] = field(default_factory=dict)

    def matches(self, call: Call) -> bool:
        pairs = (
            (self.service, call.service),
            (self.operation, call.operation),
            (self.account, call.account_id),
            (self.region, call.region),
        )
        return all(not want or want == have for want, have in pairs)

    def describe(self) -> dict[str, Any]:
        left = None if self.until is None else max(0.0, round(self.until - time.monotonic(), 1))
        names = ("id", "kind", "service", "operation", "account", "region", "remaining", "milliseconds")
        return {name: getattr(self, name) for name in names} | {"seconds_left": left}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the faults of a call leave to the server: to break the connection, or to freeze what it answers."""

    drop_before: bool = False
    drop_after: bool = False
    stale: Fault | None = None


class Faults:
    """The troubles that are on, in the order in which they were made."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def add(
        self,
        kind: str,
        *,
        service: str = "",
        operation: str = "",
        account: str = "",
        region: str = "",
        count: int | None = None,
        seconds: float | None = None,
        milliseconds: int = 1000,
        code: str = "",
        message: str = "",
        status: int = 0,
    ) -> Fault:
        """Switch a trouble on for `count` calls or `seconds` of real time, whichever ends first."""
        if kind not in KINDS:
            raise ApiError(
                "InvalidParameterException", f"unknown kind of fault: {kind}; known: {', '.join(KINDS)}"
            )
        until = None if seconds is None else self._clock() + seconds
        fault = Fault(
            kind, service, operation, account, region, count, until, milliseconds, code, message, status
        )
        with self._lock:
            fault.id = next(self._ids)
            self._faults.append(fault)
        return fault

    def remove(self, fault_id: int | None = None) -> int:
        """Switch one fault off, or all; return how many."""
        with self._lock:
            kept = [] if fault_id is None else [fault for fault in self._faults if fault.id != fault_id]
            removed = len(self._faults) - len(kept)
            self._faults = kept
        return removed

    def active(self) -> list[Fault]:
        with self._lock:
            now = self._clock()
            self._faults = [
                f for f in self._faults if f.remaining != 0 and (f.until is None or now < f.until)
            ]
            return list(self._faults)

    def meet(self, call: Call) -> Outcome:
        """Let a call run into what is on for it: wait, raise, or tell the server what to break."""
        if not self._faults:
            return Outcome()
        before = after = False
        stale: Fault | None = None
        for fault in self.active():
            if not fault.matches(call) or not self._use(fault):
                continue
            if fault.kind == "latency":
                self._sleep(fault.milliseconds / 1000)
            elif fault.kind == "reset":
                before = True
            elif fault.kind == "reset-after":
                after = True
            elif fault.kind == "stale":
                stale = fault
            else:
                raise _error_of(fault, call)
        return Outcome(before, after, stale)

    def _use(self, fault: Fault) -> bool:
        """Count a fault's use; the losing side of a race for its last use goes free."""
        with self._lock:
            if fault.remaining is None:
                return True
            if fault.remaining <= 0:
                return False
            fault.remaining -= 1
            return True


def _error_of(fault: Fault, call: Call) -> ApiError:
    error = _default_error(fault, call)
    return ApiError(
        fault.code or error.code, fault.message or error.message, status=fault.status or error.status
    )


def _default_error(fault: Fault, call: Call) -> ApiError:
    if fault.kind == "throttle":
        return ApiError("ThrottlingException", "Rate exceeded")
    if fault.kind == "access-denied":
        return denied(call.principal_arn, call.service, call.operation)
    if fault.kind == "expired-credentials":
        return expired(call.service)
    if fault.kind == "outage":
        return ApiError("ServiceUnavailable", "Service is unavailable. Please try again later.", status=503)
    return ApiError("ServerException", "Service Unavailable. Please try again later.", status=500)


def denied(
    principal_arn: str, service: str, operation: str, resource: str = "*", *, code: str = ""
) -> ApiError:
    """The refusal of a caller whose policies do not allow an action; `code` where it is not its service's own."""
    action = f"{service}:{operation}"
    text = (
        f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    if code:
        return ApiError(code, text)
    if service == "ec2":
        return ApiError(
            "UnauthorizedOperation", f"You are not authorized to perform this operation. {text}", status=403
        )
    if service in QUERY_SERVICES:
        return ApiError("AccessDenied", text, status=403)
    return ApiError("AccessDeniedException", text)
