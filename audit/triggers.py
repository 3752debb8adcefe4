"""SQL that makes the ledger append-only inside the database, by vendor.

A database owner can still drop a trigger: what then changed is found by `audit_verify`.
"""

from __future__ import annotations

SQLITE_CREATE = [
    """CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_auditentry
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END""",
    """CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_auditentry
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END""",
    """CREATE TRIGGER audit_chain_forward BEFORE UPDATE ON audit_auditchain WHEN NEW.next_seq <> OLD.next_seq + 1
    BEGIN SELECT RAISE(ABORT, 'the audit chain only moves forward'); END""",
    """CREATE TRIGGER audit_chain_no_delete BEFORE DELETE ON audit_auditchain
    BEGIN SELECT RAISE(ABORT, 'the audit chain cannot be deleted'); END""",
]
SQLITE_DROP = [
    f"DROP TRIGGER IF EXISTS {name}"
    for name in (
        "audit_entry_no_update",
        "audit_entry_no_delete",
        "audit_chain_forward",
        "audit_chain_no_delete",
    )
]
POSTGRESQL_CREATE = [
    """CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit ledger is append-only'; END $$""",
    """CREATE FUNCTION audit_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.next_seq <> OLD.next_seq + 1 THEN RAISE EXCEPTION 'the audit chain only moves forward'; END IF;
      RETURN NEW;
    END $$""",
    """CREATE TRIGGER audit_entry_refuse BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_chain_forward BEFORE UPDATE ON audit_auditchain
    FOR EACH ROW EXECUTE FUNCTION audit_forward()""",
    """CREATE TRIGGER audit_chain_no_delete BEFORE DELETE ON audit_auditchain
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_chain_no_truncate BEFORE TRUNCATE ON audit_auditchain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
]
POSTGRESQL_DROP = [
    "DROP TRIGGER IF EXISTS audit_entry_refuse ON audit_auditentry",
    "DROP TRIGGER IF EXISTS audit_entry_no_truncate ON audit_auditentry",
    "DROP TRIGGER IF EXISTS audit_chain_forward ON audit_auditchain",
    "DROP TRIGGER IF EXISTS audit_chain_no_delete ON audit_auditchain",
    "DROP TRIGGER IF EXISTS audit_chain_no_truncate ON audit_auditchain",
    "DROP FUNCTION IF EXISTS audit_refuse()",
    "DROP FUNCTION IF EXISTS audit_forward()",
]

# Checkpoints and keys came later than the entries, so they have statements of their own for their own migration.
SQLITE_CREATE_SEALS = [
    f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table}
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END"""
    for table in ("audit_checkpoint", "audit_ledgerkey")
    for verb in ("update", "delete")
] + [
    """CREATE TRIGGER audit_checkpoint_forward BEFORE INSERT ON audit_checkpoint
    WHEN NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM audit_checkpoint)
      OR NEW.seq < (SELECT COALESCE(MAX(seq), 1) FROM audit_checkpoint)
    BEGIN SELECT RAISE(ABORT, 'a checkpoint never goes back'); END""",
]
SQLITE_DROP_SEALS = [
    f"DROP TRIGGER IF EXISTS {name}"
    for name in (
        "audit_checkpoint_no_update",
        "audit_checkpoint_no_delete",
        "audit_ledgerkey_no_update",
        "audit_ledgerkey_no_delete",
        "audit_checkpoint_forward",
    )
]
POSTGRESQL_CREATE_SEALS = [
    """CREATE FUNCTION audit_refuse_seal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit ledger is append-only'; END $$""",
    """CREATE FUNCTION audit_checkpoint_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM audit_checkpoint)
        OR NEW.seq < (SELECT COALESCE(MAX(seq), 1) FROM audit_checkpoint)
      THEN RAISE EXCEPTION 'a checkpoint never goes back'; END IF;
      RETURN NEW;
    END $$""",
    """CREATE TRIGGER audit_checkpoint_forward BEFORE INSERT ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION audit_checkpoint_forward()""",
    *(
        f"""CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}
        FOR EACH {level} EXECUTE FUNCTION audit_refuse_seal()"""
        for table in ("audit_checkpoint", "audit_ledgerkey")
        for name, event, level in (
            ("refuse", "UPDATE OR DELETE", "ROW"),
            ("no_truncate", "TRUNCATE", "STATEMENT"),
        )
    ),
]
POSTGRESQL_DROP_SEALS = [
    *(
        f"DROP TRIGGER IF EXISTS {table}_{name} ON {table}"
        for table in ("audit_checkpoint", "audit_ledgerkey")
        for name in ("refuse", "no_truncate")
    ),
    "DROP TRIGGER IF EXISTS audit_checkpoint_forward ON audit_checkpoint",
    "DROP FUNCTION IF EXISTS audit_refuse_seal()",
    "DROP FUNCTION IF EXISTS audit_checkpoint_forward()",
]
CREATE = {"sqlite": SQLITE_CREATE, "postgresql": POSTGRESQL_CREATE}
DROP = {"sqlite": SQLITE_DROP, "postgresql": POSTGRESQL_DROP}
CREATE_SEALS = {"sqlite": SQLITE_CREATE_SEALS, "postgresql": POSTGRESQL_CREATE_SEALS}
DROP_SEALS = {"sqlite": SQLITE_DROP_SEALS, "postgresql": POSTGRESQL_DROP_SEALS}
