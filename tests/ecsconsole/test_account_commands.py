"""Commands that add accounts act as the console itself does, and leave alone what people have set since."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from audit.models import AuditEntry
from clusters.models import Account
from ecsconsole.run import DEMO_MARK

pytestmark = pytest.mark.django_db


def add(*more: str) -> Account:
    call_command("add_account", "--account-id", "111122223333", "--regions", "us-east-1,eu-west-1", *more)
    return Account.objects.get()


def test_an_account_is_added_with_its_targets_and_in_the_ledger() -> None:
    account = add("--name", "acme", "--environment", "staging")
    assert (account.name, account.environment) == ("acme", "staging")
    assert {target.region for target in account.targets.all()} == {"us-east-1", "eu-west-1"}
    assert AuditEntry.objects.get().action == "account.added"


def test_adding_it_again_changes_the_regions_and_nothing_that_was_set_since() -> None:
    add()
    Account.objects.update(name="renamed", environment="development", external_id="x-1")
    add("--name", "acme")
    assert AuditEntry.objects.count() == 1, "nothing was changed, so nothing is told"
    call_command("add_account", "--account-id", "111122223333", "--regions", "us-east-1", "--name", "acme")
    account = Account.objects.get()
    assert (account.name, account.environment, account.external_id) == ("renamed", "development", "x-1")
    assert [target.region for target in account.targets.all()] == ["us-east-1"]
    assert list(AuditEntry.objects.values_list("action", flat=True).order_by("pk")) == [
        "account.added",
        "account.changed",
    ]


def run_beside(folder: Path) -> str:
    """Run a command as somebody does who names nothing but a data folder, and return what it says."""
    environment = {"PATH": os.environ["PATH"], "ECSCONSOLE_VAR_DIR": str(folder)}
    command = [
        sys.executable,
        "manage.py",
        "token_create",
        "--user",
        "alice",
        "--name",
        "ci",
        "--scope",
        "read",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    return done.stderr


def test_data_folder_of_a_demo_is_all_that_its_commands_need(tmp_path: Path) -> None:
    said = run_beside(tmp_path)
    assert "SECRET_KEY is not set" in said
    assert "name its data folder by ECSCONSOLE_VAR_DIR" in said
    (tmp_path / DEMO_MARK).touch()
    # Nothing was set up here, and that is said in one line.
    said = run_beside(tmp_path)
    assert said.startswith("CommandError: The console's tables cannot be read"), said
    assert "Traceback" not in said


def test_console_with_a_secret_of_its_own_is_no_demo_in_whatever_folder(tmp_path: Path) -> None:
    (tmp_path / DEMO_MARK).touch()
    environment = {"PATH": os.environ["PATH"], "ECSCONSOLE_VAR_DIR": str(tmp_path), "SECRET_KEY": "s" * 50}
    code = "from ecsconsole import settings; print(settings.LOCAL, settings.SESSION_COOKIE_SECURE)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["False", "True"], done.stderr
