"""The control API: planned faults of SMTP, of the webhook sender and of the REST APIs.

1. An effect is a verb of the Python handle of its protocol, such as ``reject`` of ``mailserver.faults``, with the
   parameters of that verb.
2. The handles check everything; here a wrong value only becomes an ``InvalidValue``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from sirrchat_testkit.control.state import keep_apart
from sirrchat_testkit.errors import InvalidValue, NotFound
from sirrchat_testkit.faults.engine import Fault, FaultProtocol
from sirrchat_testkit.faults.handle import PlannedFaults
from sirrchat_testkit.faults.rest import REST
from sirrchat_testkit.faults.rest_handle import RestFaults
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.faults.smtp_handle import Faults
from sirrchat_testkit.faults.webhook import WEBHOOK
from sirrchat_testkit.faults.webhook_handle import WebhookFaults
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.style import answer, checked, read_object
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.suggestions import meant, near_name

_HANDLES: Final[Mapping[str, type[PlannedFaults[Any, Any]]]] = {
    "smtp": Faults,
    "webhook": WebhookFaults,
    "rest": RestFaults,
}
_PROTOCOLS: Final[Mapping[str, FaultProtocol[Any, Any]]] = {"smtp": SMTP, "webhook": WEBHOOK, "rest": REST}
_ATTRIBUTES: Final = {"smtp": "faults", "webhook": "webhook_faults", "rest": "rest_faults"}
"""The attribute of ``mailserver`` that is the handle of each protocol."""

_BESIDE: Final = ("stage", "times", "match")
"""The fields of a fault next to its effect, which are not parameters of the effect."""


class FaultViews:
    """The routes of faults."""

    def __init__(self, control: ServerControl) -> None:
        self._registry = control.services.faults
        self._settings = control.services.settings

    async def list_faults(self, _request: web.Request) -> web.Response:
        """Return the planned faults, in the order in which they are tried, also those that are used up."""
        return answer({"data": [*map(_fault_json, self._registry.all())]})

    async def plan_fault(self, request: web.Request) -> web.Response:
        """Plan a fault, which is tried after those planned before."""
        return answer(_fault_json(self.plan(checked(schemas.NewFault, await read_object(request)))), 201)

    def plan(self, body: schemas.NewFault) -> Fault:
        """Plan the fault that ``body`` describes. Raises ``InvalidValue`` or ``SharedServerError``."""
        name, parameters = _parts(body.effect)
        handle = _HANDLES[body.protocol](self._registry)
        if not handle.owners(body.match):
            keep_apart(self._settings.value, "a fault for all users", handle.remedy())
        verb = _verb(handle, body.protocol, name)
        known = {each: one for each, one in inspect.signature(verb).parameters.items() if one.kind != one.VAR_KEYWORD}
        _check_names(name, parameters, [*known, "match"])
        for field, value in (("stage", body.stage), ("times", body.times)):
            if value is not None:
                if field not in known:
                    raise InvalidValue(f"{name} has no {field}", field=field, value=value)
                parameters[field] = value
        for each, one in known.items():
            if one.default is one.empty and each not in parameters:
                needed = f"a stage: {', '.join(handle.stages())}" if each == "stage" else each
                raise InvalidValue(f"{name} needs {needed}", field=each)
        for each in body.match:
            if each in known:
                raise InvalidValue(f"{each} is not a condition: write it next to match, or in effect", field="match")
        try:
            _PROTOCOLS[body.protocol].match.check(verb, body.match)
            planned: Fault = verb(**parameters, **body.match)
        except (TypeError, ValueError) as error:
            text = str(error)
            wrong = next((each for each in parameters if text.startswith(each)), "")
            raise InvalidValue(text, field=wrong or "match", value=parameters.get(wrong)) from None
        arguments = ", ".join(f"{each}={value!r}" for each, value in {**parameters, **body.match}.items())
        planned.call = f"mailserver.{_ATTRIBUTES[body.protocol]}.{name}({arguments})"
        return planned

    async def remove_fault(self, request: web.Request) -> web.Response:
        """Remove a fault. A test does not fail because a removed fault never fired."""
        found = [each for each in self._registry.all() if str(each.number) == request.match_info["fault"]]
        if not found:
            raise NotFound("there is no fault with this id; it may have been removed")
        self._registry.cancel(*found)
        return web.Response(status=204)

    async def remove_faults(self, _request: web.Request) -> web.Response:
        """Remove all faults."""
        keep_apart(self._settings.value, "removing all faults", "remove yours by their ids")
        self._registry.cancel(*self._registry.all())
        return web.Response(status=204)


def _parts(effect: str | schemas.Effect) -> tuple[str, dict[str, Any]]:
    """Return the name of the verb, and its parameters."""
    return (effect, {}) if isinstance(effect, str) else (effect.name, dict(effect.model_extra or {}))


def _verb(handle: PlannedFaults[Any, Any], protocol: str, name: str) -> Any:
    verbs = [
        each
        for each, function in inspect.getmembers(type(handle), inspect.isfunction)
        if not each.startswith("_") and each != "clear" and "times" in inspect.signature(function).parameters
    ]
    if name not in verbs:
        near = near_name(name, verbs)
        hint = f"; did you mean {near!r}?" if near else ""
        text = f"effect must be one of {', '.join(verbs)} for {protocol}, not {excerpt(name)}{hint}"
        raise InvalidValue(text, field="effect", value=name)
    return getattr(handle, name)


def _check_names(verb: str, given: Mapping[str, Any], known: list[str]) -> None:
    for each in given:
        if each in _BESIDE:
            raise InvalidValue(f"{each} belongs next to effect, not inside it", field="effect")
        if each not in known:
            raise InvalidValue(f"{verb} has no parameter {each!r}; {meant(each, known)}", field="effect")


def _fault_json(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.number,
        "protocol": fault.protocol.name.lower(),
        "stages": fault.stages,
        "effect": str(fault.action),
        "match": {name: str(wanted) for name, wanted in fault.match.conditions.items()},
        "times": fault.times,
        "fired": fault.fired,
        "spent": fault.spent,
        "text": str(fault),
    }
