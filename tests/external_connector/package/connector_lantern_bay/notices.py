"""Pushed notices: proved with an HMAC over the body, and worth no more than a hint which orders to read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from connector_kit.reading import BadNotice, Notice

from connector_lantern_bay.orders import Orders

SIGNATURE = "x-lantern-signature"


class Notices(Orders):
    """Capability `notices`."""

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Prove and read one. Raises `BadNotice`, which never repeats its content."""
        secret = self.context.credentials["notice_secret"].get_secret_value()
        proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof.encode(), headers.get(SIGNATURE, "").encode()):
            raise BadNotice(f"{SIGNATURE}: is not the signature of this body")
        try:
            references = json.loads(body)["order_ids"]
            if not isinstance(references, list) or not all(
                isinstance(each, str) and each.strip() for each in references
            ):
                raise TypeError
        except (ValueError, LookupError, TypeError, RecursionError):
            raise BadNotice("order_ids: must be a list of order ids") from None
        return Notice(order_references=tuple(references))
