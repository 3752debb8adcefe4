"""What a database owner can do: drop the triggers, edit, put them back."""

from __future__ import annotations

from django.db import connection

from audit.triggers import CREATE, CREATE_SEALS, DROP, DROP_SEALS


def tamper(*statements: str) -> None:
    """Run statements on the ledger's tables as their owner could."""
    vendor = connection.vendor
    with connection.cursor() as cursor:
        for statement in (*DROP[vendor], *DROP_SEALS[vendor]):
            cursor.execute(statement)
        for statement in statements:
            cursor.execute(statement)
        for statement in (*CREATE[vendor], *CREATE_SEALS[vendor]):
            cursor.execute(statement)


def break_ledger() -> None:
    """Let the database refuse every new entry, as a full disk or a lost right would."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER ledger_is_full BEFORE INSERT ON audit_auditentry "
                "BEGIN SELECT RAISE(ABORT, 'the ledger cannot be written'); END"
            )
            return
        cursor.execute(
            "CREATE FUNCTION ledger_is_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger cannot be written'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER ledger_is_full BEFORE INSERT ON audit_auditentry "
            "FOR EACH ROW EXECUTE FUNCTION ledger_is_full()"
        )
