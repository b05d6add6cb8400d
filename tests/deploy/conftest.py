"""Both overlays as a cluster would be given them, rendered once, without speaking to any cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from hub_tools.k8s.documents import Document

K8S = Path(__file__).resolve().parents[2] / "deploy" / "k8s"


@cache
def _rendered(folder: str) -> str | None:
    """The objects of a kustomization as JSON; None where nothing can render it."""
    if found := shutil.which("kustomize"):
        command = [found, "build", folder]
    elif found := shutil.which("kubectl"):
        command = [found, "kustomize", folder]
    else:
        return None
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    # Parsed by libyaml, and once: in plain Python ten thousand lines take two seconds.
    return json.dumps(list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)))


@pytest.fixture(scope="session")
def render() -> Callable[[str], list[Document]]:
    """Renders `overlays/prod` and the like; new objects at each call, for tests that break them."""

    def rendered(folder: str) -> list[Document]:
        text = _rendered(str(K8S / folder))
        if text is None:
            pytest.skip("neither kustomize nor kubectl is installed, so that nothing can be rendered")
        documents: list[Document] = json.loads(text)
        return documents

    return rendered
