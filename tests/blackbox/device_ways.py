"""Every way into the server that a client of Ines' has, and everything that it was given while all was well.

Source: device registry §7.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from websockets.sync.client import connect

from seafleet.api.kernel.sessions import SESSION_COOKIE
from seafleet.devices.actions import Action
from seafleet.devices.origin import Origin
from tests.conformance.site import WORKSTATION, Site, email

BY: Final = Origin("user", "root@example.org", "native")
CONTENT: Final = b"content"
BLOCK: Final = sha1(CONTENT).hexdigest()
_SOON_SECONDS: Final = 60

API: Final[Mapping[str, tuple[str, str]]] = {
    "ping": ("GET", "/api2/auth/ping/"),
    "libraries": ("GET", "/api2/repos/"),
    "libraries-v21": ("GET", "/api/v2.1/repos/"),
    "account": ("GET", "/api2/account/info/"),
    "devices": ("GET", "/api2/devices/"),
    "folder": ("GET", "/api2/repos/{library}/dir/"),
    "make-folder": ("POST", "/api/v2.1/repos/{library}/dir/?p=/made"),
    "upload-link": ("GET", "/api2/repos/{library}/upload-link/"),
    "file-link": ("GET", "/api2/repos/{library}/file/?p=/a.txt"),
    "sync-token": ("GET", "/api2/repos/{library}/download-info/"),
    "ticket": ("POST", "/api2/client-login/"),
}
SYNC: Final[Mapping[str, tuple[str, str]]] = {
    "permission-check": ("GET", "permission-check/"),
    "head": ("GET", "commit/HEAD"),
    "quota-check": ("GET", "quota-check/?delta=1"),
    "listing": ("GET", "fs-id-list/?server-head={head}"),
    "commit": ("GET", "commit/{head}"),
    "get-block": ("GET", "block/{block}"),
    "put-block": ("PUT", "block/{block}"),
    "check-blocks": ("POST", "check-blocks/"),
    "push": ("PUT", "commit/HEAD/?head={head}"),
    "jwt-token": ("GET", "jwt-token"),
}
TRANSFERS: Final = ("upload", "update", "upload-blocks", "update-blocks", "download", "block", "zip")


@dataclass
class Ways:
    """A server, and everything that Ines' client got of it."""

    site: Site
    library: str = ""
    head: str = ""
    sync_token: str = ""
    unbound_sync_token: str = ""
    plain_token: str = ""
    session: str = ""
    news_token: str = ""
    share_link: str = ""
    transfers: dict[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        """The API token of the client."""
        return self.site.facts.tg

    @property
    def device_id(self) -> int:
        """The number of the device."""
        return int(self.site.workstation["id"])

    def prepare(self) -> None:
        """Obtain everything that a client may hold, and see that it is good."""
        site = self.site
        made = site.request("POST", "/api2/repos/", self.token, data={"name": "hers"})
        self.library = made.json()["repo_id"]
        self.transfers["upload"] = self._api("upload-link/?p=/")
        assert self.transfer("upload").status_code == 200
        self.sync_token = self._api("download-info/")["token"]
        assert self.sync("permission-check").status_code == 200
        self.head = self.sync("head").json()["head_commit_id"]
        self.news_token = self.sync("jwt-token").json()["jwt_token"]
        self._obtain_links()
        self.plain_token = site.login("ines").json()["token"]
        path = f"/api2/repos/{self.library}/download-info/"
        self.unbound_sync_token = site.request("GET", path, self.plain_token).json()["token"]
        services = site.server.services
        self.session = services.sessions.start(services.accounts.get_by_email(email("ines")))
        order = {"type": "dhcp_renew"}
        assert site.admin("POST", f"/devices/{self.device_id}/commands/", json=order).status_code == 201

    def _obtain_links(self) -> None:
        file_id = self._api("dir/?p=/")[0]["id"]
        self.transfers |= {
            "update": self._api("update-link/?p=/"),
            "upload-blocks": self._api("upload-blks-link/?p=/"),
            "update-blocks": self._api("update-blks-link/?p=/"),
            "download": self._api("file/?p=/a.txt&reuse=1"),
            "block": self._api(f"files/{file_id}/blks/{BLOCK}/download-link/"),
        }
        query = "parent_dir=/&dirents=a.txt"
        made = self.site.request("GET", f"/api/v2.1/repos/{self.library}/zip-task/?{query}", self.token)
        self.transfers["zip"] = f"{self.site.server.url}/seafhttp/zip/{made.json()['zip_token']}"
        wanted = {"repo_id": self.library, "path": "/a.txt"}
        made = self.site.request("POST", "/api/v2.1/share-links/", self.token, json=wanted)
        self.share_link = urlsplit(made.json()["link"]).path

    def _api(self, path: str) -> Any:
        answer = self.site.request("GET", f"/api2/repos/{self.library}/{path}", self.token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def apply(self, action: Action) -> None:
        """Apply an action to the device."""
        self.site.server.services.registry.apply(self.device_id, action, BY)

    # -- the ways in -------------------------------------------------------------------------------------

    def api(self, way: str, token: str | None = None) -> httpx.Response:
        """Make a call of the Web API, as the client unless another token is given."""
        method, path = API[way]
        options = {"json": {"operation": "mkdir"}} if way == "make-folder" else {}
        token = self.token if token is None else token
        return self.site.request(method, path.format(library=self.library), token, **options)

    def browse(self) -> httpx.Response:
        """Make a call of the Web API with the session of a browser."""
        headers = {"Cookie": f"{SESSION_COOKIE}={self.session}"}
        return self.site.request("GET", "/api/v2.1/repos/", headers=headers)

    def open_share_link(self) -> httpx.Response:
        """Open the page of a share link as the client, which shows its token there too."""
        return self.site.request("GET", self.share_link, self.token)

    def download_by_share_link(self) -> httpx.Response:
        """Download through a share link as the client."""
        headers = {"Authorization": f"Token {self.token}"}
        url = f"{self.site.server.url}{self.share_link}?dl=1"
        return self.site.server.http.get(url, headers=headers, follow_redirects=True)

    def download_by_path(self) -> httpx.Response:
        """Download from the file server with the API token itself."""
        return self.site.request("GET", f"/seafhttp/repos/{self.library}/files/a.txt?op=download", self.token)

    def transfer(self, way: str) -> httpx.Response:
        """Send or fetch something through a link that was made before."""
        url, http = self.transfers[way], self.site.server.http
        sent: dict[str, Callable[[], httpx.Response]] = {
            "upload": lambda: http.post(url, data={"parent_dir": "/", "replace": "1"}, files=_file()),
            "update": lambda: http.post(url, data={"target_file": "/a.txt"}, files=_file()),
            "upload-blocks": lambda: _commit(http, url, parent_dir="/", file_name="b.txt"),
            "update-blocks": lambda: _commit(http, url, target_file="/a.txt"),
        }
        return sent[way]() if way in sent else http.get(url)

    def sync(self, way: str, token: str | None = None) -> httpx.Response:
        """Go on synchronising, with the client's sync token unless another one is given."""
        method, path = SYNC[way]
        path = path.format(head=self.head, block=BLOCK)
        who = {"client_id": "b" * 40, "client_name": "ines-p1", "client_ver": "9.0.5"}
        query = {"op": "download", **who} if way == "permission-check" else None
        content = {"put-block": CONTENT, "check-blocks": json.dumps([BLOCK]).encode()}.get(way)
        return self.site.server.request(
            method,
            f"/seafhttp/repo/{self.library}/{path}",
            headers={"Seafile-Repo-Token": self.sync_token if token is None else token},
            params=query,
            content=content,
        )

    def subscribe(self) -> str:
        """Ask for news with what was given before; return the word of the answer."""
        repos = [{"id": self.library, "jwt_token": self.news_token}]
        url = f"ws://127.0.0.1:{self.site.server.port}/notification"
        with connect(url, open_timeout=_SOON_SECONDS) as socket:
            socket.send(json.dumps({"type": "subscribe", "content": {"repos": repos}}))
            return str(json.loads(socket.recv(_SOON_SECONDS))["type"])

    def login(self) -> httpx.Response:
        """Log in again with the right password."""
        return self.site.login("ines", WORKSTATION)

    def report(self) -> httpx.Response:
        """Report as the agent."""
        return self.site.agent("PUT", "/report/", json={})

    def handed_out(self) -> httpx.Response:
        """Fetch commands as the agent."""
        return self.site.agent("GET", "/commands/")


def _file() -> dict[str, tuple[str, bytes]]:
    return {"file": ("a.txt", CONTENT)}


def _commit(http: httpx.Client, url: str, **fields: str) -> httpx.Response:
    """Have a file made of a block that is stored."""
    form = {"file_size": str(len(CONTENT)), "blockids": json.dumps([BLOCK]), **fields}
    return http.post(f"{url}?commitonly=1", files={name: (None, value) for name, value in form.items()})
