"""A real PostgreSQL for tests: its own data folder, its own port, gone afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from gpu_management.core.database import Database, open_database

_INSTALL = "PostgreSQL is not installed; on Debian: apt-get install postgresql"
_PLACES = "/usr/lib/postgresql"
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
_START_SECONDS = 30.0


@dataclass
class Postgres:
    """A running server."""

    port: int

    def _address(self, name: str, driver: str = "postgresql") -> str:
        return f"{driver}://postgres@127.0.0.1:{self.port}/{name}"

    def fresh_url(self) -> str:
        """Return the address of a new, empty database, in SQLAlchemy form."""
        name = f"test_{uuid4().hex[:12]}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._address(name, "postgresql+psycopg")

    def fresh_database(self) -> Database:
        """Return a new, empty database, opened with the schema of the settings' default."""
        return open_database(self.fresh_url(), pool_size=5, schema="gpu_admin")

    def is_ready(self) -> bool:
        """Say whether it takes connections."""
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Restartable(Postgres):
    """A server of ours, which may go away and come back with what it had."""

    def __init__(
        self, port: int, folder: Path, program: str, user: str | None, *, durable: bool
    ) -> None:
        """Serve the data in `folder`; nothing runs before `start`."""
        super().__init__(port)
        options = [f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1"]
        options += ["max_connections=200"] if durable else _FAST
        command = [program, "-D", str(folder / "data"), "-p", str(port)]
        self._command = command + [part for option in options for part in ("-c", option)]
        self._folder, self._user = folder, user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and wait until it takes connections."""
        log = self._folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, user=self._user, cwd=self._folder, stdout=out, stderr=out
            )
        _when_ready(self, self._process, log)

    def stop(self) -> None:
        """End its sessions and stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": it ends the sessions and stops
            self._process.wait(timeout=30)


def _program(name: str) -> str:
    found = sorted(Path(_PLACES).glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_INSTALL)
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(*, durable: bool = False) -> Iterator["Restartable"]:
    """Run a server until the block ends; root hands it to the user `postgres`, as it must.

    `durable` waits for the disk at each commit, as a benchmark must and a test need not.
    """
    initdb, server = _program("initdb"), _program("postgres")
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="gpu-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    make = [initdb, "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"]
    made = subprocess.run(
        [*make, "--locale=C.UTF-8"], user=user, cwd=folder, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()
    server_of = Restartable(_free_port(), folder, server, user, durable=durable)
    server_of.start()
    try:
        yield server_of
    finally:
        server_of.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _when_ready(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > ends:
            raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)
