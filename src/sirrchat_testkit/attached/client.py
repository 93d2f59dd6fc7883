"""``mail_client`` on a server that others use too: the users that it makes belong to the test."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeVar, cast

from sirrchat_testkit.client.calls import Call
from sirrchat_testkit.client.sirrchat import Client
from sirrchat_testkit.errors import SharedServerError
from sirrchat_testkit.schemas.sirrchat import BatchResult, User

__tracebackhide__ = True

T = TypeVar("T")

_REMEDIES: Final = {
    "domains": "start the server with the domain, or use one that it serves",
    "webhooks": "use mailserver.add_webhook(url), or a client with the key of an account of the test",
}
"""What to do instead of changes of what the admin has for everybody."""


class OwnClient(Client):
    """A client with the admin's key that changes only what belongs to the test.

    Args:
        key: The API key of the admin.
        url: The URL of the server.
        own: Returns the ids of the accounts of the test.
        adopt: Notes that the test has made a user.
    """

    def __init__(self, key: str, url: str, own: Callable[[], Collection[str]], adopt: Callable[[User], None]) -> None:
        super().__init__(key, url, retries=0)
        self._own = own
        self._adopt = adopt

    def _send(self, call: Call[T]) -> T:
        kind, *rest = call.path.strip("/").split("/")
        if call.method != "GET":
            if kind in _REMEDIES:
                raise SharedServerError.refuse(f"a change of {kind}", _REMEDIES[kind])
            if kind == "users" and call.method != "POST" and rest[0] not in self._own():
                raise SharedServerError.refuse("changing a user of others", "change those that the test has made")
        answer = super()._send(call)
        if call.method == "POST" and kind == "users":
            result = cast("User | BatchResult", answer)
            for each in [result] if isinstance(result, User) else [item.user for item in result.data]:
                if each is not None:
                    self._adopt(each)
        return answer
