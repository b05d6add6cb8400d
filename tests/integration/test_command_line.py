"""The command line against a real hub: the way from "what is wrong" to "done", by its own exit codes and JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub_common.kafka.client import KafkaProducer
from hub_common.kafka.records import OutRecord
from hub_contracts.topics import ORDERS, TOPICS
from hub_tools.cli import app
from hub_tools.stack.waiting import run_sync

from .hub import Hub, eventually


def run(hub: Hub, *arguments: str, code: int | None = 0, **extra: str) -> Result:
    env = {"HUB_DATA_DIR": str(hub.cluster.stack.data_dir), "HUB_URL_TEMPLATE": "", "HUB_SERVICE_URLS": "", **extra}
    result = CliRunner().invoke(app, list(arguments), env=env)
    assert code is None or result.exit_code == code, f"hub {' '.join(arguments)}: {result.exit_code}: {result.output}"
    assert hub.cluster.keys.operator_token not in result.output
    return result


def answer(hub: Hub, *arguments: str, code: int | None = 0, **extra: str) -> Any:
    return json.loads(run(hub, *arguments, "--json", code=code, **extra).stdout)


@pytest.fixture(scope="module")
def reference(hub: Hub) -> str:
    """An order that was shipped."""
    (bought,) = hub.buy("manomano", ("TEL-PRO-128", 1))
    hub.shows(hub.setting.connections["manomano"], bought, "SHIPPED")
    return bought


def test_status_and_doctor_agree_that_all_is_well(hub: Hub) -> None:
    found = answer(hub, "status")
    assert found["ok"]
    assert {each["service"] for each in found["services"]} == set(hub.cluster.specs)
    assert all(each["figures"]["schema"]["revision"] for each in found["services"])
    shown = run(hub, "status").stdout
    assert "broker" in shown
    assert f"{len(hub.cluster.specs)} of {len(hub.cluster.specs)} answer" in shown

    seen = answer(hub, "doctor", code=None)
    grades = {(each["check"], each["grade"]) for each in seen["findings"]}
    assert {("postgres", "ok"), ("broker", "ok"), ("topics", "ok"), ("keys", "ok"), ("python", "ok")} <= grades
    broken = {"topics", "healthz", "readyz", "schema", "clock", "lag", "token", "outbox", "keys"}
    assert not [each for each in seen["findings"] if each["check"] in broken and each["grade"] != "ok"]


def test_an_order_is_found_by_any_name_and_its_story_told_as_of_any_time(hub: Hub, reference: str) -> None:
    found = answer(hub, "orders", "find", reference)["items"]
    assert [each["reference"] for each in found] == [reference]
    story = answer(hub, "orders", "story", reference)
    assert story["status"] == "SHIPPED"
    assert {each["kind"] for each in story["effects"]} >= {"accept", "create_order", "ship"}
    assert all(each["ledger"] for each in story["effects"] if each["state"] == "DONE")
    causes = [each["caused_by"] for each in story["timeline"] if each["caused_by"]]
    assert causes, "cause and effect are told"

    shown = run(hub, "orders", "story", story["parcels"][0]["tracking_number"]).stdout
    for part in ("SHIPPED", "← ", "decisions", "effects", "parcels", "money", "order.received.v1", "told"):
        assert part in shown

    decided = next(each["at"] for each in story["timeline"] if each["type"] == "order.acceptance_decided.v1")
    then = answer(hub, "orders", "story", reference, "--as-of", decided)
    assert then["status"] != "SHIPPED"
    assert not [each for each in then["effects"] if each["kind"] == "ship"]
    assert run(hub, "orders", "story", reference, "--as-of", "2020-01-01", code=4).stderr.startswith("hub: ops-console")
    assert run(hub, "orders", "find", "no such order", code=1).stdout


def test_topics_tell_who_lags_and_show_no_buyer(hub: Hub, reference: str) -> None:
    topics = {each["topic"]: each for each in answer(hub, "topics", "list")["items"]}
    assert set(topics) == {topic.name for topic in TOPICS}
    assert topics[ORDERS]["partitions"] == topics[ORDERS]["partitions_declared"] == 12
    assert topics[ORDERS]["records"] > 0
    assert "order-router" in topics[ORDERS]["lag"]

    command = ("topics", "tail", "order-customers", "orders", "--from-beginning", "--until-now", "--order", reference)
    records = [json.loads(line) for line in run(hub, *command, "--json").stdout.splitlines()]
    customer = next(each["data"] for each in records if each["type"] == "order.customer_recorded.v1")
    assert customer["shipping"]["last_name"] == "***"
    assert {each["key"] for each in records} == {customer["order_id"]}
    aloud = run(hub, *command, "--show-personal-data", "--json")
    name = next(
        each["data"]["shipping"]["last_name"]
        for each in map(json.loads, aloud.stdout.splitlines())
        if each["type"] == "order.customer_recorded.v1"
    )
    assert name != "***"
    assert name not in json.dumps(records)
    assert aloud.stderr.startswith("WARNING: personal data")


def test_a_live_tail_shows_what_comes_and_ends_cleanly_by_ctrl_c(hub: Hub) -> None:
    env = {
        **os.environ,
        "HUB_DATA_DIR": str(hub.cluster.stack.data_dir),
        "HUB_URL_TEMPLATE": "",
        "HUB_SERVICE_URLS": "",
    }
    command = [sys.executable, "-c", "from hub_tools.cli import main; main()", "topics", "tail", "orders"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "Ctrl-C ends" in process.stderr.readline()
        # The reader has its place only after this line: orders come until it shows one.
        os.set_blocking(process.stdout.fileno(), False)

        def shown() -> str | None:
            hub.buy("manomano", ("TEL-PRO-128", 1))
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            return next((line for line in lines if " order.received.v1 " in line), None)

        eventually(shown, "the tail shows an order")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


def test_dead_letters_from_list_to_end(hub: Hub) -> None:
    async def spoil() -> None:
        producer = KafkaProducer(hub.cluster.stack.bootstrap_servers, "test")
        headers = [("ce_id", b"01890a5d-ac96-774b-bcce-b302099a8057"), ("ce_type", b"order.received.v1")]
        assert await producer.send([OutRecord(ORDERS, b"spoilt", b"<html>", headers)]) == [True]
        await producer.stop()

    run_sync(spoil())
    narrow = ("--service", "order-router", "--cause", "undecodable")

    def dead() -> list[dict[str, Any]]:
        return list(answer(hub, "dlq", "list", "--each", *narrow)["items"])

    (letter,) = eventually(dead, "order-router has a dead letter")
    assert "undecodable" in run(hub, "dlq", "list").stdout
    shown = answer(hub, "dlq", "show", letter["dead_letter_id"])
    assert (shown["value"], shown["key"]) == ("<html>", "spoilt")

    assert answer(hub, "dlq", "retry", "--all", *narrow, "--dry-run")["redriven"] == [letter["dead_letter_id"]]
    assert run(hub, "dlq", "retry", "--all", *narrow, code=2).stderr.startswith("hub: --yes: needed")
    assert dead(), "a dry run and an unconfirmed one change nothing"
    doctor = answer(hub, "doctor", code=1)["findings"]
    assert ("dead_letters", "order-router") in {(each["check"], each["service"]) for each in doctor}

    assert answer(hub, "dlq", "retry", "--all", *narrow, "--yes")["by_service"] == {"order-router": 1}
    # Waited for here: one that died after the clearing up below would be found by the tests that follow.
    again = eventually(lambda: answer(hub, "dlq", "list", "--each", *narrow[:2])["items"], "it dies again")
    assert letter["dead_letter_id"] not in {each["dead_letter_id"] for each in again}

    def discarded() -> bool:
        run(hub, "dlq", "discard", "--all", "--reason", "made by a test", "--yes")
        return not answer(hub, "dlq", "list")["groups"]

    assert eventually(discarded, "no dead letter is left")
