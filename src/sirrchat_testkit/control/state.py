"""The control API: clock, settings, the barrier, crashes and the reset."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import version
from typing import Any, Final

from aiohttp import web

from sirrchat_testkit.control.changes import concern_of
from sirrchat_testkit.control.shown import later_events
from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.errors import Conflict, InvalidValue, SharedServerError
from sirrchat_testkit.formatting import iso_milliseconds, milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.parameters import Number, Parameter, Seconds
from sirrchat_testkit.http.style import answer, checked, read_object
from sirrchat_testkit.net import Tls
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.settings import ROWS, Settings

AFTER = Number("after", "Only what happened after the event with this id.", 0, least=0)
SETTLE_TIMEOUT = Seconds("timeout", "Seconds of real time to wait.", 1.0, most=60.0)
OPENED_BEFORE = Number(
    "opened", "The number of a connection: those up to it do not count before they begin a transaction.", 0, least=0
)
DURABLE = Parameter("durable", "`yes` also resets a server with a data folder.")

_SECRET: Final = frozenset({"api_key", "oauth_tokens"})


class StateViews:
    """The routes of the server itself, its clock, settings, settling, crashes and reset."""

    def __init__(self, control: ServerControl, tls: Tls | None) -> None:
        self._control = control
        self._tls = tls
        self._services = control.services

    async def get_server(self, _request: web.Request) -> web.Response:
        """Return the version of the server, and how clients connect to SMTP."""
        plain, *implicit = self._control.smtp
        return answer(
            {
                "version": version("sirrchat-testkit"),
                "smtp_port": plain[1],
                "smtps_port": implicit[0][1] if implicit else None,
                "certificate": self._tls.authority.decode("ascii") if self._tls else None,
            }
        )

    async def get_clock(self, _request: web.Request) -> web.Response:
        """Return the time of the server's clock, and whether it stands still."""
        return answer(self._clock_json())

    async def move_clock(self, request: web.Request) -> web.Response:
        """Freeze, advance, move or resume the server's clock.

        The answer comes when all work that became due, such as webhook retries, is done.
        """
        keep_apart(self._services.settings.value, "moving the clock")
        clock = self._services.clock
        body = checked(schemas.ClockMove, await read_object(request))
        at = None if body.at is None else milliseconds(body.at)
        if body.action == "freeze":
            clock.freeze(at)
        elif body.action == "resume":
            clock.resume()
        elif body.action == "advance":
            if body.seconds is None:
                raise InvalidValue("advance needs seconds", field="seconds")
            await clock.advance(round(body.seconds * 1000))
        elif at is None:
            raise InvalidValue("move_to needs at, a time such as 2030-01-31T12:00:00Z", field="at")
        else:
            await clock.move_to(at)
        return answer(self._clock_json())

    async def get_settings(self, _request: web.Request) -> web.Response:
        """Return the settings in force, without secrets."""
        return answer(_settings_json(self._services.settings.value))

    async def update_settings(self, request: web.Request) -> web.Response:
        """Change settings that can change while the server runs, and return all."""
        keep_apart(self._services.settings.value, "changing settings")
        changes = await read_object(request)
        current = self._services.settings
        for row in ROWS:
            if row.name in changes and not row.changeable:
                text = (
                    f"{row.name} cannot be changed while the server runs; give it to serve or MailServer at the start"
                )
                raise InvalidValue(text, field=row.name, value=changes[row.name])
        try:
            current.value = current.value.configured(**changes)
        except (TypeError, ValueError) as error:
            field = next((each for each in changes if str(error).startswith(each)), None)
            raise InvalidValue(str(error), field=field, value=changes.get(field or "")) from None
        return answer(_settings_json(current.value))

    async def settle(self, request: web.Request) -> web.Response:
        """Wait until no connection is in a transaction and no delivery in progress, and return what still is.

        With ``account``, only what concerns it counts.
        """
        seconds, opened = SETTLE_TIMEOUT.read(request), OPENED_BEFORE.read(request)
        concern = concern_of(self._control, request)
        busy = await self._services.sessions.settled(seconds, opened, concern if concern.accounts else None)
        shown = [{"where": each.where, "what": each.what} for each in busy]
        return answer({"settled": not busy, "busy": shown})

    async def list_crashes(self, request: web.Request) -> web.Response:
        """Return the unexpected errors of the server, oldest first. There should be none."""
        shown = [
            {
                "id": number,
                "at": iso_milliseconds(event.at),
                "where": event.where,
                "error": f"{type(event.error).__name__}: {event.error}",
            }
            for number, event in later_events(self._services.events, AFTER.read(request), Crashed)
        ]
        return answer({"data": shown})

    async def reset(self, request: web.Request) -> web.Response:
        """Go back to the state right after the start: the configured domains and the admin key; the rest is deleted.

        A server with a data folder is reset only with ``durable=yes``.
        """
        keep_apart(self._services.settings.value, "a reset", "delete the accounts that you made")
        if self._services.settings.value.data and DURABLE.read(request) != "yes":
            raise Conflict("this server has a data folder, whose contents a reset deletes; to do that, add durable=yes")
        await self._control.reset()
        return web.Response(status=204)

    def _clock_json(self) -> dict[str, Any]:
        clock = self._services.clock
        return {"now": iso_milliseconds(clock.now()), "frozen": clock.frozen}


def keep_apart(settings: Settings, what: str, remedy: str = "start a server of your own for this") -> None:
    """Refuse ``what`` on a server that others use too. Raises ``SharedServerError``."""
    if settings.shared:
        raise SharedServerError.refuse(what, remedy)


def _settings_json(settings: Settings) -> dict[str, Any]:
    return {each.name: getattr(settings, each.name) for each in fields(settings) if each.name not in _SECRET}
