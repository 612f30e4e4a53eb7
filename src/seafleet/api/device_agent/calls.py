"""Enrol, report, ping, fetch commands, answer them, retire.

Source: device registry §8, "Agent protocol".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.device_agent.surface import NAME, json_of
from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, StreamRequest, route, stream_route
from seafleet.api.kernel.errors import detail
from seafleet.devices.enrolling import Credential
from seafleet.devices.reports import parse_inventory
from seafleet.errors import InvalidArgument, TokenNotFound

if TYPE_CHECKING:
    from seafleet.api.kernel.request import RequestBase
    from seafleet.devices.agents import AgentStatus
    from seafleet.devices.commands import Command

Json = dict[str, Any]
BASE: Final = "/api/v2.1/device-agent"
REPORT_SECONDS: Final = 3600
POLL_SECONDS: Final = 60
MAX_WAIT_SECONDS: Final = 25
LOOK_SECONDS: Final = 1.0
"""How often a waiting request looks for commands."""

_API_SCHEMES: Final = ("token", "bearer")


def _credentials(request: RequestBase) -> tuple[str, str]:
    """Return the scheme, in lower case, and the token. Raises ApiError (401) when either is missing."""
    scheme, _, token = request.headers.get("authorization").partition(" ")
    if not scheme or not token.strip():
        raise detail(401, "Authentication credentials were not provided.")
    return scheme.lower(), token.strip()


def _agent_token(request: RequestBase) -> str:
    scheme, token = _credentials(request)
    if scheme != "device":
        raise TokenNotFound("agent")
    return token


# -- enrolment -----------------------------------------------------------------------------------------------


@route(
    "POST",
    BASE + "/enroll/",
    operation="agent-enrol",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle="anon",
    surface=NAME,
)
def enrol(request: ApiRequest) -> Reply:
    """Let an agent in by a code or a user's token: 201 for a new record, 200 for one that it belongs to."""
    scheme, token = _credentials(request)
    if scheme == "enrol":
        credential = Credential(code=token)
    elif scheme in _API_SCHEMES:
        credential = _of_user(request, token)
    else:
        raise TokenNotFound("enrolment")
    value = json_of(request.headers.get("content-type"), request.body)
    found = parse_inventory(value, enrolling=True)
    own = value.get("agent_token")
    if isinstance(own, str):
        credential = Credential(
            credential.code, credential.account_id, credential.email, credential.organization_id, own
        )
    registry = request.services.registry
    enrolled = registry.agents.enrol(found, credential, request.client_ip, request.request_id)
    device = registry.get(enrolled.device_id)
    shown = {
        "id": device.id,
        "uid": device.uid,
        "identifier": device.identifier,
        "hwid": device.hwid,
        "organization_id": device.organization_id,
        "agent_token": enrolled.token,
        "approval": device.approval,
        "report_interval": REPORT_SECONDS,
        "poll_interval": POLL_SECONDS,
    }
    return Reply(shown, 201 if enrolled.created else 200)


def _of_user(request: ApiRequest, token: str) -> Credential:
    actor = request.services.tokens.resolve(token, ip=request.client_ip).actor
    return Credential(None, actor.account_id, actor.email, actor.organization_id)


# -- reports -------------------------------------------------------------------------------------------------


@route(
    "PUT",
    BASE + "/report/",
    operation="agent-report",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def report(request: ApiRequest) -> Json:
    """Take what the agent found out, and tell what follows from it."""
    token = _agent_token(request)
    agents = request.services.registry.agents
    agents.status(token, request.client_ip)
    found = parse_inventory(json_of(request.headers.get("content-type"), request.body))
    status = agents.report(token, found, request.client_ip)
    issues = [{"code": issue.code, "severity": issue.severity, "text": issue.text} for issue in status.issues]
    return {
        "status": status.status,
        "access": status.access,
        "posture": status.posture,
        "issues": issues,
        "commands": status.commands,
    }


@route(
    "POST",
    BASE + "/ping/",
    operation="agent-ping",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def ping(request: ApiRequest) -> Json:
    """Tell how many commands wait."""
    status: AgentStatus = request.services.registry.agents.status(_agent_token(request), request.client_ip)
    return {"commands": status.commands, "status": status.status}


@route(
    "DELETE",
    BASE + "/self/",
    operation="agent-retire",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def retire(request: ApiRequest) -> Reply:
    """Let the agent go."""
    request.services.registry.agents.retire(_agent_token(request), request.client_ip)
    return Reply(None, 204)


# -- commands ------------------------------------------------------------------------------------------------


@stream_route("GET", BASE + "/commands/", operation="agent-commands", action=Marker.BEARER, surface=NAME)
async def fetch_commands(request: StreamRequest) -> None:
    """Hand out what is to be done, oldest first; with `wait` not before there is something, or time is up."""
    token, wait = _agent_token(request), _wait_seconds(request)
    agents = request.services.registry.agents
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        if await request.run_api(agents.waiting, token) or loop.time() >= deadline:
            break
        await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - loop.time())))
    found = await request.run_api(agents.take_commands, token, request.client_ip)
    await request.reply([_command(command) for command in found])


def _wait_seconds(request: RequestBase) -> int:
    fields = dict(part.partition("=")[::2] for part in request.query_string.decode("latin-1").split("&"))
    text = fields.get("wait", "")
    if text == "":
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 2 or int(text) > MAX_WAIT_SECONDS:
        raise InvalidArgument("wait", f"from 0 to {MAX_WAIT_SECONDS}")
    return int(text)


def _command(command: Command) -> Json:
    created_at = command.created_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"id": command.id, "type": command.type, "params": command.params, "created_at": created_at}


@route(
    "POST",
    BASE + "/commands/{command_id}/result/",
    operation="agent-answer",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def answer(request: ApiRequest) -> Json:
    """Take the result of a command; the first one stays."""
    token = _agent_token(request)
    text = request.path_params["command_id"]
    value = json_of(request.headers.get("content-type"), request.body)
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        raise InvalidArgument("status", "missing")
    detail_text = value.get("detail") or ""
    if not isinstance(detail_text, str):
        raise InvalidArgument("detail", "text")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    request.services.registry.agents.answer(token, number, value["status"], detail_text, request.client_ip)
    return {"success": True}
