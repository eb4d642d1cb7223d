"""`AgentOS`: serves agents and teams over HTTP as one FastAPI app."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from inspect import signature
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import Lifespan

from agentos.db.base import Db
from agentos.errors import ConfigurationError
from agentos.os.api.docs import add_docs
from agentos.os.api.openapi import Document
from agentos.os.api.routers import routes_of
from agentos.os.audit.anonymous import AuditConfig
from agentos.os.audit.log import AuditLog
from agentos.os.audit.recorder import ended
from agentos.os.auth.security_key import SecurityKeyMiddleware, chosen
from agentos.os.auth_settings import AuthorizationConfig, middleware_options
from agentos.os.config import AgentOSConfig
from agentos.os.http.body_limit import BodyLimit
from agentos.os.http.lookup import find
from agentos.os.http.pace import BYTES_PER_SECOND, Pace
from agentos.os.http.problem_route import install
from agentos.os.http.request_id import RequestId
from agentos.os.http.streams import MAX_STREAMS, Streams
from agentos.os.middleware import JWTMiddleware, TrailingSlash
from agentos.os.registry import Registry, Served, Server, listed, served_by
from agentos.os.server import serve
from agentos.os.server.lifespan import lifespan_of
from agentos.os.server.limits import QueueConfig
from agentos.os.server.retention import Retention
from agentos.run.bounds import JSON_LIMITS, JsonLimits
from agentos.runner.service import RunService
from agentos.utils.names import checks_parameters
from agentos.utils.slug import slug

logger = logging.getLogger("agentos.os")

DEFAULT_ORIGINS = ("http://localhost:3000", "http://127.0.0.1:3000")
"""Web pages on the same machine. Name other origins in `cors_allowed_origins`."""
MAX_BODY_BYTES = 64 * 1024 * 1024


@checks_parameters
class AgentOS:
    """Serves agents, teams, their sessions and memories.

    At least one of `agents`, `teams` and `db` is required. Agents and teams without a database of their own
    use `db`. A team's members have routes of their own only if they are in `agents` or `teams` too; the runs
    that they are part of are the team's, and stored with it. Runnables of custom kinds belong into `agents`.

    If `id` is left out, it is derived from `name`, or is `agentos`. `config` is an AgentOSConfig or the path
    of a YAML file.

    `authorization=True` protects every route with JWTs and scopes, configured by `authorization_config`;
    passing only the latter is refused. Alternatively, add `JWTMiddleware` to the finished app. For the
    simplest deployments, `security_key` (True: the value of AGENTOS_SECURITY_KEY) is one shared token that
    permits everything.

    With `base_app`, the routes are added to your own FastAPI app. Its existing routes take precedence: a
    route of ours with the same path is left out, with a warning. Its middleware, handlers and lifespan are
    kept, and its dependencies apply to our routes too. So do the body limit and the handling of trailing
    slashes to its own.

    With a database and authentication, denials and changes are recorded in the audit, unless `audit` is off;
    an `AuditConfig` limits the rows about unknown callers.

    `queue` limits background runs. With `durable`, another process resumes background runs whose process
    died, as it does for all runs of durable agents. `retention` sets how long data is kept; by default it is
    kept indefinitely.

    `lifespan(app)` or `lifespan(app, agent_os)` is entered after the databases are ready and exited before
    they are closed. At shutdown, runs get `shutdown_grace` seconds to finish.

    `max_body_bytes` limits request bodies. JSON in them is limited to `max_json_bytes`, without images and
    documents in Base64, to `max_json_values` values and to 100 levels. Each text field of a multipart form is
    limited to `max_json_bytes` characters, and any other form as a whole to as many bytes. While others use
    the server, a process reads each user's bodies of more than 64 KiB at `max_bytes_per_second`, uploads
    eight times as fast. In each process a user may have `max_streams_per_user` event streams open; callers
    without an identity count by address.
    """

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the peer's name
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        agents: Sequence[Served] | None = None,
        teams: Sequence[Served] | None = None,
        db: Db | None = None,
        base_app: FastAPI | None = None,
        lifespan: Lifespan[FastAPI]
        | Callable[[FastAPI, AgentOS], AbstractAsyncContextManager[Any]]
        | None = None,
        config: AgentOSConfig | str | os.PathLike[str] | None = None,
        cors_allowed_origins: Sequence[str] | None = None,
        authorization: bool = False,
        authorization_config: AuthorizationConfig | None = None,
        security_key: str | bool = False,
        audit: bool | AuditConfig = True,
        durable: bool = False,
        queue: QueueConfig | None = None,
        retention: Retention | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_json_bytes: int = JSON_LIMITS.bytes,
        max_json_values: int = JSON_LIMITS.values,
        max_bytes_per_second: int = BYTES_PER_SECOND,
        max_streams_per_user: int = MAX_STREAMS,
        shutdown_grace: float = 10.0,
    ) -> None:
        if not agents and not teams and db is None:
            raise ConfigurationError("AgentOS has nothing to serve: pass agents=[…], teams=[…], or db=…")
        self.id = id or slug(name or "") or "agentos"
        self.name, self.description = name, description
        self.version = version or "1.0.0"
        self.agents, self.teams = listed(agents or (), "agents"), listed(teams or (), "teams")
        self.db = db
        self.base_app, self.lifespan = base_app, lifespan
        self.config = config if isinstance(config, AgentOSConfig) else _loaded(config)
        self.cors_allowed_origins = cors_allowed_origins
        self.authorization, self.authorization_config = authorization, authorization_config
        self.audit, self.retention = audit, retention
        self.durable, self.queue = durable, queue or QueueConfig()
        self._security_key = chosen(security_key)
        self.max_body_bytes = max_body_bytes
        self.json_limits = JsonLimits(bytes=max_json_bytes, values=max_json_values)
        self.max_bytes_per_second = max_bytes_per_second
        self.max_streams_per_user = max_streams_per_user
        self.shutdown_grace = shutdown_grace
        self._check()
        self._registry = Registry([*self.agents, *self.teams], db=db)

    def __repr__(self) -> str:
        shown = {
            "id": self.id,
            "agents": [agent.id for agent in self.agents],
            "teams": [team.id for team in self.teams],
            "db": self.db,
            "authorization": self.authorization,
        }
        return f"AgentOS({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _check(self) -> None:
        """ConfigurationError for options that can't work, alone or together."""
        _check_authorization(self.authorization, self.authorization_config)
        _check_origins(self.cors_allowed_origins, self.base_app)
        _check_limits(
            max_body_bytes=self.max_body_bytes,
            max_json_bytes=self.json_limits.bytes,
            max_json_values=self.json_limits.values,
            max_bytes_per_second=self.max_bytes_per_second,
            max_streams_per_user=self.max_streams_per_user,
        )
        _check_grace(self.shutdown_grace)

    def get_app(self) -> FastAPI:
        """The app. Each call creates an independent one; with `base_app`, every call returns that app."""
        if self.base_app is None:
            title, description = self.name or "AgentOS", self.description or ""
            app = FastAPI(
                title=title,
                version=self.version,
                description=description,
                docs_url=None,
                redoc_url=None,
                redirect_slashes=False,  # a trailing slash is nothing here
            )
            add_docs(app)
            install(app, is_ours=True)
        elif (served := served_by(self.base_app)) is None:
            app = self.base_app
            install(app, is_ours=False)
        elif served.registry is self._registry:
            return self.base_app
        else:
            raise ConfigurationError("base_app already belongs to another AgentOS: give each its own.")
        given = {"durable": self.durable, "retention": self.retention}
        if not self._registry.dbs and (ignored := [name for name, value in given.items() if value]):
            logger.warning("AgentOS has no db, so it ignores %s: pass db=…", ", ".join(ignored))
        audit = _audit_log(self.audit) if self._registry.default_db is not None else None
        server = Server(
            id=self.id,
            registry=self._registry,
            config=self.config,
            runs=RunService(
                list(self._registry),
                self._registry.dbs,
                capacity=self.queue.capacity,
                durable=self.durable,
                report=partial(ended, audit),
            ),
            name=self.name,
            description=self.description,
            version=self.version,
            audit=audit,
            has_security_key=self._security_key is not None,
            json_limits=self.json_limits,
            pace=Pace(self.max_bytes_per_second),
            streams=Streams(self.max_streams_per_user),
        )
        app.state.agentos = server
        _add_routes(app, server)
        app.openapi = Document(app, self._registry.kinds)
        self._add_middleware(app)
        before = [app.router.lifespan_context, *([self._own_lifespan] if self.lifespan else [])]
        app.router.lifespan_context = lifespan_of(
            server, before, retention=self.retention, grace=self.shutdown_grace
        )
        return app

    def _own_lifespan(self, app: FastAPI) -> AbstractAsyncContextManager[Any]:
        """`lifespan` takes the app, or also the AgentOS."""
        lifespan: Callable[..., AbstractAsyncContextManager[Any]] | None = self.lifespan
        assert lifespan is not None
        try:
            signature(lifespan).bind(app)
        except TypeError:
            return lifespan(app, self)
        return lifespan(app)

    def serve(
        self,
        app: str | FastAPI,
        *,
        host: str = "localhost",
        port: int = 7777,
        reload: bool = False,
        workers: int | None = None,
        access_log: bool = False,
        allow_unauthenticated: bool = False,
        **uvicorn_options: Any,
    ) -> None:
        """Runs `app` under uvicorn until it is stopped. `AGENTOS_HOST` and `AGENTOS_PORT` override the code.

        `reload` and more than one of `workers` need `app` as `"module:attribute"`, since other processes
        import it. Connections still open at shutdown are closed after `shutdown_grace` seconds. An app
        without authentication is served only on this machine, unless `allow_unauthenticated` is set. Other
        options, such as `forwarded_allow_ips`, `root_path`, `ssl_keyfile` or `log_config`, are those of
        `uvicorn.run`.
        """
        host, port = serve.address(host, port)
        serve.serve(
            app,
            title=self.name or self.id,
            host=host,
            port=port,
            reload=reload,
            workers=workers,
            access_log=access_log,
            allow_unauthenticated=allow_unauthenticated,
            **{"lifespan": "on", "timeout_graceful_shutdown": int(self.shutdown_grace), **uvicorn_options},
        )

    def _add_middleware(self, app: FastAPI) -> None:
        """Middleware that is added last sees a request first."""
        app.add_middleware(TrailingSlash)
        app.add_middleware(BodyLimit, max_bytes=self.max_body_bytes)
        if self.authorization:
            app.add_middleware(JWTMiddleware, **middleware_options(self.authorization_config))
        if self._security_key is not None:
            app.add_middleware(SecurityKeyMiddleware, key=self._security_key)
        if not _has_cors(app):
            origins = DEFAULT_ORIGINS if self.cors_allowed_origins is None else self.cors_allowed_origins
            app.add_middleware(CORSMiddleware, **_cors(origins))
        app.add_middleware(RequestId)


def _add_routes(app: FastAPI, server: Server) -> None:
    """Adds our routes after the app's own, without those that the app's routes would hide."""
    routes = routes_of(server)
    hidden = [route for route in routes if _is_served(app, route)]
    if hidden:
        names = ", ".join(f"{'/'.join(route.methods or ())} {route.path}" for route in hidden)
        logger.warning("Leaving out routes of AgentOS that base_app already serves: %s", names)
    ours = [route for route in routes if route not in hidden]
    if app.router.dependencies:
        # Only an included router inherits the app's dependencies.
        router = APIRouter(default_response_class=JSONResponse)
        router.routes.extend(ours)
        app.include_router(router)
    else:
        app.router.routes.extend(ours)
    app.openapi_schema = None


def _is_served(app: FastAPI, route: APIRoute) -> bool:
    scope: dict[str, Any] = {"type": "http", "app": app, "headers": [], "query_string": b""}
    return any(
        find({**scope, "method": method}, route.path).match is Match.FULL for method in route.methods or ()
    )


def _audit_log(audit: bool | AuditConfig) -> AuditLog | None:
    if not audit:
        return None
    return AuditLog(config=audit if isinstance(audit, AuditConfig) else None)


def _check_authorization(authorization: bool, config: AuthorizationConfig | None) -> None:
    if config is not None and not authorization:
        raise ConfigurationError(
            "authorization_config protects nothing by itself: pass authorization=True too."
        )


def _check_grace(seconds: float) -> None:
    if not seconds >= 0:
        raise ConfigurationError(f"shutdown_grace={seconds!r} is invalid: give 0 seconds or more.")


def _check_origins(origins: Sequence[str] | None, base_app: FastAPI | None) -> None:
    if base_app is not None and origins is not None and _has_cors(base_app):
        raise ConfigurationError(
            "base_app already has a CORSMiddleware: name the origins there, not in cors_allowed_origins."
        )
    if isinstance(origins, str):
        raise ConfigurationError(f"cors_allowed_origins must be a list: [{origins!r}].")


def _check_limits(**limits: int) -> None:
    for option, most in limits.items():
        if most < 1:
            raise ConfigurationError(f"{option}={most!r} is invalid: give 1 or more.")


def _has_cors(app: FastAPI) -> bool:
    return any(middleware.cls is CORSMiddleware for middleware in app.user_middleware)


def _cors(origins: Sequence[str]) -> dict[str, Any]:
    """Credentials are allowed for named origins only. `*` may read, but without credentials."""
    return {
        "allow_origins": list(origins),
        "allow_credentials": "*" not in origins,
        "allow_methods": ["*"],
        "allow_headers": ["*"],
        "expose_headers": ["Retry-After", "WWW-Authenticate", "X-Request-ID"],
    }


def _loaded(config: str | os.PathLike[str] | None) -> AgentOSConfig:
    return AgentOSConfig() if config is None else AgentOSConfig.load(config)
