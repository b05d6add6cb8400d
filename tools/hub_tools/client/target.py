"""Where the hub is: the one of this machine's data folder, or the one that the environment names.

A command that guessed wrongly would redrive or pause something in another deployment, so the environment either says it
all or the local data folder does, and what is wrong with a setting is said before anything is called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from hub_tools.client.errors import unreachable, usage
from hub_tools.stack.files import read_state
from hub_tools.stack.state import DataFolder

URLS, TEMPLATE, TOKEN = "HUB_SERVICE_URLS", "HUB_URL_TEMPLATE", "HUB_TOKEN"
BOOTSTRAP, PREFIX = "HUB_KAFKA_BOOTSTRAP", "HUB_TOPIC_PREFIX"
PLACE = "{service}"
MAX_TOKEN = 512


@dataclass(frozen=True)
class Target:
    """One hub. The token is not part of its repr."""

    local: bool
    urls: Mapping[str, str]
    token: str = field(repr=False)
    topic_prefix: str = ""
    folder: Path | None = None
    """The data folder of a local hub."""


def service_names() -> list[str]:
    """Names of all services, without loading any."""
    return sorted(entry.name for entry in entry_points(group="hub.services"))


def find_target(environ: Mapping[str, str] | None = None) -> Target:
    """The hub that commands mean. Raises `CommandError`: usage for a broken setting, unreachable when there is none."""
    env = os.environ if environ is None else environ
    prefix = env.get(PREFIX, "")
    if env.get(URLS) or env.get(TEMPLATE):
        urls = _from_template(env.get(TEMPLATE, "")) | _from_mapping(env.get(URLS, ""))
        token = _token(env.get(TOKEN, ""))
        if not token:
            raise usage(f"{TOKEN}: must be an operator's token when {URLS} or {TEMPLATE} is set")
        return Target(False, urls, token, prefix)
    return _local(env, prefix)


def _local(env: Mapping[str, str], prefix: str) -> Target:
    folder = DataFolder()
    stored = read_state(folder.secrets / "hub.json")
    ports = stored.get("ports")
    if not isinstance(ports, dict) or not ports:
        raise unreachable(
            f"no hub has been started in {folder.path}; start one with `hub up`,"
            f" or name a deployment with {TEMPLATE} (or {URLS}) and {TOKEN}"
        )
    urls = {str(name): f"http://127.0.0.1:{int(str(port))}" for name, port in ports.items()}
    token = _token(env.get(TOKEN, "")) or str(stored.get("operator_token", ""))
    return Target(True, urls, token, prefix, folder.path)


def _token(text: str) -> str:
    token = text.strip()
    if len(token) > MAX_TOKEN or not token.isascii() or any(char.isspace() or not char.isprintable() for char in token):
        raise usage(f"{TOKEN}: must be one word of printable ASCII characters, {MAX_TOKEN} at most")
    return token


def _from_template(template: str) -> dict[str, str]:
    if not template:
        return {}
    if PLACE not in template:
        raise usage(f"{TEMPLATE}: must contain {PLACE}, as in http://{PLACE}:8080")
    return {name: _address(TEMPLATE, template.replace(PLACE, name)) for name in service_names()}


def _from_mapping(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise usage(f"{URLS}: must be a JSON object of service name to address")
    return {name: _address(URLS, value) for name, value in found.items()}


def _address(variable: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise usage(f"{variable}: every address must be http:// or https:// with a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise usage(f"{variable}: addresses must have no user, password, query or fragment")
    return text.rstrip("/")
