from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from access.resources import Resource
from audit.actions import record
from audit.models import AuditChain, AuditEntry
from audit.verification import verify_ledger
from tests.audit.tampering import tamper

pytestmark = pytest.mark.django_db


def write_some(count: int = 3) -> list[AuditEntry]:
    return [
        record(action="change.requested", actor="system", target=f"CR-{n}", data={"n": n})
        for n in range(count)
    ]


def test_entries_are_linked_without_gaps() -> None:
    first, second, third = write_some()
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert second.prev_hash == first.hash
    assert verify_ledger().holds
    assert verify_ledger().entries == 3


def test_entry_names_person_place_and_request(people: dict[str, User], rf: object) -> None:
    request = rf.get("/", REMOTE_ADDR="192.0.2.7")  # type: ignore[attr-defined]
    entry = record(
        action="service.deploy",
        actor=people["alice"],
        resource=Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api"),
        request=request,
    )
    assert (entry.actor, entry.actor_id) == ("alice", f"u-{people['alice'].pk}")
    assert (entry.environment, entry.cluster, entry.service) == ("production", "prod-core", "checkout-api")
    assert entry.ip == "192.0.2.7"


def test_control_characters_cannot_forge_a_line() -> None:
    entry = record(action="change.requested", actor="system", reason="fine\r\x1b[2Jforged")
    assert "\x1b" not in entry.reason
    assert "\r" not in entry.reason


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET actor = 'someone else'",
        "DELETE FROM audit_auditentry",
        "DELETE FROM audit_auditchain",
        "UPDATE audit_auditchain SET next_seq = 1",
    ],
)
def test_database_refuses_to_change_what_was_written(statement: str) -> None:
    write_some()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 3


@pytest.mark.parametrize(
    ("sql", "seq", "problem"),
    [
        ("UPDATE audit_auditentry SET actor = 'mallory' WHERE seq = 2", 2, "columns differ"),
        ("UPDATE audit_auditentry SET at = '2001-01-01 00:00:00+00:00' WHERE seq = 2", 2, "columns differ"),
        ("DELETE FROM audit_auditentry WHERE seq = 2", 2, "is missing"),
        ("DELETE FROM audit_auditentry WHERE seq = 3", 3, "head is further on"),
        ("UPDATE audit_auditentry SET canonical = '{}' WHERE seq = 1", 1, "does not match its hash"),
        ("UPDATE audit_auditentry SET prev_hash = hash WHERE seq = 3", 3, "does not follow"),
    ],
)
def test_tampering_is_found_and_located(sql: str, seq: int, problem: str) -> None:
    write_some()
    tamper(sql)
    result = verify_ledger()
    assert not result.holds
    assert result.broken_seq == seq
    assert problem in result.problem


def test_entry_that_cannot_be_written_stops_what_it_records(people: dict[str, User]) -> None:
    tamper("DELETE FROM audit_auditchain")

    @transaction.atomic
    def rename() -> None:
        people["alice"].first_name = "changed"
        people["alice"].save()
        record(action="person.renamed", actor="system")

    with pytest.raises(AuditChain.DoesNotExist):
        rename()
    people["alice"].refresh_from_db()
    assert people["alice"].first_name == ""


def test_command_names_the_first_broken_entry(capsys: pytest.CaptureFixture[str]) -> None:
    write_some()
    call_command("audit_verify")
    assert "3 entries" in capsys.readouterr().out
    tamper("UPDATE audit_auditentry SET reason = 'edited' WHERE seq = 3")
    with pytest.raises(CommandError, match="broken at entry 3"):
        call_command("audit_verify")
