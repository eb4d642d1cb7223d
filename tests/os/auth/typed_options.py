"""What a type checker says of options. `scripts/check` reads this file; nothing runs it.

Pyright also reports an `ignore` that isn't needed: each refusal below must stay one.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from fastapi import FastAPI

from agentos.os.config import AuthorizationConfig
from agentos.os.middleware import JWTMiddleware, TokenSource


def taken(app: FastAPI) -> None:
    app.add_middleware(JWTMiddleware, ["key"], algorithm=["HS256", "HS512"], token_source="both")
    app.add_middleware(JWTMiddleware, verification_keys=[b"key"], token_source=TokenSource.COOKIE, leeway=0)
    app.add_middleware(JWTMiddleware, issuer="https://idp.test", scope_mappings={"GET /me": []})
    JWTMiddleware(app, ["key"], algorithm="ES256", audience="my-os", verify_audience=True)
    AuthorizationConfig(["key"], algorithm="HS256", admin_scope="my:admin")


def refused(app: FastAPI) -> None:
    app.add_middleware(JWTMiddleware, verification_key=["key"])  # pyright: ignore[reportCallIssue]
    app.add_middleware(JWTMiddleware, algorithm="HS257")  # pyright: ignore[reportArgumentType]
    app.add_middleware(JWTMiddleware, leeway="10")  # pyright: ignore[reportArgumentType]
    app.add_middleware(JWTMiddleware, ["key"], "HS256")  # pyright: ignore[reportCallIssue]
    JWTMiddleware(app, verify_aud=True)  # pyright: ignore[reportCallIssue]
    AuthorizationConfig(unmapped="maybe")  # pyright: ignore[reportArgumentType]
    AuthorizationConfig(verify_aud=True)  # pyright: ignore[reportCallIssue]
