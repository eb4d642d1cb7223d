"""A method that a path doesn't know is answered with those that it does."""

import pytest

from agentos.os import AgentOS
from tests.os.apps import agent, bearer, secured, serving


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sessions", "DELETE, GET, POST"),
        ("OPTIONS", "/sessions/s", "DELETE, GET, PATCH"),
        ("DELETE", "/agents/web/runs", "GET, POST"),
        ("POST", "/health", "GET"),
    ],
)
async def test_allow_names_the_methods_of_every_route(method, path, allowed):
    async with serving(secured(AgentOS(agents=[agent()]).get_app())) as http:
        answer = await http.request(method, path, headers=bearer("root", "agent_os:admin"))
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
