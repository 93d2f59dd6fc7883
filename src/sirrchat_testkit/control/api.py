"""The table of operations of the control API, below ``/testkit/v1``.

Every operation needs an admin's API key, in either header.
"""

from __future__ import annotations

from sirrchat_testkit.control.changes import ACCOUNTS, KNOWN, LONGEST, ChangeViews
from sirrchat_testkit.control.events import SINCE, EventViews
from sirrchat_testkit.control.faults import FaultViews
from sirrchat_testkit.control.messages import CONDITIONS, COUNT, FROM, LIMIT, RAW, RECIPIENTS, TIMEOUT, MessageViews
from sirrchat_testkit.control.owners import OwnerViews
from sirrchat_testkit.control.state import AFTER, DURABLE, OPENED_BEFORE, SETTLE_TIMEOUT, StateViews
from sirrchat_testkit.control.traffic import OPENED_AFTER, WEBHOOK, TrafficViews
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.operations import ADMIN, NO_CONTENT, Answer, Api, Operation
from sirrchat_testkit.http.pagination import CURSOR
from sirrchat_testkit.http.style import ApiStyle, either_key, nested
from sirrchat_testkit.net import Tls
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas.control_changes import Changes

CONTROL = ApiStyle(key=either_key, problem=nested)

_MESSAGE = "/messages/{message}"


def control_api(control: ServerControl, tls: Tls | None = None) -> Api:
    """Return the API with its table; ``tls`` is what clients of SMTP trust, if the server has TLS."""
    messages, owners, traffic = MessageViews(control), OwnerViews(control), TrafficViews(control)
    state, faults = StateViews(control, tls), FaultViews(control)
    found, waited = [Answer(schemas.FoundMessages)], [Answer(schemas.Messages)]
    operations = (
        Operation("GET", "/messages", messages.search_messages, ADMIN, found, query=(*CONDITIONS, LIMIT, CURSOR)),
        Operation(
            "GET",
            "/wait",
            messages.wait_for_messages,
            ADMIN,
            waited,
            query=(*CONDITIONS, COUNT, TIMEOUT),
            refusals=(404,),
        ),
        Operation(
            "POST",
            "/messages",
            messages.inject_message,
            ADMIN,
            [Answer(schemas.Messages, 201)],
            query=(RECIPIENTS, FROM),
            takes=RAW,
        ),
        Operation(
            "DELETE",
            "/messages",
            messages.remove_messages,
            ADMIN,
            [Answer(schemas.Deleted)],
            query=CONDITIONS,
            refusals=(409,),
        ),
        Operation("GET", _MESSAGE, messages.inspect_message, ADMIN, [Answer(schemas.Message)]),
        Operation("PATCH", _MESSAGE, messages.mark_message, ADMIN, [Answer(schemas.Message)], schemas.MessageChanges),
        Operation("DELETE", _MESSAGE, messages.remove_message, ADMIN, [NO_CONTENT]),
        Operation("GET", _MESSAGE + "/raw", messages.get_raw_message, ADMIN, [Answer(None, media=RAW)]),
        Operation("GET", _MESSAGE + "/transcript", messages.get_transcript, ADMIN, [Answer(schemas.Transcript)]),
        Operation("GET", _MESSAGE + "/envelope", messages.get_envelope, ADMIN, [Answer(schemas.Envelope)]),
        Operation(
            "GET",
            _MESSAGE + "/attachments/{number}",
            messages.get_attachment,
            ADMIN,
            [Answer(None, media="application/octet-stream")],
        ),
        Operation(
            "POST",
            "/accounts",
            owners.create_account,
            ADMIN,
            [Answer(schemas.MadeAccount, 201)],
            schemas.NewAccount,
            refusals=(409,),
        ),
        Operation("DELETE", "/accounts/{account}", owners.delete_account, ADMIN, [NO_CONTENT]),
        Operation(
            "POST",
            "/addresses",
            owners.create_address,
            ADMIN,
            [Answer(schemas.MadeAddress, 201)],
            schemas.NewAddress,
            refusals=(404, 409),
        ),
        Operation(
            "GET", "/sessions", traffic.list_sessions, ADMIN, [Answer(schemas.Sessions)], query=(OPENED_AFTER, ACCOUNTS)
        ),
        Operation("GET", "/envelopes", traffic.list_envelopes, ADMIN, [Answer(schemas.Envelopes)], query=(CURSOR,)),
        Operation("GET", "/refusals", traffic.list_refusals, ADMIN, [Answer(schemas.Refusals)], query=(AFTER,)),
        Operation(
            "GET",
            "/deliveries",
            traffic.list_all_deliveries,
            ADMIN,
            [Answer(schemas.Deliveries)],
            query=(WEBHOOK, ACCOUNTS, CURSOR),
        ),
        Operation(
            "GET",
            "/events",
            EventViews(control).stream_events,
            ADMIN,
            [Answer(schemas.StreamedEvent, media="text/event-stream")],
            query=(SINCE,),
        ),
        Operation(
            "GET",
            "/changes",
            ChangeViews(control).list_changes,
            ADMIN,
            [Answer(Changes)],
            query=(KNOWN, ACCOUNTS, LONGEST),
        ),
        Operation("GET", "/server", state.get_server, ADMIN, [Answer(schemas.Server)]),
        Operation(
            "GET",
            "/settle",
            state.settle,
            ADMIN,
            [Answer(schemas.Settled)],
            query=(SETTLE_TIMEOUT, OPENED_BEFORE, ACCOUNTS),
        ),
        Operation("GET", "/crashes", state.list_crashes, ADMIN, [Answer(schemas.Crashes)], query=(AFTER,)),
        Operation("GET", "/clock", state.get_clock, ADMIN, [Answer(schemas.Clock)]),
        Operation(
            "POST", "/clock", state.move_clock, ADMIN, [Answer(schemas.Clock)], schemas.ClockMove, refusals=(409,)
        ),
        Operation("GET", "/faults", faults.list_faults, ADMIN, [Answer(schemas.Faults)]),
        Operation(
            "POST", "/faults", faults.plan_fault, ADMIN, [Answer(schemas.Fault, 201)], schemas.NewFault, refusals=(409,)
        ),
        Operation("DELETE", "/faults", faults.remove_faults, ADMIN, [NO_CONTENT], refusals=(409,)),
        Operation("DELETE", "/faults/{fault}", faults.remove_fault, ADMIN, [NO_CONTENT]),
        Operation("GET", "/settings", state.get_settings, ADMIN, [Answer(schemas.Settings)]),
        Operation(
            "PATCH",
            "/settings",
            state.update_settings,
            ADMIN,
            [Answer(schemas.Settings)],
            schemas.SettingsChanges,
            refusals=(409,),
        ),
        Operation("POST", "/reset", state.reset, ADMIN, [NO_CONTENT], query=(DURABLE,), refusals=(409,)),
    )
    return Api(
        "Control",
        "What a test in Python sees and does, for any language: search, waiting, events, the clock and faults.",
        "/testkit/v1",
        CONTROL,
        schemas.Problem,
        operations,
        security=("bearer", "api_key"),
        schema_prefix="Control",
        refuses_unknown=True,
    )
