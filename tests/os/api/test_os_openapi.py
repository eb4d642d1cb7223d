"""The OpenAPI document says what every route takes and answers."""

import json
import re
from typing import get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from jsonschema_rs import validator_for
from pydantic import BaseModel

from agentos.os import AgentOS
from agentos.os.api.routers import routes_of_kind
from agentos.os.registry import Registry
from agentos.run.events import RunContent, RunEvent
from agentos.tools import ToolError, tool
from tests.os.apps import Played, agent, calls_once, frames, serving

METHODS = {"get", "post", "patch", "delete", "put"}
RUNS = "/agents/{agent_id}/runs"


APP = AgentOS(agents=[agent()]).get_app()


@pytest.fixture(scope="module")
def document():
    return APP.openapi()


def operations(document):
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def resolved(document, schema):
    """The named schema that another one refers to."""
    assert schema.keys() == {"$ref"}
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def parts(schema):
    """A schema and all that it is made of, references unfollowed."""
    yield schema
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]:
        yield from parts(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key])


def test_every_route_of_the_contract_is_there(document):
    assert {name for name, _ in operations(document)} >= {
        "GET /health",
        "GET /info",
        "GET /config",
        "GET /agents",
        "GET /agents/{agent_id}",
        "GET /teams",
        "GET /workflows",
        f"POST {RUNS}",
        f"GET {RUNS}",
        f"GET {RUNS}/{{run_id}}",
        f"GET {RUNS}/{{run_id}}/events",
        "GET /sessions",
        "POST /sessions",
        "DELETE /sessions",
        "GET /sessions/{session_id}",
        "PATCH /sessions/{session_id}",
        "DELETE /sessions/{session_id}",
        "POST /sessions/{session_id}/rename",
        "GET /sessions/{session_id}/runs",
        "GET /sessions/{session_id}/run-previews",
        "GET /sessions/{session_id}/runs/{run_id}",
        "GET /memories",
        "POST /memories",
        "DELETE /memories",
        "GET /memories/{memory_id}",
        "PATCH /memories/{memory_id}",
        "DELETE /memories/{memory_id}",
        "GET /memory_topics",
        "GET /user_memory_stats",
    }


def test_operations_have_names_of_their_own(document):
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert {"create_agent_run", "get_agents", "get_sessions", "create_memory"} <= set(names)


def test_every_answer_has_a_schema(document):
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status == "204":
                continue
            if int(status) >= 400:
                assert set(answer["content"]) == {"application/json"}, (name, status)
            schemas = [content["schema"] for content in answer["content"].values()]
            assert schemas, (name, status)
            assert all(schemas), (name, status)


def test_every_path_parameter_is_described(document):
    for name, operation in operations(document):
        described = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert described == {part.strip("{}") for part in name.split("/") if part.startswith("{")}, name


def test_references_lead_somewhere(document):
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    references = {part.partition('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references
    assert all(reference.rpartition("/")[2] in schemas for reference in references)
    assert {reference.rpartition("/")[0] for reference in references} == {"#/components/schemas"}


def test_a_run_is_described_in_three_content_types(document):
    run = document["paths"][RUNS]["post"]
    content = run["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/x-www-form-urlencoded", "application/json"}
    bodies = {kind: resolved(document, body["schema"]) for kind, body in content.items()}
    for body in bodies.values():
        assert body["required"] == ["message"]
        assert {"stream", "session_id", "session_state", "images"} <= body["properties"].keys()
    assert "files" in bodies["multipart/form-data"]["properties"]
    answers = run["responses"]["200"]["content"]
    assert set(answers) == {"text/event-stream", "application/json"}
    assert answers["application/json"]["schema"] == {"$ref": "#/components/schemas/RunRecord"}
    invalid = run["responses"]["422"]["content"]["application/json"]["schema"]
    assert invalid == {"$ref": "#/components/schemas/InvalidRequest"}
    assert {"404", "413", "415", "422", "503"} <= run["responses"].keys()


def test_every_operation_has_a_summary_for_people(document):
    functions = {
        route.operation_id: route.endpoint.__name__.replace("_", " ")
        for route in APP.routes
        if isinstance(route, APIRoute)
    }
    for name, operation in operations(document):
        summary = operation["summary"]
        assert len(summary.split()) >= 2, name
        assert summary.casefold() != functions[operation["operationId"]].casefold(), name
        assert operation["description"], name


def test_every_property_and_parameter_is_described(document):
    for name, schema in document["components"]["schemas"].items():
        for part in parts(schema):
            for field, its in part.get("properties", {}).items():
                assert its.get("description"), (name, field)
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_body_has_a_name(document):
    names = set()
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            # A body that may be left out is that, or null.
            choices = content["schema"].get("anyOf", [content["schema"]])
            named = [each for each in choices if each != {"type": "null"}]
            assert [resolved(document, each)["type"] for each in named] == ["object"], name
            names.add(named[0]["$ref"].rpartition("/")[2])
    assert names >= {"RunBody", "RunForm", "RunFormWithFiles", "ContinueBody", "ContinueForm", "ResumeBody"}


def test_generated_clients_can_name_everything(document):
    """A client's generator makes a variable of each schema's name, beside those of its properties."""
    for name, schema in document["components"]["schemas"].items():
        variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert variable not in schema.get("properties", {}), name
        assert not {name, schema.get("title")} & {"File", "Response", "Unset"}, name


EVENT_TYPES = [each.model_fields["event"].default for each in get_args(RunEvent)]


def test_a_stream_is_described_by_its_events(document):
    schemas = document["components"]["schemas"]
    streams = [
        content["text/event-stream"]["schema"]
        for _, operation in operations(document)
        if "text/event-stream" in (content := operation["responses"].get("200", {}).get("content", {}))
    ]
    assert len(streams) == 4
    for schema in streams:
        assert schema["type"] == "string"
        union = resolved(document, schema["contentSchema"])
        assert union["discriminator"]["propertyName"] == "event"
        mapping = union["discriminator"]["mapping"]
        assert list(mapping) == EVENT_TYPES
        assert [each["$ref"] for each in union["oneOf"]] == list(mapping.values())
        for name, reference in mapping.items():
            assert schemas[reference.rpartition("/")[2]]["properties"]["event"]["const"] == name


def failing(request):
    raise RuntimeError("no")


def send(to: str) -> str:
    """Sends a letter."""
    raise ToolError(f"{to} is away")


async def test_events_are_as_described(db):
    letter, asking = calls_once("send", to="bo"), tool(requires_confirmation=True)(send)
    agents = [
        agent("hello", db=db),
        agent(failing, called="broken", db=db),
        agent(letter, called="tools", db=db, tools=[send]),
        agent(letter, called="waits", db=db, tools=[asking]),
    ]
    app, seen = AgentOS(agents=agents).get_app(), set()
    components = app.openapi()["components"]
    async with serving(app) as client:
        for each in agents:
            sent = await client.post(f"/agents/{each.id}/runs", json={"message": "hi"})
            for frame in frames(sent.text):
                schema = {**components["schemas"][frame.event], "components": components}
                validator_for({**schema, "additionalProperties": False}).validate(frame.data)
                seen.add(frame.event)
    assert seen >= {"RunStarted", "RunContent", "ToolCallStarted", "ToolCallError", "RunPaused", "RunError"}


def test_the_events_of_another_kind_have_its_names(db):
    async def play(context):
        yield RunContent(content="x")

    document = AgentOS(teams=[Played(play, kind="team", db=db)]).get_app().openapi()
    event = document["components"]["schemas"]["TeamRunStarted"]
    assert {"team_id", "run_id", "event_index"} <= set(event["required"])
    assert "TeamRunStarted" in document["components"]["schemas"]["RunEvent"]["discriminator"]["mapping"]
    test_references_lead_somewhere(document)


def test_errors_have_a_code_and_one_shape(document):
    schemas = document["components"]["schemas"]
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()
    for name in ("Problem", "InvalidRequest"):
        assert set(schemas[name]["required"]) == {"detail", "code"}
        assert schemas[name]["properties"]["code"]["type"] == "string"


def test_another_kind_has_the_same_routes():
    app = FastAPI()
    for router in routes_of_kind("team", Registry([], db=None)):
        app.include_router(router)
    teams, agents = app.openapi(), APP.openapi()
    expected = {
        path.replace("agent", "team"): {
            method: operation["operationId"].replace("agent", "team") for method, operation in item.items()
        }
        for path, item in agents["paths"].items()
        if path.startswith("/agents")
    }
    assert expected == {
        path: {method: operation["operationId"] for method, operation in item.items()}
        for path, item in teams["paths"].items()
    }
    test_every_path_parameter_is_described(teams)


def test_names_that_a_users_app_has_taken_stay_the_users():
    base = FastAPI()

    class RunBody(BaseModel):
        mine: int

    class Image(BaseModel):
        mine: int

    def upload(body: RunBody) -> Image:
        return Image(mine=body.mine)

    base.post("/upload")(upload)
    document = AgentOS(agents=[agent()], base_app=base).get_app().openapi()
    schemas = document["components"]["schemas"]
    assert schemas["RunBody"]["properties"].keys() == schemas["Image"]["properties"].keys() == {"mine"}
    theirs = document["paths"]["/upload"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert theirs == {"$ref": "#/components/schemas/RunBody"}
    ours = document["paths"][RUNS]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "message" in resolved(document, ours)["properties"]
    test_references_lead_somewhere(document)
