"""How commands fail: one line that says what to do, one exit code per meaning, never a traceback, never the token."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub_common.kafka.records import BrokerDown
from hub_common.web import FieldError, Problem
from hub_tools.cli import app
from hub_tools.group import as_command_error
from hub_tools.run.api import ApiError
from hub_tools.stack.errors import StackError
from hub_tools.testing.fake_hub import ADMIN, VIEWER, FakeHub

SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


@pytest.fixture
def hub(server: FakeHub) -> FakeHub:
    server.answers.clear()
    server.asked.clear()
    return server


def run(env: dict[str, str], *arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments), env=env)
    assert "Traceback" not in result.output, result.output
    assert env.get("HUB_TOKEN", "-") not in result.output, "the token is shown"
    return result


def error_of(result: Result) -> dict[str, Any]:
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return dict(json.loads(lines[0])["error"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"HUB_URL_TEMPLATE": "http://hub.example.com"}, "HUB_URL_TEMPLATE: must contain {service}"),
        ({"HUB_URL_TEMPLATE": "ftp://{service}"}, "HUB_URL_TEMPLATE: every address must be http://"),
        ({"HUB_URL_TEMPLATE": "http://me:secret@{service}"}, "no user, password"),
        ({"HUB_SERVICE_URLS": "[1]"}, "HUB_SERVICE_URLS: must be a JSON object"),
        ({"HUB_TOKEN": ""}, "HUB_TOKEN: must be an operator's token"),
        ({"HUB_TOKEN": "two words"}, "HUB_TOKEN: must be one word"),
    ],
)
def test_a_broken_setting_is_named_with_its_rule_and_nothing_is_called(
    hub: FakeHub, change: dict[str, str], named: str
) -> None:
    result = CliRunner().invoke(app, ["orders", "list"], env=hub.environment() | change)
    assert result.exit_code == 2
    assert named in result.stderr
    assert "secret" not in result.output
    assert "two words" not in result.output
    assert not hub.asked


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["orders", "list", "--limit", "0"], "--limit"),
        (["orders", "list", "--status", "LOST"], "--status"),
        (["orders", "story", "X", "--as-of", "yesterday"], "--as-of: must be an instant"),
        (["orders", "find", " "], "TEXT: must not be empty"),
        (["effects", "show", "../../etc"], "EFFECT_ID: must be an id"),
        (["parked", "close", SOME_ID, "--reason", "x"], "--reason: must have 3 characters"),
        (["dlq", "retry"], "name dead letters by their ids, or give --all"),
        (["dlq", "discard", "--all"], "--reason"),
        (["topics", "tail", "hub.nothing"], "TOPIC: hub.nothing is no topic"),
        (["topics", "tail", "orders", "--header", "x"], "--header: must be NAME=VALUE"),
        (["backfill", "start", SOME_ID, "--from", "2026-02-01", "--until", "2026-01-01"], "--until: must be after"),
        (["stock", "import", "/nowhere/x.csv"], "FILE: /nowhere/x.csv"),
        (["parked", "list", "--service", "no-such"], "no-such: no such service"),
        (["ordres"], "did you mean orders?"),
    ],
)
def test_wrong_usage_is_one_line_that_names_field_and_rule(hub: FakeHub, arguments: list[str], named: str) -> None:
    plain = run(hub.environment(), *arguments)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert named in plain.stderr
    assert (plain.stderr[:5], plain.stderr.count("\n")) == ("hub: ", 1)
    error = error_of(run(hub.environment(), *arguments, "--json"))
    assert (error["kind"], error["exit_code"]) == ("usage", 2)
    assert not hub.calls("POST")


def test_what_the_hub_refuses_ends_with_4_and_its_own_words(hub: FakeHub) -> None:
    hub.on("GET", "order-router", f"/v1/operations/effects/{SOME_ID}", {"kind": "k", "natural_key": "n"})
    arguments = ("effects", "settle", SOME_ID, "--verdict", "applied", "--evidence", "seen", "--json")
    low = error_of(run(hub.environment(VIEWER), *arguments))
    assert (low["kind"], low["status"], low["service"]) == ("refused", 403, "order-router")
    assert "needs the role operator" in low["message"]
    assert low["problem"]["type"] == "urn:hub:problem:role-too-low"

    unknown = error_of(run(hub.environment(), "effects", "show", SOME_ID.replace("0", "1"), "--json"))
    assert (unknown["kind"], "no service knows it" in unknown["message"]) == ("refused", True)

    stranger = run(hub.environment("hub_wrong_token"), "orders", "list")
    assert stranger.exit_code == 4
    assert "Set HUB_TOKEN" in stranger.stderr

    rules = [FieldError("#/country", "must be a country")]
    problem = Problem("invalid-request", "Invalid request", 422, "1 rule(s) broken.", errors=rules)
    hub.on("GET", "connection-registry", f"/v1/connections/{SOME_ID}", {"connection_id": SOME_ID, "label": "Shop"})
    hub.refuse("POST", "connection-registry", f"/v1/connections/{SOME_ID}/test-orders", problem)
    result = run(hub.environment(), "connections", "test-order", SOME_ID, "--sku", "A", "--country", "xx")
    assert (result.exit_code, "#/country: must be a country" in result.stderr) == (4, True)


def test_what_does_not_answer_ends_with_3_and_says_where(hub: FakeHub) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        env = hub.environment() | {"HUB_URL_TEMPLATE": f"http://127.0.0.1:{port}/{{service}}"}
        result = run(env, "orders", "list")
        assert result.exit_code == 3
        assert f"ops-console does not answer at http://127.0.0.1:{port}/ops-console" in result.stderr
        assert run(env, "status").exit_code == 3
    tls = hub.environment() | {"HUB_KAFKA_BOOTSTRAP": "x:1", "HUB_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    assert "HUB_KAFKA_SECURITY_PROTOCOL: Input should be" in run(tls, "topics", "list").stderr
    no_broker = run(hub.environment() | {"HUB_KAFKA_BOOTSTRAP": ""}, "topics", "list")
    assert (no_broker.exit_code, "HUB_KAFKA_BOOTSTRAP: must be set" in no_broker.stderr) == (2, True)


def test_without_any_hub_the_way_to_one_is_told(tmp_path: Any) -> None:
    env = {"HUB_URL_TEMPLATE": "", "HUB_SERVICE_URLS": "", "HUB_DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(app, ["orders", "list"], env=env)
    assert result.exit_code == 3
    assert "hub up" in result.stderr
    assert "HUB_URL_TEMPLATE" in result.stderr


def test_a_redirect_is_not_followed_and_strange_answers_are_said_to_be_strange(hub: FakeHub) -> None:
    hub.on("GET", "ops-console", "/v1/orders", b"", status=302)
    moved = run(hub.environment(), "orders", "list")
    assert (moved.exit_code, "redirects elsewhere, which is not followed" in moved.stderr) == (1, True)
    hub.on("GET", "ops-console", "/v1/orders", b"<html>log in</html>")
    assert "not JSON" in run(hub.environment(), "orders", "list").stderr
    hub.on("GET", "ops-console", "/v1/orders", b"busy", status=503)
    assert run(hub.environment(), "orders", "list").exit_code == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApiError("no answer"), 3),
        (ApiError("not allowed", 403), 4),
        (ApiError("broken", 500), 1),
        (StackError("does not run"), 1),
        (BrokerDown("away"), 3),
    ],
)
def test_errors_of_every_layer_have_a_code(error: Exception, code: int) -> None:
    found = as_command_error(error)
    assert found is not None
    assert found.code == code
    assert as_command_error(RuntimeError("a defect shows itself whole")) is None


def test_the_token_of_an_answer_is_never_part_of_a_repr() -> None:
    from hub_tools.client.hub import Hub
    from hub_tools.client.target import find_target

    target = find_target({"HUB_URL_TEMPLATE": "http://{service}", "HUB_TOKEN": ADMIN})
    assert ADMIN not in f"{target!r} {Hub(target).service('order-router')!r}"
