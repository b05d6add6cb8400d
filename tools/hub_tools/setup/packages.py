"""The Python side of the set-up: virtual environment, uv, locked packages, this repository's own distributions.

Everything is installed from hash-locked lists, so a clone gets the same bytes on every machine; and each of the steps
is skipped when its inputs are unchanged, so that `make test` can call the set-up every time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from .errors import SetupError
from .paths import REPO, REQUIREMENTS, VENV
from .progress import Progress

PYTHON = VENV / "bin" / "python"
# uv lives beside the packages, not among them: a sync removes whatever the lock does not name.
UV_HOME = VENV / ".uv"
UV = UV_HOME / "bin" / "uv"


def create_environment(progress: Progress, log: Path) -> None:
    """Make `.venv` from the interpreter that runs this script, replacing one that no longer works."""
    if PYTHON.exists() and _works(PYTHON):
        return
    clear = ["--clear"] if VENV.exists() else []
    progress.run(
        "virtual environment",
        [sys.executable, "-m", "venv", "--without-pip", *clear, VENV],
        env=os.environ,
        log=log,
    )


def install_uv(progress: Progress, log: Path) -> None:
    """Install the pinned uv with pip, by hash. Raises `SetupError` when the machine has no pip at all."""
    shutil.rmtree(UV_HOME, ignore_errors=True)
    env = dict(os.environ)
    # Personal pip settings that would contradict an installation into a folder.
    env.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    env.pop("PIP_TARGET", None)
    command = [*_pip(progress, log), "install", "--require-hashes", "--no-deps", "--target", UV_HOME]
    progress.run("uv", [*command, "-r", REQUIREMENTS / "bootstrap.txt"], env=env, log=log)
    link = VENV / "bin" / "uv"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("..") / ".uv" / "bin" / "uv")


def sync_packages(progress: Progress, log: Path) -> None:
    """Make the environment hold exactly what `requirements/dev.txt` says."""
    progress.run(
        "Python packages",
        [UV, "pip", "sync", "--python", PYTHON, "--require-hashes", REQUIREMENTS / "dev.txt"],
        env=uv_environment(),
        log=log,
    )


def install_distributions(folders: list[Path], gone: list[str], progress: Progress, log: Path) -> None:
    """Install this repository's distributions editable, and remove those (`gone`, by name) that no longer exist.

    When one of them is broken the others are still installed; the error then names the broken ones.
    """
    env = uv_environment()
    base: list[str | Path] = [UV, "pip", "install", "--python", PYTHON, "--no-deps"]
    if gone:
        progress.run("removed distributions", [UV, "pip", "uninstall", "--python", PYTHON, *gone], env=env, log=log)
    editables = [part for folder in folders for part in ("-e", str(folder))]
    try:
        progress.run("own distributions", [*base, *editables], env=env, log=log)
    except SetupError:
        broken = []
        for folder in folders:
            try:
                progress.run(str(folder.relative_to(REPO)), [*base, "-e", folder], env=env, log=log)
            except SetupError as error:
                broken.append(str(error))
        if broken:
            raise SetupError("\n".join(broken)) from None


def distribution_name(folder: Path) -> str:
    """The name in a distribution's `pyproject.toml`. Raises `SetupError` naming the file when it is not readable."""
    pyproject = folder / "pyproject.toml"
    try:
        return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["name"])
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise SetupError(f"{pyproject}: {error!r}; it needs [project] name") from error


def uv_environment(
    base: Mapping[str, str] | None = None, pip_settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment for uv: the machine's pip settings said in uv's words.

    uv does not read pip's configuration; without this a machine set up for pip (own index, own certificate) fails
    here with a network or certificate error. A variable that is already there for uv wins.
    """
    env = dict(os.environ if base is None else base)
    settings = _pip_settings(env) if pip_settings is None else pip_settings
    for name in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH"):
        env.pop(name, None)
    if cert := settings.get("cert"):
        env.setdefault("SSL_CERT_FILE", cert)
    if (index := settings.get("index-url")) and "UV_DEFAULT_INDEX" not in env:
        env.setdefault("UV_INDEX_URL", index)
    if extra := settings.get("extra-index-url"):
        env.setdefault("UV_EXTRA_INDEX_URL", " ".join(extra.split()))
        # Which index serves a package does not matter to safety here: every file is checked by hash.
        env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    folders = [part for part in settings.get("find-links", "").split() if Path(part).is_dir()]
    if folders:
        env.setdefault("UV_FIND_LINKS", ",".join(folders))
    if timeout := settings.get("timeout") or settings.get("default-timeout"):
        env.setdefault("UV_HTTP_TIMEOUT", timeout)
    return env


def _works(python: Path) -> bool:
    probe = [str(python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        return subprocess.run(probe, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _pip(progress: Progress, log: Path) -> list[str | Path]:
    """A pip to call: the one of this interpreter, else one that `ensurepip` puts into the new environment."""
    for python in (sys.executable, PYTHON):
        if _has(python, "pip"):
            return [python, "-m", "pip"]
    if not _has(PYTHON, "ensurepip"):
        raise SetupError(
            "this Python has neither pip nor ensurepip; install one of them (Debian: apt-get install python3-pip)"
        )
    progress.run("pip", [PYTHON, "-m", "ensurepip"], env=os.environ, log=log)
    return [PYTHON, "-m", "pip"]


def _has(python: str | Path, module: str) -> bool:
    probe = [str(python), "-c", f"import {module}"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _pip_settings(env: Mapping[str, str]) -> dict[str, str]:
    """What pip would use: its configuration files, overruled by its `PIP_*` variables."""
    settings: dict[str, str] = {}
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, env=dict(env)
    )
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in ("global", "install") and name:
            settings[name] = " ".join(shlex.split(value.replace("\\n", " ")))
    for name in ("cert", "index-url", "extra-index-url", "find-links", "timeout", "default-timeout"):
        if given := env.get("PIP_" + name.upper().replace("-", "_")):
            settings[name] = given
    return settings
