"""The grants of docs/ledger.md: a role that does not own the tables appends and can do nothing else to the ledger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from audit import checkpoints
from audit.actions import record
from audit.keys import SigningKey
from audit.triggers import DROP, DROP_SEALS
from audit.verification import verify_ledger
from tests.audit.conftest import NOON

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no roles"),
]
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"


@pytest.fixture
def as_console(key: SigningKey) -> None:
    """Become the role of the guide, until the test's transaction is rolled back."""
    grants = re.search(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert grants
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE console")
        cursor.execute(grants[1])
        cursor.execute("SET LOCAL ROLE console")


def test_it_appends_signs_and_verifies(as_console: None) -> None:
    record(action="change.requested", actor="system")
    assert checkpoints.seal_due(NOON) == 1
    assert verify_ledger().holds


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET actor = 'x'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_ledgerkey SET public_key = ''",
        "DELETE FROM audit_auditchain",
        "INSERT INTO audit_auditchain (next_seq, head_hash) VALUES (1, '')",
        "ALTER TABLE audit_auditentry DISABLE TRIGGER ALL",
        *DROP["postgresql"],
        *DROP_SEALS["postgresql"],
    ],
)
def test_it_can_do_nothing_else(as_console: None, statement: str) -> None:
    record(action="change.requested", actor="system")
    with (
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
