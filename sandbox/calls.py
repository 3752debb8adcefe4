"""Counts what clients asked for, and remembers the last calls with the identity behind them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One answered call; `error` is AWS's code, empty when it succeeded."""

    at: float
    service: str
    operation: str
    account_id: str
    region: str
    principal_arn: str
    source_identity: str
    status: int
    error: str
    milliseconds: float


class Calls:
    """Counts since the start or the last reset; the newest `keep` calls in full."""

    def __init__(self, *, keep: int = 500) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._errors: Counter[tuple[str, str, str, str, str]] = Counter()
        self._recent: deque[CallRecord] = deque(maxlen=keep)

    def add(self, record: CallRecord) -> None:
        key = (record.service, record.operation, record.account_id, record.region)
        with self._lock:
            self._counts[key] += 1
            if record.error:
                self._errors[(*key, record.error)] += 1
            self._recent.append(record)

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            self._errors.clear()
            self._recent.clear()

    def count(
        self,
        operation: str = "",
        *,
        service: str = "",
        account_id: str = "",
        region: str = "",
        error: str = "",
    ) -> int:
        """Count calls; an empty selector matches all."""
        wanted = (service, operation, account_id, region, error)
        with self._lock:
            source: Counter[Any] = self._errors if error else self._counts
            return sum(
                number
                for key, number in source.items()
                if all(not want or want == have for want, have in zip(wanted, key, strict=False))
            )

    def recent(self) -> list[CallRecord]:
        """The newest calls, oldest first."""
        with self._lock:
            return list(self._recent)

    def report(self) -> dict[str, Any]:
        """Everything as JSON-ready data."""
        names = ("service", "operation", "account", "region", "error")
        with self._lock:
            counts = [
                dict(zip(names, key, strict=False)) | {"count": n} for key, n in self._counts.most_common()
            ]
            errors = [
                dict(zip(names, key, strict=True)) | {"count": n} for key, n in self._errors.most_common()
            ]
            operations: Counter[str] = Counter()
            for (service, operation, _, _), number in self._counts.items():
                operations[f"{service}:{operation}"] += number
            recent = [asdict(record) for record in self._recent]
        return {
            "total": sum(operations.values()),
            "operations": dict(operations),
            "counts": counts,
            "errors": errors,
            "recent": recent,
        }
