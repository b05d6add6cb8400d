"""Every command file is reachable: one that nobody registered is a promise of the README that fails."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

import hub_tools
from hub_tools.cli import app

ROOT = Path(hub_tools.__file__).parents[2]


def test_every_command_that_the_makefile_uses_exists() -> None:
    used = set(re.findall(r"/hub ([a-z-]+)", (ROOT / "Makefile").read_text()))
    assert "bench" in used
    for name in sorted(used):
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0, f"hub {name}: {result.output}"
