"""The figures agree: an account's and the server's, in both APIs, the metrics and Python, after any traffic."""

from __future__ import annotations

import contextlib
import smtplib
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sirrchat_testkit import MailAccount, MailNotReceived, MailServer
from sirrchat_testkit.errors import NoSuchAddress
from tests.support import call_api, connect, send

RAW = b"From: ann@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
SIZE = len(RAW)
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
ANN, NEWS, BOB, BOX = "ann@example.com", "ann+news@example.com", "bob@example.com", "box@example.com"
OPS, DEV, NOBODY = "ops@corp.example", "dev@corp.example", "nobody@example.com"


def metrics(server: MailServer) -> dict[tuple[str, ...], float]:
    """Return the value of each sample of the metrics, by its name and the values of its labels."""
    with urllib.request.urlopen(f"{server.api_url}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples]
    return {(each.name.removeprefix("sirrchat_testkit_"), *each.labels.values()): each.value for each in samples}


def stats(server: MailServer, user: MailAccount) -> Any:
    answer = call_api(server, "GET", f"/api/v1/users/{user.id}/stats", key=user.api_key)
    assert answer.status == 200
    return answer.json


def submit(server: MailServer, login: str, *recipients: str) -> None:
    """Send ``RAW`` with the login of an account."""
    with connect(server) as smtp:
        smtp.login(login, "secret")
        smtp.sendmail(login, recipients, RAW)


def test_a_login_s_mail_counts_the_same_for_the_account_and_the_server(mailserver: MailServer) -> None:
    ann, bob = mailserver.add_account(ANN, "secret"), mailserver.add_account(BOB)
    submit(mailserver, ANN, BOB, OPS, DEV)

    server = call_api(mailserver, "GET", "/api/v1/stats").json
    sender, receiver = stats(mailserver, ann), stats(mailserver, bob)
    assert server["smtp"] == {"sent": 1, "received": 1, "rejected": 0}
    assert (sender["sent"], sender["received"], sender["rejected"]) == (1, 0, 0)
    assert (receiver["sent"], receiver["received"], receiver["rejected"]) == (0, 1, 0)
    assert server["messages_today"] == 2
    assert server["storage_used"] == 4 * SIZE
    assert (sender["messages_total"], sender["storage_used"]) == (1, SIZE)
    assert asdict(mailserver.stats) == server


def test_mail_is_sent_once_with_a_login_or_to_foreign_recipients(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    steps: list[tuple[str, tuple[str, ...], tuple[int, int, int]]] = [
        (ANN, (ANN,), (1, 1, 1)),  # to herself
        ("", (ANN,), (1, 2, 1)),
        ("", (OPS, DEV), (2, 2, 1)),
        (ANN, (OPS,), (3, 2, 2)),
        ("", (ANN, OPS), (4, 3, 2)),
    ]
    for login, recipients, figures in steps:
        if login:
            submit(mailserver, login, *recipients)
        else:
            send(mailserver, *recipients, raw=RAW)
        smtp = mailserver.stats.smtp
        assert (smtp.sent, smtp.received, stats(mailserver, ann)["sent"]) == figures, (login, recipients)
    assert mailserver.stats.messages_today == 7


def test_a_token_s_user_without_an_account_sends_as_a_client_without_a_login(mailserver: MailServer) -> None:
    mailserver.configure(oauth_tokens={"app@corp.example": "t0ken"})
    mailserver.add_account(ANN)
    for recipient in (ANN, OPS):
        with connect(mailserver) as smtp:
            smtp.ehlo()
            token = "user=app@corp.example\x01auth=Bearer t0ken\x01\x01"
            assert smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else token)[0] == 235  # noqa: B023
            smtp.sendmail("app@corp.example", [recipient], RAW)
    assert (mailserver.stats.smtp.sent, mailserver.stats.smtp.received) == (1, 1)


def test_kept_mail_for_an_unknown_recipient_is_received_by_the_server_alone(mailserver: MailServer) -> None:
    mailserver.configure(unknown_recipients="keep")
    ann = mailserver.add_account(ANN, "secret")
    submit(mailserver, ANN, NOBODY)
    send(mailserver, NOBODY, raw=RAW)
    assert (mailserver.stats.smtp.sent, mailserver.stats.smtp.received) == (1, 2)
    assert stats(mailserver, ann)["received"] == 0


def test_each_refused_recipient_counts_once_as_mailserver_refusals_has_it(mailserver: MailServer) -> None:
    ann, bob = mailserver.add_account(ANN, quota=1), mailserver.add_account(BOB)
    mailserver.configure(max_recipients=3)
    with pytest.raises(smtplib.SMTPDataError):
        send(mailserver, ANN, NEWS, BOB, DEV, raw=RAW)  # over Ann's quota, and Dev is one too many
    mailserver.faults.reject(stage="rcpt", code=451, times=1)
    mailserver.faults.reject(stage="end", code=554)
    with pytest.raises(smtplib.SMTPDataError):
        send(mailserver, BOB, NOBODY, OPS, raw=RAW)  # the faults refuse Bob, and then Ops
    rejected = [stats(mailserver, each)["rejected"] for each in (ann, bob)]
    assert (mailserver.stats.smtp.rejected, rejected) == (7, [2, 2])
    assert [each.recipient for each in mailserver.refusals] == [DEV, ANN, NEWS, BOB, BOB, NOBODY, OPS]
    assert mailserver.refusals[0].reason == "Too many recipients"


def test_mail_that_is_lost_or_that_no_client_sent(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    ann.inbox.deliver(subject="Injected")
    with pytest.raises(NoSuchAddress):
        mailserver.inbox_for(NOBODY).deliver(subject="Not stored")
    mailserver.faults.lose(recipient=ANN)
    mailserver.faults.lose(subject="Hello")
    submit(mailserver, ANN, ANN)
    submit(mailserver, ANN, OPS)
    smtp = mailserver.stats.smtp
    assert (smtp.received, smtp.sent, smtp.rejected) == (1, 0, 0)
    assert mailserver.refusals == []


def test_webhook_deliveries_are_counted_by_their_status(mailserver: MailServer) -> None:
    mailserver.clock.freeze()
    ann = mailserver.add_account(ANN)
    good, bad = mailserver.make_webhook_sink(), mailserver.make_webhook_sink()
    bad.refuse(status=503, times=100)
    for sink in (good, bad):
        mailserver.add_webhook(sink, events=["email.received"])
    send(mailserver, ANN, raw=RAW)
    good.receive()
    mailserver.settle()
    assert _deliveries(mailserver) == {"delivered": 1, "pending": 1}
    mailserver.clock.advance(minutes=1)
    assert _deliveries(mailserver) == {"delivered": 1, "failed": 1}
    send(mailserver, ANN, raw=RAW)
    mailserver.settle()
    ann.inbox.clear()
    assert _deliveries(mailserver) == {"delivered": 2, "failed": 1, "cancelled": 1}


def _deliveries(server: MailServer) -> dict[str, int]:
    found = Counter(each.status for each in server.deliveries)
    shown = {labels[0]: value for (name, *labels), value in metrics(server).items() if name == "webhook_deliveries"}
    assert shown == {status: found[status] for status in ("pending", "delivered", "failed", "cancelled")}
    return {status: int(count) for status, count in shown.items() if count}


@pytest.mark.asyncio
async def test_waits_of_tests_and_long_polls_are_counted_when_they_end() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        inbox.deliver(subject="One")
        inbox.deliver(subject="Two")
        inbox.receive()
        await inbox.areceive_all(1)
        with pytest.raises(MailNotReceived):
            await server.areceive(timeout=0.03)
        inbox.assert_nothing()  # it does not wait for mail
        found = server._now.services.waits.read()
        assert (found.at_most[-1], found.at_most[2]) == (3, 2)
        assert found.seconds > 0.03
        for count, status in ((2, 200), (3, 404)):
            assert call_api(server, "GET", f"/testkit/v1/wait?count={count}&timeout=0.01").status == status
        assert server._now.services.waits.read().at_most[-1] == 5


@dataclass
class Model:
    """The figures that the traffic so far must have led to; ``""`` is the server, the other keys are accounts."""

    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    stored: list[tuple[str, str]] = field(default_factory=list)  # account and recipient of each copy
    today: int = 0
    has_box: bool = True
    keeps_unknown: bool = False

    def copy(self) -> Model:
        return Model(
            Counter(self.received),
            Counter(self.sent),
            Counter(self.rejected),
            [*self.stored],
            self.today,
            self.has_box,
            self.keeps_unknown,
        )

    @property
    def owners(self) -> dict[str, str]:
        return {ANN: ANN, NEWS: ANN, BOB: BOB} | ({BOX: ANN} if self.has_box else {})

    def reject(self, *recipients: str) -> None:
        for each in recipients:
            self.rejected.update({"", self.owners.get(each, "")})

    def deliver(self, login: str, recipients: Sequence[str]) -> bool:
        """Note that a client sends to ``recipients``, each of them once; return whether the message is accepted."""
        unknown = [] if self.keeps_unknown else [NOBODY] if self.has_box else [NOBODY, BOX]
        self.reject(*(each for each in recipients if each in unknown))
        accepted = [each for each in recipients if each not in unknown]
        owners = [self.owners.get(each, "") for each in accepted] + [login] * bool(login)
        if not accepted or (BOB in owners and [owner for owner, _ in self.stored].count(BOB) + owners.count(BOB) > 3):
            self.reject(*accepted)
            return False
        for owner, recipient in zip(owners, [*accepted, ""], strict=False):
            self.stored.append((owner, ANN if recipient == NEWS else recipient))
        local = [each for each in accepted if each not in {OPS, DEV}]
        self.received.update({"": len(local)})
        self.received.update(filter(None, (self.owners.get(each) for each in local)))
        if login:
            self.sent.update(["", login])
        elif len(local) < len(accepted):
            self.sent.update([""])
        self.today += len(local) + (bool(login) or len(local) < len(accepted))
        return True


class Traffic:
    """A server, and the model of its figures."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.accounts = [server.add_account(ANN, "secret"), server.add_account(BOB, "secret", quota=3 * SIZE)]
        self.model = Model()
        self._make_box()

    def _make_box(self) -> None:
        body = {"name": "box", "expiryTime": 0, "domain": "example.com"}
        made = call_api(self.server, "POST", "/api/emails/generate", body, key=self.accounts[0].api_key)
        assert made.status == 200
        self.box = made.json["id"]

    def send(self, login: str, recipients: Sequence[str]) -> None:
        if self.model.keeps_unknown and not self.model.has_box:
            recipients = [each for each in recipients if each != BOX] or [OPS]  # whether it is kept depends on scopes
        with contextlib.ExitStack() as stack:
            smtp = stack.enter_context(connect(self.server))
            if login:
                smtp.login(login, "secret")
            if not self.model.deliver(login, recipients):
                stack.enter_context(pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)))
            smtp.sendmail("a@shop.example", recipients, RAW)

    def inject(self) -> None:
        self.model.deliver("", [ANN])
        self.accounts[0].inbox.deliver(RAW)

    def clear(self, recipient: str) -> None:
        self.server.inbox_for(recipient).clear()
        self.model.stored = [each for each in self.model.stored if each[1] != recipient]

    def turn_box(self) -> None:
        if self.model.has_box:
            path = f"/api/emails/{self.box}"
            assert call_api(self.server, "DELETE", path, key=self.accounts[0].api_key).status == 200
            self.model.stored = [each for each in self.model.stored if each[1] != BOX]
        else:
            self._make_box()
        self.model.has_box = not self.model.has_box

    def keep_unknown(self) -> None:
        self.server.configure(unknown_recipients="keep")
        self.model.keeps_unknown = True

    def store_counts(self) -> None:
        self.server._thread.call(self.server._now.services.counters.flush())

    def next_day(self) -> None:
        self.server.clock.advance(hours=24)
        self.model.today = 0

    def scope(self, steps: Sequence[Any]) -> None:
        before, box = self.model.copy(), self.box
        with self.server.scope(check=False):
            self.run(steps)
            self.check()
        self.model, self.box = before, box
        self.check()

    def run(self, steps: Sequence[Any]) -> None:
        for name, *arguments in steps:
            getattr(self, name)(*arguments)

    def check(self) -> None:
        """Compare every source of figures with the model."""
        server, model = self.server, self.model
        said = call_api(server, "GET", "/api/v1/stats").json
        assert said == asdict(server.stats)
        assert said["smtp"] == {name: getattr(model, name)[""] for name in ("sent", "received", "rejected")}
        assert (said["messages_today"], said["storage_used"]) == (model.today, SIZE * len(model.stored))
        shown = metrics(server)
        assert {
            "received": shown["messages_received_total",],
            "sent": shown["messages_sent_total",],
            "rejected": shown["recipients_refused_total",],
        } == said["smtp"]
        assert (shown["stored_messages",], shown["stored_bytes",]) == (len(model.stored), said["storage_used"])
        assert shown["smtp_sessions_open",] == said["sessions_active"] == 0
        assert len(server.database.table("messages")) == len(model.stored)
        for account in self.accounts:
            mine = stats(server, account)
            for name in ("sent", "received", "rejected"):
                assert mine[name] == getattr(model, name)[account.address], (account, name)
            total = [owner for owner, _ in model.stored].count(account.address)
            assert (mine["messages_total"], mine["storage_used"]) == (total, SIZE * total)
            quota = call_api(server, "GET", f"/api/v1/users/{account.id}/quota", key=account.api_key).json
            assert (quota["files_count"], quota["used"]) == (total, SIZE * total)


RECIPIENTS = st.lists(st.sampled_from([ANN, NEWS, BOB, BOX, OPS, DEV, NOBODY]), min_size=1, max_size=4, unique=True)
STEP = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["", "", ANN, BOB]), RECIPIENTS),
    st.tuples(st.just("clear"), st.sampled_from([ANN, BOB, BOX, OPS, NOBODY])),
    st.sampled_from([("inject",), ("turn_box",), ("keep_unknown",), ("store_counts",), ("next_day",)]),
)
STEPS = st.lists(STEP, max_size=8)


@contextlib.contextmanager
def traffic(server: MailServer) -> Iterator[Traffic]:
    with server.scope(check=False):
        server.clock.freeze(NOON)
        made = Traffic(server)
        yield made
        made.check()


@settings(max_examples=40, deadline=None)
@given(STEPS, STEPS, STEPS)
def test_random_traffic_leaves_all_sources_in_agreement(
    shared: MailServer, before: Any, within: Any, after: Any
) -> None:
    with traffic(shared) as made:
        made.run(before)
        made.scope(within)
        made.run(after)


def test_all_sources_agree_after_a_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": str(tmp_path / "data"), "password_cost": 4, "api_key": "known"}
    with MailServer(**options) as server:
        server.clock.freeze(NOON)
        made = Traffic(server)
        steps = [("inject",), ("send", ANN, [BOB, NEWS, OPS, DEV, NOBODY]), ("send", "", [BOB, BOX]), ("clear", BOB)]
        made.run([*steps, ("store_counts",), *steps, ("turn_box",)])
        made.scope([("send", BOB, [OPS, NOBODY]), ("next_day",), ("inject",)])
    with MailServer(**options) as server:
        server.clock.freeze(NOON)
        made.server = server
        made.check()
