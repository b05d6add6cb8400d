"""Credentials are sealed at rest and on the topic; only holders of the deployment's key can open them.

The connection's id is bound into the seal, so that nobody who can write a row or a record can make one connection use
another's key. Errors never quote what they failed on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from hub_contracts.connections import SealedCredentials

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random nonces of 96 bits are safe for some four thousand million seals per key (NIST SP 800-38D)."""
_KEY_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
API_KEY_PREFIX = "hubk_"
"""Lets secret scanners recognise a key that was pasted where it does not belong."""


class SealError(Exception):
    """Credentials cannot be opened. The message says what to do and holds no content."""


class Keyring:
    """The deployment's keys. The first one seals, all of them open (rotation: put the new key first, reseal, drop)."""

    def __init__(self, keys: Mapping[str, bytes], random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        if not keys:
            raise ValueError("HUB_CREDENTIALS_KEYS: at least one key_id:base64key is needed (make one: generate_key)")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))
        self._random_bytes = random_bytes

    @classmethod
    def parse(cls, setting: str | SecretStr) -> Keyring:
        """Read `HUB_CREDENTIALS_KEYS`: `key_id:base64key`, comma-separated, the first is current.

        Raises `ValueError` naming the entry's number and the rule, never the key.
        """
        text = setting.get_secret_value() if isinstance(setting, SecretStr) else setting
        keys: dict[str, bytes] = {}
        for number, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            key_id, _, encoded = entry.partition(":")
            if not _KEY_ID.match(key_id) or key_id in keys:
                raise ValueError(
                    f"HUB_CREDENTIALS_KEYS: key id of entry {number} must be unique, of letters, digits, '._-'"
                )
            key = _decode_key(encoded)
            if key is None:
                raise ValueError(f"HUB_CREDENTIALS_KEYS: key of entry {number} must be base64 of {KEY_BYTES} bytes")
            keys[key_id] = key
        return cls(keys)

    @property
    def current_key_id(self) -> str:
        """The key that `seal` uses."""
        return self._current

    def __repr__(self) -> str:
        return f"Keyring(current={self._current}, keys={len(self._ciphers)})"

    def seal(self, connection_id: UUID, credentials: Mapping[str, str | SecretStr]) -> SealedCredentials:
        """Seal the credentials of one connection with the current key."""
        plain = {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in credentials.items()}
        nonce = self._random_bytes(NONCE_BYTES)
        body = json.dumps(plain, ensure_ascii=False, sort_keys=True).encode()
        ciphertext = self._ciphers[self._current].encrypt(nonce, body, _binding(connection_id))
        return SealedCredentials(
            key_id=self._current,
            nonce=base64.b64encode(nonce).decode(),
            ciphertext=base64.b64encode(ciphertext).decode(),
        )

    def open(self, connection_id: UUID, sealed: SealedCredentials) -> dict[str, SecretStr]:
        """Open what was sealed for this connection. Raises `SealError`: unknown key, other connection, or tampered."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise SealError(
                f"credentials of connection {connection_id} were sealed with key {sealed.key_id[:64]!r}, which is "
                "not in HUB_CREDENTIALS_KEYS: add that key again, or enter the credentials anew"
            )
        opened = _decrypt(cipher, connection_id, sealed)
        if opened is None:
            raise SealError(
                f"credentials of connection {connection_id} cannot be opened: wrong key, other connection or damaged; "
                "enter the credentials anew"
            )
        return {name: SecretStr(value) for name, value in opened.items()}

    def needs_reseal(self, sealed: SealedCredentials) -> bool:
        """Whether another key than the current one sealed this."""
        return sealed.key_id != self._current


def _binding(connection_id: UUID) -> bytes:
    return str(connection_id).encode()


def _decrypt(cipher: AESGCM, connection_id: UUID, sealed: SealedCredentials) -> dict[str, str] | None:
    """Plain credentials, or None; exceptions stop here because theirs would carry content along."""
    try:
        nonce = base64.b64decode(sealed.nonce, validate=True)
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
        opened = json.loads(cipher.decrypt(nonce, ciphertext, _binding(connection_id)))
    except (InvalidTag, ValueError):
        return None
    if not isinstance(opened, dict) or not all(isinstance(value, str) for value in opened.values()):
        return None
    return opened


def _decode_key(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def generate_key(key_id: str) -> str:
    """A fresh entry for `HUB_CREDENTIALS_KEYS`. Raises `ValueError` for an id that the setting could not hold."""
    if not _KEY_ID.match(key_id):
        raise ValueError("key id: must be 1 to 64 letters, digits, '.', '_' or '-'")
    return f"{key_id}:{base64.b64encode(AESGCM.generate_key(bit_length=256)).decode()}"


def new_api_key() -> tuple[SecretStr, str]:
    """A fresh API key for a shop and its SHA-256 in hex. Only the hash is stored; the key is shown once."""
    plain = API_KEY_PREFIX + secrets.token_urlsafe(32)
    return SecretStr(plain), hash_api_key(plain)


def hash_api_key(plain: str) -> str:
    """SHA-256 in hex. The key is 256 random bits, so a slow hash would protect nothing more."""
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()


def matches_api_key(plain: str, hashes: Iterable[str]) -> bool:
    """Whether the key is one of those hashes. Every hash is compared, each in constant time."""
    given = hash_api_key(plain).encode()
    found = False
    for known in hashes:
        found |= hmac.compare_digest(given, known.encode())
    return found
