"""Wrong uses of the clients of all APIs: every type checker refuses each line marked ``# error``."""

from __future__ import annotations

from sirrchat_testkit import AsyncClient, AsyncControlClient, Client, ControlClient, TempMailClient
from sirrchat_testkit.client.users import Users


def asks(client: Client, users: Users[AsyncClient]) -> None:
    Client(timeout="5")  # error
    Client(key="x")  # error
    client.user  # error
    client.users.find("x")  # error
    client.users.get()  # error
    client.users.get(5)  # error
    client.users.get("x", "y")  # error
    client.users.list("example.com")  # error
    client.users.list(domian="x")  # error
    client.users.list()[0]  # error
    client.users.get("x").mail  # error
    client.users.create("ann@example.com")  # error
    client.users.update("x", email="y")  # error
    client.messages.get("x", "5")  # error
    client.messages.raw("x", 5).text  # error
    client.webhooks.create("http://127.0.0.1/", ["email.recieved"])  # error
    client.api_keys.create("x", role="root")  # error
    client.api_keys.create("x", expires_in=5)  # error
    client.emails  # error
    client.aclose()  # error
    users.get("x").email  # error


async def asks_in_a_task(client: AsyncClient, other: Client) -> None:
    client.users.get("x").email  # error
    await client.users.list()  # error
    await other.users.get("x")  # error
    await client.users.get(5)  # error
    for _ in client.users.list():  # error
        pass
    async for _ in other.users.list():  # error
        pass
    client.close()  # error
    with client:  # error
        pass


def asks_the_other_api(client: TempMailClient) -> None:
    client.users  # error
    client.emails.create("ann", "example.com")  # error
    client.emails.generate("ann")  # error
    client.emails.generate("ann", "example.com", expires_in=3600000)  # error
    client.messages.list()  # error
    client.webhook.set("http://127.0.0.1/", True)  # error


def controls(client: ControlClient) -> None:
    client.messages.wait("ann@example.com")  # error
    client.messages.wait(recipient="ann@example.com")  # error
    client.messages.wait(since="2030-01-31")  # error
    client.messages.wait(to="x").code.isdigit()  # error
    client.messages.wait_many(to="x")  # error
    client.messages.search(to="x")[0]  # error
    client.messages.mark("x")  # error
    client.messages.deliver("Subject: x", to="x")  # error
    client.clock.advance(fortnights=1)  # error
    client.clock.now().frozen  # error
    client.settings.update(max_recipient=3)  # error
    client.settings.update(data="x")  # error
    client.events(0)  # error
    next(client.events()).message  # error
    client.settle(5)  # error
    client.faults.plan("lose", protocol="pop3")  # error
    client.users  # error
    client.events().aclose()  # error


async def controls_in_a_task(client: AsyncControlClient) -> None:
    client.messages.wait(to="x").code  # error
    client.settle().real  # error
    with client.events():  # error
        pass
    for _ in client.events():  # error
        pass
