"""Link templates and the shipped table of carriers."""

from datetime import date

import pytest

from carrier_mapper.folding import fold_name
from carrier_mapper.known import Fit, KnownCarrier, KnownCarriers, built_in_carriers, load_known_carriers
from carrier_mapper.links import link_problem, render_link, required_extras, template_problem

KNOWN = built_in_carriers()
BY_CODE = {carrier.code: carrier for carrier in KNOWN}


@pytest.mark.parametrize("value", ["Colis Privé", "COLIS_PRIVE", "colis-prive", " colis  privé ", "Colis Prive\u0301"])
def test_names_fold_together(value: str) -> None:
    assert fold_name(value) == "colisprive"


def test_values_are_encoded_and_filled_once() -> None:
    link = render_link("https://t.example/?n={n}&z={zip}", "A/B&{zip}", "75 001", None)
    assert link == "https://t.example/?n=A%2FB%26%7Bzip%7D&z=75%20001"


def test_mirakl_placeholder_is_the_number() -> None:
    assert render_link("https://t.example/{trackingId}", "12", None, None) == "https://t.example/12"


def test_no_link_without_its_extras() -> None:
    template = BY_CODE["postnl"].link
    assert template is not None
    assert required_extras(template) == {"zip", "country"}
    assert render_link(template, "3SABC", None, "NL") is None
    assert render_link(template, "3SABC", "1011AB", "NL") == "https://postnl.nl/tracktrace/?B=3SABC&P=1011AB&D=NL&T=C"


@pytest.mark.parametrize(
    "template",
    ["https://t.example/{number}", "https://{n}.example/", "https://t.example{n}", "ftp://t.example/{n}", "{n}",
     "https://t.example/{n", "https://a:b@t.example/{n}", "https://t.example/a b"],
)  # fmt: skip
def test_bad_templates(template: str) -> None:
    assert template_problem(template)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "//t.example", "https://", "https://[x", "http://a\n.example"])
def test_bad_links(link: str) -> None:
    assert link_problem(link)


@pytest.mark.parametrize(
    ("code", "number", "fit"),
    [
        ("colissimo", "6A00000000062", Fit.CHECKED),
        ("colissimo", "6A00000000063", Fit.CHECK_FAILED),
        ("dpd", "01015026003653", Fit.SHAPE),
        ("dpd", "01015026003653C", Fit.CHECKED),
        ("ups", "6A00000000062", Fit.NO_MATCH),
        ("geodis", "6A00000000062", Fit.UNKNOWN),
        ("correos", "PQABCD0123456780128001X", Fit.SHAPE),
        ("correos", "PQABOD0123456780128001X", Fit.NO_MATCH),
        ("postnl", "3SABCD1234567", Fit.SHAPE),
        ("postnl", "3SABCD12345678", Fit.NO_MATCH),
    ],
)
def test_fit(code: str, number: str, fit: Fit) -> None:
    assert BY_CODE[code].fit(number) is fit


def test_dhl_alone_names_two_carriers_except_where_the_platform_says_which() -> None:
    assert {c.code for c in KNOWN.named("DHL", None)} == {"dhl_express", "dhl_paket"}
    assert [c.code for c in KNOWN.named("DHL", "manomano")] == ["dhl_express"]


def test_platform_spelling_wins_over_others() -> None:
    assert [c.code for c in KNOWN.named("hermes_gb", "sendcloud")] == ["evri"]
    assert KNOWN.names_at(BY_CODE["la_poste"], "manomano") == {"lapostesuivi"}
    assert "dhl" not in KNOWN.names_at(BY_CODE["dhl_express"], None)


def test_variant_shares_its_family() -> None:
    assert KNOWN.family(BY_CODE["dpd_fr"]).code == "dpd"
    assert KNOWN.with_family_formats(BY_CODE["brt_parcel_id"]) is BY_CODE["brt"]


def test_links_are_dated_and_valid() -> None:
    assert isinstance(KNOWN.links_as_of, date)
    assert all(template_problem(c.link) is None for c in KNOWN if c.link)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('code = "x"', "'x'"),
        ('code = "x"\nname = "X"\nlink = "ftp://x/{n}"', "link"),
        ('code = "x"\nname = "X"\npatterns = [["(1+)+", "", "doc"]]', "too many ways"),
        ('code = "x"\nname = "X"\npatterns = [["1", "mod99", "doc"]]', "mod99"),
        ('code = "x"\nname = "X"\nparent = "y"', "parent"),
        ('code = "x"\nname = "X"\n[[carrier]]\ncode = "x"\nname = "X"', "twice"),
    ],
)
def test_bad_table_is_refused_naming_the_carrier(entry: str, told: str) -> None:
    with pytest.raises(ValueError, match="carrier 'x'") as caught:
        load_known_carriers(f"links_as_of = 2026-01-01\n[[carrier]]\n{entry}\n")
    assert told in str(caught.value)


def test_table_can_be_replaced() -> None:
    mine = KnownCarriers([KnownCarrier("own", "Own Van")], date(2026, 1, 1))
    assert [c.code for c in mine.named("own van", None)] == ["own"]
