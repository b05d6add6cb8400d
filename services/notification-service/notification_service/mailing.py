"""Hands one letter to the mail server: encrypted and logged in as settings want it, or not at all.

Left to a mail library, a server (or somebody in front of it) that offers no encryption gets letter and password in the
clear, or a person reads "SMTPException". Here each step is taken by itself: nothing is said before the server is known,
and what failed is told in words of ours, since a server's own words may repeat an address or what it was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from notification_service.config import IMPLICIT_TLS_PORT, NotificationServiceSettings
from notification_service.domain import Result

MOST_SECONDS = 45.0
"""All steps together; each has its own time-out. Below the time after which another process sends it again."""


async def post(letter: EmailMessage, settings: NotificationServiceSettings) -> Result:
    """Send it once. Never raises for what the mail server does."""
    try:
        context = await asyncio.to_thread(trusted, settings.smtp_ca_file)
    except (OSError, ValueError) as error:
        return Result(f"the authorities of HUB_SMTP_CA_FILE cannot be read ({type(error).__name__})")
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=settings.smtp_port == IMPLICIT_TLS_PORT,
        start_tls=False,  # asked for below: left out, the library asks for it when offered and goes on without
        tls_context=context,
        timeout=settings.smtp_timeout_seconds,
    )
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _talk(client, letter, settings)
    except TimeoutError:
        return Result(f"the mail server took more than {MOST_SECONDS:.0f} s")
    finally:
        client.close()


def trusted(authorities: Path | None) -> ssl.SSLContext:
    """Checks certificate and name of the server. Raises `OSError` when the file of authorities cannot be read."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(cafile=authorities)
    return context


async def _talk(client: aiosmtplib.SMTP, letter: EmailMessage, settings: NotificationServiceSettings) -> Result:
    try:
        await client.connect()
        if settings.smtp_starttls and not client.use_tls:
            await client.ehlo()
            if not client.supports_extension("starttls"):
                return Result("the mail server offers no STARTTLS; nothing was sent in the clear")
            await client.starttls()
        if settings.smtp_username:
            await client.ehlo()
            if not client.supported_auth_methods:
                return Result("the mail server offers no log-in by password, and HUB_SMTP_USERNAME is set")
            await client.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        await client.send_message(letter)
    except aiosmtplib.SMTPAuthenticationError as error:
        return Result(f"the mail server refuses the log-in of HUB_SMTP_USERNAME ({error.code})")
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        return Result(f"the mail server refuses the recipient ({codes})", final=all(code >= 500 for code in codes))
    except aiosmtplib.SMTPResponseException as error:
        return Result(f"the mail server answers {error.code}")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Result(_why(error))
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit()  # it has the letter: how it says good-bye changes nothing
    return Result()


def _why(error: BaseException) -> str:
    """What kept us from speaking to it; a library may wrap what really happened."""
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the mail server's certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return f"no encrypted connection to the mail server ({cause.reason or 'SSLError'})"
    return f"the mail server cannot be used ({type(error).__name__})"
