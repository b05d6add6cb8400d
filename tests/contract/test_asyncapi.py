"""The AsyncAPI document says what version 3.1 and the Kafka bindings 0.5.0 ask for, and nothing dangles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from hub_contracts.listeners import LISTENERS, topics_of
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.topics import TOPICS, Topic

Document = dict[str, Any]
each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
TYPES = [model.TYPE for model in EVENT_TYPES]

ROOT_MEMBERS = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
CHANNEL_MEMBERS = {"address", "title", "description", "messages", "bindings"}
CHANNEL_BINDING = {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"}
OPERATION_MEMBERS = {"action", "channel", "summary", "messages", "bindings"}
OPERATION_BINDING = {"groupId", "clientId", "bindingVersion"}
MESSAGE_MEMBERS = {"name", "title", "summary", "contentType", "headers", "payload", "bindings", "examples"}
MESSAGE_BINDING = {"key", "bindingVersion"}
KEY_OF_COMPONENT = re.compile(r"[a-zA-Z0-9._-]+")


def own(node: Document) -> set[str]:
    """Members of a node, extensions left out."""
    return {name for name in node if not name.startswith("x-")}


def references(node: Any) -> Iterator[Document]:
    """Every node that is a reference; payloads of examples are data and left out."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node
        for name, child in node.items():
            if name != "examples":
                yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolve(document: Document, reference: str) -> Any:
    assert reference.startswith("#/"), reference
    node: Any = document
    for part in reference[2:].split("/"):
        assert part in node, f"{reference} does not resolve"
        node = node[part]
    return node


def test_root(asyncapi: Document) -> None:
    assert asyncapi["asyncapi"] == "3.1.0"
    assert own(asyncapi) == ROOT_MEMBERS
    assert {"title", "version"} <= asyncapi["info"].keys()
    for server in asyncapi["servers"].values():
        assert {"host", "protocol"} <= server.keys()
        assert server["protocol"] in ("kafka", "kafka-secure")
        assert set(re.findall(r"\{(\w+)\}", server["host"])) == server["variables"].keys()


def test_every_reference_resolves(asyncapi: Document) -> None:
    found = list(references(asyncapi))
    assert len(found) > 500
    for node in found:
        resolve(asyncapi, node["$ref"])


def test_nothing_stands_beside_a_reference(asyncapi: Document) -> None:
    for node in references(asyncapi):
        assert node.keys() == {"$ref"}


def test_every_topic_is_a_channel_and_no_other(asyncapi: Document) -> None:
    assert list(asyncapi["channels"]) == [topic.name for topic in TOPICS]


@each_topic
def test_channel(asyncapi: Document, topic: Topic) -> None:
    channel = asyncapi["channels"][topic.name]
    assert own(channel) == CHANNEL_MEMBERS
    assert channel["address"] == topic.name
    assert channel["x-personal-data"] is topic.personal_data
    binding = channel["bindings"]["kafka"]
    assert binding.keys() <= CHANNEL_BINDING
    assert (binding["topic"], binding["partitions"], binding["bindingVersion"]) == (
        topic.name,
        topic.partitions,
        "0.5.0",
    )
    configuration = binding["topicConfiguration"]
    assert ",".join(configuration["cleanup.policy"]) == topic.config["cleanup.policy"]
    assert str(configuration.get("retention.ms")) == topic.config.get("retention.ms", "None")
    assert list(channel["messages"]) == [model.TYPE for model in EVENT_TYPES if topic.name in topics_of(model)]
    assert all(message == {"$ref": f"#/components/messages/{name}"} for name, message in channel["messages"].items())


@each_topic
def test_operations(asyncapi: Document, topic: Topic) -> None:
    operations = asyncapi["operations"]
    expected = {f"{topic.writer}_send_{topic.name}"}
    expected |= {f"{service}_receive_{topic.name}" for service in LISTENERS[topic.name]}
    there = {name: node for name, node in operations.items() if node["channel"]["$ref"] == f"#/channels/{topic.name}"}
    assert there.keys() == expected
    for name, operation in there.items():
        service, action, _ = name.split("_", 2)
        assert own(operation) <= OPERATION_MEMBERS
        assert operation["action"] == action
        assert {message["$ref"].rsplit("/", 1)[-1] for message in operation["messages"]} == asyncapi["channels"][
            topic.name
        ]["messages"].keys()
        # a message of an operation must point into its channel, not at the components
        assert all(message["$ref"].startswith(f"#/channels/{topic.name}/") for message in operation["messages"])
        if action == "receive":
            binding = operation["bindings"]["kafka"]
            assert binding.keys() <= OPERATION_BINDING
            assert binding["groupId"] == {"type": "string", "enum": [service]}


@pytest.mark.parametrize("name", TYPES)
def test_message(asyncapi: Document, name: str) -> None:
    message = asyncapi["components"]["messages"][name]
    assert own(message) == MESSAGE_MEMBERS
    assert message["contentType"] == "application/json"
    assert message["payload"] == {"$ref": f"#/components/schemas/{name}"}
    binding = message["bindings"]["kafka"]
    assert binding.keys() == MESSAGE_BINDING
    assert binding["key"]["type"] == "string"
    whole = {**message["payload"], "components": asyncapi["components"]}
    Draft7Validator.check_schema(asyncapi["components"]["schemas"][name])
    for example in message["examples"]:
        Draft7Validator(whole).validate(example["payload"])


def test_components_are_named_as_allowed_and_all_used(asyncapi: Document) -> None:
    used = {node["$ref"] for node in references(asyncapi)}
    for kind, components in asyncapi["components"].items():
        for name in components:
            assert KEY_OF_COMPONENT.fullmatch(name)
            assert f"#/components/{kind}/{name}" in used
    assert list(asyncapi["components"]["messages"]) == TYPES
