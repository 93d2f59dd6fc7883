"""An account of a test: a permanent address, a login, a key, and the mail that comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sirrchat_testkit.handles.inbox import Inbox
from sirrchat_testkit.records import record
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True


@record
class MailAccount(Hints):
    """A user as the SirrChat API knows it, whose key also makes disposable addresses in the other API.

    ``str(account)`` is the address, so that it can be put into a form as it is.

    Attributes:
        address: The permanent address, as it was made.
        id: The account's UUID, the same in both APIs.
        password: What opens it, as it was typed.
        api_key: A key with the role ``user``: it sees this account alone.
        quota: Bytes it may store.
        inbox: What comes for the permanent address.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "email": "address",
        "username": "address",
        "user_id": "id",
        "key": "api_key",
        "token": "api_key",
        "messages": "inbox.messages",
        "receive": "inbox.receive()",
        "wait_for_message": "inbox.receive()",
    }

    address: str
    id: str
    password: str
    api_key: str
    quota: int
    inbox: Inbox

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        return f"<MailAccount {self.address}>"
