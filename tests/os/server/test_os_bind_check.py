"""An app that asks nobody who they are stays on this machine, unless it is said that it may not."""

import sys

import pytest
import uvicorn
from fastapi import FastAPI

from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.os.server.bind_check import is_loopback
from tests.cli.commands import agentos
from tests.os.apps import SECRET, agent, secured

MODULE = """
from agentos.os import AgentOS
from tests.os.apps import SECRET, agent, secured

open_os = AgentOS(agents=[agent()])
keyed_os = AgentOS(agents=[agent()], security_key="a key that is long".replace(" ", "-"))
app = {app}
"""


@pytest.fixture
def operating():
    return AgentOS(agents=[agent()])


@pytest.fixture
def ran(monkeypatch):
    asked = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: asked.append(options["host"]))
    monkeypatch.delenv("AGENT_OS_HOST", raising=False)
    monkeypatch.delenv("AGENT_OS_PORT", raising=False)
    return asked


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module whose `app` is what the text says."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def write(app: str) -> str:
        (tmp_path / "exposed_module.py").write_text(MODULE.format(app=app))
        return "exposed_module:app"

    yield write
    sys.modules.pop("exposed_module", None)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.2", "fe80::1", "example.com", "localhost.example.com", ""]
)
def test_beyond_this_machine_an_open_app_is_refused_unless_allowed(operating, ran, host):
    with pytest.raises(ConfigurationError, match="allow_unauthenticated=True"):
        operating.serve(operating.get_app(), host=host)
    assert not ran
    operating.serve(operating.get_app(), host=host, allow_unauthenticated=True)
    operating.serve(secured(operating.get_app()), host=host)
    assert ran == [host, host]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_on_this_machine_an_open_app_is_served(operating, ran, host):
    assert is_loopback(host)
    operating.serve(operating.get_app(), host=host)
    assert ran == [host]


def test_a_socket_of_the_file_system_is_this_machine(operating, ran):
    operating.serve(operating.get_app(), host="0.0.0.0", uds="/tmp/agentos.sock")
    assert ran


def test_the_host_in_the_environment_is_the_one_that_counts(operating, ran, monkeypatch):
    monkeypatch.setenv("AGENT_OS_HOST", "0.0.0.0")
    with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0"):
        operating.serve(operating.get_app(), host="127.0.0.1")
    monkeypatch.setenv("AGENT_OS_HOST", "127.0.0.1")
    operating.serve(operating.get_app(), host="0.0.0.0")
    assert ran == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("app", "is_served"),
    [
        ("open_os.get_app()", False),
        ("keyed_os.get_app()", True),
        ("secured(open_os.get_app())", True),
        ("lambda scope, receive, send: None", False),
    ],
)
def test_an_app_named_by_its_import_string_is_looked_at(operating, ran, module, app, is_served):
    target = module(app)
    if is_served:
        operating.serve(target, host="0.0.0.0", reload=True)
    else:
        with pytest.raises(ConfigurationError, match="authorization=True"):
            operating.serve(target, host="0.0.0.0", reload=True)
    assert len(ran) == is_served


def test_a_name_that_is_none_is_refused_where_it_matters(operating, ran):
    with pytest.raises(ConfigurationError, match="nothing:app"):
        operating.serve("nothing:app", host="0.0.0.0")
    operating.serve("nothing:app", host="127.0.0.1")
    assert ran == ["127.0.0.1"]


def test_what_is_mounted_may_be_what_asks(operating, ran):
    inner, outer = secured(operating.get_app()), FastAPI()
    outer.mount("/os", inner)
    operating.serve(outer, host="0.0.0.0")
    plain = FastAPI()
    plain.mount("/os", AgentOS(agents=[agent()]).get_app())
    with pytest.raises(ConfigurationError):
        operating.serve(plain, host="0.0.0.0")
    assert len(ran) == 1


def test_a_gate_around_an_app_counts(operating, ran):
    gate = JWTMiddleware(operating.get_app(), [SECRET], algorithm="HS256")
    operating.serve(gate, host="0.0.0.0")
    assert ran


@pytest.mark.parametrize("name", ["open_os", "app"])
def test_the_command_refuses_too(ran, module, name):
    target = module("None" if name == "open_os" else "open_os.get_app()").replace("app", name)
    called = agentos("serve", target, "--host", "0.0.0.0")
    assert called.status == 1
    assert "--allow-unauthenticated" in called.refusal
    assert agentos("serve", target, "--host", "0.0.0.0", "--allow-unauthenticated").status == 0
    assert len(ran) == 1


def test_the_command_serves_what_asks(ran, module):
    module("None")
    assert agentos("serve", "exposed_module:keyed_os", "--host", "0.0.0.0").status == 0
    assert ran == ["0.0.0.0"]
