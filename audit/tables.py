"""What the filters show, as CSV and JSON: for reading and counting; proof is in the signed export."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from audit.models import AuditEntry

COLUMNS = [
    "seq",
    "at",
    "actor",
    "action",
    "outcome",
    "target",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "reason",
    "ip",
    "request_id",
]
JSON_FIELDS = [*COLUMNS, "actor_id", "data", "prev_hash", "hash"]
# A spreadsheet runs a cell that starts with one of these; some look past blanks before them.
FORMULA_STARTS = ("=", "+", "-", "@")


def safe_cell(value: Any) -> str:
    """Return a cell that a spreadsheet shows and never runs."""
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in str(value))
    # Wide forms of the signs, and blanks and invisible characters before them, count as well.
    start = unicodedata.normalize("NFKC", text).lstrip("\u200b\u200c\u200d\u2060\ufeff \u00a0")
    return f"'{text}" if start.startswith(FORMULA_STARTS) else text


class Echo:
    """A file that hands each written line back, so that the export needs no memory."""

    def write(self, line: str) -> str:
        return line


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield the lines of a CSV file."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for found in entries:
        row = [found.at.isoformat() if name == "at" else getattr(found, name) for name in COLUMNS]
        yield writer.writerow([safe_cell(cell) for cell in row])


def json_chunks(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield a JSON array, an entry at a time."""
    before = "[\n"
    for found in entries:
        row = {name: getattr(found, name) for name in JSON_FIELDS}
        row["at"] = found.at.isoformat(timespec="microseconds")
        yield before + json.dumps(row, cls=DjangoJSONEncoder)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
