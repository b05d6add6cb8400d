"""Tracking links, because a shipment without one was seen to be refused: taken from the parcel, else built.

A number is percent-encoded into its link, so that it can neither change the address nor break it. A link that would
need more than the number (a postcode) is not built: the buyer would land on an error page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

LINKS: Mapping[str, str] = {
    "Asendia": "https://tracking.asendia.com/tracking/{n}",
    "Bpost": "https://track.bpost.cloud/btr/web/#/search?itemCode={n}&lang=fr",
    "BRT": "https://vas.brt.it/vas/sped_det_show.hsm?referer=sped_numspe_par.htm&Nspediz={n}",
    "Chronopost": "https://www.chronopost.fr/tracking-no-cms/suivi-page?listeNumerosLT={n}",
    "Colis Privé": "https://www.colisprive.com/moncolis/pages/detailColis.aspx?numColis={n}",
    "Colissimo": "https://www.laposte.fr/outils/suivre-vos-envois?code={n}",
    "Correos": "https://www.correos.es/es/es/herramientas/localizador/envios/detalle?tracking-number={n}",
    "Correos Express": "https://s.correosexpress.com/c?n={n}",
    "DHL": "https://www.dhl.com/fr-fr/home/tracking.html?tracking-id={n}",
    "DPD": "https://www.dpdgroup.com/tracking?parcelNumber={n}",
    "Fedex": "https://www.fedex.com/fedextrack/?trknbr={n}",
    "GLS": "https://gls-group.com/track/{n}",
    "La Poste Suivi": "https://www.laposte.fr/outils/suivre-vos-envois?code={n}",
    "Poste Italiane": "https://www.poste.it/cerca/index.html#/risultati-spedizioni/{n}",
    "Seur": "https://www.seur.com/livetracking/?segOnlineIdentificador={n}",
    "UPS": "https://www.ups.com/track?tracknum={n}",
    "Yodel": "https://www.yodel.co.uk/tracking/{n}",
}
"""Public tracking pages by ManoMano's carrier name, as of 2025-11; carriers move them now and then."""

COUNTRY_LINKS: Mapping[tuple[str, str], str] = {
    ("DPD", "FR"): "https://trace.dpd.fr/fr/trace/{n}",
    ("DPD", "DE"): "https://tracking.dpd.de/parcelstatus?query={n}",
    ("GLS", "FR"): "https://gls-group.com/FR/fr/suivi-colis?match={n}",
    ("GLS", "ES"): "https://gls-group.com/ES/es/seguimiento-envio?match={n}",
}
"""Pages in the language of a contract's country."""

MAX_LINK_LENGTH = 2000
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def link_problem(link: str) -> str | None:
    """Why an address cannot be told to a buyer, None when it can."""
    if len(link) > MAX_LINK_LENGTH or not link.isprintable() or " " in link:
        return "must be a short address without blanks"
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return "must begin with http:// or https:// and name a host, without a user name"
    return None


def template_problem(template: str) -> str | None:
    """Why a template cannot be used, None when it can: `{n}` must occur, and the host must stand before it."""
    names = _PLACEHOLDER.findall(template)
    if "n" not in names or set(names) - {"n", "carrier"}:
        return "must hold {n} for the tracking number and no other placeholder than {carrier}"
    if re.match(r"https?://[^/?#{}]+[/?#]", template) is None:
        return "must name its host before the first placeholder"
    return link_problem(_PLACEHOLDER.sub("", template))


def tracking_link(
    given: str | None, carrier: str, number: str | None, *, country: str | None, template: str | None
) -> str | None:
    """The link to send: the parcel's own, else built from the carrier's page or the seller's template; None without."""
    if given is not None and link_problem(given.strip()) is None:
        return given.strip()
    chosen = COUNTRY_LINKS.get((carrier, country or "")) or LINKS.get(carrier) or template
    if chosen is None or number is None or not number.strip():
        return None
    values = {"n": quote(number.strip(), safe=""), "carrier": quote(carrier, safe="")}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], chosen)
