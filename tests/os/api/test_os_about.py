"""What a server tells about itself and its agents."""

from datetime import datetime

import pytest
from pydantic import BaseModel

import agentos
from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.os.config import AgentOSConfig
from agentos.team import Team
from tests.os.apps import ADMIN, Played, agent, bearer, secured, serving, team

KEY = "0123456789abcdef"


def unreached(**settings):
    """A database that nothing here talks to."""
    return PostgresDb("postgresql://ai:ai@127.0.0.1:1/ai", **settings)


async def get(app, path, **options):
    """One answer of an app that isn't started, so that no database is asked for."""
    async with serving(app) as client:
        return await client.get(path, **options)


class Answer(BaseModel):
    text: str


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@pytest.fixture
def rich_agent(empty_db):
    return Agent(
        id="research",
        name="Research",
        model=FunctionModel(lambda request: "hi", id="small", provider="Local"),
        db=empty_db,
        tools=[add],
        description="Looks things up",
        role="Researcher",
        instructions=["Be brief"],
        markdown=True,
        add_history_to_context=True,
        num_history_runs=5,
        output_schema=Answer,
        update_memory_on_run=True,
        metadata={"team": "red"},
    )


async def test_home_says_where_to_go():
    home = {"name": "AgentOS", "health": "/health", "info": "/info", "docs": "/docs"}
    assert (await get(AgentOS(agents=[agent()]).get_app(), "/")).json() == home
    assert (await get(AgentOS(name="Ours", agents=[agent()]).get_app(), "/")).json()["name"] == "Ours"


async def test_health_says_since_when():
    answered = (await get(AgentOS(agents=[agent()]).get_app(), "/health")).json()
    assert answered["status"] == "ok"
    assert answered["instantiated_at"].endswith("Z")
    assert datetime.fromisoformat(answered["instantiated_at"]).tzinfo is not None


async def test_info_says_what_runs_and_how_it_is_guarded():
    two = [agent(), agent(called="b")]
    operating = AgentOS(name="My Server", version="2.1", agents=two, teams=[team(*two)])
    assert (await get(operating.get_app(), "/info")).json() == {
        "os_id": "my-server",
        "name": "My Server",
        "os_version": "2.1",
        "agno_version": agentos.__version__,
        "agentos_version": agentos.__version__,
        "agent_count": 2,
        "team_count": 1,
        "workflow_count": 0,
        "mcp": {"enabled": False, "tool_run_endpoint": False},
        "auth_mode": "none",
        "user_isolation": False,
    }
    for isolated in (True, False):
        app = secured(operating.get_app(), user_isolation=isolated)
        shown = (await get(app, "/info", headers=bearer("ann"))).json()
        assert (shown["auth_mode"], shown["user_isolation"]) == ("jwt", isolated)


SIGN_IN = {"os_id", "name", "os_version", "agno_version", "agentos_version", "mcp", "auth_mode"}
DETAILS = {"agent_count", "team_count", "workflow_count", "user_isolation"}


@pytest.mark.parametrize(
    ("headers", "is_detailed"),
    [
        (None, False),
        ({"Authorization": "Bearer nonsense"}, False),
        (bearer("ann", "agents:read"), False),
        (bearer("ann", "config:read", exp=1), False),
        (bearer("ann", "config:read"), True),
        (bearer("root", ADMIN), True),
    ],
)
async def test_info_tells_everybody_how_to_sign_in_and_the_rest_to_who_reads_the_config(headers, is_detailed):
    app = secured(AgentOS(agents=[agent()], name="Ours").get_app())
    answer = await get(app, "/info", headers=headers)
    assert (answer.status_code, set(answer.json())) == (200, SIGN_IN | DETAILS if is_detailed else SIGN_IN)
    assert answer.json()["auth_mode"] == "jwt"


async def test_info_helps_nobody_to_guess_a_security_key():
    app = AgentOS(agents=[agent()], security_key=KEY).get_app()
    async with serving(app) as client:
        right = {"Authorization": f"Bearer {KEY}"}
        assert set((await client.get("/info", headers=right)).json()) == SIGN_IN | DETAILS
        for number in range(20):
            wrong = {"Authorization": f"Bearer {number}"}
            assert set((await client.get("/info", headers=wrong)).json()) == SIGN_IN
        assert set((await client.get("/info", headers=right)).json()) == SIGN_IN
        refused = await client.get("/config", headers=right)
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)


async def test_an_entry_of_the_operator_closes_info():
    app = secured(AgentOS(agents=[agent()]).get_app(), scope_mappings={"GET /info": ["config:read"]})
    assert (await get(app, "/info")).status_code == 401
    assert (await get(app, "/info", headers=bearer("ann", "agents:read"))).status_code == 403
    assert (await get(app, "/info", headers=bearer("ann", "config:read"))).status_code == 200


async def test_an_agent_shows_what_it_is_made_of(rich_agent):
    shown = (await get(AgentOS(agents=[rich_agent]).get_app(), "/agents/research")).json()
    (tool,) = shown.pop("tools")["tools"]
    assert (tool["name"], tool["description"]) == ("add", "Adds two numbers.")
    assert set(tool["parameters"]["properties"]) == {"a", "b"}
    assert shown == {
        "id": "research",
        "name": "Research",
        "db_id": rich_agent.db.id,
        "description": "Looks things up",
        "role": "Researcher",
        "model": {"name": "FunctionModel", "model": "small", "provider": "Local"},
        "sessions": {
            "session_table": "agentos_sessions",
            "add_history_to_context": True,
            "num_history_runs": 5,
        },
        "memory": {
            "memory_table": "agentos_memories",
            "update_memory_on_run": True,
            "add_memories_to_context": True,
        },
        "system_message": {
            "description": "Looks things up",
            "role": "Researcher",
            "instructions": ["Be brief"],
            "markdown": True,
        },
        "response_settings": {"output_schema_name": "Answer"},
        "metadata": {"team": "red"},
    }


async def test_a_runnable_of_ones_own_is_listed_too():
    async def play(context):
        return
        yield

    app = AgentOS(agents=[Played(play, name="Mine"), agent()]).get_app()
    assert (await get(app, "/agents")).json()[0] == {"id": "played", "name": "Mine"}
    assert (await get(app, "/agents/played")).json() == {"id": "played", "name": "Mine"}


def test_metadata_that_is_no_json_is_refused_when_the_app_is_made():
    operating = AgentOS(agents=[agent(metadata={"thing": object()})])
    with pytest.raises(ConfigurationError, match="'web'"):
        operating.get_app()


async def test_agents_are_listed_as_far_as_scopes_reach():
    app = secured(AgentOS(agents=[agent(), agent(called="b")]).get_app())
    async with serving(app) as client:
        for scopes, listed in [
            (["agents:read"], ["web", "b"]),
            (["agents:web:read"], ["web"]),
            (["agents:*:read"], ["web", "b"]),
            (["agents:nobody:read"], []),
            ([ADMIN], ["web", "b"]),
        ]:
            shown = await client.get("/agents", headers=bearer("ann", *scopes))
            assert [each["id"] for each in shown.json()] == listed
            config = await client.get("/config", headers=bearer("ann", "config:read", *scopes))
            assert [each["id"] for each in config.json()["agents"]] == listed
        only_config = await client.get("/config", headers=bearer("ann", "config:read"))
        assert (only_config.status_code, only_config.json()["agents"]) == (200, [])
        assert (await client.get("/agents", headers=bearer("ann", "config:read"))).status_code == 403
        for headers, status in [
            (bearer("ann", "agents:web:read"), 200),
            (bearer("ann", "agents:b:read"), 403),
        ]:
            assert (await client.get("/agents/web", headers=headers)).status_code == status


async def test_teams_are_listed_as_far_as_scopes_reach(empty_db):
    app = secured(AgentOS(agents=[agent()], teams=[team(), team(called="night")], db=empty_db).get_app())
    async with serving(app) as client:
        for scopes, listed in [
            (["teams:read"], ["desk", "night"]),
            (["teams:desk:read"], ["desk"]),
            (["teams:*:read"], ["desk", "night"]),
            (["teams:web:read"], []),
            ([ADMIN], ["desk", "night"]),
        ]:
            shown = await client.get("/teams", headers=bearer("ann", *scopes))
            assert [each["id"] for each in shown.json()] == listed
            config = await client.get("/config", headers=bearer("ann", "config:read", *scopes))
            assert [each["id"] for each in config.json()["teams"]] == listed
        agents_only = await client.get("/config", headers=bearer("ann", "config:read", "agents:read"))
        assert (agents_only.json()["teams"], len(agents_only.json()["agents"])) == ([], 1)
        assert (await client.get("/teams", headers=bearer("ann", "agents:read"))).status_code == 403
        everything = (await client.get("/config", headers=bearer("root", ADMIN))).json()["teams"]
        assert everything[0] == {"id": "desk", "name": "Desk", "db_id": empty_db.id}
        for scope, status in ("teams:night:read", 200), ("teams:desk:read", 403), ("agents:night:read", 403):
            assert (await client.get("/teams/night", headers=bearer("ann", scope))).status_code == status


async def test_a_team_shows_its_mode_and_its_members(rich_agent, empty_db):
    async def play(context):
        return
        yield

    model = FunctionModel(lambda request: "hi", id="big", provider="Local")
    inner = Team(id="inner", members=[agent()], model=model, mode="route", role="Finder")
    members = [rich_agent, inner, Played(play, name="Mine")]
    desk = Team(id="desk", name="Desk", members=members, model=model, description="Helps", db=empty_db)
    chosen = Team(id="chosen", members=lambda context: members, model=model, mode="broadcast")
    app = AgentOS(teams=[desk, chosen]).get_app()
    async with serving(app) as client:
        shown = (await client.get("/teams/desk")).json()
        assert (shown["mode"], shown["description"], shown["model"]["model"]) == (
            "coordinate",
            "Helps",
            "big",
        )
        research, found, mine = shown["members"]
        assert (research["id"], research["tools"]["tools"][0]["name"]) == ("research", "add")
        assert (found["id"], found["mode"], found["role"], found["members"][0]["id"]) == (
            "inner",
            "route",
            "Finder",
            "web",
        )
        assert mine == {"id": "played", "name": "Mine"}
        assert (await client.get("/teams")).json()[0] == shown
        other = (await client.get("/teams/chosen")).json()
        assert (other["mode"], "members" in other) == ("broadcast", False)
        config = (await client.get("/config")).json()
        assert config["teams"][0] == {
            "id": "desk",
            "name": "Desk",
            "description": "Helps",
            "db_id": empty_db.id,
            "mode": "coordinate",
            "model": {"id": "big", "provider": "Local"},
        }
        assert config["available_models"] == [{"id": "big", "provider": "Local"}]


@pytest.mark.parametrize("family", ["teams", "workflows"])
async def test_the_list_of_what_isnt_served_is_empty(family):
    app = secured(AgentOS(agents=[agent()]).get_app())
    async with serving(app) as client:
        told = await client.get(f"/{family}", headers=bearer("ann", f"{family}:read"))
        assert (told.status_code, told.json()) == (200, [])
        assert (await client.get(f"/{family}", headers=bearer("ann", f"{family}:x:read"))).json() == []
        assert (await client.get(f"/{family}", headers=bearer("ann"))).status_code == 403
        assert (await client.get(f"/{family}")).status_code == 401
        one = await client.get(f"/{family}/desk", headers=bearer("root", ADMIN))
        assert one.status_code == 404


async def test_prompts_of_a_team_are_for_who_may_see_the_team():
    prompts = {"chat": {"quick_prompts": {"desk": ["Go"], "web": ["Hi"], "other": ["Hidden"]}}}
    app = AgentOS(agents=[agent()], teams=[team()], config=AgentOSConfig.model_validate(prompts)).get_app()
    async with serving(secured(app)) as client:
        for scopes, shown in [
            (["teams:read"], {"desk"}),
            (["agents:read"], {"web", "other"}),
            (["agents:desk:read"], set()),
            (["agents:web:read", "teams:desk:read"], {"web", "desk"}),
            ([ADMIN], {"web", "desk", "other"}),
        ]:
            config = await client.get("/config", headers=bearer("ann", "config:read", *scopes))
            assert config.json()["chat"]["quick_prompts"].keys() == shown, scopes


async def test_config_shows_databases_models_and_agents(rich_agent, empty_db):
    config = AgentOSConfig.model_validate(
        {
            "chat": {"quick_prompts": {"research": ["What is new?"], "other": ["Hidden"]}},
            "manifest": {"research": {"labels": ["beta"]}},
            "session": {"display_name": "Talks"},
        }
    )
    operating = AgentOS(id="x", description="Ours", agents=[rich_agent], config=config)
    shown = (await get(operating.get_app(), "/config")).json()
    domain = {"db_id": empty_db.id, "domain_config": {"display_name": empty_db.id}}
    assert shown == {
        "os_id": "x",
        "description": "Ours",
        "os_database": empty_db.id,
        "available_models": [{"id": "small", "provider": "Local"}],
        "databases": [empty_db.id],
        "chat": {"quick_prompts": {"research": ["What is new?"], "other": ["Hidden"]}},
        "manifest": {"research": {"labels": ["beta"]}},
        "session": {"display_name": "Talks", "dbs": [{**domain, "tables": ["agentos_sessions"]}]},
        "memory": {"dbs": [{**domain, "tables": ["agentos_memories"]}]},
        "agents": [
            {
                "id": "research",
                "name": "Research",
                "description": "Looks things up",
                "db_id": empty_db.id,
                "model": {"id": "small", "provider": "Local"},
                "metadata": {"team": "red"},
            }
        ],
        "teams": [],
        "workflows": [],
        "interfaces": [],
    }
    app = secured(operating.get_app())
    hidden = (await get(app, "/config", headers=bearer("ann", "config:read", "agents:other:read"))).json()
    assert (hidden["manifest"], hidden["available_models"]) == ({}, [])
    assert hidden["chat"]["quick_prompts"] == {"other": ["Hidden"]}


async def test_named_models_go_before_the_agents():
    config = AgentOSConfig(available_models=["openai:gpt-5.2", "local"])
    shown = (await get(AgentOS(agents=[agent()], config=config).get_app(), "/config")).json()
    assert shown["available_models"] == [{"id": "gpt-5.2", "provider": "openai"}, {"id": "local"}]


async def test_a_request_may_name_its_database_and_table(empty_db):
    other = unreached(id="other", session_table="talks")
    app = AgentOS(agents=[agent(db=other)], db=empty_db).get_app()
    async with serving(app) as client:
        for query, status in [
            ("", 200),
            (f"db_id={empty_db.id}", 200),
            (f"db_id={empty_db.id}&table=agentos_sessions", 200),
            ("table=agentos_sessions", 200),
            ("db_id=other", 503),
            ("db_id=other&table=talks", 503),
        ]:
            assert (await client.get(f"/sessions?{query}")).status_code == status, query
        for query, detail in [
            ("db_id=x", "No database found with id 'x'"),
            ("db_id=other&table=x", "No database with id 'other' has table 'x'"),
            (
                "db_id=other&table=agentos_sessions",
                "No database with id 'other' has table 'agentos_sessions'",
            ),
        ]:
            refused = await client.get(f"/sessions?{query}")
            assert (refused.status_code, refused.json()["detail"]) == (404, detail)
        assert (await client.get("/memories?table=agentos_memories")).status_code == 200


@pytest.mark.parametrize("path", ["/sessions", "/memories", "/sessions/x", "/memory_topics"])
async def test_without_a_database_nothing_is_kept(path):
    refused = await get(AgentOS(agents=[agent()]).get_app(), path)
    assert refused.status_code == 400
    assert refused.json()["detail"] == "No database is configured on this AgentOS"
