"""The pages `/docs` and `/redoc`. Their scripts and styles come from an installed package, not from a CDN."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import (
    get_redoc_html,
    get_swagger_ui_html,
    get_swagger_ui_oauth2_redirect_html,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

DOCS: Final = "/docs"
REDOC: Final = "/redoc"
OAUTH_REDIRECT: Final = "/docs/oauth2-redirect"
_FOLDER: Final = ("fastapi_offline", "static")
_SCRIPT, _STYLE, _ICON, _REDOC_SCRIPT = (
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon.png",
    "redoc.standalone.js",
)
_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)

Handler = Callable[[Request], Awaitable[Response]]


def add_docs(app: FastAPI) -> None:
    """Adds the pages to an app that has none. They work under any `root_path`."""
    app.docs_url, app.redoc_url = DOCS, REDOC  # for whoever links to them; the app itself is set up by now
    app.swagger_ui_oauth2_redirect_url = OAUTH_REDIRECT
    for path, handler in {DOCS: _docs(app), REDOC: _redoc(app), OAUTH_REDIRECT: _oauth_redirect}.items():
        app.add_route(path, handler, include_in_schema=False)
    files = StaticFiles(packages=[_FOLDER])
    for name in (_SCRIPT, _STYLE, _ICON, _REDOC_SCRIPT):
        app.add_route(f"{DOCS}/{name}", _file(files, name), include_in_schema=False)


def _docs(app: FastAPI) -> Handler:
    async def docs(request: Request) -> Response:
        root = _root(request)
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{DOCS}/{_SCRIPT}",
            swagger_css_url=f"{root}{DOCS}/{_STYLE}",
            swagger_favicon_url=f"{root}{DOCS}/{_ICON}",
            oauth2_redirect_url=f"{root}{OAUTH_REDIRECT}",
            swagger_ui_parameters={"validatorUrl": None},
        )
        return _confined(page)

    return docs


def _redoc(app: FastAPI) -> Handler:
    async def redoc(request: Request) -> Response:
        root = _root(request)
        page = get_redoc_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - ReDoc",
            redoc_js_url=f"{root}{DOCS}/{_REDOC_SCRIPT}",
            redoc_favicon_url=f"{root}{DOCS}/{_ICON}",
            with_google_fonts=False,
        )
        return _confined(page)

    return redoc


async def _oauth_redirect(request: Request) -> Response:
    return _confined(get_swagger_ui_oauth2_redirect_html())


def _file(files: StaticFiles, name: str) -> Handler:
    async def file(request: Request) -> Response:
        return await files.get_response(name, request.scope)

    return file


def _root(request: Request) -> str:
    return request.scope.get("root_path", "").rstrip("/")


def _confined(page: HTMLResponse) -> Response:
    """The page with a policy that lets it load, run and call only what comes from this server.

    ReDoc would otherwise load its logo from elsewhere. It runs a worker, and both insert styles.
    """
    scripts = _INLINE.findall(bytes(page.body).decode())
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    page.headers["Content-Security-Policy"] = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    return page
