"""What is committed is what the models say, and the published schemas hold for what is really written."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from hub_contracts import compat, topics
from hub_contracts.base import EventData
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.generate import main, make_plan
from hub_contracts.places import REPOSITORY, Places
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.samples import written
from hub_contracts.schemas import all_schemas, personal_fields, schema_for, schema_text

each_type = pytest.mark.parametrize("model", EVENT_TYPES, ids=lambda model: model.TYPE)


def test_everything_committed_is_up_to_date(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert places.root == REPOSITORY
    status = main(["--check"])
    assert status == 0, capsys.readouterr().out


@each_type
def test_the_snapshot_is_the_schema_of_today(places: Places, model: type[EventData]) -> None:
    committed = places.snapshot(model.TYPE).read_text(encoding="utf-8")
    assert compat.breaking(json.loads(committed), schema_for(model)) == ()
    assert committed == schema_text(schema_for(model))


def test_the_text_does_not_depend_on_the_run() -> None:
    assert [schema_text(schema) for schema in all_schemas().values()] == [
        schema_text(schema) for schema in all_schemas().values()
    ]
    plan = make_plan(Places())
    assert plan.notes == []
    assert all(text.endswith("\n") and "\r" not in text for text in plan.files.values())


@each_type
def test_the_snapshot_is_a_valid_schema_and_describes_what_is_written(places: Places, model: type[EventData]) -> None:
    schema = json.loads(places.snapshot(model.TYPE).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(written(EXAMPLE_BY_TYPE[model.TYPE].data))


@each_type
def test_personal_data_travels_on_its_own_topic_only(model: type[EventData]) -> None:
    marked = personal_fields(schema_for(model))
    assert bool(marked) == (model.TOPIC == topics.ORDER_CUSTOMERS), marked
