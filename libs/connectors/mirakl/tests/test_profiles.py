"""Operator profiles are data: the connector behaves by what a profile says, never by what it is called."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import connector_mirakl
from connector_kit.manifest import FieldErrors
from connector_kit.offers import ChannelPrice, Problem, PublishOffer
from connector_kit.outcome import ProbeState
from connector_kit.profiles import OfferField, OfferRules, OperatorProfile, Remedy
from connector_mirakl.connector import CONNECTOR, MiraklConnector
from connector_mirakl.manifest import MANIFEST
from connector_mirakl.profiles import PROFILES
from connector_mirakl.sandbox import import_offers as messages

from .stage import Stage, euros, price, sent_rows

PACKAGE = Path(connector_mirakl.__file__).parent
DATA = {PACKAGE / "profiles" / "__init__.py", PACKAGE / "profiles" / "pixmania.py", PACKAGE / "sandbox" / "profiles.py"}
NAMED = {"operator_profile": "pixmania"}
INVENTED = OperatorProfile(
    name="invented",
    title="Invented operator",
    source="made up",
    connector_settings={"multi_shipment": "off", "price_dates": "day", "time_zone": "Europe/Madrid"},
    poll_seconds=300,
    accept_within_hours=48,
    deliver_within_days=3,
    offers=OfferRules(
        product_id_types=("UPC",),
        states={"N": "new"},
        channels=("PT",),
        lead_time_days_max=2,
        logistic_classes=("S",),
        fields=(OfferField(code="colour", title="Colour", kind="choice", choices=("red",), required=True),),
    ),
    remedies=(Remedy(says="product does not exist", means="unknown", next_step="Ask the invented desk."),),
)
PLAIN = {field.name: field for field in MANIFEST.settings_fields}
WITH_INVENTED = MiraklConnector(
    MANIFEST.model_copy(
        update={
            "profiles": (*PROFILES, INVENTED),
            "settings_fields": (
                PLAIN["operator_profile"].model_copy(update={"choices": ("pixmania", "invented")}),
                *(field for name, field in PLAIN.items() if name != "operator_profile"),
            ),
        }
    )
)
FINE = PublishOffer(
    offer_sku="A-1",
    product_id="4006381333931",
    product_id_type="EAN",
    state_code="11",
    prices=(ChannelPrice(price=euros("10")), ChannelPrice(channel="ES_B2C", price=euros("11"))),
    quantity=1,
    lead_time_days=0,
    attributes={"warranty": "24", "warehouselocation": "Espana"},
)


def checked(settings: dict[str, str], **change: Any) -> list[Problem]:
    stage = Stage()
    connection = WITH_INVENTED.connect(stage.context(settings))
    return list(connection.check_offer(FINE.model_copy(update=change)))


def test_no_code_path_names_an_operator() -> None:
    names = {profile.name for profile in PROFILES}
    for path in PACKAGE.rglob("*.py"):
        if path not in DATA:
            text = path.read_text(encoding="utf-8").lower()
            assert not [name for name in names if name in text], f"{path.name} names an operator"


def test_the_profile_holds_what_the_operators_guide_asks() -> None:
    [profile] = PROFILES
    assert MANIFEST.accept_within_hours(NAMED) == 5 * 24
    assert (profile.deliver_within_days, profile.invoice, profile.tracking_before_hand_over) == (10, "on_ship", False)
    assert set(profile.offers.states) == {"10", "11", "12", "13"}
    assert profile.offers.live_after_minutes == {"": 15, "ES_B2C": 30}
    assert dict(profile.connector_settings).items() <= MANIFEST.check_settings(NAMED).items()
    with pytest.raises(FieldErrors, match="operator_profile: must be one of pixmania"):
        MANIFEST.check_settings({"operator_profile": "nobody"})


@pytest.mark.parametrize(
    "message",
    [
        messages.NO_OFFER,
        messages.NO_PRODUCT,
        messages.OTHER_PRODUCT,
        messages.DUPLICATE,
        messages.BAD_STATE,
        messages.NO_PRICE,
        messages.BAD_CLASS,
        messages.BAD_LEADTIME,
        messages.BAD_DATES,
        messages.BAD_DISCOUNT,
        "Le produit n'existe pas",
        "Aucune offre existante à mettre à jour",
        "Le champ 'sku' est dupliqué dans le fichier source",
        "L'état du produit est inconnu",
        "Le produit lié à la nouvelle offre est différent du produit lié à l'offre existante",
        "Le champ 'prix' est obligatoire",
        "La famille logistique est inconnue",
        "Le champ 'leadtime-to-ship' a une valeur invalide",
        "La plage de dates de remise est incorrecte",
        "Le prix de remise est incorrect : il ne doit pas être nul ou doit être inférieur au prix",
    ],
)
def test_every_known_message_says_what_to_do_next(message: str) -> None:
    [profile] = PROFILES
    remedy = profile.remedy(message)
    assert remedy is not None
    assert remedy.next_step


def test_each_message_finds_its_own_remedy() -> None:
    [profile] = PROFILES
    said = (messages.NO_OFFER, messages.NO_PRODUCT, messages.OTHER_PRODUCT, messages.DUPLICATE, messages.BAD_STATE)
    said += (messages.NO_PRICE, messages.BAD_CLASS, messages.BAD_LEADTIME, messages.BAD_DATES, messages.BAD_DISCOUNT)
    assert len({remedy.next_step for one in said if (remedy := profile.remedy(one))}) == len(said)


def test_a_good_offer_has_no_problem() -> None:
    assert checked(NAMED) == []
    assert checked({}) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"offer_sku": " "}, "offer_sku"),
        ({"product_id_type": "UPC"}, "product_id_type"),
        ({"product_id_type": None}, "product_id"),
        ({"product_id": "12345"}, "product_id"),
        ({"state_code": "1"}, "state_code"),
        ({"prices": ()}, "price"),
        ({"prices": (ChannelPrice(channel="ES_B2C", price=euros("11")),)}, "price"),
        (
            {"prices": (ChannelPrice(price=euros("1")), ChannelPrice(channel="DE", price=euros("1")))},
            "price[channel=DE]",
        ),
        ({"prices": (ChannelPrice(price=euros("1"), discount_price=euros("1")),)}, "discount-price"),
        ({"lead_time_days": 10}, "lead_time_days"),
        ({"lead_time_days": -1}, "lead_time_days"),
        ({"quantity": -1}, "quantity"),
        ({"min_order_quantity": 3, "max_order_quantity": 2}, "min_order_quantity"),
        ({"package_quantity": 0}, "package_quantity"),
        ({"attributes": {"warranty": "two years"}}, "warranty"),
        ({"attributes": {"warehouselocation": "Moon"}}, "warehouselocation"),
    ],
)
def test_what_the_operator_would_refuse_is_found_before_sending(change: dict[str, Any], field: str) -> None:
    problems = checked(NAMED, **change)
    assert [problem.field for problem in problems] == [field]
    assert problems[0].next_step
    assert problems[0].severity == "error"


def test_what_is_left_out_is_only_a_warning() -> None:
    found = checked(NAMED, attributes={"colour": "red"}, carrier_grids=(("DPD", 1, 2),), weight_kg="1.5")
    assert {(problem.field, problem.severity) for problem in found} == {
        ("carrier_grids", "warning"),
        ("weight_kg", "warning"),
        ("colour", "warning"),
    }
    assert checked(NAMED, withdraw=True, state_code="1") == []


def test_another_profile_given_as_data_changes_the_behaviour_alike() -> None:
    settings = {"operator_profile": "invented"}
    found = {problem.field for problem in checked(settings, lead_time_days=3, logistic_class="L")}
    assert found == {
        *("product_id_type", "state_code", "price[channel=ES_B2C]", "lead_time_days", "logistic_class"),
        *("colour", "warranty", "warehouselocation"),
    }
    manifest = WITH_INVENTED.manifest
    assert (manifest.accept_within_hours(settings), manifest.poll_every(settings)) == (48, 300)
    values = manifest.check_settings(settings)
    assert (values["multi_shipment"], values["price_dates"]) == ("off", "day")
    assert manifest.check_settings({**settings, "multi_shipment": "on"})["multi_shipment"] == "on"


def test_a_connections_own_lists_win_over_its_profile() -> None:
    settings = {**NAMED, "offer_states": "7", "offer_channels": "DE", "logistic_classes": "S,M"}
    found = {problem.field for problem in checked(settings, logistic_class="L")}
    assert found == {"state_code", "price[channel=ES_B2C]", "logistic_class"}
    for wrong in ({"time_zone": "Moon/Crater"}, {"offers_import_threshold": "0"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            CONNECTOR.connect(Stage().context(wrong))


async def test_a_profiles_settings_hold_until_the_connection_sets_its_own() -> None:
    change = {"discount_price": euros("9"), "discount_from": datetime(2025, 10, 25, 22, tzinfo=UTC)}
    for settings, written in ((NAMED, "2025-10-26"), ({**NAMED, "price_dates": "instant"}, "2025-10-25T22:00:00Z")):
        stage = Stage(settings=settings)
        await stage.connection.set_price([price("COQUE-NOIR", "10").model_copy(update=change)])
        assert sent_rows(stage, "set_price")[1][3] == written


async def test_a_profiles_remedy_is_told_with_the_row_of_a_report() -> None:
    request = FINE.model_copy(update={"product_id": "UNKNOWN", "product_id_type": "UPC", "state_code": "11"})
    rules = INVENTED.offers.model_copy(update={"states": {}, "channels": (), "fields": ()})
    profile = INVENTED.model_copy(update={"offers": rules})
    manifest = WITH_INVENTED.manifest.model_copy(update={"profiles": (profile,)})
    stage = Stage()
    connection = MiraklConnector(manifest).connect(stage.context({"operator_profile": "invented"}))
    [outcome] = await connection.publish_offers([request])
    stage.clock.pass_seconds(61)
    probe = await connection.probe_publish_offer(request, outcome.answer)
    assert probe.state is ProbeState.REJECTED
    assert probe.answer["problems"][0]["next_step"] == "Ask the invented desk."
