"""What a start loads, and what it leaves for later. Each test runs in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "bench_start.py"


def run(code: str) -> str:
    """Return what ``code`` prints, run by a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LATER = {"aiohttp", "pydantic", "pydantic_core", "httpx", "faker", "selectolax", "trustme", "cryptography", "anyio"}


def test_a_start_and_a_stop_load_only_what_smtp_needs() -> None:
    found = run("""
        import sys
        from sirrchat_testkit import MailServer

        with MailServer() as server:
            assert server.api_url
        print(*sys.modules)
    """)
    assert "aiosmtpd.smtp" in found.split()
    assert not LATER & set(found.split())


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4")
def test_a_start_and_a_stop_cost_at_most_two_and_a_half_times_the_import_of_what_smtp_is_built_on() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--rounds", "5", "--gate", "2.5"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mail_that_is_sent_and_received_loads_no_api() -> None:
    found = run("""
        import smtplib, sys
        from sirrchat_testkit import MailServer

        with MailServer() as server:
            inbox = server.make_inbox()
            with smtplib.SMTP(server.smtp_host, server.smtp_port) as client:
                client.sendmail("a@example.org", [inbox.address], "Subject: hello\\n\\nhello")
            assert inbox.receive(subject="hello").text.strip() == "hello"
        print(*sys.modules)
    """)
    assert not (LATER - {"faker"}) & set(found.split())


def test_the_api_is_loaded_at_the_first_connection_and_answers_it() -> None:
    found = run("""
        import sys, urllib.request
        from sirrchat_testkit import MailServer

        with MailServer() as server:
            with urllib.request.urlopen(server.api_url + "/healthz") as answer:
                assert answer.status == 200
        print(*sys.modules)
    """)
    assert {"aiohttp", "pydantic"} <= set(found.split())


def test_the_sender_of_webhooks_is_loaded_at_the_first_call() -> None:
    assert (
        run("""
        import http.server, sys, threading
        from sirrchat_testkit import MailServer

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever).start()
        with MailServer() as server:
            server.add_webhook(f"http://127.0.0.1:{receiver.server_port}/")
            inbox = server.make_inbox()
            print("aiohttp" in sys.modules, end=" ")
            for number in range(3):
                inbox.deliver(subject=str(number))
            server.clock.advance(seconds=1)  # returns when nothing is due
            print("aiohttp" in sys.modules, [each.status for each in server.deliveries])
        receiver.shutdown()
        receiver.server_close()
    """)
        == "False True ['delivered', 'delivered', 'delivered']"
    )


def test_times_that_are_frozen_while_the_api_is_first_used_do_not_break_its_models() -> None:
    assert (
        run("""
        import datetime, urllib.request
        import freezegun
        from sirrchat_testkit import MailServer

        with MailServer() as server:
            with freezegun.freeze_time("2020-01-01"):
                urllib.request.urlopen(server.api_url + "/healthz").close()
            from pydantic import BaseModel
            from sirrchat_testkit import Client

            class Model(BaseModel):
                at: datetime.datetime

            assert Model(at="2020-01-01T00:00:00").at == datetime.datetime(2020, 1, 1)
            with Client(server.api_key, server.api_url) as client:
                assert list(client.users.list()) == []
        print("ok")
    """)
        == "ok"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_is_forked_while_the_api_loads_can_import_it() -> None:
    assert (
        run("""
        import asyncio, os, signal, sys, threading, warnings
        from importlib.machinery import ModuleSpec
        from sirrchat_testkit.threads import import_in_thread

        warnings.simplefilter("ignore", DeprecationWarning)  # a fork in a process of several threads
        begun, forking, released = threading.Event(), threading.Event(), threading.Event()
        os.register_at_fork(before=forking.set)  # runs before what was registered earlier

        class Slow:
            def find_spec(self, name, path=None, target=None):
                return ModuleSpec("slow", self) if name == "slow" else None

            def create_module(self, spec):
                return None

            def exec_module(self, module):
                begun.set()
                released.wait()

        sys.meta_path.insert(0, Slow())

        def slow():
            import slow

        def fork():
            child = os.fork()
            if not child:
                signal.alarm(20)  # a lock that no thread releases
                import slow
                os._exit(0)
            children.append(child)

        children = []
        importer = threading.Thread(target=lambda: asyncio.run(import_in_thread(slow)))
        importer.start()
        begun.wait()
        forker = threading.Thread(target=fork)
        forker.start()
        forking.wait()
        released.set()
        importer.join()
        forker.join()
        print(os.waitpid(children[0], 0)[1])
    """)
        == "0"
    )
