"""What ``smtp/connection.py`` relies on of aiosmtpd and asyncio: if one of these fails, read that module again."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from unittest.mock import Mock

import pytest
from aiosmtpd.smtp import SMTP

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.connection import Connections, Protocol

OVERRIDDEN = {
    "__init__",
    "_handle_client",
    "_reset_timeout",
    "_timeout_cb",
    "buffer_updated",
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "get_buffer",
    "push",
}
USED = {"_handler_coroutine", "_timeout_handle", "_writer", "hostname", "loop", "transport"}


def test_what_is_overridden_is_what_the_docstring_says() -> None:
    ours = {name for name in vars(Protocol) if hasattr(SMTP, name) or hasattr(asyncio.BufferedProtocol, name)}
    ours -= {"__doc__", "__module__", "__firstlineno__", "__static_attributes__", "__slotnames__"}
    assert ours == OVERRIDDEN
    assert Protocol.__doc__
    assert {name for name in OVERRIDDEN if f"``{name}``" not in Protocol.__doc__} == set()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("connection_made", "self transport"),
        ("connection_lost", "self error"),
        ("eof_received", "self"),
        ("data_received", "self data"),
        ("push", "self status"),
        ("_reset_timeout", "self duration"),
        ("_timeout_cb", "self"),
        ("_handle_client", "self"),
        ("_cb_client_connected", "self reader writer"),
    ],
)
def test_methods_of_aiosmtpd_take_what_ours_do(name: str, parameters: str) -> None:
    assert " ".join(inspect.signature(getattr(SMTP, name)).parameters) == parameters
    assert " ".join(inspect.signature(getattr(Protocol, name)).parameters) == parameters


def test_the_connection_is_made_as_we_expect() -> None:
    """Its ``connection_made`` starts the timer and the task through methods that are ours."""
    source = inspect.getsource(SMTP.connection_made)
    for needed in (
        "self._reset_timeout()",
        "self._handler_coroutine = self.loop.create_task(",
        "self._handle_client()",
    ):
        assert needed in source


@pytest.mark.asyncio
async def test_a_connection_of_aiosmtpd_has_the_attributes_that_ours_uses() -> None:
    source = inspect.getsource(Protocol)
    own = set(re.findall(r"self\.(\w+)(?::| = )", source)) - {"_timeout_handle", "transport"}
    assert set(re.findall(r"self\.(\w+)", source)) - own - set(dir(Protocol)) == USED
    stock = SMTP(None, hostname="mail.example", loop=asyncio.get_running_loop())
    stock.connection_made(Mock(asyncio.Transport))
    assert vars(stock).keys() >= USED
    for begun in (stock._timeout_handle, stock._handler_coroutine):
        assert begun is not None
        begun.cancel()


def test_none_of_our_attributes_is_used_by_a_base_class() -> None:
    ours = set(re.findall(r"self\.(_\w+)\b(?: =|: | \+=)", inspect.getsource(Protocol)))
    shared = {"_timeout_handle"}  # aiosmtpd's own, and meant
    bases = "".join(inspect.getsource(base) for base in Protocol.__mro__[1:-1])
    assert {name for name in ours - shared if re.search(rf"\bself\.{name}\b", bases)} == set()
    assert {"_own_task", "_conversation", "_replies", "_socket"} <= ours


@pytest.mark.asyncio
async def test_the_template_is_all_that_aiosmtpd_sets() -> None:
    loop = asyncio.get_running_loop()
    template = Protocol.template("mail.example", loop)
    whole = vars(SMTP(None, hostname="mail.example", loop=loop))
    assert set(template) == {*whole, "_buffer"}
    for table in ("_smtp_methods", "_auth_methods"):
        assert whole[table]
        assert template[table] == {}


@pytest.mark.asyncio
async def test_connections_share_nothing_but_the_buffer(services: Services) -> None:
    loop = asyncio.get_running_loop()
    template = Protocol.template("mail.example", loop)
    one, two = (vars(Protocol(services, Connections(), template)) for _ in range(2))
    shared = {name for name in one if one[name] is two[name] and isinstance(one[name], list | dict | set | bytearray)}
    assert shared <= {"_smtp_methods", "_auth_methods", "_handle_hooks"}
    for name in ("_closed", "_replies", "_runner"):
        assert one[name] is not two[name]


def test_no_connection_looks_its_methods_up_or_asks_dns(monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    loop = asyncio.new_event_loop()
    template = Protocol.template("mail.example", loop)

    def forbidden(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(inspect, "getmembers", forbidden)
    monkeypatch.setattr(socket, "getfqdn", forbidden)
    Protocol(services, Connections(), template)
    loop.close()


@pytest.mark.asyncio
async def test_the_wrapped_socket_of_a_transport_is_where_we_close_it() -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, *server.sockets[0].getsockname()
    )
    assert isinstance(transport.get_extra_info("socket")._sock, socket.socket)
    transport.close()
    server.close()


@pytest.mark.asyncio
async def test_the_task_protocol_of_asyncio_is_there() -> None:
    loop = asyncio.get_running_loop()
    assert list(inspect.signature(asyncio.tasks._py_enter_task).parameters) == ["loop", "task"]  # type: ignore[attr-defined]
    assert callable(asyncio.tasks._enter_task)
    assert callable(asyncio.tasks._leave_task)
    assert asyncio.current_task(loop) is not None
