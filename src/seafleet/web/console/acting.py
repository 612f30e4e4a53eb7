"""Doing something about devices: a page that says what it will do, the form, and a page that says what became
of each device.

Nothing is done by looking at an address. The form is taken from a page of the same session only, and leads on
to a report, so that loading the report again repeats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, route
from seafleet.devices.registry import Outcome, Result
from seafleet.web.console.deeds import DEEDS, WIPE_WORD, Choices, Deed, access_after, read_choices
from seafleet.web.console.lists import row_of
from seafleet.web.console.render import complaint, inner_page, see_other
from seafleet.web.console.reports import Report, report_of, sealed
from seafleet.web.console.visitors import HOME, Visitor, enter, origin_of
from seafleet.web.forms import check_form, local_path
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.devices.record import Device

ACT: Final = HOME + "act/"
DONE: Final = HOME + "done/"
MAX_DEVICES: Final = 200
_SEEN_ONLY: Final = "the device was only seen on the network"
_FIELDS: Final = ("group", "until", "reason", "confirm")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to which devices. `versions` are those of the records as they were shown."""

    deed: Deed
    devices: tuple[Device, ...]
    versions: dict[int, int]
    back: str


@route("GET", ACT, operation="console-act-page", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def act_page(request: ApiRequest) -> Reply:
    """Say what a deed would do to the devices that were selected, and ask."""
    visitor = enter(request)
    order = _order(request, visitor, request.query("do"), request.queries("device"), request.query("back"))
    return _ask(request, visitor, order, {}, {})


@route("POST", ACT, operation="console-act", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def act(request: ApiRequest) -> Reply:
    """Do it, and lead on to the report."""
    visitor = enter(request)
    check_form(request)
    order = _order(request, visitor, request.form("do"), request.forms("device"), request.form("back"))
    values = {name: request.form(name) or "" for name in order.deed.fields if name in _FIELDS}
    registry = request.services.registry
    choices, problems = read_choices(order.deed, values, registry.now())
    if problems:
        return _ask(request, visitor, order, values, problems)
    report = Report(order.deed.name, _results(request, order, choices), order.back)
    return see_other(f"{DONE}?report={sealed(request, report)}")


@route("GET", DONE, operation="console-report", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def done(request: ApiRequest) -> Reply:
    """Say what became of each device."""
    visitor = enter(request)
    report = report_of(request, request.query("report") or "")
    if report is None or report.deed not in DEEDS:
        text = "This report is not one of this session. What was done stands in the history of each device."
        raise complaint(request, visitor.actor, 400, "No such report", text)
    registry = request.services.registry
    now, policy = registry.now(), registry.settings.policy
    results = {result.device_id: result for result in report.results}
    rows = [
        {
            **row_of(device, policy, now),
            "result": results[device.id],
            "verdict": _verdict(results[device.id]),
        }
        for device in registry.by_numbers(list(results), removed=True)
        if visitor.sees(device.organization_id)
    ]
    deed = DEEDS[report.deed]
    return inner_page(
        request,
        visitor.actor,
        "done.html",
        deed=deed,
        rows=rows,
        summary=_summary(deed, report.results),
        is_failed=any(result.outcome is not Outcome.APPLIED for result in report.results),
        back=report.back,
    )


def _results(request: ApiRequest, order: Order, choices: Choices) -> tuple[Result, ...]:
    """Do it to each device that it is for; return what became of all, in their order."""
    registry, deed = request.services.registry, order.deed
    left_out = {each.id for each in order.devices if deed.needs_managed and each.is_sighting}
    numbers = [each.id for each in order.devices if each.id not in left_out]
    versions = order.versions if deed.guards else {}
    action = deed.make(registry.actions, choices)
    done_to = registry.apply_to_each(numbers, action, origin_of(request), versions)
    results = {result.device_id: result for result in done_to}
    for number in left_out:
        results[number] = Result(number, Outcome.NOT_SUPPORTED, reason=_SEEN_ONLY)
    return tuple(results[each.id] for each in order.devices)


# -- asking --------------------------------------------------------------------------------------------------


def _order(
    request: ApiRequest, visitor: Visitor, name: str | None, marked: Sequence[str], back: str | None
) -> Order:
    """Return what is to be done. Raises ReplyError for what cannot be, or is not the visitor's to do."""
    back = local_path(back, HOME)
    back = back if back.startswith(HOME) else HOME
    deed = DEEDS.get(name or "")
    if deed is None:
        raise complaint(request, visitor.actor, 400, "Nothing to do", "Choose what is to be done.", back)
    versions = _numbers(marked)
    if not versions:
        text = "No device was selected. Go back, mark the devices in the first column and choose again."
        raise complaint(request, visitor.actor, 400, "Nothing is selected", text, back)
    if len(versions) > MAX_DEVICES:
        text = f"At most {MAX_DEVICES} devices can be changed at once."
        raise complaint(request, visitor.actor, 400, "Too many devices", text, back)
    found = request.services.registry.by_numbers(list(versions))
    seen = tuple(device for device in found if visitor.sees(device.organization_id))
    if len(seen) != len(versions):
        text = "A device that was selected is not there any more. Go back and load the list again."
        raise complaint(request, visitor.actor, 404, "No such device", text, back)
    if not all(visitor.may(deed.name, device.organization_id) for device in seen):
        text = "Your role does not let you do this to all of these devices."
        raise complaint(request, visitor.actor, 403, "Not allowed", text, back)
    _check_one_organization(request, visitor, deed, seen, back)
    return Order(deed, seen, {number: version for number, version in versions.items() if version}, back)


def _check_one_organization(
    request: ApiRequest, visitor: Visitor, deed: Deed, devices: Sequence[Device], back: str
) -> None:
    """Refuse to put devices of several organizations into a group: each has its own."""
    if "group" in deed.fields and len({device.organization_id for device in devices}) > 1:
        text = "Groups belong to one organization. Select devices of one organization only."
        raise complaint(request, visitor.actor, 400, "Several organizations", text, back)


def _numbers(marked: Sequence[str]) -> dict[int, int]:
    """Return the numbers that were sent, each with the version that was shown, 0 for none."""
    found: dict[int, int] = {}
    for text in marked:
        number, _, version = text.partition(":")
        if number.isascii() and number.isdecimal() and len(number) <= 18:
            is_version = version.isascii() and version.isdecimal() and len(version) <= 18
            found[int(number)] = int(version) if is_version else 0
    return found


def _ask(
    request: ApiRequest, visitor: Visitor, order: Order, values: dict[str, str], problems: dict[str, str]
) -> Reply:
    registry = request.services.registry
    now, policy = registry.now(), registry.settings.policy
    rows = [
        {
            **row_of(device, policy, now),
            "after": access_after(order.deed, device, policy, now, Choices()),
            "fits": order.deed.fits(device, now),
            "version": order.versions.get(device.id) or device.row_version,
        }
        for device in order.devices
    ]
    groups = registry.groups.names(order.devices[0].organization_id) if "group" in order.deed.fields else []
    return inner_page(
        request,
        visitor.actor,
        "act.html",
        400 if problems else 200,
        deed=order.deed,
        effect=order.deed.effect(policy),
        rows=rows,
        losses=_losses(request, order),
        groups=groups,
        back=order.back,
        values={name: values.get(name, "") for name in _FIELDS},
        problems={name: problems.get(name, "") for name in _FIELDS},
        is_wrong=bool(problems),
        wipe_word=WIPE_WORD,
        today=now.date().isoformat(),
    )


def _losses(request: ApiRequest, order: Order) -> list[dict[str, Any]]:
    """Return what a wipe will remove, device by device."""
    if order.deed.name != "wipe":
        return []
    clients = request.services.registry.clients
    losses = []
    for device in order.devices:
        synced = clients.synced_on(device.id)
        holders = [
            {"link": link, "libraries": [library.name for library in synced.get(link.link_id, [])]}
            for link in device.links
        ]
        losses.append({"device": device, "holders": holders, "has_agent": device.agent is not None})
    return losses


# -- telling -------------------------------------------------------------------------------------------------


def _verdict(result: Result) -> dict[str, str]:
    if result.outcome is Outcome.APPLIED:
        if result.changed:
            return {"word": "Done", "tone": "good", "sign": "✓"}
        return {"word": "Was so already", "tone": "quiet", "sign": "○"}
    if result.outcome is Outcome.NOT_SUPPORTED:
        return {"word": "Does not apply", "tone": "warn", "sign": "▲"}
    return {"word": "Failed", "tone": "bad", "sign": "✕"}


def _summary(deed: Deed, results: Sequence[Result]) -> str:
    """Return one line about all of them: `Marked as lost: 2. Was so already: 1.`"""
    counts: dict[str, int] = {}
    for result in results:
        word = _verdict(result)["word"]
        word = deed.done if word == "Done" else word
        counts[word] = counts.get(word, 0) + 1
    return " ".join(f"{word}: {count}." for word, count in counts.items())
