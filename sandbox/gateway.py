"""One request's way: who asks, may they, is a fault on, and who answers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from sandbox import log_reads, simulation
from sandbox.around.trail import Origin, is_recorded
from sandbox.calls import CallRecord, Calls
from sandbox.faults import Call, Fault, Faults, denied
from sandbox.identity import Identity, Principal, Scope, read_scope
from sandbox.messages import Answer, Request, error_answer, json_answer, readable_params, refusal_of
from sandbox.moto_bridge import MotoBridge
from sandbox.ports import ApiError, Caller
from sandbox.sts import OPERATIONS as STS_OPERATIONS
from sandbox.sts import answer_sts
from sandbox.throttle import Throttle

if TYPE_CHECKING:
    from sandbox.around.hub import Around

logger = logging.getLogger(__name__)

ECS_PREFIX = "AmazonEC2ContainerServiceV20141113."
# Where the name in the signature is not the one in IAM actions.
_ACTION_PREFIX = {"monitoring": "cloudwatch"}
_READS = ("Describe", "List", "Get", "BatchGet", "Filter", "Lookup")


@dataclass(slots=True)
class _Asked:
    """What is known of a call so far; filled in on its way, so that a refused call is recorded too."""

    call: Call
    caller: Caller | None = None
    origin: Origin | None = None

    @property
    def source_identity(self) -> str:
        return self.caller.source_identity if self.caller else ""


class Gateway:
    """Answers AWS requests of one world."""

    def __init__(
        self, around: Around, identity: Identity, *, calls: Calls, throttle: Throttle, faults: Faults
    ) -> None:
        self.around = around
        self.world = around.world
        self.identity = identity
        self.calls = calls
        self.throttle = throttle
        self.faults = faults
        self._moto = MotoBridge()

    def answer(self, request: Request) -> Answer:
        """Answer one request and count it."""
        started = time.perf_counter()
        asked = _Asked(Call("", operation_of(request), "", ""))
        error: ApiError | None = None
        try:
            answer = self._authorised(request, asked)
        except ApiError as refusal:
            error = refusal
            answer = error_answer(request, refusal)
        except Exception:
            logger.exception("%s failed", asked.call.operation)
            error = ApiError("ServerException", "The sandbox failed; see its log.", status=500)
            answer = error_answer(request, error)
        self._record(request, asked, answer, error)
        call = asked.call
        self.calls.add(
            CallRecord(
                round(time.time(), 3),
                call.service,
                call.operation,
                call.account_id,
                call.region,
                call.principal_arn,
                asked.source_identity,
                answer.status,
                error.code if error else ("" if answer.status < 400 else str(answer.status)),
                round((time.perf_counter() - started) * 1000, 2),
            )
        )
        return answer

    def _authorised(self, request: Request, asked: _Asked) -> Answer:
        scope = read_scope(request)
        service = _ACTION_PREFIX.get(scope.service, scope.service)
        asked.call = replace(asked.call, service=service, region=scope.region)
        principal = self.identity.authenticate(scope)
        asked.call = replace(asked.call, account_id=principal.account_id, principal_arn=principal.arn)
        asked.caller = principal.caller(scope.region)
        asked.origin = Origin(
            scope.access_key, principal.user_id, request.remote, request.headers.get("user-agent", "")
        )
        if request.target.startswith(ECS_PREFIX):
            self.throttle.take(principal.account_id, scope.region, asked.call.operation)
        outcome = self.faults.meet(asked.call)
        if outcome.drop_before:
            asked.origin = None
            return Answer(0, drop=True)
        # Everybody may ask who they are.
        if asked.call.operation != "GetCallerIdentity" and not principal.may(
            f"{service}:{asked.call.operation}"
        ):
            raise denied(principal.arn, service, asked.call.operation)
        if outcome.stale is not None and asked.call.operation.startswith(_READS):
            answer = self._stale(request, asked.call, scope, principal, outcome.stale)
        else:
            answer = self._answer(request, asked.call.operation, scope, principal)
        return Answer(0, drop=True) if outcome.drop_after else answer

    def _record(self, request: Request, asked: _Asked, answer: Answer, error: ApiError | None) -> None:
        """Leave a call that changes something in the trail, refused or not."""
        call, caller, origin = asked.call, asked.caller, asked.origin
        if caller is None or origin is None or not is_recorded(call.service, call.operation):
            return
        response = None
        if answer.status == 200 and request.target.startswith(ECS_PREFIX):
            response = orjson.loads(answer.body)
            response.get("service", {}).pop("events", None)
        error = error or refusal_of(answer)
        params = readable_params(request)
        with self.world.lock:
            self.around.trail.note(
                caller, call.service, call.operation, params, response, error=error, origin=origin
            )

    def _stale(
        self, request: Request, call: Call, scope: Scope, principal: Principal, fault: Fault
    ) -> Answer:
        """Answer a read with what it said first while the fault is on."""
        key = (
            call.service,
            call.operation,
            call.account_id,
            call.region,
            request.body.decode(errors="replace"),
        )
        if key not in fault.frozen:
            fault.frozen[key] = self._answer(request, call.operation, scope, principal)
        return fault.frozen[key]

    def _answer(self, request: Request, operation: str, scope: Scope, principal: Principal) -> Answer:
        if request.target.startswith(ECS_PREFIX):
            caller, params = principal.caller(scope.region), _params(request)
            simulation.check_passing(principal, operation, params)
            return json_answer(self.around.front.call(caller, operation, params))
        if scope.service == "sts" and operation in STS_OPERATIONS:
            return answer_sts(request, operation, principal, self.identity)
        if scope.service == "iam" and operation == simulation.OPERATION:
            return simulation.answer_simulation(request, principal, scope.region, self.identity, self.faults)
        if scope.service == "logs":
            answer = self._answer_logs(request, operation, scope, principal)
            if answer is not None:
                return answer
        caller = principal.caller(scope.region)
        answer = self.around.answer(request, scope.service, operation, caller)
        if answer is None:
            answer = self._moto.answer(request, principal.account_id)
            self.around.after(request, scope.service, operation, caller, answer)
        return answer

    def _answer_logs(
        self, request: Request, operation: str, scope: Scope, principal: Principal
    ) -> Answer | None:
        """Answer the reads of CloudWatch Logs that are not moto's; what Container Insights writes is made for all."""
        from sandbox.around import performance_log
        from sandbox.log_store import backend_of

        backend, params = backend_of(principal.account_id, scope.region), _params(request)
        is_read = operation in log_reads.OPERATIONS
        if not performance_log.is_asked(operation, params):
            return json_answer(log_reads.answer_logs(backend, operation, params)) if is_read else None
        region = self.world.region(principal.account_id, scope.region)
        with self.world.lock, backend.lock:
            performance_log.bring_up(self.around.metrics.sources, region, backend, operation, params)
            return json_answer(log_reads.answer_logs(backend, operation, params)) if is_read else None


def operation_of(request: Request) -> str:
    """Return the operation's name; for REST protocols, method and path."""
    if request.target:
        return request.target.rsplit(".", 1)[-1]
    if "/operation/" in request.path:
        return request.path.rsplit("/operation/", 1)[1]
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    action = parse_qs(request.body.decode(errors="replace") if form else request.query).get("Action")
    return action[0] if action else f"{request.method} {request.path}"


def _params(request: Request) -> dict[str, Any]:
    try:
        params = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", "Could not parse the request body as JSON") from error
    if not isinstance(params, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    return params
