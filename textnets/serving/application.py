"""The HTTP service: its paths, its errors, its headers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from textnets import __version__
from textnets.bulk.formats import one_line_json
from textnets.errors import InputError, TextnetsError
from textnets.serving.batching import Batcher, BusyError
from textnets.serving.limits import Limits
from textnets.serving.metrics import Metrics
from textnets.serving.models import Answer, Served
from textnets.serving.requests import (
    PredictRequest,
    TooLargeError,
    parse_request,
    wishes_of,
)

# Scripts and styles of this server only, nothing inline, and no other page around it.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_PAGES = {
    "/": "index.html",
    "/page.js": "page.js",
    "/page.css": "page.css",
    "/docs": "docs.html",
    "/docs.js": "docs.js",
    "/icon.svg": "icon.svg",
}


class _SlowClientError(TextnetsError):
    """A request did not come in time."""


def make_application(served: Served, limits: Limits) -> FastAPI:
    """The service of one model.

    Args:
        served: the model.
        limits: of each request.
    """
    from fastapi import FastAPI, Response

    metrics = Metrics()
    batcher = Batcher(served, limits.batch, limits.waiting, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()

    app = FastAPI(
        title=f"textnets: {served.name}",
        version=__version__,
        description=f"A trained model ({served.task}) over HTTP.",
        docs_url=None,  # these load scripts of other servers
        redoc_url=None,
        lifespan=lifespan,
    )

    async def predict(request: Request) -> Response:
        asked = parse_request(await _body(request, limits), served, limits)
        wishes = wishes_of(asked)
        if asked.stream:
            following = await batcher.stream(asked.all_texts[0], wishes)
            first = await following()  # what is wrong with it is said before a line is sent
            lines = _lines(first, following, metrics)
            return StreamingResponse(lines, media_type="application/x-ndjson")
        answers = await batcher.answer(asked.all_texts, wishes)
        if asked.top is not None:
            answers = [_with_top(one, asked.top) for one in answers]
        return _json({"predictions": answers})

    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        summary="Predict one text, or several",
        description=(
            'Answers `{"predictions": [...]}`, one for each text, as `textnets predict --format '
            'jsonl` tells it. With `"stream": true` a language model answers in lines of JSON, one '
            "for each token. Too much is refused with 413, what is not understood with 422, and "
            '503 says to come again; each with `{"error": "one sentence"}`.'
        ),
        response_class=Response,
        openapi_extra=_documented(),
        responses={413: {"description": "Too much"}, 422: {"description": "Not understood"},
                   503: {"description": "Too many wait"}},
    )  # fmt: skip

    @app.get("/health", summary="Whether it answers")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "model": served.name, "task": served.task, "version": __version__}

    @app.get("/model", summary="What is served, and the limits of a request")
    async def model() -> dict[str, Any]:
        told = {"texts": limits.texts, "characters": limits.characters, "tokens": limits.tokens}
        return {"name": served.name, "task": served.task, "limits": told, **served.about()}

    @app.get("/metrics", summary="Counts, as Prometheus reads them", response_class=Response)
    async def counts() -> Response:
        return Response(metrics.as_text(), media_type="text/plain; version=0.0.4")

    for path, name in _PAGES.items():
        app.add_api_route(path, _page(name), methods=["GET"], include_in_schema=False)
    _add_errors(app)
    _add_watch(app, metrics)
    return app


def _documented() -> dict[str, Any]:
    schema = PredictRequest.model_json_schema()
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "example": {"text": "a text of yours"}}
            },
        }
    }


def _page(name: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        return Response(_file(name), media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)

    return page


@cache
def _file(name: str) -> bytes:
    return (files("textnets.serving") / "page" / name).read_bytes()


# --- Requests and answers ---


async def _body(request: Request, limits: Limits) -> bytes:
    """The bytes of a request.

    Raises:
        TooLargeError: there are too many, whether it says so or not.
        _SlowClientError: they did not come in time.
    """
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > limits.body:
        raise _too_large(limits)
    found = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                found += part
                if len(found) > limits.body:
                    raise _too_large(limits)
    except TimeoutError:
        raise _SlowClientError(
            f"the request did not come within {limits.seconds:g} seconds"
        ) from None
    return bytes(found)


def _too_large(limits: Limits) -> TooLargeError:
    return TooLargeError(f"the request has more than {limits.body:,} bytes")


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    line = one_line_json(json.dumps(content, ensure_ascii=False))
    return Response(line + "\n", status, headers, "application/json")


def _with_top(answer: Answer, top: int) -> Answer:
    """With the likeliest labels only, likeliest first."""
    likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    return {**answer, "probabilities": dict(likely[:top])}


async def _lines(
    first: Answer | None,
    following: Callable[[], Awaitable[Answer | None]],
    metrics: Metrics,
) -> AsyncIterator[str]:
    """A line a token, and one that says that it was the last."""
    token = first
    while token is not None:
        metrics.token()
        yield one_line_json(json.dumps(token, ensure_ascii=False)) + "\n"
        token = await following()
    yield '{"done": true}\n'


# --- Errors and counts ---

_STATUS = {TooLargeError: 413, InputError: 422, _SlowClientError: 408, BusyError: 503}


def _add_errors(app: FastAPI) -> None:

    async def of_textnets(request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        headers = {"Retry-After": "1"} if status == 503 else {}
        if status in (408, 413):  # the rest of the request is not read
            headers["Connection"] = "close"
        return _json({"error": str(error)}, status, headers)

    async def of_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        words = {404: f"there is nothing at {request.url.path}", 405: "use another method"}
        return _json({"error": words.get(status, "it failed")}, status)

    async def gone(request: Request, error: Exception) -> Response:
        return _json({"error": "the client has gone"}, 499)

    app.add_exception_handler(TextnetsError, of_textnets)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(ClientDisconnect, gone)


def _add_watch(app: FastAPI, metrics: Metrics) -> None:
    """Count each request; plain ASGI, which costs less than a middleware of functions."""

    class Watch:
        def __init__(self, app: Any) -> None:
            self._app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            started, status = time.perf_counter(), 500
            metrics.in_flight += 1

            async def watched(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                metrics.in_flight -= 1
                path = scope["path"] if scope["path"] in _COUNTED else "other"
                metrics.request(path, status, time.perf_counter() - started)

    app.add_middleware(Watch)


_COUNTED = {"/predict", "/health", "/model", "/metrics", "/openapi.json", *_PAGES}
