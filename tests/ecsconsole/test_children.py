from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecsconsole.broker import start_broker
from ecsconsole.children import Child, free_port, is_listening, stop_all
from ecsconsole.run import DEMO_MARK, empty, find_aws, main
from ecsconsole.stack import CannotStartError, open_data_folder
from sandbox.server import SandboxServer


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


def wait_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_broker_answers_and_ends_with_stop(tmp_path: Path) -> None:
    broker = start_broker(tmp_path)
    port = int(broker.url.rsplit(":", 1)[1].split("/")[0])
    assert is_listening(port)
    stop_all([broker.child], grace=2)
    assert not is_listening(port)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from ecsconsole.broker import start_broker\n"
        "print(start_broker(Path(sys.argv[1])).child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_gone(child)


def test_guard_ends_its_command_when_the_pipe_closes() -> None:
    command = [sys.executable, "-m", "ecsconsole.guard", sys.executable, "-c", "import time; time.sleep(60)"]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE)
    time.sleep(0.3)
    assert guard.poll() is None
    assert guard.stdin is not None
    guard.stdin.close()
    assert guard.wait(timeout=5) != 0


def test_child_that_ignores_the_polite_signal_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = Child("stubborn", [sys.executable, "-c", code]).start()
    time.sleep(0.3)
    started = time.monotonic()
    stop_all([child], grace=0.3)
    assert not child.is_running
    assert time.monotonic() - started < 3


def test_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broker = start_broker(tmp_path)
    port = broker.url.rsplit(":", 1)[1].split("/")[0]
    assert main("demo", ["--port", port, "--var-dir", str(tmp_path / "data")]) == 1
    assert capsys.readouterr().err.startswith(f"Port {port} is in use.")
    stop_all([broker.child], grace=2)


def test_broken_data_folder_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    assert main("demo", ["--port", str(free_port()), "--var-dir", str(blocked)]) == 1
    assert "cannot be used" in capsys.readouterr().err


def test_second_console_in_one_folder_is_refused(tmp_path: Path) -> None:
    lock = open_data_folder(tmp_path)
    with pytest.raises(CannotStartError, match="Another console"):
        open_data_folder(tmp_path)
    lock.close()


def test_real_account_never_shares_a_folder_with_the_demo(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / DEMO_MARK).touch()
    assert main("up", ["--port", str(free_port()), "--var-dir", str(tmp_path)]) == 1
    assert "known passwords" in capsys.readouterr().err


def test_fresh_empties_only_demo_data(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(CannotStartError, match="not emptied"):
        empty(tmp_path)
    (tmp_path / DEMO_MARK).touch()
    empty(tmp_path)
    assert not tmp_path.exists()


def test_up_without_credentials_says_what_to_set(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    arguments = ["--port", str(free_port()), "--var-dir", str(tmp_path / "data")]
    assert main("up", arguments) == 1
    assert "AWS_REGION" in capsys.readouterr().err
    assert main("up", [*arguments, "--regions", "us-east-1"]) == 1
    assert "AWS_PROFILE" in capsys.readouterr().err


def test_up_takes_the_account_from_sts_and_needs_no_region_but_the_watched_ones(
    acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aws.sessions import sessions

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", acme.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "333344445555")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    # So that the region that find_aws sets goes away with the test.
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    sessions.clear()
    identity, regions = find_aws("us-east-1, eu-west-1")
    sessions.clear()
    assert (identity.account_id, regions) == ("333344445555", ["us-east-1", "eu-west-1"])
