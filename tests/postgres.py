"""A real PostgreSQL of our own, from Debian's package, on a socket in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from hub import database

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
OWNER = "postgres"
"""Who runs it where the tests run as root: as root it refuses to start."""


class Postgres:
    """`start`, then a new and empty database for each that asks; `stop` removes it all."""

    def __init__(self) -> None:
        assert INSTALLED, "expected PostgreSQL on this machine; `make packages` installs it"
        self._bin = INSTALLED[-1]
        # In memory where we may: a new database is a thousand files. The name of a socket may have 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self._user = OWNER if os.geteuid() == 0 else None
        self._count = 0
        self._template = ""
        if self._user is not None:
            who = pwd.getpwnam(OWNER)
            os.chown(self._folder, who.pw_uid, who.pw_gid)

    def start(self) -> None:
        self._run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8", "-D", "data")
        self._begin()

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", "data")
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """End it as a power cut would, and start it on what is on the disk."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", "data")
        self._begin()

    def new_database(self, *, with_tables: bool = False) -> str:
        """Its URL. with_tables: as `dermedge hub init` leaves it, copied from one that was made once."""
        self._count += 1
        name, template = f"hub_{self._count}", "template1"
        if with_tables:
            template = self._template = self._template or self._new_template()
        self._order(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Also one that is still in use: a hundred of them would fill the memory."""
        name = url.partition("@/")[2].partition("?")[0]
        self._order(f"DROP DATABASE {name} WITH (FORCE)")

    def _new_template(self) -> str:
        name = "hub_template"
        self._order(f"CREATE DATABASE {name}")
        with tempfile.TemporaryDirectory() as folder:
            database.create(Path(folder), self._url(name))
        return name

    def _order(self, statement: str) -> None:
        with psycopg.connect(host=str(self._folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self._folder}"

    def _begin(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(
            command, cwd=self._folder, user=self._user, capture_output=program != "pg_ctl", check=False, timeout=60
        )
        assert done.returncode == 0, f"{command}: {(done.stderr or b'').decode()}"
