"""Settings of ops-console beyond those of every service: who may sign in, and how it reaches the other services."""

from __future__ import annotations

from pydantic import Field, SecretStr

from hub_common.config import ServiceSettings


class ConsoleSettings(ServiceSettings):
    """Environment prefix `HUB_`."""

    service_urls: dict[str, str] = {}
    """JSON: service → base address of its API. What is not named follows `service_url_template`."""
    service_url_template: str = "http://{service}:8080"
    """Address of a service inside a cluster; `{service}` is its name."""
    console_token: SecretStr = SecretStr("")
    """Token of the entry `login:delegate:…` in each service's `HUB_OPERATOR_TOKENS`; empty = nothing can be done."""
    public_url: str = ""
    """Address under which people reach the console. Empty = the address of each request. https makes cookies Secure."""
    local_accounts: SecretStr = SecretStr("")
    """`login:role:tenants:hash` entries, separated by spaces; tenants `*` or names joined by `|`."""
    session_idle_minutes: int = Field(default=480, ge=1)
    """A session unused for this long ends: one working day."""
    session_hours: int = Field(default=24, ge=1)
    """A session ends after this long in any case."""
    oidc_issuer: str = ""
    """OpenID Connect issuer; empty = local accounts only."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_scopes: str = "openid profile email"
    oidc_role_claim: str = "groups"
    """Claim of the ID token that holds the groups or roles of a person."""
    oidc_roles: dict[str, str] = {}
    """JSON: value of that claim → viewer, operator or admin, or `role:tenant|tenant`. Nobody without one gets in."""
    story_keep_days: int = Field(default=400, ge=1)
    """How long stories are kept: as long as the events themselves."""
