"""The commands for pipelines against a console that plays its part from a script."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from ecsconsole.pipeline import command, connection
from tests.api.scripted import ARN, DEPLOY, SERVICE, Run, Script, change, deploys, hurried, run, script

__all__ = ["hurried", "run", "script"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("succeeded", 0),
        ("failed", 1),
        ("rolled_back", 1),
        ("rejected", 2),
        ("cancelled", 2),
        ("expired", 2),
        ("stale", 2),
        ("needs_attention", 3),
        ("a_state_of_next_year", 3),
    ],
)
def test_exit_code_says_how_it_ended(script: Script, run: Run, end: str, code: int) -> None:
    deploys(script, "queued", "running", end)
    ran = run(*DEPLOY)
    assert ran.code == code
    assert (ran.lines[-1]["event"], ran.lines[-1]["exit_code"]) == ("ended", code)
    assert ran.lines[-1]["change"]["state"] == end
    assert end.replace("_", " ") in ran.people


@pytest.mark.parametrize("text", ["CR-abc", "CR-", "-3", "9" * 30])
def test_number_that_is_none_is_said_in_words(
    run: Run, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as left:
        run("follow", "--", text)
    assert (left.value.code, "is no number of a change" in capsys.readouterr().err) == (2, True)


def test_only_success_is_ever_zero() -> None:
    assert [state for state, code in command.CODES.items() if code == 0] == ["succeeded"]


def test_request_says_what_was_typed(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    run(*DEPLOY, "--reason", "release", "--ticket", "S-1", "--confirm", "checkout-api", "--if-busy", "queue")
    (_, _, headers, body) = next(item for item in script.seen if item[0] == "POST")
    assert body == {
        "service": ARN,
        "kind": "deploy",
        "images": {"app": "v2"},
        "reason": "release",
        "ticket": "S-1",
        "confirm": "checkout-api",
        "if_busy": "queue",
    }
    assert headers["Authorization"] == "Bearer ecs_x"
    assert headers["Idempotency-Key"]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("restart", "checkout-api"), {"kind": "restart"}),
        (("scale", "checkout-api", "--count", "4"), {"kind": "scale", "desired_count": 4}),
        (("rollback", "checkout-api"), {"kind": "rollback"}),
        (("rollback", "checkout-api", "--to", "arn:x"), {"kind": "rollback", "service_deployment": "arn:x"}),
        (("deploy", "checkout-api", "--image", "v2"), {"kind": "deploy", "images": {"app": "v2"}}),
    ],
)
def test_each_command_asks_for_its_kind(
    script: Script, run: Run, arguments: tuple[str, ...], body: dict[str, Any]
) -> None:
    deploys(script, "queued", "succeeded")
    assert run(*arguments).code == 0
    sent = next(item[3] for item in script.seen if item[0] == "POST")
    assert sent == {"service": ARN, "if_busy": "refuse", **body}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_refusal_is_two_in_the_words_of_the_console(script: Script, run: Run, status: int) -> None:
    error = {
        "code": "permission_missing",
        "message": "You need the role operator.",
        "advice": "Ask erin.",
        "permission": "service.deploy",
        "fields": {"reason": "Give a reason."},
    }
    script.replies["POST /changes"] = [(status, {"error": error})]
    ran = run(*DEPLOY)
    assert ran.code == 2
    for text in ("You need the role operator.", "Ask erin.", "service.deploy", "reason: Give a reason."):
        assert text in ran.people
    assert (ran.lines[-1]["event"], ran.lines[-1]["error"]["code"]) == ("refused", "permission_missing")


def test_container_that_is_named_twice_is_refused(script: Script, run: Run) -> None:
    ran = run("deploy", "checkout-api", "--image", "app=v2", "--image", "app=v3")
    assert (ran.code, script.keys()) == (2, [])
    assert "app" in ran.people


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], "No service that this token may see is called checkout-api"),
        ([SERVICE, {**SERVICE, "environment": "staging"}], "production/prod-core, staging/prod-core"),
        ([{**SERVICE, "containers": [{"name": "app"}, {"name": "proxy"}]}], "app or proxy"),
    ],
)
def test_what_is_not_unique_is_not_guessed(script: Script, run: Run, found: list[Any], text: str) -> None:
    script.replies["GET /services"] = [(200, {"items": found, "next": None})]
    ran = run("deploy", "checkout-api", "--image", "v2")
    assert (ran.code, text in ran.people, script.keys()) == (2, True, [])


def test_place_makes_a_name_unique(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    run(*DEPLOY, "--cluster", "prod-core", "--environment", "production")
    assert script.seen[0][1] == "/api/v1/services?name=checkout-api&cluster=prod-core&environment=production"


def test_not_waiting_is_unknown_as_well(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    ran = run(*DEPLOY, "--no-wait")
    assert (ran.code, ran.lines[-1]["change"]["id"]) == (3, 7)


def test_change_is_followed_by_its_number(script: Script, run: Run) -> None:
    script.replies["GET /changes/7"] = [(200, change("running")), (200, change("succeeded", 2))]
    assert run("follow", "CR-7").code == 0
    assert "after=1" in script.seen[1][1]


def test_no_token_and_no_address_are_refused(run: Run) -> None:
    assert run(*DEPLOY, token="").code == 2
    assert run(*DEPLOY, "--url", "ftp://console").code == 2


def test_token_over_plain_http_is_warned_of() -> None:
    told: list[str] = []
    connection.Connection("http://console.example.com", "ecs_x", told.append)
    connection.Connection("http://localhost:8000", "ecs_x", told.append)
    assert len(told) == 1


def test_command_needs_neither_settings_nor_database(script: Script) -> None:
    deploys(script, "queued", "succeeded")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.getcwd(),
        # Settings would refuse to load with these.
        "ECSCONSOLE_LOCAL": "0",
        "DATABASE_URL": "nonsense://",
        "ECSCONSOLE_URL": script.url,
        "ECSCONSOLE_TOKEN": "ecs_x",
    }
    command_line = [sys.executable, "-m", "ecsconsole.cli", *DEPLOY]
    done = subprocess.run(
        command_line, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "succeeded" in done.stderr
