"""Git over http on the loopback: `git http-backend` behind the standard library's server, which can misbehave."""

import base64
import io
import os
import subprocess
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.cluster import lfs
from tests.unit.prepare.loopback import Answer, reply


def git(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    """Git without the settings of whoever runs the tests."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "tests",
        "GIT_AUTHOR_EMAIL": "tests@example.com",
        "GIT_COMMITTER_NAME": "tests",
        "GIT_COMMITTER_EMAIL": "tests@example.com",
    }
    done = subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@dataclass
class Remote:
    """A repository to fetch from, written to through a work tree of its own."""

    bare: Path
    work: Path

    @classmethod
    def create(cls, root: Path, name: str = "app.git") -> "Remote":
        bare, work = root / "served" / name, root / f"work-{name}"
        bare.mkdir(parents=True)
        work.mkdir()
        git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
        git(work, "init", "--quiet", "--initial-branch=main")
        git(work, "remote", "add", "origin", str(bare))
        return cls(bare, work)

    def commit(self, files: dict[str, str], *, branch: str = "main") -> str:
        """Add files, push them to a branch, and return the commit."""
        git(self.work, "checkout", "--quiet", "-B", branch)
        for path, content in files.items():
            file = self.work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--message", "change")
        git(self.work, "push", "--quiet", "--force", "origin", branch)
        return git(self.work, "rev-parse", "HEAD")

    def link(self, path: str, url: str, commit: str, **settings: str) -> str:
        """Make a folder a submodule, push that, and return the commit."""
        for key, value in {"path": path, "url": url, **settings}.items():
            git(self.work, "config", "--file", ".gitmodules", f"submodule.{path}.{key}", value)
        git(self.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        (self.work / path).mkdir(parents=True, exist_ok=True)
        return self.commit({})


@dataclass
class GitServer:
    """A server's repositories; `before` may answer a request itself, `seen` keeps what logins were sent.

    `version` 0 stands for servers that know only the old protocol.
    """

    root: Path
    before: list[Answer] = field(default_factory=list)
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    version: int = 2
    port: int = 0

    def url(self, name: str = "app.git") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((request.path, request.headers.get("Authorization")))
        # Read here, since the connection goes on, whoever answers and whether or not they care for the body.
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if not any(answer(request) for answer in self.before):
            self._backend(request, body)

    def _backend(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        path, _, query = request.path.partition("?")
        if "/info/lfs/" in path:
            self._lfs(request, body)
            return
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": request.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "") if self.version == 2 else "",
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment)
        _pass_on(request, done.stdout)

    def _lfs(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        output = io.BytesIO()
        login = request.headers.get("Authorization", "")
        lfs.answer(self.root, request.path, body, f"http://127.0.0.1:{self.port}", output, login)
        _pass_on(request, output.getvalue())


def _pass_on(request: BaseHTTPRequestHandler, output: bytes) -> None:
    """What a CGI program says."""
    head, _, content = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    headers.pop("Content-Length", None)
    reply(request, int(headers.pop("Status", "200").split()[0]), content, headers)


def asks_for(username: str, password: str) -> Answer:
    """Refuses whoever does not log in so."""
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if request.headers.get("Authorization") == wanted:
            return False
        reply(request, 401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return True

    return answer


def answers(status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    """Says always the same."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        reply(request, status, content, headers)
        return True

    return answer


def redirects_to(other: GitServer) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> bool:
        reply(request, 302, headers={"Location": f"http://127.0.0.1:{other.port}{request.path}"})
        return True

    return answer
