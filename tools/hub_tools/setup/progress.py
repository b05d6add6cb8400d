"""Visible progress of long steps. A set-up that says nothing for a minute looks hung and gets killed half-way.

On a terminal: one line per step with a spinner, elapsed seconds and, where a step can tell, a percentage. Elsewhere
(CI, a pipe): one plain line when a step begins to take long, one when it ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .errors import SetupError

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TICK_S = 0.1
# Without a terminal, a step that takes longer than this announces itself, so that a log shows where time goes.
_ANNOUNCE_AFTER_S = 2.0
_TAIL_LINES = 15
_LABEL_WIDTH = 34


class Progress:
    """Prints steps. `quiet` keeps only errors."""

    def __init__(self, *, quiet: bool = False, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._tty = self._stream.isatty()

    def say(self, line: str) -> None:
        if not self._quiet:
            print(line, file=self._stream, flush=True)

    def run(
        self,
        label: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        percent: Callable[[str], float | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Run `argv` as one step, its output in `log`. Raises `SetupError` with the log's last lines if it fails.

        `percent` is called with each line of output and may return 0..100.
        """
        started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        state = _State(label)
        with log.open("a", encoding="utf-8") as out:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(env),
                cwd=cwd,
                text=True,
                errors="replace",
            )
            reader = threading.Thread(target=_pump, args=(process, out, state, percent), daemon=True)
            reader.start()
            try:
                self._watch(process, state, started)
            except BaseException:
                process.kill()
                process.wait()
                raise
            reader.join()
        elapsed = time.monotonic() - started
        if process.returncode != 0:
            self._line(f"✗ {label:<{_LABEL_WIDTH}} {elapsed:6.1f} s")
            tail = "\n".join("    " + line for line in state.lines[-_TAIL_LINES:])
            raise SetupError(f"{label} failed (exit {process.returncode}); log: {log}\n{tail}")
        self.done(label, elapsed)

    def done(self, label: str, elapsed: float, note: str = "") -> None:
        """Print the closing line of a step; `elapsed` in seconds."""
        self._line(f"✓ {label:<{_LABEL_WIDTH}} {elapsed:6.1f} s{'  ' + note if note else ''}")

    def _watch(self, process: subprocess.Popen[str], state: _State, started: float) -> None:
        announced = False
        frame = 0
        while True:
            try:
                process.wait(_TICK_S)
                return
            except subprocess.TimeoutExpired:
                elapsed = time.monotonic() - started
            if self._tty and not self._quiet:
                share = "" if state.percent is None else f" {state.percent:3.0f} %"
                text = f"{_FRAMES[frame % len(_FRAMES)]} {state.label:<{_LABEL_WIDTH}} {elapsed:6.1f} s{share}"
                self._stream.write(f"\r\x1b[2K{text}  {state.last[:40]}")
                self._stream.flush()
                frame += 1
            elif not announced and elapsed > _ANNOUNCE_AFTER_S:
                announced = True
                self.say(f"… {state.label}")

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        self._stream.write(("\r\x1b[2K" if self._tty else "") + text + "\n")
        self._stream.flush()


class _State:
    """What the reader thread has seen of a step's output."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: list[str] = []
        self.last = ""
        self.percent: float | None = None


def _pump(
    process: subprocess.Popen[str], out: IO[str], state: _State, percent: Callable[[str], float | None] | None
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        out.write(line)
        text = line.rstrip()
        if not text:
            continue
        state.lines.append(text)
        # The file name at the end of a download line says more than the address before it.
        state.last = text.rsplit("/", 1)[-1]
        if percent is not None:
            share = percent(text)
            state.percent = state.percent if share is None else share
