"""Turns errors into responses: in our own routes, wherever they are mounted, and in whole apps of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from agentos.errors import AgentOSError, BadRequestError, MethodNotAllowedError, NotFoundError
from agentos.os.http.body_limit import check_json
from agentos.os.http.pace import PacedBody
from agentos.os.http.problems import InvalidRequestError, answer
from agentos.os.http.request_note import note_denial
from agentos.os.principal import AccessDeniedError

logger = logging.getLogger("agentos.os")
denials = logging.getLogger("agentos.auth")

_UNREADABLE: Final = "There was an error parsing the body"
"""FastAPI's own word for a body that it can't read; nothing of ours raises an HTTPException."""


class _BoundedRequest(Request):
    """Checks JSON before it is parsed."""

    async def json(self) -> Any:
        """The body's JSON; see `check_json` for the errors."""
        await check_json(self, await self.body())
        return await super().json()


class ProblemRoute(APIRoute):
    """A route that responds to its own errors, so that it behaves the same in a user's app."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with errors turned into responses."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                body = PacedBody(request)
                await body.begin()
                return await handle(_BoundedRequest(request.scope, body))
            except AgentOSError as error:
                return _answered(request, error)
            except ClientDisconnect:
                return _unheard()
            except RequestValidationError as error:
                return answer(InvalidRequestError(error.errors()))
            except HTTPException as error:
                if error.detail != _UNREADABLE:
                    raise  # of a dependency of the user's app, whose handlers answer it
                cause = error.__cause__
                if isinstance(cause, ClientDisconnect):
                    return _unheard()
                return answer(cause if isinstance(cause, AgentOSError) else BadRequestError(error.detail))

        return handler

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As in FastAPI, but `Allow` lists the methods of all routes on the path (RFC 9110 §15.5.6)."""
        if scope["method"] in self.methods:
            await super().handle(scope, receive, send)
        else:
            await answer(MethodNotAllowedError(_methods(scope)))(scope, receive, send)


def _unheard() -> Response:
    """What nobody receives: the client left before its request had arrived. The status is nginx's."""
    logger.info("A client left before its request had arrived")
    return Response(status_code=499)


def _methods(scope: Scope) -> set[str]:
    """The methods of the path, if the request's isn't among them."""
    return {
        method
        for route in iter_route_contexts(scope["app"].routes)
        if route.matches(scope)[0] is Match.PARTIAL
        for method in route.methods or ()
    }


def install(app: FastAPI, *, is_ours: bool) -> None:
    """Handles our errors in an app, and in our own apps all others too. The user's handlers are kept."""
    app.exception_handlers.setdefault(AgentOSError, _on_error)
    if is_ours:
        app.add_exception_handler(HTTPException, _on_http_exception)
        app.add_exception_handler(Exception, _on_crash)


async def _on_error(request: Request, error: Exception) -> Response:
    return _answered(request, error)


def _answered(request: Request, error: Exception) -> Response:
    if isinstance(error, AccessDeniedError):
        note_denial(request.scope, error.code)
        denials.warning("Denied (%s), decision_id %s", error.code, error.decision_id)
    return answer(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Turns the router's own errors into problems. Errors raised by a user's route keep their handlers."""
    assert isinstance(error, HTTPException)
    headers = error.headers or {}
    match error.status_code, error.detail:
        case HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase:
            return answer(NotFoundError("Path", message=error.detail))
        case HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.METHOD_NOT_ALLOWED.phrase:
            return answer(MethodNotAllowedError(filter(None, headers.get("Allow", "").split(", "))))
        case _:
            return await http_exception_handler(request, error)


async def _on_crash(request: Request, error: Exception) -> Response:
    return answer(error)
