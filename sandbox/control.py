"""`/_sandbox/`: look at the world, move its clock, and cause trouble."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from sandbox import troubles, wording
from sandbox.around.series import minute_of
from sandbox.history import service_of
from sandbox.messages import Answer, Request, dump_json
from sandbox.names import last_part
from sandbox.ports import ApiError

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

PREFIX = "/_sandbox/"
_Endpoint = Callable[["SandboxServer", dict[str, Any], str], Any]


def answer_control(server: SandboxServer, request: Request) -> Answer:
    """Answer a control request; all of them speak JSON."""
    if "origin" in request.headers:
        # A web page in the same browser has no business here.
        return _answer(403, {"error": "requests from web pages are refused"})
    name, _, rest = request.path.removeprefix(PREFIX).strip("/").partition("/")
    endpoint = _ENDPOINTS.get((request.method, name)) or _ENDPOINTS.get((request.method, f"{name}/{rest}"))
    if endpoint is None:
        known = sorted(f"{method} {PREFIX}{path}" for method, path in _ENDPOINTS)
        return _answer(404, {"error": f"{request.method} {request.path} is not here", "known": known})
    try:
        body = orjson.loads(request.body or b"{}")
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        return _answer(200, endpoint(server, body, rest))
    except ApiError as error:
        return _answer(error.status, {"error": error.message, "code": error.code})
    except (KeyError, TypeError, ValueError) as error:
        return _answer(400, {"error": f"{type(error).__name__}: {error}"})


def _answer(status: int, document: Any) -> Answer:
    return Answer(status, dump_json(document), [("Content-Type", "application/json")])


def _health(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return {
        "status": "failing" if server.failure else "ok",
        "failure": server.failure,
        "scenario": server.scenario,
        "now": server.world.now.isoformat(),
        "manual": server.manual,
        "speed": server.speed,
        "throttle": server.throttle.enabled,
        "calls": server.calls.count(),
        "faults": len(server.faults.active()),
    }


def _accounts(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    roles = [{"arn": role.arn, "external_id": role.external_id} for role in server.identity.roles()]
    return {"accounts": sorted(server.identity.accounts), "roles": roles}


def _calls(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return server.calls.report()


def _reset_calls(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    server.calls.reset()
    return {"reset": True}


def _state(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    with server.world.lock:
        return server.world.dump()


def _step(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    seconds = float(body["seconds"])
    if seconds < 0:
        raise ValueError("time does not run backwards")
    server.world.advance(seconds)
    return {"now": server.world.now.isoformat()}


def _speed(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    server.set_speed(float(body["speed"]))
    return {"speed": server.speed}


def _scenario(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    server.load(str(body["name"]))
    return {"scenario": server.scenario, "now": server.world.now.isoformat()}


def _scenarios(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    from sandbox.scenarios import NAMES

    return {"scenarios": list(NAMES), "loaded": server.scenario}


def _list_faults(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return {"faults": [fault.describe() for fault in server.faults.active()]}


def _add_fault(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return server.faults.add(**body).describe()


def _remove_faults(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return {"removed": server.faults.remove(int(rest) if rest else None)}


def _throttle(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    server.throttle.enabled = bool(body["enabled"])
    server.throttle.reset()
    return {"enabled": server.throttle.enabled}


def _capacity(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    place = (str(body["account"]), str(body["region"]))
    with server.world.lock:
        change = (
            server.world.capacity_shortage.discard
            if body["available"]
            else server.world.capacity_shortage.add
        )
        change(place)
    return {"account": place[0], "region": place[1], "available": bool(body["available"])}


def _zone(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    account, region, zone = str(body["account"]), str(body["region"]), str(body["zone"])
    with server.world.lock:
        if body["available"]:
            troubles.regain_zone(server.world, account, region, zone)
            return {"zone": zone, "available": True}
        return {
            "zone": zone,
            "available": False,
            "stopped": troubles.lose_zone(server.world, account, region, zone),
        }


def _addresses(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    subnet, state = str(body["subnet"]), server.world.troubles
    total = None if body.get("total") is None else int(body["total"])
    with server.world.lock:
        (state.full_subnets.discard if body.get("available", True) else state.full_subnets.add)(subnet)
        state.addresses.pop(subnet, None)
        if total is not None:
            state.addresses[subnet] = total
    return {"subnet": subnet, "available": subnet not in state.full_subnets, "total": total}


def _quota(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    place, limit = (str(body["account"]), str(body["region"])), body["vcpus"]
    with server.world.lock:
        server.world.troubles.vcpu_limits.pop(place, None)
        if limit is not None:
            server.world.troubles.vcpu_limits[place] = float(limit)
        troubles.wake(server.world, *place)
    return {"account": place[0], "region": place[1], "vcpus": limit}


def _instance(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    world, state = server.world, str(body["state"])
    if state not in ("terminated", "disconnected", "connected"):
        raise ValueError("state is one of terminated, disconnected, connected")
    with world.lock:
        region = world.region(str(body["account"]), str(body["region"]))
        cluster = region.clusters[str(body["cluster"])]
        instance = cluster.instances[last_part(str(body["instance"]))]
        if state == "terminated":
            stopped = troubles.terminate(world, cluster, instance)
            return {"instance": instance.arn, "state": state, "stopped": stopped}
        instance.connected = state == "connected"
    return {"instance": instance.arn, "state": state}


def _load(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    factor = float(body["factor"])
    if not 0 <= factor <= 1000:
        raise ValueError("factor is between 0 and 1000")
    world = server.world
    with world.lock:
        region = world.region(str(body["account"]), str(body["region"]))
        service = service_of(region, str(body["cluster"]), str(body["service"]))
        server.around.load.change(service, minute_of(world.now), factor)
    return {"service": service.arn, "factor": factor}


def _read_lag(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    seconds = float(body["seconds"])
    if not 0 <= seconds <= 3600:
        raise ValueError("seconds is between 0 and 3600")
    server.around.front.lag = seconds
    return {"seconds": seconds}


def _stop_task(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    code = str(body.get("stop_code", "SpotInterruption"))
    reason = str(body.get("reason", wording.SPOT_INTERRUPTED))
    server.world.stop_task(str(body["task"]), stop_code=code, reason=reason)
    return {"task": body["task"], "stop_code": code}


def _expire_sessions(server: SandboxServer, body: dict[str, Any], rest: str) -> dict[str, Any]:
    return {"expired": server.identity.expire_sessions()}


_ENDPOINTS: dict[tuple[str, str], _Endpoint] = {
    ("GET", "health"): _health,
    ("GET", "accounts"): _accounts,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _reset_calls,
    ("POST", "calls/reset"): _reset_calls,
    ("GET", "state"): _state,
    ("POST", "step"): _step,
    ("POST", "speed"): _speed,
    ("GET", "scenarios"): _scenarios,
    ("POST", "scenario"): _scenario,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("POST", "throttle"): _throttle,
    ("POST", "capacity"): _capacity,
    ("POST", "zone"): _zone,
    ("POST", "addresses"): _addresses,
    ("POST", "quota"): _quota,
    ("POST", "instance"): _instance,
    ("POST", "load"): _load,
    ("POST", "read-lag"): _read_lag,
    ("POST", "stop-task"): _stop_task,
    ("POST", "expire-sessions"): _expire_sessions,
}
