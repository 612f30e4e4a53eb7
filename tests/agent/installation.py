"""A Seafile client that was set up by hand: configuration, databases, and the folders of libraries."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seafleet_agent import Client, client_of, read_clients

HERE: Final = "https://files.example.org"
ELSEWHERE: Final = "https://other.example.net"
DAEMON_ID: Final = "c110e17e92c03d17a1b0ce425023f9736b53a295"
CLI_ID: Final = "735b5320907fea852a02513fd77c3f251d84b597"

# As the client of generation 8 makes them.
_TABLES: Final = {
    "config.db": "CREATE TABLE Config (key TEXT PRIMARY KEY, value TEXT);",
    "branch.db": "CREATE TABLE Branch (name TEXT, repo_id TEXT, commit_id TEXT);",
    "filelocks.db": "CREATE TABLE ServerLockedFiles (repo_id TEXT, path TEXT, locked_by_me INTEGER);",
    "repo.db": """CREATE TABLE Repo (repo_id TEXT PRIMARY KEY);
        CREATE TABLE RepoProperty (repo_id TEXT, key TEXT, value TEXT);
        CREATE TABLE RepoPasswd (repo_id TEXT PRIMARY KEY, passwd TEXT NOT NULL);
        CREATE TABLE ServerProperty (server_url TEXT, key TEXT, value TEXT, PRIMARY KEY (server_url, key));
        CREATE TABLE FileSyncError (id INTEGER PRIMARY KEY AUTOINCREMENT, repo_id TEXT, repo_name TEXT,
            path TEXT, err_id INTEGER, timestamp INTEGER);""",
    "clone.db": """CREATE TABLE CloneTasks (repo_id TEXT PRIMARY KEY, repo_name TEXT, token TEXT,
            dest_id TEXT, worktree_parent TEXT, passwd TEXT, server_addr TEXT, server_port TEXT, email TEXT);
        CREATE TABLE CloneTasksMoreInfo (repo_id TEXT PRIMARY KEY, more_info TEXT);""",
}


@dataclass
class Installation:
    """A client in a home. `add` gives it libraries."""

    home: Path

    @property
    def configuration(self) -> Path:
        return self.home / ".ccnet"

    @property
    def data(self) -> Path:
        return self.home / "Seafile" / ".seafile-data"

    def set_up(self) -> Installation:
        """Make what the client makes at its first start."""
        self.data.mkdir(parents=True)
        (self.configuration / "logs").mkdir(parents=True)
        (self.configuration / "seafile.ini").write_text(f"{self.data}\n")
        (self.configuration / "logs" / "seafile.log").write_text(
            "[11/22/26] seaf-daemon.c(525): starting seafile client 8.0.9\n"
            "[11/23/26] seaf-daemon.c(525): starting seafile client 8.0.10\n"
        )
        (self.data / "id").write_text(CLI_ID)
        for name, statements in _TABLES.items():
            with closing(sqlite3.connect(self.data / name)) as database:
                database.executescript("PRAGMA synchronous = OFF;" + statements)
        self.execute("config.db", "INSERT INTO Config VALUES ('client_id', ?)", DAEMON_ID)
        return self

    def execute(self, name: str, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement on a database of the client."""
        with closing(sqlite3.connect(self.data / name)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            return list(database.execute(statement, values))

    def add(
        self,
        number: int,
        folder: Path | str,
        server: str = HERE,
        email: str = "mara@example.org",
        *,
        files: bool = True,
    ) -> str:
        """Have the client keep a library in step with a folder, which gets three files; return its id."""
        library_id = self.library_id(number)
        self.execute("repo.db", "INSERT INTO Repo VALUES (?)", library_id)
        self.execute("branch.db", "INSERT INTO Branch VALUES ('local', ?, ?)", library_id, "0" * 40)
        self.execute("repo.db", "INSERT INTO RepoPasswd VALUES (?, 'secret')", library_id)
        known = {"worktree": str(folder), "server-url": server, "email": email, "token": "f" * 40}
        for key, value in known.items():
            self.execute("repo.db", "INSERT INTO RepoProperty VALUES (?, ?, ?)", library_id, key, value)
        for store in ("storage/commits", "storage/fs", "storage/blocks", "deleted_store/blocks"):
            (self.data / store / library_id / "ab").mkdir(parents=True)
            (self.data / store / library_id / "ab" / "cd").write_bytes(b"object")
        (self.data / "index").mkdir(exist_ok=True)
        (self.data / "index" / library_id).write_bytes(b"index")
        if files:
            fill(Path(folder))
        return library_id

    def begin(self, number: int, folder: Path, server: str = HERE) -> str:
        """Have the client fetch a library for the first time into a folder; return its id."""
        library_id = self.library_id(number)
        row = (library_id, "name", "f" * 40, None, str(folder), None, None, None, "mara@example.org")
        self.execute("clone.db", "INSERT INTO CloneTasks VALUES (?,?,?,?,?,?,?,?,?)", *row)
        more = json.dumps({"is_readonly": 0, "server_url": server})
        self.execute("clone.db", "INSERT INTO CloneTasksMoreInfo VALUES (?, ?)", library_id, more)
        fill(folder)
        return library_id

    def client(self) -> Client:
        """Return what the agent sees of the client."""
        (value,) = read_clients([str(self.configuration)])
        return client_of(value)

    def stored(self, library_id: str) -> list[str]:
        """Return everything in the data folder that still bears or names a library."""
        paths = [str(path.relative_to(self.data)) for path in self.data.rglob(f"*{library_id}*")]
        needle = library_id.encode()
        paths.extend(name for name in _TABLES if needle in (self.data / name).read_bytes())
        return sorted(paths)

    @staticmethod
    def library_id(number: int) -> str:
        """Return the id of library 1, 2, ..."""
        return f"6f1f9d2e-1a2b-4c3d-8e9f-{number:012d}"


def fill(folder: Path) -> None:
    """Put three files into a folder, one of them in a folder of its own."""
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("bb")
    (folder / "sub" / "c.txt").write_text("ccc")


def tree(folder: Path) -> list[str]:
    """Return the paths of everything below a folder, links not followed."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
