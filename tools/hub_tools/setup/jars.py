"""Apache Kafka's jars for the local broker: resolved by Maven from a pinned pom, then compared with a committed list.

Maven checks what a repository says about its own files; the committed list says what this repository has been tested
with. A jar that differs, is missing or is new stops the set-up: otherwise a changed mirror would run code unseen.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError
from .lock import file_lock
from .paths import KAFKA, jars_dir
from .progress import Progress

# Pinned: without a version Maven takes whatever its own super-pom names.
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
POM = KAFKA / "pom.xml"
HASHES = KAFKA / "jars.sha256"
# Source: Kafka 4.x server jars are compiled for Java 17.
_MIN_JAVA = 17
_STAMP = ".verified"


@dataclass(frozen=True)
class JavaTools:
    """The programs to resolve and run Kafka with, or why there are none."""

    java: Path | None
    maven: Path | None
    why_not: str | None


def java_tools() -> JavaTools:
    """Find `java` (JAVA_HOME first, version 17 or newer) and `mvn`."""
    java = find_java()
    if java is None:
        return JavaTools(None, None, "no java found")
    version = _java_version(java)
    if version < _MIN_JAVA:
        return JavaTools(None, None, f"{java} is Java {version}, Kafka needs {_MIN_JAVA}")
    maven = shutil.which("mvn")
    return JavaTools(java, Path(maven) if maven else None, None if maven else "no mvn found")


def find_java() -> Path | None:
    """`$JAVA_HOME/bin/java`, else `java` on PATH; the version is not looked at."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return Path(home) / "bin" / "java"
    found = shutil.which("java")
    return Path(found) if found else None


def jars_ready(folder: Path | None = None) -> bool:
    """Whether the verified jars of the current pom and list are in place. Cheap: reads names, sizes and a stamp."""
    folder = folder or jars_dir()
    try:
        return (folder / _STAMP).read_text(encoding="utf-8") == _fingerprint(folder)
    except OSError:
        return False


def resolve_jars(maven: Path, progress: Progress, log: Path, *, again: bool = False, accept: bool = False) -> None:
    """Put verified jars into `jars_dir()`, unless they are there (`again`: even then).

    `accept` writes the committed list instead of checking against it. Raises `SetupError` when Maven fails or a jar is
    not the expected one; an earlier good folder is then left alone.
    """
    folder = jars_dir()
    with file_lock(folder.with_suffix(".lock")):
        if jars_ready(folder) and not again:
            return
        fresh = Path(tempfile.mkdtemp(prefix="jars-", dir=folder.parent))
        try:
            _copy_dependencies(maven, fresh, progress, log, expected=set() if accept else read_hashes().keys())
            if accept:
                write_hashes(fresh)
            verify_jars(fresh)
            fresh.chmod(0o755)
            (fresh / _STAMP).write_text(_fingerprint(fresh), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _copy_dependencies(maven: Path, to: Path, progress: Progress, log: Path, *, expected: AbstractSet[str]) -> None:
    seen: set[str] = set()

    def percent(line: str) -> float | None:
        seen.update(name for name in re.findall(r"([^/\s]+\.jar)", line) if name in expected)
        return 100 * len(seen) / len(expected) if expected else None

    progress.run(
        "Kafka's jars",
        [maven, "-B", "-f", POM, _PLUGIN, f"-DoutputDirectory={to}", "-DincludeScope=runtime"],
        env=os.environ,
        log=log,
        percent=percent,
    )


def verify_jars(folder: Path, hashes: Path | None = None) -> None:
    """Compare every jar in `folder` with the list. Raises `SetupError` naming each jar that is wrong and how."""
    expected = read_hashes(hashes)
    found = {path.name: _sha256(path) for path in folder.glob("*.jar")}
    wrong = [f"{name} differs" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]]
    wrong += [f"{name} is unknown" for name in sorted(found.keys() - expected.keys())]
    wrong += [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    if wrong:
        raise SetupError(
            f"Kafka's jars are not those of {HASHES.name}: {'; '.join(wrong)}. "
            "Check the machine's Maven repository (~/.m2) and mirror; after a wanted change of tools/kafka/pom.xml run "
            "python3 tools/bootstrap.py --accept-jars and review the list's diff"
        )


def read_hashes(hashes: Path | None = None) -> dict[str, str]:
    """The committed list as {jar name: SHA-256 in hex}."""
    lines = (hashes or HASHES).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line and not line.startswith("#"))}


def write_hashes(folder: Path, hashes: Path | None = None) -> None:
    """Write the list from the jars in `folder`, in the format of sha256sum."""
    lines = [f"{_sha256(path)}  {path.name}" for path in sorted(folder.glob("*.jar"))]
    (hashes or HASHES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fingerprint(folder: Path) -> str:
    parts = [_sha256(POM), _sha256(HASHES)]
    parts += [f"{path.name}:{path.stat().st_size}" for path in sorted(folder.glob("*.jar"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _java_version(java: Path) -> int:
    shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)(?:\.(\d+))?', shown.stderr + shown.stdout)
    if match is None:
        return 0
    major = int(match.group(1))
    # "1.8" is Java 8.
    return int(match.group(2) or 0) if major == 1 else major
