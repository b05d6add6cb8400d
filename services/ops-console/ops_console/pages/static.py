"""Style, script and icon, from this package: a page asks nobody else for anything."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from hub_common.web import Problem, authenticates
from ops_console.console import Console
from ops_console.templates import STATIC, static_file


@authenticates
def anybody() -> None:
    """Style sheets hold nothing of anybody; the sign-in page needs them before there is a session."""


def router(_console: Console) -> APIRouter:
    """Files under an address that holds their content's digest."""
    made = APIRouter(include_in_schema=False, dependencies=[Depends(anybody)])

    @made.get(STATIC + "/{digest}/{name}")
    async def static(digest: str, name: str) -> Response:
        try:
            content, kind = static_file(name)
        except KeyError:
            raise Problem("file-unknown", "No such file", 404, "The console has no file of this name.") from None
        headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
        return Response(content, headers=headers, media_type=kind)

    return made
