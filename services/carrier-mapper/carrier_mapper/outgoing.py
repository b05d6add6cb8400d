"""What is sent once a carrier is chosen: numbers, their validity, the link.

Here a wrong check digit is noticed and a link is refused that would lead the buyer nowhere. Nothing here changes the
carrier, and nothing stops the parcel: formats change, so doubts are warnings.
"""

from collections.abc import Sequence

from carrier_mapper.candidates import Candidate, Desk, fitting_families
from carrier_mapper.folding import country_code
from carrier_mapper.known import Fit, KnownCarrier
from carrier_mapper.links import link_problem, render_link, required_extras, template_problem
from carrier_mapper.model import MarketplaceCarrier, SentNumber, Warned
from carrier_mapper.rules import strip_marker


def known_as(desk: Desk, winner: Candidate, listed: MarketplaceCarrier | None) -> tuple[KnownCarrier, ...]:
    """Known carriers the winner may be: several when its name is shared, none when nobody knows it.

    The variant the shop named (`dpd_fr`) is preferred to its family (`dpd`), because its link is more precise.
    """
    names = (listed.label, listed.standard_code, listed.code) if listed else _target_names(winner)
    for name in names:
        found = desk.known.named(name, desk.settings.marketplace_platform)
        if found:
            families = {desk.known.family(c).code for c in found}
            named = desk.named
            return (named,) if named is not None and desk.known.family(named).code in families else found
    return ()


def sent_numbers(desk: Desk, winner: Candidate, carriers: Sequence[KnownCarrier]) -> tuple[SentNumber, ...]:
    """Numbers without the rule's marker; rewritten only when the result is a format of the carrier, else as written."""
    sent = []
    for number in desk.tracking.numbers:
        marker = winner.markers.get(number.normalised)
        stripped = strip_marker(number.normalised, marker)
        if stripped is None:
            desk.warn(Warned.MARKER_NOT_FOUND, f"{number.original!r} neither begins nor ends with {marker!r}")
        normalised = stripped or number.normalised
        rewrite = normalised != number.normalised or _best_fit(desk, carriers, normalised) in (Fit.CHECKED, Fit.SHAPE)
        sent.append(SentNumber(number.original, normalised, normalised if rewrite else number.original))
    return tuple(sent)


def check_numbers(desk: Desk, numbers: Sequence[SentNumber], carriers: Sequence[KnownCarrier]) -> None:
    """Warns about numbers that are not valid for the carrier, and says whose check digit they do fit."""
    families = {desk.known.family(c).code for c in carriers}
    names = " / ".join(c.name for c in carriers)
    for number in numbers:
        fit = _best_fit(desk, carriers, number.normalised)
        if fit is Fit.CHECK_FAILED:
            desk.warn(Warned.CHECK_DIGIT_WRONG, f"{number.original!r} is not valid for {names}: wrong check digit")
        elif fit is Fit.NO_MATCH:
            desk.warn(Warned.FORMAT_UNKNOWN_TO_CARRIER, f"{number.original!r} has no format known for {names}")
        else:
            continue
        confirmed = {code for code, sure in fitting_families(desk.known, number.normalised).items() if sure} - families
        if confirmed:
            others = ", ".join(sorted(confirmed))
            desk.warn(Warned.FITS_OTHER_CARRIER, f"{number.original!r} has a right check digit for {others}")


def tracking_link(
    desk: Desk,
    winner: Candidate,
    listed: MarketplaceCarrier | None,
    carriers: Sequence[KnownCarrier],
    numbers: Sequence[SentNumber],
) -> str | None:
    """Link of the rule or default, else the shop's own, else the known carrier's, else the marketplace's template.

    A template that needs a postcode or country which is absent is passed over; None (with a warning) if none is left.
    """
    lacking: set[str] = set()
    link = _rendered(desk, winner.target.tracking_url_template, numbers, lacking) or _shop_link(desk)
    if link is None:
        country = country_code(desk.parcel.destination_country)
        known = carriers[0] if len(carriers) == 1 else None
        template = (known.link_for(country) or desk.known.family(known).link_for(country)) if known else None
        link = _rendered(desk, template, numbers, lacking)
    if link is None and listed is not None:
        link = _rendered(desk, listed.tracking_url, numbers, lacking)
    if link is None:
        needs = f"; a link needs {', '.join(sorted(lacking))}" if lacking else ""
        desk.warn(Warned.NO_TRACKING_LINK, f"no tracking link could be made{needs}")
    return link


def _rendered(desk: Desk, template: str | None, numbers: Sequence[SentNumber], lacking: set[str]) -> str | None:
    if not template or template_problem(template):
        return None
    number = numbers[0].value if numbers else None
    country = country_code(desk.parcel.destination_country)
    link = render_link(template, number, desk.parcel.destination_postcode, country)
    if link is None:
        lacking |= required_extras(template)
    elif len(numbers) > 1:
        desk.warn(Warned.LINK_FOR_FIRST_NUMBER, f"the link shows {number!r} only")
    return link


def _shop_link(desk: Desk) -> str | None:
    link = desk.parcel.tracking_url
    if not link:
        return None
    problem = link_problem(link)
    if problem:
        desk.warn(Warned.SHOP_LINK_REFUSED, f"the shop's tracking link is not used: {problem}")
        return None
    return link


def _best_fit(desk: Desk, carriers: Sequence[KnownCarrier], normalised: str) -> Fit:
    fits = {desk.known.with_family_formats(c).fit(normalised) for c in carriers}
    return next((fit for fit in Fit if fit in fits), Fit.UNKNOWN)


def _target_names(winner: Candidate) -> tuple[str | None, ...]:
    return winner.target.carrier_name, winner.target.carrier_code
