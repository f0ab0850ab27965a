"""What fedscore leans on in Flower beyond its documented API. An upgrade that moves any of it fails here, by name."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.retry import http_retry
from flwr.supernode import start_client_internal
from flwr.supernode.fleet_http_connection import http_request_response

from federation.runtime.flower import guard, supernode
from federation.runtime.flower.executor import ACQUIRE, RUNNERS
from federation.runtime.flower.tuning import LONGEST_RETRY

ROOT = Path(__file__).resolve().parents[3]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("flwr") == "1.41.0"


def test_flower_is_imported_in_its_places_only() -> None:
    allowed = ("federation/runtime/flower/", "server/bundle/", "server/round_driver.py")
    found = []
    for package in ("protocols", "federation", "clients", "server", "workbench"):
        for file in (ROOT / package).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(allowed) and any(module.split(".")[0] == "flwr" for module in imported(file)):
                found.append(name)
    assert found == []


def imported(file: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return modules


def test_a_supernode_sleeps_by_the_name_we_replace() -> None:
    source = inspect.getsource(start_client_internal)
    assert source.count("time.sleep(3)") == 1
    assert source.count("time.sleep(0.5)") == 2
    assert source.count("time.") - source.count("total time.") == 3, "it uses more of `time` than `sleep`"


def test_retries_read_the_cap_we_replace() -> None:
    assert inspect.getsource(http_retry).count("exponential(max_delay=MAX_RETRY_DELAY)") == 1
    assert vars(http_retry)["MAX_RETRY_DELAY"] > LONGEST_RETRY


def test_objects_are_pulled_with_the_waits_we_replace() -> None:
    for function in (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree):
        parameters = inspect.signature(function).parameters
        assert {"initial_backoff", "backoff_cap"} <= set(parameters)
        assert all(
            parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in ("initial_backoff", "backoff_cap")
        )


def test_a_connection_yields_get_fab_where_we_guard_it() -> None:
    assert "http_request_response" in vars(start_client_internal)
    source = inspect.getsource(http_request_response)
    yielded = source.split("yield (")[1].split(")")[0].split(",")
    names = [name.strip() for name in yielded if name.strip()]
    assert names[0] == "node.node_id"
    assert names[supernode._GET_FAB] == "get_fab"
    used = inspect.getsource(start_client_internal.start_client_internal)
    assert used.index("get_run,") < used.index("get_fab,") < used.index("pull_object,")


def test_a_bundle_is_verified_before_it_is_stored_or_read() -> None:
    source = inspect.getsource(start_client_internal._pull_and_store_message)
    order = [
        "get_fab(run_info.fab_hash",
        "valid_license",
        "_verify_fab(",
        "get_fused_config_from_fab(",
        "store_fab(",
        "create_task(",
    ]
    places = [source.index(step) for step in order]
    assert places == sorted(places)


def test_fleet_routes_are_those_the_guard_admits() -> None:
    router = import_module("flwr.superlink.routers.fleet.router").router
    served = {context.route.path for context in iter_route_contexts(router.routes)}
    assert served - guard.FLEET == {"/v1/fleet/register-node", "/v1/fleet/unregister-node"}
    assert served >= guard.FLEET


@pytest.mark.parametrize("app", ["server", "client"])
def test_an_apps_runner_takes_our_arguments(app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name = RUNNERS[app]
    runner = import_module(module)
    seen: dict[str, object] = {}
    inner = {"server": "run_serverapp", "client": "run_clientapp"}[app]
    monkeypatch.setattr(runner, inner, lambda **arguments: seen.update(arguments))
    monkeypatch.setattr(sys, "argv", [name, "--runtime-api-address", "127.0.0.1:1", "--token", "abc", "--insecure"])
    getattr(runner, name)()
    assert seen["runtime_api_address"] == "127.0.0.1:1"
    assert seen["token"] == "abc"
    assert seen["runtime_dependency_install"] is False


def test_taking_a_task_is_what_the_secret_protects() -> None:
    source = inspect.getsource(import_module("flwr.supercore.routers.runtime.router"))
    assert f'SuperExecAuthDependency("{ACQUIRE}")' in source


def test_the_superlink_takes_the_operators_plugin() -> None:
    loader = import_module("flwr.superlink.config_loader")
    assert "authn_plugin" in loader.SuperLinkLifespanConfig.__dataclass_fields__
    main = inspect.getsource(import_module("flwr.superlink.main").create_app)
    assert "authn_plugin = config.authn_plugin" in main
    assert "AccountAccessDependency(authn_plugin)" in main


def test_json_is_read_where_flower_reads_yaml() -> None:
    import yaml

    assert yaml.safe_load(json.dumps({"fpk_institution": "ssh-ed25519 AAAA"})) == {
        "fpk_institution": "ssh-ed25519 AAAA"
    }
