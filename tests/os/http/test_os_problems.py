"""Each error of ours is one answer, on an app of ours and on the user's."""

import pytest
from fastapi import FastAPI

from agentos.errors import (
    AgentOSError,
    ConfigurationError,
    ConflictError,
    DatabaseUnavailableError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
)
from agentos.os import AgentOS
from tests.os.apps import agent, serving

ANSWERS = [
    (NotFoundError("Thing"), 404, {"detail": "Thing not found", "code": "not_found"}),
    (ConflictError("It is there."), 409, {"detail": "It is there.", "code": "conflict"}),
    (PayloadTooLargeError("Too much."), 413, {"detail": "Too much.", "code": "payload_too_large"}),
    (DatabaseUnavailableError("Later."), 503, {"detail": "Later.", "code": "database_unavailable"}),
    (
        InvalidInputError("Not so.", field="name"),
        422,
        {
            "detail": [{"type": "value_error", "loc": ["body", "name"], "msg": "Not so."}],
            "code": "invalid_input",
        },
    ),
    (
        InvalidInputError("Not \ud800 so."),
        422,
        {"detail": [{"type": "value_error", "loc": ["body"], "msg": "Not ? so."}], "code": "invalid_input"},
    ),
]


@pytest.mark.parametrize("base_app", [None, FastAPI()], ids=["ours", "theirs"])
@pytest.mark.parametrize(("error", "status", "body"), ANSWERS)
async def test_an_error_is_an_answer(base_app, error, status, body):
    app = AgentOS(agents=[agent()], base_app=base_app and FastAPI()).get_app()

    @app.get("/raise")
    async def fail():
        raise error

    async with serving(app) as client:
        answered = await client.get("/raise")
    assert (answered.status_code, answered.json()) == (status, body)
    assert answered.headers.get("retry-after") == ("2" if status == 503 else None)


@pytest.mark.parametrize("error", [ConfigurationError("db_url is wrong"), AgentOSError("secret")])
async def test_what_the_caller_cant_mend_is_told_in_the_log_only(error, caplog):
    app = AgentOS(agents=[agent()]).get_app()

    @app.get("/raise")
    async def fail():
        raise error

    async with serving(app) as client:
        answered = await client.get("/raise")
    body = answered.json()
    assert (answered.status_code, body.pop("error_id") in caplog.text) == (500, True)
    assert body == {"detail": "Internal server error", "code": "internal_error"}
