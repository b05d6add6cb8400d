"""Where the committed contract lives in the repository, so that generator, gate and tests never disagree about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
"""Root of the source tree this package was installed from (`libs/contracts/hub_contracts` is three below)."""

MANIFEST_NAME = "MANIFEST.sha256"
"""Checksums in the format of `sha256sum`, so that `sha256sum -c` checks the samples without any of our code."""


@dataclass(frozen=True)
class Places:
    """Folders of the contract below `root`."""

    root: Path = REPOSITORY

    @property
    def snapshots(self) -> Path:
        """One published JSON Schema per event type."""
        return self.root / "libs" / "contracts" / "snapshots"

    @property
    def samples(self) -> Path:
        """One folder per event type with a numbered sample of every version ever emitted."""
        return self.root / "libs" / "contracts" / "samples"

    @property
    def manifest(self) -> Path:
        """Checksums of all samples."""
        return self.samples / MANIFEST_NAME

    @property
    def documents(self) -> Path:
        """Generated pages and the AsyncAPI document."""
        return self.root / "docs" / "events"

    def snapshot(self, event_type: str) -> Path:
        """The published schema of one type."""
        return self.snapshots / f"{event_type}.schema.json"
