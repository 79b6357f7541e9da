"""`dermedge demo`: a broker, a hub and phantom devices of three sites in one room. The only place that knows them all.

Hub and devices are child processes that meet on the broker, as in the field; only the transport is plain, and on
loopback. The broker is stopped once while an event is stored at the hub and not yet acknowledged at its device.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import webbrowser
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.posts import POSTS, Post
from benchmarks.processes import DERMEDGE, end, environment, free_port, interrupts_blocked
from edge.errors import EX_SOFTWARE, DermedgeError, StoreError, UsageError

if TYPE_CHECKING:
    from iotcore import Broker

PAGE_PORT = 8765
ACCOUNT = "demo"
HELD_BATCH = 2
"""The broker is stopped over the second batch that the hub commits."""

LEDGER, TRACE, PLAN = "ledger.jsonl", "trace.jsonl", "plan.jsonl"
NOTICED_WITHIN_S = 30.0


class DemoError(DermedgeError, RuntimeError):
    """A part of the demonstration did not come up or did not end well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--frames", type=int, metavar="N", help="end after N frames of all devices (default: Ctrl-C ends)"
    )
    length.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    parser.add_argument("--no-browser", action="store_true", help="do not open the hub's page")
    parser.add_argument("--port", type=int, metavar="P", help=f"of the hub's page (default: {PAGE_PORT} if free)")
    parser.add_argument("--view", type=int, metavar="P", help="of the first device's live view (default: a free one)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave outboxes, database, plans, ledgers in DIR")
    parser.add_argument("--lesions", type=int, default=2, metavar="N", help="lesions a person, 0 to 4 (default: 2)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the phantom (default: 1)")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="a model bundle (default: the one that ships)")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a supervisor's and a closed terminal's way to press Ctrl-C
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dermedge-demo-")))
        result = Demonstration(folder, arguments, stack).play()
    print(json.dumps(result))
    return EX_SOFTWARE if result["lost"] or result["duplicated"] else 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what a part would refuse later, before anything is started."""
    from edge import bundle

    if arguments.frames is not None and arguments.frames < 1:
        raise UsageError(f"expected --frames from 1, got {arguments.frames}")
    if arguments.duration is not None and not 0 < arguments.duration < float("inf"):
        raise UsageError(f"expected --duration as seconds over 0, got {arguments.duration}")
    if not 0 <= arguments.lesions <= 4 or arguments.seed < 0:
        raise UsageError(f"expected --lesions 0 to 4 and --seed from 0, got {arguments.lesions} and {arguments.seed}")
    for option, port in (("--port", arguments.port), ("--view", arguments.view)):
        try:
            if port is not None:
                free_port(port)
        except (OSError, OverflowError) as error:
            raise UsageError(f"expected a free port for {option}, got {port}: {error}; choose another") from error
    if arguments.keep is not None:
        try:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            taken = any(arguments.keep.iterdir())
        except OSError as error:
            raise StoreError(f"expected a folder to write to for --keep, got {arguments.keep}: {error}") from error
        if taken:
            raise UsageError(f"expected a new or empty folder for --keep, got {arguments.keep}: choose another")
    bundle.load(arguments.bundle)


class Demonstration:
    """One run: everything it writes is below `folder`, everything it starts ends with `stack`."""

    def __init__(self, folder: Path, arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
        self._folder, self._arguments, self._stack = folder, arguments, stack
        self._broker_port = free_port()
        self._held = folder / "held"
        frames = arguments.frames
        self._posts = [post for post in POSTS if frames is None or post.frames(frames) > 0]

    def play(self) -> dict[str, Any]:
        """The run's JSON line."""
        self._make_keys()
        broker = self._start_broker()
        address, hub = f"127.0.0.1:{self._broker_port}", ["--dir", str(self._folder / "hub")]
        failpoint = {"DERMEDGE_FAILPOINTS": f"hub.after_commit=hold:{self._held}@{HELD_BATCH}"}
        ingest = self._start("ingest", ["hub", "ingest", *hub, "--broker", address], failpoint)
        page_port = self._page_port()
        page = f"http://127.0.0.1:{page_port}/"
        link = self._sign_in_link(page)
        serve = self._start("serve", ["hub", "serve", *hub, "--port", str(page_port), "--no-browser"])
        self._await_page(page, serve)
        view_port = self._arguments.view or free_port()
        say(f"hub page      {page}  (中文: {page}?lang=zh)")
        say(f"sign in       {link}  (once: set a password for {ACCOUNT!r})")
        say(f"device's view http://127.0.0.1:{view_port}/")
        if not self._arguments.no_browser and {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
            webbrowser.open(link)  # without a screen this would put a text browser over the terminal
        threading.Thread(target=self._interrupt_broker, args=(broker,), daemon=True).start()
        devices = {
            post: self._start(post.device, self._device_command(post, address, view_port), stdout=subprocess.PIPE)
            for post in self._posts
        }
        summaries = self._await_devices(devices)
        for name, process in (("serve", serve), ("ingest", ingest)):
            if process.poll() is not None:
                raise DemoError(f"hub {name} ended in the middle with {process.poll()}: {self._last_words(name)}")
            end(process)
        return self._result(summaries)

    def _make_keys(self) -> None:
        hub = self._folder / "hub"
        self._call("hub", "init", str(hub))
        for post in self._posts:
            device, names = self._folder / post.device, ("--site", post.site, "--device", post.device)
            self._call("provision", "--offline", "--hub-keys", str(hub / "hub-keys.json"), *names, str(device))
            self._call("hub", "device", "add", str(device / "device.json"), "--dir", str(hub))

    def _sign_in_link(self, page: str) -> str:
        """For the one account that there is, as admin; it has no password until somebody opens this."""
        hub = self._folder / "hub"
        (hub / "hub.toml").write_text(f'[pages]\norigin = "{page.rstrip("/")}"\n')
        return self._call("hub", "account", "add", ACCOUNT, "--role", "admin", "--dir", str(hub)).strip()

    def _start_broker(self) -> Broker:
        from benchmarks import loopback

        broker = loopback.broker(self._folder / "broker.toml", self._broker_port)
        with interrupts_blocked():
            broker.start()
        self._stack.callback(broker.stop)
        return broker

    def _interrupt_broker(self, broker: Broker) -> None:
        """Stop the broker while the hub has committed and not acknowledged; the device must send again."""
        while not self._held.exists():
            time.sleep(0.05)
        broker.stop()
        # Let go only when the hub has seen it, so that its acknowledgement finds nobody.
        self._await_line("ingest", "the connection to the broker at")
        self._held.unlink()
        self._await_line("ingest", "found no connection")
        with interrupts_blocked():
            broker.start()
        say("the broker was stopped over an unacknowledged event, and is back")

    def _await_line(self, name: str, text: str) -> None:
        """Until a process has said it; NOTICED_WITHIN_S at most, since the broker must come back in any case."""
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while text not in self._log_path(name).read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.05)

    def _device_command(self, post: Post, address: str, view_port: int) -> list[str]:
        arguments, device = self._arguments, self._folder / post.device
        configuration = self._folder / f"{post.device}.toml"
        settings = post.settings(seed=arguments.seed, lesions=arguments.lesions, ledger=device / LEDGER)
        configuration.write_text(settings)
        command = ["run", "--config", str(configuration), "--identity", str(device), "--broker", address]
        command += ["--trace", str(device / TRACE)]
        command += ["--view", str(view_port)] if post.has_view else []
        frames = None if arguments.frames is None else post.frames(arguments.frames)
        for option, value in (("bundle", arguments.bundle), ("frames", frames), ("duration", arguments.duration)):
            command += [] if value is None else [f"--{option}", str(value)]
        return command

    def _page_port(self) -> int:
        if self._arguments.port is not None:
            return int(self._arguments.port)
        try:
            return free_port(PAGE_PORT)
        except OSError:
            return free_port()

    def _await_page(self, page: str, serve: subprocess.Popen[bytes]) -> None:
        for _ in range(300):
            if serve.poll() is not None:
                raise DemoError(f"the hub's page did not start: {self._last_words('serve')}")
            with contextlib.suppress(OSError), urllib.request.urlopen(page, timeout=1):  # noqa: S310 - our own address
                return
            time.sleep(0.1)
        raise DemoError(f"expected the hub's page at {page} within 30 s, got no answer")

    def _await_devices(self, devices: dict[Post, subprocess.Popen[bytes]]) -> dict[Post, dict[str, Any]]:
        """Each device's own summary; Ctrl-C asks them to finish and waits again."""
        try:
            outputs = {post: process.communicate()[0] for post, process in devices.items()}
        except KeyboardInterrupt:
            say("ending: the devices send what they still hold")
            with interrupts_blocked():
                for process in devices.values():
                    process.terminate()
                outputs = {post: process.communicate(timeout=60)[0] for post, process in devices.items()}
            if any(process.returncode == -signal.SIGTERM for process in devices.values()):
                raise  # one had not begun
        summaries = {}
        for post, process in devices.items():
            lines = outputs[post].decode().strip().splitlines()
            if process.returncode != 0 or not lines:
                last = self._last_words(post.device)
                raise DemoError(f"the device {post.device} ended with code {process.returncode}: {last}")
            summaries[post] = json.loads(lines[-1])
        return summaries

    def _result(self, summaries: dict[Post, dict[str, Any]]) -> dict[str, Any]:
        """Sums over the devices; of their latencies those of the slowest."""
        import witness
        from benchmarks.planted import recount, write_plan
        from edge.config import Camera, Phantom
        from hub.queries import stored_findings

        hub, folders = self._folder / "hub", {post: self._folder / post.device for post in summaries}
        kept = [(folder / LEDGER, folder / witness.OUTBOX) for folder in folders.values()]
        verdict = witness.judge_all(kept, hub / witness.HUB)
        if verdict.altered or verdict.unknown or verdict.uncounted or verdict.gaps:
            raise DemoError(f"expected ledgers, outboxes and hub to agree, got {verdict}: this is a fault of dermedge")
        phantom = Phantom(seed=self._arguments.seed, lesions_per_person=self._arguments.lesions)
        size_px = Camera().width_px, Camera().height_px
        stored = {post: stored_findings(hub, post.device) for post in summaries}
        lesions = [
            recount(write_plan(folder / PLAN, phantom, size_px, folder / TRACE), stored[post])
            for post, folder in folders.items()
        ]
        each = list(summaries.values())
        rejected = sum((Counter(summary["rejected"]) for summary in each), Counter[str]())
        return {
            **{key: sum(summary[key] for summary in each) for key in ("frames", "dropped", "accepted")},
            "rejected": dict(rejected),
            "planted": sum(len(of_one.planted) for of_one in lesions),
            "planted_found": sum(len(of_one.found) for of_one in lesions),
            "findings": sum(summary["findings"] for summary in each),
            "unmatched_findings": sum(of_one.unmatched for of_one in lesions),
            "stored": sum(map(len, stored.values())),
            "redelivered": verdict.redelivered,
            "lost": verdict.lost + verdict.waiting,
            "duplicated": verdict.doubled,
            **{key: max((summary[key] or 0.0 for summary in each), default=0.0) for key in ("p50_ms", "p90_ms")},
            "fps": round(sum(summary["fps"] or 0.0 for summary in each), 2),
        }

    def _call(self, *command: str) -> str:
        done = subprocess.run(
            [*DERMEDGE, *command], env=environment(), capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise DemoError(f"`dermedge {' '.join(command[:2])}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _start(
        self, name: str, command: list[str], extra: dict[str, str] | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context(self._log_path(name).open("wb"))
        process = subprocess.Popen(
            [*DERMEDGE, *command],
            env=environment() | (extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demonstration alone, which then ends its children in order
        )
        self._stack.callback(end, process)
        return process

    def _log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log_path(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
