"""The resources of users of the SirrChat API: accounts, quotas, and the messages of their permanent addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sirrchat_testkit.client.calls import RAW, Call, NumberedPages, OffsetPages, Pages, nothing, one, path
from sirrchat_testkit.client.resources import C_co, Resource, call, listing
from sirrchat_testkit.schemas.sirrchat import BatchResult, ListedMessage, Message, QuotaUsage, User

__tracebackhide__ = True


class Users(Resource[C_co]):
    """The users of a server, as ``client.users``."""

    @call
    def get(self, user: str) -> Call[User]:
        """Return a user by id.

        Args:
            user: The user's id, such as ``mailserver.add_account("ann@example.com").id``.

        Raises:
            NotFound: No user has this id.
            ApiError: The request failed. ``status`` is 403 if a user's key asks for another user.

        Example:
            assert client.users.get(ann.id).email == "ann@example.com"
        """
        return Call("GET", path("/users/{user}", user=user), one(User))

    @listing
    def list(self, *, domain: str | None = None) -> Pages[User]:
        """Return an iterator over the users, oldest first. Pages are requested as they are needed.

        The users that were returned may be deleted during the iteration; none of the others is left out.

        Args:
            domain: Return only users whose address is at this domain. Default: all.

        Raises:
            ApiError: The request failed; raised by the iterator. ``status`` is 403 without an admin key.

        Example:
            addresses = [user.email for user in client.users.list(domain="example.com")]
        """
        return NumberedPages("/users", User, domain=domain)

    @call
    def create(
        self, email: str, password: str, *, quota: int | None = None, blockchain_address: str | None = None
    ) -> Call[User]:
        """Make a user, and return it.

        Args:
            email: The permanent address, at a served domain.
            password: The password for logins, not empty.
            quota: The quota in bytes. Default: that of the server, 5 GiB.
            blockchain_address: Any text of at most 128 characters that begins with ``0x``.

        Raises:
            InvalidValue: A field is invalid; the error names it in ``field``.
            Conflict: The address is taken.
            ApiError: The request failed. ``status`` is 403 without an admin key.

        Example:
            ann = client.users.create("ann@example.com", "correct horse")
        """
        body = {"email": email, "password": password, "quota": quota, "blockchain_address": blockchain_address}
        return Call("POST", "/users", one(User), body)

    @call
    def batch(self, users: Iterable[Mapping[str, Any]]) -> Call[BatchResult]:
        """Make several users with one request, and return the result of each.

        A user that cannot be made does not prevent the others, and raises nothing: ``result.meta.failed`` counts them.

        Args:
            users: 1 to 1000 dictionaries with the arguments of ``create``.

        Raises:
            InvalidValue: There are no users, or too many.
            ApiError: The request failed. ``status`` is 403 without an admin key.

        Example:
            result = client.users.batch([{"email": "ann@example.com", "password": "correct horse"}])
            assert result.data[0].user.email == "ann@example.com"
        """
        return Call("POST", "/users/batch", one(BatchResult), {"users": [dict(each) for each in users]})

    @call
    def update(
        self,
        user: str,
        *,
        quota: int | None = None,
        password: str | None = None,
        blockchain_address: str | None = None,
    ) -> Call[User]:
        """Change the given fields of a user, and return the user. None leaves a field as it is.

        Args:
            user: The user's id.
            quota: The new quota in bytes. Only an admin key can change it.
            password: The new password.
            blockchain_address: The new text, of at most 128 characters, which begins with ``0x``.

        Raises:
            NotFound: No user has this id.
            InvalidValue: A field is invalid; the error names it in ``field``.
            ApiError: The request failed. ``status`` is 403 if the key may not change the field or the user.
        """
        body = {"quota": quota, "password": password, "blockchain_address": blockchain_address}
        return Call("PUT", path("/users/{user}", user=user), one(User), body)

    @call
    def delete(self, user: str) -> Call[None]:
        """Delete a user with its addresses, messages, API keys and webhooks.

        Args:
            user: The user's id.

        Raises:
            NotFound: No user has this id.
            ApiError: The request failed. ``status`` is 403 if a user's key asks for another user.

        Example:
            for user in client.users.list():
                client.users.delete(user.id)
        """
        return Call("DELETE", path("/users/{user}", user=user), nothing)


class Quota(Resource[C_co]):
    """The quotas of users, as ``client.quota``."""

    @call
    def get(self, user: str) -> Call[QuotaUsage]:
        """Return the quota of a user and how much of it is used.

        Args:
            user: The user's id.

        Raises:
            NotFound: No user has this id.
            ApiError: The request failed. ``status`` is 403 if a user's key asks for another user.

        Example:
            assert client.quota.get(ann.id).files_count == 1
        """
        return Call("GET", path("/users/{user}/quota", user=user), one(QuotaUsage))

    @call
    def set(self, user: str, quota: int) -> Call[QuotaUsage]:
        """Set the quota of a user, and return it with how much of it is used. Mail above it is refused with 552.

        Args:
            user: The user's id.
            quota: The quota in bytes, 0 or more.

        Raises:
            NotFound: No user has this id.
            InvalidValue: ``quota`` is invalid.
            ApiError: The request failed. ``status`` is 403 without an admin key.
        """
        return Call("PUT", path("/users/{user}/quota", user=user), one(QuotaUsage), {"quota": quota})


class Messages(Resource[C_co]):
    """The messages of the permanent addresses of users, as ``client.messages``."""

    @listing
    def list(self, user: str, *, mailbox: str = "INBOX") -> Pages[ListedMessage]:
        r"""Return an iterator over the messages in a folder, newest first, without their texts.

        It does not set ``\Seen``. The messages that were returned may be deleted during the iteration, and others may
        arrive; each of those that were there before is returned once.

        Args:
            user: The user's id.
            mailbox: ``INBOX``, ``Sent``, ``Drafts``, ``Trash``, ``Junk`` or ``Archive``.

        Raises:
            NotFound: No user has this id, or the folder does not exist; raised by the iterator.
            ApiError: The request failed; raised by the iterator.

        Example:
            unread = [each for each in client.messages.list(ann.id) if "\\Seen" not in each.flags]
        """
        return OffsetPages(path("/users/{user}/messages", user=user), ListedMessage, "uid", mailbox=mailbox)

    @call
    def get(self, user: str, uid: int) -> Call[Message]:
        r"""Return a message with its headers, texts and the names of its attachments. Sets ``\Seen``.

        Args:
            user: The user's id.
            uid: The ``uid`` of the message.

        Raises:
            NotFound: There is no such user or message.
            ApiError: The request failed.

        Example:
            [newest, *older] = client.messages.list(ann.id)
            assert "Welcome" in client.messages.get(ann.id, newest.uid).text
        """
        return Call("GET", _message(user, uid), one(Message))

    @call
    def raw(self, user: str, uid: int) -> Call[bytes]:
        r"""Return the bytes of a message as they were received. Sets ``\Seen``.

        Args:
            user: The user's id.
            uid: The ``uid`` of the message.

        Raises:
            NotFound: There is no such user or message.
            ApiError: The request failed.

        Example:
            message = email.message_from_bytes(client.messages.raw(ann.id, uid), policy=email.policy.default)
        """
        return Call("GET", _message(user, uid), bytes, accept=RAW)

    @call
    def delete(self, user: str, uid: int) -> Call[None]:
        """Delete a message.

        Args:
            user: The user's id.
            uid: The ``uid`` of the message.

        Raises:
            NotFound: There is no such user or message.
            ApiError: The request failed.
        """
        return Call("DELETE", _message(user, uid), nothing)


def _message(user: str, uid: int) -> str:
    return path("/users/{user}/messages/{uid}", user=user, uid=uid)
