"""The set-up: what it says to uv, what it checks about jars, and that it does nothing twice or at the same time."""

from __future__ import annotations

import ast
import fcntl
import io
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub_tools.setup import jars, packages, paths
from hub_tools.setup.errors import SetupError
from hub_tools.setup.lock import file_lock
from hub_tools.setup.progress import Progress


def test_an_old_python_can_read_the_version_gate() -> None:
    """Python 3.6 must get as far as the message: no newer syntax in this one file."""
    ast.parse((paths.REPO / "tools" / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_set_up_needs_the_standard_library_only() -> None:
    """`-S` and `-I` leave out every installed package and the current folder."""
    program = f"import sys; sys.path.insert(0, {str(paths.REPO / 'tools')!r}); import hub_tools.setup.main"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pip_settings_are_said_in_the_words_of_uv(tmp_path: Path) -> None:
    settings = {
        "cert": "/certs/own.pem",
        "index-url": "https://packages.example/simple",
        "find-links": f"{tmp_path} {tmp_path / 'absent'} https://elsewhere.example/",
        "timeout": "180",
    }
    env = packages.uv_environment({"PATH": "/bin", "VIRTUAL_ENV": "/other", "PYTHONPATH": "/other"}, settings)
    assert env == {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/certs/own.pem",
        "UV_INDEX_URL": "https://packages.example/simple",
        "UV_FIND_LINKS": str(tmp_path),
        "UV_HTTP_TIMEOUT": "180",
    }


def test_what_is_set_for_uv_itself_wins() -> None:
    given = {"SSL_CERT_FILE": "/mine.pem", "UV_DEFAULT_INDEX": "https://mine.example/"}
    env = packages.uv_environment(given, {"cert": "/other.pem", "index-url": "https://other.example/"})
    assert env == given


def test_pip_variables_overrule_its_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\ncert = /from/config.pem\nindex-url = https://config.example/\n")
    env = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://variable.example/"}
    if not packages._has(sys.executable, "pip"):
        monkeypatch.setattr(sys, "executable", getattr(sys, "_base_executable", sys.executable))
    translated = packages.uv_environment(env)
    assert translated["UV_INDEX_URL"] == "https://variable.example/"
    assert translated["SSL_CERT_FILE"] == "/from/config.pem"


class TestJars:
    """The comparison with the committed list."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "jars"
        folder.mkdir()
        for name in ("a.jar", "b.jar"):
            (folder / name).write_bytes(name.encode())
        jars.write_hashes(folder, tmp_path / "list")
        return folder

    def test_the_same_jars_pass(self, folder: Path) -> None:
        jars.verify_jars(folder, folder.parent / "list")

    def test_every_wrong_jar_is_named(self, folder: Path) -> None:
        (folder / "a.jar").write_bytes(b"changed")
        (folder / "b.jar").rename(folder / "c.jar")
        with pytest.raises(SetupError, match=r"a.jar differs; c.jar is unknown; b.jar is missing"):
            jars.verify_jars(folder, folder.parent / "list")

    def test_a_jar_that_changed_after_the_check_is_noticed(self, tmp_path: Path) -> None:
        if not jars.jars_ready():
            pytest.skip("Kafka's jars are not on this machine (no Java or Maven)")
        copy = tmp_path / "jars"
        shutil.copytree(paths.jars_dir(), copy)
        assert jars.jars_ready(copy)
        (copy / "extra.jar").write_bytes(b"x")
        assert not jars.jars_ready(copy)

    def test_the_committed_list_names_the_pinned_kafka(self) -> None:
        assert "kafka_2.13-4.1.1.jar" in jars.read_hashes()
        assert "<kafka.version>4.1.1</kafka.version>" in jars.POM.read_text(encoding="utf-8")


class TestLock:
    """One at a time."""

    def test_waits_and_says_so(self, tmp_path: Path) -> None:
        path, order = tmp_path / "deep" / "lock", []
        waiting = threading.Event()

        def second() -> None:
            with file_lock(path, on_wait=waiting.set):
                order.append("second")

        with file_lock(path):
            thread = threading.Thread(target=second)
            thread.start()
            assert waiting.wait(10)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]

    def test_gives_up_in_time(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        with file_lock(path), pytest.raises(TimeoutError, match="another process holds"), file_lock(path, timeout=0.2):
            pass

    def test_a_removed_lock_file_is_no_lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`clean` deletes the folder with the lock in it, just when somebody else has opened the lock."""
        path = tmp_path / "data" / "lock"
        flock, calls = fcntl.flock, []

        def delete_first(fd: int, operation: int) -> None:
            calls.append(operation)
            if len(calls) == 1:
                shutil.rmtree(path.parent)
            flock(fd, operation)

        monkeypatch.setattr(fcntl, "flock", delete_first)
        with file_lock(path):
            monkeypatch.undo()
            with pytest.raises(TimeoutError), file_lock(path, timeout=0.0):
                pass


class TestProgress:
    """What a person sees."""

    def test_plain_lines_without_a_terminal(self, tmp_path: Path) -> None:
        stream = io.StringIO()
        Progress(stream=stream).run("step", [sys.executable, "-c", "print('x')"], env=os.environ, log=tmp_path / "log")
        assert stream.getvalue().startswith("✓ step")
        assert "\r" not in stream.getvalue()
        assert (tmp_path / "log").read_text() == "x\n"

    def test_a_failed_step_shows_the_end_of_its_output(self, tmp_path: Path) -> None:
        program = "print('reason'); raise SystemExit(3)"
        with pytest.raises(SetupError, match=r"step failed \(exit 3\); log: .*log\n    reason"):
            Progress(stream=io.StringIO()).run(
                "step", [sys.executable, "-c", program], env=os.environ, log=tmp_path / "log"
            )

    def test_quiet_says_nothing(self, tmp_path: Path) -> None:
        stream = io.StringIO()
        Progress(quiet=True, stream=stream).run("s", [sys.executable, "-c", ""], env=os.environ, log=tmp_path / "log")
        assert stream.getvalue() == ""

    def test_a_percentage_on_a_terminal(self, tmp_path: Path) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stream = Terminal()
        program = "import time; print('half', flush=True); time.sleep(0.5)"
        Progress(stream=stream).run(
            "step",
            [sys.executable, "-c", program],
            env=os.environ,
            log=tmp_path / "log",
            percent=lambda line: 50.0 if line == "half" else None,
        )
        assert " 50 %" in stream.getvalue()


def test_every_distribution_is_found() -> None:
    found = [str(folder.relative_to(paths.REPO)) for folder in paths.distributions()]
    assert "tools" in found
    assert "libs/contracts" in found
    assert "libs/connectors/kit" in found
    assert len(found) == len(set(found))


def test_a_broken_distribution_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(SetupError, match=r"pyproject.toml"):
        packages.distribution_name(tmp_path)


def test_a_second_set_up_does_nothing() -> None:
    """Runs the real script of this clone: whatever the first run had to do, the second is silent and has no step."""
    command = [sys.executable, str(paths.REPO / "tools" / "bootstrap.py")]
    subprocess.run(command, capture_output=True, check=True)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
