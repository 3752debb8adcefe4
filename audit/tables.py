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
    """Return a cell that a spreadsheet shows and never runs, whichever sign takes it apart."""
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in str(value))
    # Where the comma is the decimal sign, a spreadsheet begins a new cell at each semicolon.
    return ";".join(map(without_formula, text.split(";")))


def without_formula(text: str) -> str:
    """Put an apostrophe before what would be run.

    Wide forms of the signs, and blanks, quotes and invisible characters before them, count as well.
    """
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return f"'{text}" if shown.lstrip("\"' \u1680").startswith(FORMULA_STARTS) else text


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
