"""Real members as processes on ports of their own, with their data in a directory of the test's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PORTS = range(23_000, 32_000)
"""Below those that systems hand out by themselves."""
WAIT_S = 30.0
POLL_S = 0.02
LAST_BYTES = 2_000


def until(what: str, probe: Callable[[], T | None]) -> T:
    """Wait until a condition holds, and give what it found."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = probe()
        if found is not None:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"in {WAIT_S} s it did not come about that {what}")


def binary() -> Path:
    """The program under test."""
    here = Path(__file__).resolve().parents[3]
    path = Path(os.environ.get("RAFTKV_BIN", here / "target/debug/raftkv")).resolve()
    if not path.exists():
        raise RuntimeError(f"{path} is not there: `cargo build -p raftkv`, or set RAFTKV_BIN")
    return path


class Ports:
    """Ports in a row that are free, and that no other test gets.

    Each is reserved by a UDP socket of the same number, which no member uses.
    """

    def __init__(self, count: int) -> None:
        span = len(PORTS) - count
        for attempt in range(span):
            start = PORTS.start + (os.getpid() * 37 + attempt * count) % span
            self._reserved: list[socket.socket] = []
            try:
                for port in range(start, start + count):
                    self._reserve(port)
            except OSError:
                self.release()
                continue
            self.numbers = list(range(start, start + count))
            return
        raise RuntimeError("no free ports")

    def _reserve(self, port: int) -> None:
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._reserved.append(reservation)
        reservation.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))

    def release(self) -> None:
        """Let others have them."""
        for reservation in self._reserved:
            reservation.close()


class Member:
    """One member, which may or may not run."""

    def __init__(self, name: str, port: int, peers: str, directory: Path) -> None:
        self.name = name
        self.port = port
        self.url = f"http://localhost:{port}"
        self._log = directory / f"{name}.log"
        data = str(directory / name)
        self._command = [str(binary()), "start", "--node-id", name, "--port", str(port)]
        self._command += ["--data-dir", data] + (["--peers", peers] if "," in peers else [])
        self._http = httpx.Client(timeout=1.0, trust_env=False, verify=False)  # noqa: S501
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False

    @property
    def runs(self) -> bool:
        """Whether its process is there and goes on."""
        return self._process is not None and self._process.poll() is None and not self._is_paused

    def start(self) -> None:
        """Start it, on what it left."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._log.parent
            )

    def close(self) -> None:
        """End it for good."""
        self.resume()
        self.kill()
        self._http.close()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
        self._process, self._is_paused = None, False

    def pause(self) -> None:
        """Make it fall silent; its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        """Let it go on."""
        if self._process is not None and self._is_paused:
            self._process.send_signal(signal.SIGCONT)
            self._is_paused = False

    def names_leader(self) -> str | None:
        """Who leads, if it answers and knows."""
        try:
            answer = self._http.get(f"{self.url}/cluster/leader")
            leader = answer.json().get("leader")
        except (httpx.HTTPError, ValueError):
            return None
        return str(leader["name"]) if leader else None

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_bytes()[-LAST_BYTES:].decode(errors="replace")


class Cluster:
    """So many members, running, with a leader whom all of them know."""

    def __init__(self, count: int, directory: Path) -> None:
        self._ports = Ports(count)
        peers = ",".join(f"localhost:{port}" for port in self._ports.numbers)
        named = enumerate(self._ports.numbers, 1)
        self.members = [Member(f"n{n}", port, peers, directory) for n, port in named]
        try:
            self.heal()
        except BaseException:
            self.close()
            raise

    @property
    def urls(self) -> list[str]:
        """Where the members are reached."""
        return [member.url for member in self.members]

    def heal(self) -> None:
        """See that all members run and know the same leader."""
        for member in self.members:
            member.resume()
            if not member.runs:
                member.start()
        self.leader()

    def leader(self) -> Member:
        """Who leads, once all members that run name the same one."""
        return until("the members agree on a leader", self._agreed)

    def followers(self) -> list[Member]:
        """All others."""
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def at(self, url: str) -> Member:
        """The member that is reached there."""
        return next(member for member in self.members if member.url == url)

    def close(self) -> None:
        """End all members."""
        for member in self.members:
            member.close()
        self._ports.release()

    def _agreed(self) -> Member | None:
        running = [member for member in self.members if member.runs]
        named = {member.names_leader() for member in running}
        found = [member for member in running if {member.name} == named]
        return found[0] if found else None
