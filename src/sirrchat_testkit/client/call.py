"""A request as data, and how to read its answer. Nothing here sends anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from sirrchat_testkit.client.errors import error_for
from sirrchat_testkit.schemas.sirrchat import answers

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: ``path`` below the base URL, ``body`` as JSON; ``read`` turns the answer's JSON into a value."""

    method: str
    path: str
    read: Callable[[Any], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    def result(self, status: int, answer: Any) -> T:
        """Return what the call is for. Raises the ``ApiError`` that ``status`` and ``answer`` stand for."""
        if status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise error_for(status, answer)
        return self.read(answer)


def get_user(user: str) -> Call[answers.User]:
    """Return the call that reads a user by id."""
    return Call("GET", f"/api/v1/users/{user}", _one(answers.User))


def list_users(page: int, **query: Any) -> Call[answers.UserPage]:
    """Return the call that reads a page of users; ``query`` may have ``limit`` and ``domain``."""
    return Call("GET", "/api/v1/users", _one(answers.UserPage), query={"page": page, **query})


def create_api_key(user: str, role: str) -> Call[answers.NewlyMadeApiKey]:
    """Return the call that makes a key for ``user``, an e-mail address or an id."""
    return Call("POST", "/api/v1/api-keys", _one(answers.NewlyMadeApiKey), body={"user": user, "role": role})


def list_api_keys(page: int) -> Call[answers.ApiKeyPage]:
    """Return the call that reads a page of keys."""
    return Call("GET", "/api/v1/api-keys", _one(answers.ApiKeyPage), query={"page": page})


def revoke_api_key(key: str) -> Call[None]:
    """Return the call that revokes a key by its id."""
    return Call("DELETE", f"/api/v1/api-keys/{key}", lambda _: None)


def _one(model: type[Model]) -> Callable[[Any], Model]:
    return model.model_validate
