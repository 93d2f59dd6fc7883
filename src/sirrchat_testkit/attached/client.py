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

_OWN_KEYS: Final = "use those of users that the test made"


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
        self._check(call)
        answer = super()._send(call)
        if call.method == "POST" and call.path.startswith("/users"):
            result = cast("User | BatchResult", answer)
            for each in [result] if isinstance(result, User) else [item.user for item in result.data]:
                if each is not None:
                    self._adopt(each)
        return answer

    def _check(self, call: Call[T]) -> None:
        """Raise ``SharedServerError`` if ``call`` would change what belongs to others."""
        match call.method, *map(unquote, call.path.strip("/").split("/")):
            case "GET", "users", user, "messages", _ if not self._owns(user):
                remedy = "read those of users that the test has made, since reading marks as read"
                raise SharedServerError.refuse("reading messages of others", remedy)
            case "PUT" | "DELETE", "users", user, *_ if not self._owns(user):
                raise SharedServerError.refuse("changing this user", "change only users that the test made")
            case "POST", "api-keys" if not self._owns(_user_of_new_key(call)):
                raise SharedServerError.refuse("making API keys of others", _OWN_KEYS)
            case "DELETE", "api-keys", key if not all(map(self._owns, self._users_of_key(key))):
                raise SharedServerError.refuse("revoking API keys of others", _OWN_KEYS)
            case "POST" | "PUT" | "DELETE", ("domains" | "webhooks") as kind, *_:
                raise SharedServerError.refuse(f"a change of {kind}", _REMEDIES[kind])

    def _users_of_key(self, key: str) -> list[str]:
        """Return the e-mail address of the user of the key with the id ``key``, or nothing if no key has this id."""
        return [each.user for each in self.api_keys.list() if each.id == key]


def _user_of_new_key(call: Call[T]) -> str:
    assert isinstance(call.body, dict)
    return str(call.body["user"])
