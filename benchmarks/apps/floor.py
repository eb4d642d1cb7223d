"""The floor: the same answers by hand, with nothing around them.

Bare FastAPI routes that check the token with PyJWT, ask the model through the official client, and store the
run with two inserts. There are no scopes, sessions, histories, events or error answers: whatever is slower
than this pays for those.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, LiteralString
from uuid import uuid4

import jwt
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.responses import Response

SECRET = os.environ["JWT_VERIFICATION_KEY"]
AGENTS = """[{"id":"research-agent","name":"Research Agent","db_id":"ade1bafc-a7a4-5763-a796-118f697b2cfa",\
"description":"Finds things out.","model":{"name":"OpenAIChat","model":"gpt-5.2","provider":"OpenAI"},\
"sessions":{"session_table":"agentos_sessions"},"system_message":{"description":"Finds things out."}}]"""
TABLES = """
    CREATE TABLE IF NOT EXISTS questions (run_id text PRIMARY KEY, user_id text, message text);
    CREATE TABLE IF NOT EXISTS answers (run_id text PRIMARY KEY, content text)
"""

pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
    os.environ["DATABASE_URL"].replace("+psycopg", ""),
    min_size=10,
    max_size=10,
    kwargs={"autocommit": True},
    open=False,
)
client = AsyncOpenAI()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with pool, client:
        await store(TABLES)
        yield


app = FastAPI(lifespan=lifespan)


def user_of(request: Request) -> str:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    return claims["sub"]


async def store(statement: LiteralString, *values: str | None) -> None:
    async with pool.connection() as connection:
        await connection.execute(statement, values)


async def store_question(run_id: str, user_id: str, message: str) -> None:
    await store("INSERT INTO questions VALUES (%s, %s, %s)", run_id, user_id, message)


async def store_answer(run_id: str, content: str | None) -> None:
    await store("INSERT INTO answers VALUES (%s, %s)", run_id, content)


@app.get("/agents")
async def agents(request: Request) -> Response:
    user_of(request)
    return Response(AGENTS, media_type="application/json")


@app.post("/agents/{agent_id}/runs", response_model=None)
async def run(
    request: Request, agent_id: str, message: Annotated[str, Form()], stream: Annotated[bool, Form()]
) -> Response | dict[str, str | None]:
    user_id, run_id = user_of(request), str(uuid4())
    await store_question(run_id, user_id, message)
    if stream:
        return StreamingResponse(pieces(run_id, message), media_type="text/event-stream")
    completion = await client.chat.completions.create(
        model="gpt-5.2", messages=[{"role": "user", "content": message}]
    )
    content = completion.choices[0].message.content
    await store_answer(run_id, content)
    return {"run_id": run_id, "content": content}


async def pieces(run_id: str, message: str) -> AsyncGenerator[str]:
    said: list[str] = []
    chunks = await client.chat.completions.create(
        model="gpt-5.2", messages=[{"role": "user", "content": message}], stream=True
    )
    async for chunk in chunks:
        if chunk.choices and (content := chunk.choices[0].delta.content):
            said.append(content)
            data = json.dumps({"run_id": run_id, "content": content})
            yield f"event: RunContent\ndata: {data}\n\n"
    await store_answer(run_id, "".join(said))
