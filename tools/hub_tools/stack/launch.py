"""Becomes another program, after what must happen in the child itself: run as
`python -I -S launch.py UID GID DEATH_SIGNAL PARENT_PID PROGRAM ARGUMENT...` (0 or -1: leave as it is).

A separate program and not `preexec_fn`, which may deadlock when the parent has threads. The death signal makes the
kernel end this process when its parent dies, however it dies: a killed test run leaves no broker behind.
"""

# Imported before the identity changes: the new user may not be able to read where Python lives (/root is private).
import ctypes
import os
import shutil
import sys

_PR_SET_PDEATHSIG = 1


def _launch(uid: int, gid: int, death_signal: int, parent: int, command: list[str]) -> None:
    program = shutil.which(command[0]) or command[0]
    if uid > 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if death_signal > 0 and sys.platform == "linux":
        # After setuid: changing identity clears the setting.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            # The parent died before the kernel knew what to do then.
            sys.exit(1)
    os.execv(program, command)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    _uid, _gid, _signal, _parent = (int(part) for part in sys.argv[1:5])
    _launch(_uid, _gid, _signal, _parent, sys.argv[5:])
