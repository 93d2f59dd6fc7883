"""``mail_client`` on a server that others use too: the users that it makes belong to the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast
from urllib.parse import unquote

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
"""What to do instead of changing what all users share."""


class OwnClient(Client):
    """A client with the admin's key that changes only what belongs to the test.

    Args:
        key: The API key of the admin.
        url: The URL of the server.
        owns: Says whether the user with an id or e-mail address belongs to the test.
        adopt: Notes that the test has made a user.
    """

    def __init__(self, key: str, url: str, owns: Callable[[str], bool], adopt: Callable[[User], None]) -> None:
        super().__init__(key, url, retries=0)
        self._owns = owns
        self._adopt = adopt

    def _send(self, call: Call[T]) -> T:
        kind, *rest = call.path.strip("/").split("/")
        marks_as_read = kind == "users" and rest[1:2] == ["messages"] and len(rest) > 2  # noqa: PLR2004 - and its uid
        if marks_as_read and call.method == "GET" and not self._owns(unquote(rest[0])):
            remedy = "read those of users that the test has made, since reading marks as read"
            raise SharedServerError.refuse("reading messages of others", remedy)
        if call.method != "GET":
            self._check_change(call, kind, unquote(rest[0]) if rest else "")
        answer = super()._send(call)
        if call.method == "POST" and kind == "users":
            result = cast("User | BatchResult", answer)
            for each in [result] if isinstance(result, User) else [item.user for item in result.data]:
                if each is not None:
                    self._adopt(each)
        return answer

    def _check_change(self, call: Call[T], kind: str, which: str) -> None:
        """Raise ``SharedServerError`` if ``call`` would change what belongs to others."""
        if kind in _REMEDIES:
            raise SharedServerError.refuse(f"a change of {kind}", _REMEDIES[kind])
        if kind == "users" and call.method != "POST" and not self._owns(which):
            raise SharedServerError.refuse("changing this user", "change only users that the test made")
        if kind == "api-keys":
            users = [_user_of_new_key(call)] if call.method == "POST" else self._users_of_key(which)
            if not all(map(self._owns, users)):
                raise SharedServerError.refuse("changing API keys of others", "use those of users that the test made")

    def _users_of_key(self, key: str) -> list[str]:
        """Return the e-mail address of the user of the key with the id ``key``, or nothing if no key has this id."""
        return [each.user for each in self.api_keys.list() if each.id == key]


def _user_of_new_key(call: Call[T]) -> str:
    assert isinstance(call.body, dict)
    return str(call.body["user"])
