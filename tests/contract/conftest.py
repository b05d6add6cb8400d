"""What the contract tests share: the committed files of this source tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_contracts.places import Places

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def places() -> Places:
    """The committed contract."""
    return Places(ROOT)


@pytest.fixture(scope="session")
def asyncapi(places: Places) -> dict[str, Any]:
    """The committed AsyncAPI document."""
    loaded: dict[str, Any] = yaml.safe_load((places.documents / "asyncapi.yaml").read_text(encoding="utf-8"))
    return loaded
