"""The page and the votes over HTTP, for one person on this machine.

Only a request that names this server as its host and carries the token is answered, and only the page's own may vote:
another site in the same browser has neither, whatever name it gives itself. Knows nothing of files.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.report import page
from judgegen.review.sitting import Sitting
from judgegen.textual import harmless

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HERE = Path(__file__).parent
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def app(sitting: Sitting, *, token: str, origins: frozenset[str], name: str, rubric: str) -> Starlette:
    """The application.

    Args:
        sitting: whose votes it takes.
        token: what every request must carry, in the address or the header X-Token.
        origins: the addresses this server goes by, as "http://127.0.0.1:8000".
        name: of what is reviewed.
        rubric: what the judge was told to go by; empty where nobody knows.
    """
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route

    text = page.render(
        "page.html",
        beside=HERE,
        talks=True,
        scripts=[(HERE / "page.js").read_text(encoding="utf-8")],
        style=page.own("page.css") + (HERE / "page.css").read_text(encoding="utf-8"),
        name=harmless(name),
        rubric=harmless(rubric),
        annotator=harmless(sitting.annotator),
    )
    turn = asyncio.Lock()

    async def show(request: Request) -> Response:
        return _refused(request, token, origins) or HTMLResponse(text, headers=HEADERS)

    async def state(request: Request) -> Response:
        if refusal := _refused(request, token, origins):
            return refusal
        async with turn:
            return JSONResponse(await asyncio.to_thread(sitting.state), headers=HEADERS)

    async def change(request: Request) -> Response:
        if refusal := _refused(request, token, origins, votes=True):
            return refusal
        async with turn:
            try:
                await asyncio.to_thread(_changed, sitting, request.url.path, await request.json())
            except (SpecError, ValueError, KeyError, TypeError) as error:
                return JSONResponse({"error": str(error)}, status_code=400, headers=HEADERS)
            return JSONResponse(await asyncio.to_thread(sitting.state), headers=HEADERS)

    routes = [Route("/", show), Route("/state", state)]
    routes += [Route(path, change, methods=["POST"]) for path in ("/vote", "/undo")]
    return Starlette(routes=routes)


def _changed(sitting: Sitting, path: str, asked: Any) -> None:
    if path == "/undo":
        sitting.undo()
    else:
        sitting.vote(str(asked["id"]), str(asked["vote"]), str(asked.get("note", ""))[:10_000])


def _refused(request: Request, token: str, origins: frozenset[str], *, votes: bool = False) -> Response | None:
    """The answer to a request that is not the page's own; None where it is."""
    from starlette.responses import PlainTextResponse

    given = request.headers.get("x-token") or request.query_params.get("token") or ""
    host, origin = f"http://{request.headers.get('host', '')}", request.headers.get("origin")
    if host not in origins or (origin is not None and origin not in origins) or (votes and origin is None):
        return PlainTextResponse("not from here", status_code=403, headers=HEADERS)
    if not secrets.compare_digest(given.encode(), token.encode()):
        return PlainTextResponse("open the address that `judgegen review` printed: it has a token", 403, HEADERS)
    return None
