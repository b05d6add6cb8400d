"""The table of listeners agrees with the table of topics."""

from __future__ import annotations

import re

import pytest

from hub_contracts import topics
from hub_contracts.base import EventData
from hub_contracts.listeners import CONSOLE, LISTENERS, OWN_TOPIC, listeners_of, topics_of, writers_of
from hub_contracts.registry import BY_TYPE, EVENT_TYPES
from hub_contracts.topics import ORDER_PARTITIONS, TOPIC_BY_NAME, TOPICS

WRITERS = {topic.writer for topic in TOPICS}


def test_every_topic_has_its_listeners_and_each_is_told_once() -> None:
    assert list(LISTENERS) == [topic.name for topic in TOPICS]
    for name, services in LISTENERS.items():
        assert len(set(services)) == len(services), name


def test_the_console_listens_to_everything_and_writes_nothing() -> None:
    assert all(services[-1] == CONSOLE for services in LISTENERS.values())
    assert CONSOLE not in WRITERS


def test_listeners_are_services_and_nobody_listens_to_himself() -> None:
    for name, services in LISTENERS.items():
        assert set(services) <= WRITERS | {CONSOLE}
        assert TOPIC_BY_NAME[name].writer not in services


def test_personal_data_reaches_only_who_needs_it() -> None:
    assert LISTENERS[topics.ORDER_CUSTOMERS] == ("shop-gateway", CONSOLE)


def test_everybody_who_acts_on_a_connection_learns_of_it() -> None:
    assert set(LISTENERS[topics.CONNECTIONS]) == (WRITERS | {CONSOLE}) - {"connection-registry"}


def test_each_writer_has_one_topic_for_facts_about_its_work() -> None:
    assert OWN_TOPIC.keys() == WRITERS
    assert OWN_TOPIC["order-ingest"] == topics.ORDERS


@pytest.mark.parametrize("model", EVENT_TYPES, ids=lambda model: model.TYPE)
def test_each_type_has_topics_writers_and_listeners(model: type[EventData]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*\.v[1-9][0-9]*", model.TYPE)
    assert BY_TYPE[model.TYPE] is model
    assert set(topics_of(model)) <= TOPIC_BY_NAME.keys()
    assert topics.ORDER_CUSTOMERS not in topics_of(model) or model.TOPIC == topics.ORDER_CUSTOMERS
    assert len(writers_of(model)) == len(topics_of(model))
    assert CONSOLE in listeners_of(model)
    assert model.__doc__


def test_order_scoped_topics_share_the_number_of_partitions() -> None:
    scoped = [topic for topic in TOPICS if topic.key.startswith("order_id")]
    assert len(scoped) >= 10
    assert {topic.partitions for topic in scoped} == {ORDER_PARTITIONS}


def test_every_class_of_event_is_registered() -> None:
    classes = {model for model in EventData.__subclasses__() if model.__module__.startswith("hub_contracts.")}
    assert classes == set(EVENT_TYPES)
    assert len(BY_TYPE) == len(EVENT_TYPES)
