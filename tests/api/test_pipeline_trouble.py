"""The commands for pipelines when the console, the token or whoever reads them does not last as long as the change."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.api.scripted import DEPLOY, SERVICE, Run, Script, change, deploys, hurried, run, script

__all__ = ["hurried", "run", "script"]


def test_broken_connection_is_tried_again_with_the_same_key(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    script.replies["POST /changes"] = [
        (0, None),
        (502, b"<h1>Bad Gateway</h1>"),
        (503, {}),
        (201, change("queued")),
    ]
    assert run(*DEPLOY).code == 0
    assert len(script.keys()) == 4
    assert len(set(script.keys())) == 1
    run(*DEPLOY)
    run(*DEPLOY, "--key", "build-9")
    assert len(set(script.keys())) == 3
    assert script.keys()[-1] == "build-9"


def test_refusal_of_a_proxy_that_lost_the_console_is_none_of_the_console(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    gone = (404, b"404 page not found")
    script.replies["POST /changes"] = [
        (502, b""),
        gone,
        (404, {"error": "no route"}),
        (201, change("queued")),
    ]
    script.replies["GET /changes/7"] = [gone, (403, b"<h1>Forbidden</h1>"), (200, change("succeeded", 2))]
    assert run(*DEPLOY).code == 0
    assert len(set(script.keys())) == 1
    # Where nothing of a console was heard yet, the address is wrong.
    script.replies["GET /services"] = [gone]
    ran = run(*DEPLOY)
    assert (ran.code, "HTTP 404" in ran.people) == (2, True)


def test_connection_lost_for_good_is_unknown_and_says_how_to_find_out(script: Script, run: Run) -> None:
    script.replies["POST /changes"] = [(0, None)]
    ran = run(*DEPLOY, "--key", "build-9")
    assert ran.code == 3
    assert "--key build-9 never asks twice" in ran.people
    script.replies["GET /services"] = [(0, None)]
    ran = run(*DEPLOY)
    assert (ran.code, "Nothing was asked for" in ran.people) == (3, True)


def test_connection_lost_while_waiting_is_unknown_and_names_the_change(script: Script, run: Run) -> None:
    deploys(script, "queued", "running")
    script.replies["GET /changes/7"].append((0, None))
    ran = run(*DEPLOY)
    assert ran.code == 3
    assert "ecsconsole follow CR-7" in ran.people
    assert ran.lines[-1]["change"]["state"] == "running"


def test_too_many_requests_are_waited_out(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    script.replies["GET /changes/7"].insert(0, (429, {"error": {"message": "Slow down."}}))
    assert run(*DEPLOY).code == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_token_that_is_refused_while_its_change_goes_on_is_unknown(
    script: Script, run: Run, status: int
) -> None:
    deploys(script, "queued", "running")
    error = {"code": "token_refused", "message": "The token ecs_x was revoked.", "advice": "Make another."}
    script.replies["GET /changes/7"].append((status, {"error": error}))
    ran = run(*DEPLOY)
    assert ran.code == 3
    assert "The token ecs_x was revoked." in ran.people
    assert "ecsconsole follow CR-7" in ran.people
    assert (ran.lines[-1]["event"], ran.lines[-1]["exit_code"]) == ("ended", 3)
    assert ran.lines[-1]["change"]["state"] == "running"


def test_change_that_was_set_aside_after_it_had_begun_is_unknown(script: Script, run: Run) -> None:
    begun = change("cancelled", 4, dispatched_at="2026-11-27T10:00:00Z")
    script.replies["GET /changes/7"] = [(200, begun)]
    ran = run("follow", "CR-7")
    assert (ran.code, ran.lines[-1]["exit_code"]) == (3, 3)
    assert "It had begun" in ran.people
    script.replies["GET /changes/7"] = [(200, {**begun, "dispatched_at": None})]
    assert run("follow", "CR-7").code == 2


@pytest.mark.parametrize("content", [b"[1]", b"{}", b"<html>Sign in</html>", b'{"items": 5}'])
def test_answer_that_is_none_of_a_console_is_unknown_and_never_a_failure(
    script: Script, run: Run, content: bytes
) -> None:
    script.replies["GET /services"] = [(200, content)]
    ran = run(*DEPLOY)
    assert (ran.code, ran.lines[-1]["exit_code"]) == (3, 3)
    assert "Nothing was asked for" in ran.people
    script.replies["GET /services"] = [(200, {"items": [SERVICE], "next": None})]
    script.replies["POST /changes"] = [(201, content)]
    ran = run(*DEPLOY, "--key", "build-9")
    assert (ran.code, ran.lines[-1]["exit_code"]) == (3, 3)
    assert "--key build-9 never asks twice" in ran.people


def test_words_of_others_begin_no_line_of_their_own(script: Script, run: Run) -> None:
    words = "Rejected by bob: no\n::add-mask::a\r::error::b\x1b[31m"
    script.replies["POST /changes"] = [(201, change("rejected", outcome=words, title=f"Deploy {words}"))]
    ran = run(*DEPLOY)
    assert ran.code == 2
    assert not any(line.startswith("::") for line in ran.people.splitlines())
    assert "\x1b" not in ran.people
    assert ran.lines[-1]["change"]["outcome"] == words


def test_token_with_the_end_of_its_line_is_taken_without_it(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    assert run(*DEPLOY, "--url", f"{script.url}\n", token="ecs_x\r\n").code == 0
    assert script.seen[0][2]["Authorization"] == "Bearer ecs_x"


@pytest.mark.parametrize("token", ["ecs_secret\nsecond", "ecs_secret“", "ecs_secret x"])
def test_token_that_cannot_be_one_is_neither_sent_nor_told(script: Script, run: Run, token: str) -> None:
    ran = run(*DEPLOY, token=token)
    assert (ran.code, script.seen) == (2, [])
    assert "secret" not in ran.people + json.dumps(ran.lines)


@pytest.mark.parametrize("key", ["a\nb", "größe→", "x" * 129])
def test_key_that_no_header_takes_is_refused_before_anything_is_sent(
    script: Script, run: Run, key: str
) -> None:
    ran = run(*DEPLOY, "--key", key)
    assert (ran.code, script.seen) == (2, [])


def test_console_that_does_not_hold_the_question_is_not_asked_without_pause(script: Script, run: Run) -> None:
    deploys(script, "queued", *["running"] * 5)
    standing = [(200, change("running", 1))] * 5
    script.replies["GET /changes/7"] = [*standing, (200, change("succeeded", 2))]
    paused: list[float] = []
    assert run(*DEPLOY, paused=paused).code == 0
    assert len(paused) == 4, "what is news is told at once, what is none is asked for again after a pause"


def test_redirect_is_not_followed_with_the_token(script: Script, run: Run) -> None:
    script.replies["GET /services"] = [(302, b"")]
    ran = run(*DEPLOY)
    assert (ran.code, len(script.seen)) == (2, 1)
    assert "redirects to" in ran.people


def test_time_without_an_end_is_waited_for(script: Script, run: Run) -> None:
    deploys(script, "queued", "running", "succeeded")
    assert run(*DEPLOY, "--timeout", "inf").code == 0


def test_time_that_is_over_is_unknown(script: Script, run: Run) -> None:
    deploys(script, "queued", "running")
    ran = run(*DEPLOY, "--timeout", "0")
    assert (ran.code, "Not over after 0 s" in ran.people) == (3, True)


def test_news_is_told_once(script: Script, run: Run) -> None:
    script.replies["POST /changes"] = [(201, change("queued"))]
    rollout = {"desired": 4, "running": 1, "failed_tasks": 2}
    stuck = {"diagnosis": {"rule": "placement", "text": "No place for a task."}, "rollout": rollout}
    running = [(200, change("running", 2, **stuck))] * 3
    script.replies["GET /changes/7"] = [*running, (200, change("failed", 3))]
    ran = run(*DEPLOY)
    assert ran.people.count("1 of 4 new tasks run, 2 failed. No place for a task.") == 1
    assert [line["event"] for line in ran.lines] == ["requested", "progress", "progress", "progress", "ended"]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_reader_that_has_gone_does_not_change_the_exit_code(script: Script, closed: str) -> None:
    deploys(script, "queued", "succeeded")
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "ECSCONSOLE_URL": script.url}
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, closed: writing}
    done = subprocess.run(
        [sys.executable, "-m", "ecsconsole.cli", *DEPLOY, "--json", "--token", "ecs_x"],
        env=environment,
        timeout=60,
        check=False,
        **streams,  # type: ignore[call-overload]
    )
    os.close(writing)
    assert done.returncode == 0


def test_words_that_a_terminal_cannot_show_do_not_change_the_exit_code(script: Script) -> None:
    script.replies["POST /changes"] = [(201, change("succeeded", outcome="It ended “well” → ü."))]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "ECSCONSOLE_URL": script.url}
    done = subprocess.run(
        [sys.executable, "-m", "ecsconsole.cli", *DEPLOY, "--json", "--token", "ecs_x"],
        env={**environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["change"]["outcome"] == "It ended “well” → ü."
