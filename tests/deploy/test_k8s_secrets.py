"""The secrets made for a trial cluster are all that the services refer to, and the services take them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub_common.crypto import Keyring
from hub_common.web import OperatorTokens
from hub_tools.k8s.documents import Document
from hub_tools.k8s.facts import installed
from hub_tools.k8s.policies import containers, of_kind
from hub_tools.k8s.secrets import made, main


def test_every_secret_of_the_trial_overlay_is_made(render: Callable[[str], list[Document]]) -> None:
    documents, told = made(installed())
    held = {each["metadata"]["name"]: each["stringData"] for each in documents}
    for document in of_kind(render("overlays/dev"), "Deployment", "Job", "CronJob"):
        for entry in containers(document)[0].get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            assert reference is None or reference["key"] in held[reference["name"]], entry
    for role in of_kind(render("overlays/dev"), "Cluster")[0]["spec"]["managed"]["roles"]:
        assert held[role["passwordSecret"]["name"]]["username"] == role["name"]
    tokens = OperatorTokens.parse(held["hub-secrets"]["operator-tokens"])
    assert tokens is not None
    Keyring.parse(held["hub-secrets"]["credentials-keys"])
    [console] = [each for each in installed() if each.calls_services]
    assert held[f"{console.name}-secrets"].keys() <= set(console.own_secrets)
    assert len({name for name, secret in held.items() if "password" in secret}) == len(installed()) + 1
    assert all(value and value not in json.dumps(documents) for value in told.values()), "only hashes are stored"


def test_they_are_printed_for_the_pipe_and_told_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    said = capsys.readouterr()
    assert {each["kind"] for each in json.loads(said.out)["items"]} == {"Secret"}
    assert said.err.count("shown this once") == 2
