"""`hub stack` from the outside: up, again, status, down, up, clean; and that clean leaves nothing running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_tools.stack.pginstall import reachable_home, server_identity

from .support import processes_of

pytestmark = pytest.mark.stack


class Hub:
    """Runs `hub` with a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        self.env["HUB_DATA_DIR"] = str(folder)

    def __call__(self, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from hub_tools.cli import main; main()", *arguments]
        done = subprocess.run(command, env=self.env | env, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def leftovers(self) -> list[str]:
        home = reachable_home(self.folder / "postgres", server_identity())
        return processes_of(self.folder) + (processes_of(home) if home != self.folder / "postgres" else [])


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path / "data")
    yield hub
    hub("stack", "clean")


def test_up_status_down_clean(hub: Hub) -> None:
    assert json.loads(hub("stack", "status", "--json", code=3).stdout)["up"] is False
    first = json.loads(hub("stack", "up", "--json").stdout)
    assert first["up"] is True
    assert {server["name"] for server in first["servers"]} == {"postgres", "broker"}
    assert hub.leftovers()
    assert json.loads(hub("stack", "up", "--json").stdout) == first

    stopped = json.loads(hub("stack", "down", "--json").stdout)
    assert (stopped["up"], stopped["stopped"]) == (False, ["broker", "postgres"])
    assert hub.leftovers() == []
    down = json.loads(hub("stack", "status", "--json", code=3).stdout)
    assert [server["running"] for server in down["servers"]] == [False, False]

    again = json.loads(hub("stack", "up", "--json").stdout)
    assert [server["address"] for server in again["servers"]] == [server["address"] for server in first["servers"]]
    password = (hub.folder / "postgres" / "password").read_text()
    assert password not in (hub.folder / "stack.json").read_text() + json.dumps(again)

    hub("stack", "clean")
    assert hub.leftovers() == []
    assert not hub.folder.exists()
    assert not reachable_home(hub.folder / "postgres", server_identity()).exists()


def test_two_at_once_make_one_stack(hub: Hub) -> None:
    command = [sys.executable, "-c", "from hub_tools.cli import main; main()", "stack", "up", "--json"]
    env = hub.env | {"HUB_BROKER": "wheel"}
    runs = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert answers[0]["up"] is True
    assert answers[0] == answers[1]


def test_errors_are_one_line_that_says_what_to_do(hub: Hub) -> None:
    refused = hub("stack", "up", code=1, HUB_BROKER="rabbit").stderr
    assert refused.splitlines()[-1] == "hub: HUB_BROKER=rabbit: not one of env, container, jvm, wheel"
    assert "Traceback" not in refused
    absent = hub("stack", "up", code=1, HUB_KAFKA_BOOTSTRAP="127.0.0.1:1").stderr
    assert "no Kafka broker answers at 127.0.0.1:1; start it or unset HUB_KAFKA_BOOTSTRAP" in absent


def test_a_change_of_mind_is_not_silently_ignored(hub: Hub) -> None:
    hub("stack", "up", HUB_BROKER="wheel")
    said = hub("stack", "up", code=1, HUB_BROKER="jvm").stderr
    assert "the stack runs with wheel, but the environment asks for jvm; run: make clean" in said


def test_clean_refuses_a_folder_that_is_not_ours(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    refused = hub("stack", "clean", code=1, HUB_DATA_DIR=str(tmp_path / "clone")).stderr
    assert "is not a data folder of the stack; correct HUB_DATA_DIR" in refused
    assert (tmp_path / "clone" / ".git").exists()
