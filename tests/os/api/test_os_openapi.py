"""The OpenAPI document says what every route takes and answers."""

import json

import pytest

from agentos.os import AgentOS
from tests.os.apps import agent

METHODS = {"get", "post", "patch", "delete", "put"}
RUNS = "/agents/{agent_id}/runs"


@pytest.fixture(scope="module")
def document():
    return AgentOS(agents=[agent()]).get_app().openapi()


def operations(document):
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_every_route_of_the_contract_is_there(document):
    assert {name for name, _ in operations(document)} >= {
        "GET /health",
        "GET /info",
        "GET /config",
        "GET /agents",
        "GET /agents/{agent_id}",
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
    for body in content.values():
        assert body["schema"]["required"] == ["message"]
        assert {"stream", "session_id", "session_state", "images"} <= body["schema"]["properties"].keys()
    assert "files" in content["multipart/form-data"]["schema"]["properties"]
    answers = run["responses"]["200"]["content"]
    assert set(answers) == {"text/event-stream", "application/json"}
    assert answers["application/json"]["schema"] == {"$ref": "#/components/schemas/RunRecord"}
    invalid = run["responses"]["422"]["content"]["application/json"]["schema"]
    assert invalid == {"$ref": "#/components/schemas/InvalidRequest"}
    assert {"404", "413", "415", "422", "503"} <= run["responses"].keys()
