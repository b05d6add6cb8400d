"""Services are started, stopped, killed and restarted, by any process, and do not outlive what they belong to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub_tools.stack.errors import StackError
from hub_tools.stack.supervisor import Supervisor

from .support import eventually, gone, modes

_SLEEPER = [sys.executable, "-u", "-c", "import os, time; print('greeting', os.environ['WHO']); time.sleep(600)"]
_IGNORES_SIGTERM = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid)
time.sleep(600)
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "services")
    yield supervisor
    supervisor.kill_all()


def test_start_stop_restart(services: Supervisor) -> None:
    first = services.start("one", _SLEEPER, env={"WHO": "world"})
    assert first.running
    assert services.start("one", _SLEEPER, env={"WHO": "world"}).pid == first.pid
    assert eventually(lambda: "greeting world" in first.log.read_text())
    assert services.stop("one")
    stopped = services.status("one")
    assert (stopped.running, stopped.exit_code) == (False, -signal.SIGTERM)
    again = services.restart("one")
    assert again.running
    assert again.pid != first.pid
    assert again.starts == 2


def test_another_process_can_stop_and_restart(services: Supervisor, tmp_path: Path) -> None:
    first = services.start("one", _SLEEPER, env={"WHO": "me"})
    assert eventually(lambda: "greeting me" in first.log.read_text())
    elsewhere = Supervisor(tmp_path / "services")
    assert [status.pid for status in elsewhere.statuses()] == [first.pid]
    again = elsewhere.restart("one")
    assert again.running
    assert eventually(lambda: first.log.read_text().count("greeting me") == 2)
    assert first.pid is not None
    assert gone(first.pid)
    elsewhere.kill_all()
    assert not services.status("one").running


def test_a_service_that_ignores_sigterm_is_killed_with_its_children(services: Supervisor) -> None:
    status = services.start("stubborn", [sys.executable, "-u", "-c", _IGNORES_SIGTERM], env={})
    assert eventually(lambda: "child " in status.log.read_text())
    child = int(status.log.read_text().split()[1])
    assert services.stop("stubborn", timeout=0.5) is False
    assert status.pid is not None
    assert gone(status.pid)
    assert gone(child)


def test_kill_is_a_crash(services: Supervisor) -> None:
    status = services.start("one", _SLEEPER, env={"WHO": "me"})
    services.kill("one")
    assert services.status("one").exit_code == -signal.SIGKILL
    assert status.pid is not None
    assert gone(status.pid)
    assert services.stop_all() == []


def test_a_crashed_service_tells_why(services: Supervisor) -> None:
    services.start("bad", [sys.executable, "-c", "raise SystemExit('no database')"], env={})
    assert eventually(lambda: not services.status("bad").running)
    assert services.status("bad").exit_code == 1
    assert "no database" in services.why_ended("bad")


def test_the_environment_is_stored_privately(services: Supervisor, tmp_path: Path) -> None:
    services.start("one", _SLEEPER, env={"WHO": "hush"})
    assert 0o600 in modes(tmp_path / "services")
    assert (tmp_path / "services" / "one.json").stat().st_mode & 0o077 == 0


def test_unknown_names_and_programs_are_errors(services: Supervisor) -> None:
    with pytest.raises(StackError, match="no service nobody has been started; known: none"):
        services.restart("nobody")
    with pytest.raises(StackError, match="no-such-program is not a program"):
        services.start("one", ["no-such-program"], env={})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent (PR_SET_PDEATHSIG)")
def test_a_tied_service_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from hub_tools.stack.supervisor import Supervisor; "
        f"status = Supervisor(Path({str(tmp_path)!r}), tied=True).start('one', {_SLEEPER!r}, env={{'WHO': 'x'}}); "
        "print(status.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    # Not before it is the service itself: until then the launcher looks after the parent.
    assert eventually(lambda: "greeting x" in (tmp_path / "one.log").read_text())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert eventually(lambda: gone(pid))
