"""Bodies that people send about subscriptions."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from notification_service.domain import DIGEST_MINUTES, Channel, Kind, Severity

_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_SEVERITIES = tuple(severity.name.lower() for severity in Severity)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("must be a time zone of the IANA database, as in Europe/Paris") from None
    return name


def _severity(name: str) -> str:
    if name not in _SEVERITIES:
        raise ValueError(f"must be one of {', '.join(_SEVERITIES)}")
    return name


def is_mail_address(text: str) -> bool:
    """One plain address, without a name, a comment or a second recipient."""
    return _MAIL.fullmatch(text) is not None


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
SeverityName = Annotated[str, AfterValidator(_severity)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
Address = Annotated[str, Field(min_length=3, max_length=1000)]
Minutes = Annotated[int, Field(ge=0, le=24 * 60)]
Rank = Annotated[int, Field(ge=0, le=1000)]


class Wish(BaseModel):
    """A new subscription. Without wishes it is quiet: warnings and worse, one message per cause in 15 minutes."""

    model_config = ConfigDict(extra="forbid")

    tenant: Annotated[str, Field(min_length=1, max_length=100)]
    label: Label
    channel: Channel
    address: Address
    kinds: Annotated[tuple[Kind, ...], Field(max_length=20)] = ()
    severity_name: SeverityName = Field(default="warning", alias="severity")
    digest_minutes: Minutes = DIGEST_MINUTES
    quiet_from: time | None = None
    quiet_until: time | None = None
    timezone: Zone = "UTC"
    muted_until: AwareDatetime | None = None
    rank: Rank = 100
    active: bool = True

    @property
    def severity(self) -> Severity:
        """Least severity that is told."""
        return Severity[self.severity_name.upper()]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_until: quiet hours have a beginning and an end, or neither")
        if self.channel is Channel.EMAIL and not is_mail_address(self.address):
            raise ValueError("address: must be one e-mail address")
        return self


class Change(BaseModel):
    """What is to be different; what is not named stays. Channel and tenant stay as they are."""

    model_config = ConfigDict(extra="forbid")

    label: Label = ""
    address: Address = ""
    kinds: Annotated[tuple[Kind, ...], Field(max_length=20)] = ()
    severity: SeverityName = "warning"
    digest_minutes: Minutes = DIGEST_MINUTES
    quiet_from: time | None = None
    quiet_until: time | None = None
    timezone: Zone = "UTC"
    muted_until: AwareDatetime | None = None
    rank: Rank = 100
    active: bool = True
