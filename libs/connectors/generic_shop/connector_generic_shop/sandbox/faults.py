"""The fault switches of the simulated shop, by name.

Faults of received messages can be limited to an operation: `create_order`, `cancel_order`, `verify` or
`fetch_invoice`. Faults of posts
to the hub can be limited to `acknowledgement`, `shipment`, `return`, `cancellation`, `stock` or `price`
(`reordered_posts`: `posts`).
"""

from __future__ import annotations

from types import MappingProxyType

BEFORE_EFFECT = MappingProxyType(
    {
        "reject_4xx": "422 with the order quoted in the reason, as validating platforms do; nothing is stored",
        "unauthorized_401": "401 as if the secret were another one",
        "redirect": "302 to another address; following it would be an error",
        "gone_410": "410: the shop asks to be switched off",
        "rate_limit": "429 with Retry-After in seconds",
        "unavailable_503": "503 with Retry-After as an HTTP date",
        "error_500_before_effect": "500 with an HTML page; nothing is stored",
        "timeout_before_effect": "no answer; nothing is stored",
    }
)
AFTER_EFFECT = MappingProxyType(
    {
        "error_500_after_effect": "500 although the message was taken",
        "timeout_after_effect": "no answer although the message was taken",
        "html_answer": "200 with an HTML page instead of JSON",
        "plain_answer": "200 with `OK` sent as text/html, as scripts do: taken, without the shop's number",
        "slow_ack": "the 2xx comes `slow_seconds` late",
    }
)
POSTING = MappingProxyType(
    {
        "late_acknowledgement": "the acknowledgement is due only after everything else of the order",
        "duplicate_posts": "each post is sent twice with the same id",
        "reordered_posts": "the posts of one step are sent in reverse order",
        "wrong_signature_posts": "signed with (or bearing) a wrong secret; sent properly later",
        "stale_timestamp_posts": "webhook signed an hour ago; sent properly later (REST mode: no effect)",
    }
)
INVOICES = MappingProxyType(
    {
        "invoice_as_html": "200 with a login page instead of the document",
        "invoice_empty": "200 with a PDF of no bytes",
    }
)
KNOWN = (*BEFORE_EFFECT, *AFTER_EFFECT, *POSTING, *INVOICES)
