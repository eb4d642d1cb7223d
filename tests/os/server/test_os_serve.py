"""`serve`: what it hands to uvicorn, and what it refuses."""

import pytest
import uvicorn

from agentos.environment import ALIASES, names
from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from tests.os.apps import agent


@pytest.fixture
def operating():
    return AgentOS(name="Ours [/odd]", agents=[agent()], shutdown_grace=3)


@pytest.fixture
def ran(monkeypatch):
    """What uvicorn was asked to run."""
    asked = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: asked.update(app=app, **options))
    for variable in ALIASES:
        for name in names(variable):
            monkeypatch.delenv(name, raising=False)
    return asked


def test_arguments_reach_uvicorn(operating, ran, capsys):
    app = operating.get_app()
    operating.serve(app, host="127.0.0.1", port=8000, access_log=True, root_path="/api")
    assert (
        ran.items()
        >= {
            "app": app,
            "host": "127.0.0.1",
            "port": 8000,
            "reload": False,
            "workers": None,
            "access_log": True,
            "lifespan": "on",
            "timeout_graceful_shutdown": 3,
            "root_path": "/api",
        }.items()
    )
    assert "Ours [/odd] on http://127.0.0.1:8000" in capsys.readouterr().out


def test_without_arguments_it_is_the_contracts_address(operating, ran):
    operating.serve("main:app", reload=True)
    assert (ran["app"], ran["host"], ran["port"], ran["reload"]) == ("main:app", "localhost", 7777, True)


def test_the_environment_overrides_the_code(operating, ran, monkeypatch):
    monkeypatch.setenv("AGENT_OS_HOST", "0.0.0.0")
    monkeypatch.setenv("AGENT_OS_PORT", "9000")
    operating.serve("main:app", host="localhost", port=1, allow_unauthenticated=True)
    assert (ran["host"], ran["port"]) == ("0.0.0.0", 9000)
    monkeypatch.setenv("AGENTOS_HOST", "127.0.0.1")
    monkeypatch.setenv("AGENTOS_PORT", "9001")
    operating.serve("main:app", host="localhost", port=1)
    assert (ran["host"], ran["port"]) == ("127.0.0.1", 9001)


def test_an_option_that_uvicorn_doesnt_have_is_refused_by_name(operating, ran):
    with pytest.raises(ConfigurationError, match="Did you mean 'forwarded_allow_ips'"):
        operating.serve(operating.get_app(), forwarded_allow_ip="*")
    operating.serve(operating.get_app(), forwarded_allow_ips="*", ssl_keyfile="key.pem")
    assert (ran["forwarded_allow_ips"], ran["ssl_keyfile"]) == ("*", "key.pem")


def test_a_socket_of_another_program_needs_authentication(operating, ran):
    with pytest.raises(ConfigurationError, match="without authentication"):
        operating.serve(operating.get_app(), fd=3)
    operating.serve(operating.get_app(), fd=3, allow_unauthenticated=True)
    assert ran["fd"] == 3


def test_a_port_in_code_that_is_none_is_refused_by_its_own_name(operating, ran):
    with pytest.raises(ConfigurationError, match=r"^port='65536'"):
        operating.serve(operating.get_app(), port=65536)
    assert not ran


@pytest.mark.parametrize("port", ["http", "-1", "65536", "7777.0"])
def test_a_port_that_is_none_is_refused(operating, ran, monkeypatch, port):
    monkeypatch.setenv("AGENT_OS_PORT", port)
    with pytest.raises(ConfigurationError, match="AGENTOS_PORT"):
        operating.serve("main:app")
    assert not ran


@pytest.mark.parametrize("several", [{"reload": True}, {"workers": 2}])
def test_other_processes_need_a_name_to_import(operating, ran, several):
    with pytest.raises(ConfigurationError, match="import string"):
        operating.serve(operating.get_app(), **several)
    operating.serve("main:app", **several)
    assert ran["app"] == "main:app"
