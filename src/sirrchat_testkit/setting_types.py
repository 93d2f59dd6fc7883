"""The settings that can be given by name, as types: editors complete them, and type checkers find a misspelt one.

``Settings`` and ``Policy`` say what each of them means. Where they keep a tuple, a list can be given as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, TypeAlias, TypedDict

from sirrchat_testkit.policy import Policy, TokenCheck

_Texts: TypeAlias = list[str] | tuple[str, ...]


class PolicyChanges(TypedDict, total=False):
    """Fields of ``Policy``."""

    unknown_recipients: Literal["reject", "keep"]
    foreign_recipients: Literal["keep", "reject"]
    auth: Literal["optional", "required", "tls"]
    oauth_tokens: Mapping[str, str] | _Texts | TokenCheck
    tls_required: bool
    hide_extensions: _Texts
    max_sessions: int
    max_session_messages: int
    idle_timeout: float
    session_timeout: float
    max_addresses: int
    max_message_size: int
    max_recipients: int
    max_messages: int
    max_bytes: int
    max_age: int
    rate_limit: Literal["off", "documented", "custom"]
    rate_limit_key: int
    rate_limit_ip: int
    webhook_hosts: _Texts


class SettingsChanges(PolicyChanges, total=False):
    """Fields of ``Settings``, and those of ``Policy``."""

    host: str
    smtp_port: int
    smtps_port: int | None
    starttls: bool
    tls_cert: str | None
    tls_key: str | None
    http_port: int
    domains: _Texts
    api_key: str | None
    seed: str
    data: str | os.PathLike[str] | None
    fsync: bool
    password_cost: int
    policy: Policy
