"""A git server over https: lighttpd in front of git's own http-backend, a public tree and one behind a login.

Git LFS is served beside it, by the program `lfs`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import lfs, settings
from .certificates import KeyPair
from .errors import ClusterError
from .paths import ClusterPaths
from .registry import password_line

# mod_auth comes before mod_cgi: lighttpd asks its modules in this order, and the other way round the CGI program
# answers before anybody asked for a password. The rewriting is for PATH_INFO: lighttpd finds it only behind a path that
# stands in the URL itself. Without streaming, a client hears nothing until the last byte of a pack is there.
CONFIG = """\
server.modules = ("mod_rewrite", "mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi", "mod_openssl")
server.document-root = {root}
server.bind = {address}
server.port = {port}
server.upload-dirs = ({uploads})
server.stream-response-body = 2
ssl.engine = "enable"
ssl.pemfile = {certificate}
ssl.privkey = {key}
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = {passwords}
auth.require = (
    "/git/private/" => ("method" => "basic", "realm" => "private", "require" => "valid-user"),
    "/lfs/private/" => ("method" => "basic", "realm" => "private", "require" => "valid-user"),
)
setenv.add-environment = ("GIT_PROJECT_ROOT" => {root}, "GIT_HTTP_EXPORT_ALL" => "1")
url.rewrite-once = (
    "^/((public|private)/.*[.]git/info/lfs/.*)$" => "/lfs/$1",
    "^/((public|private)/.*)$" => "/git/$1",
)
alias.url = ("/git" => {backend}, "/lfs" => {lfs})
cgi.assign = ("" => "")
"""


def _git(*arguments: str, folder: Path | None = None, given: bytes | None = None) -> str:
    """Run git without the person's settings: theirs (signing, templates, hooks) are none of the tests' business."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    result = subprocess.run(["git", *arguments], cwd=folder, input=given, capture_output=True, env=environment)
    if result.returncode != 0:
        raise ClusterError(f"git {arguments[0]}: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout.decode().strip()


@dataclass(frozen=True)
class Submodule:
    """What stands in a commit for another repository."""

    commit: str


Content = str | bytes | Submodule | None


def _commit_stream(files: Mapping[str, Content], message: str, branch: str, *, onto: bool) -> bytes:
    """The commit in the language of git-fast-import(1), which needs no working tree."""

    def data(content: bytes) -> bytes:
        return b"data %d\n%s\n" % (len(content), content)

    stream = [f"commit refs/heads/{branch}\n".encode()]
    stream += [b"committer imagebuild tests <tests@imb.test> now\n", data(message.encode())]
    if onto:
        stream.append(f"from refs/heads/{branch}^0\n".encode())
    for path, content in files.items():
        name = json.dumps(path, ensure_ascii=False)
        if content is None:
            stream.append(f"D {name}\n".encode())
            continue
        if isinstance(content, Submodule):
            stream.append(f"M 160000 {content.commit} {name}\n".encode())
            continue
        body = content.encode() if isinstance(content, str) else content
        mode = "100755" if body.startswith(b"#!") else "100644"
        stream += [f"M {mode} inline {name}\n".encode(), data(body)]
    return b"".join(stream)


@dataclass(frozen=True)
class GitServer:
    """The server's repositories, named like `public/app` or `private/app`."""

    root: Path
    user: str = settings.GIT_USER
    password: str = settings.GIT_PASSWORD
    token: str = settings.GIT_TOKEN

    @property
    def host(self) -> str:
        return f"{settings.GIT_HOST}:{settings.GIT_PORT}"

    def url(self, name: str) -> str:
        """The address for Pods."""
        return f"https://{self.host}/{name}.git"

    def host_url(self, name: str) -> str:
        """The address for programs on the host."""
        return f"https://{settings.NODE_ADDRESS}:{settings.GIT_PORT}/{name}.git"

    def folder(self, name: str) -> Path:
        return self.root / f"{name}.git"

    def create(self, name: str, files: Mapping[str, Content], message: str = "Begin") -> str:
        """Make a repository with one commit on `main` and return the commit."""
        if name.split("/")[0] not in ("public", "private"):
            raise ValueError(f"{name}: the server has public/... and private/... only")
        folder = self.folder(name)
        folder.mkdir(parents=True)
        _git("init", "--quiet", "--bare", "--initial-branch=main", ".", folder=folder)
        # As the public forges do: a commit may be fetched by its hash, tip of a branch or not.
        _git("config", "uploadpack.allowAnySHA1InWant", "true", folder=folder)
        return self.commit(name, files, message)

    def commit(self, name: str, files: Mapping[str, Content], message: str, branch: str = "main") -> str:
        """Add files to a branch (None removes one; `#!` makes one executable) and return the commit.

        A branch that is not there yet starts from `main`.
        """
        folder = self.folder(name)
        heads = _git("for-each-ref", "--format=%(refname:short)", "refs/heads", folder=folder).split()
        if branch not in heads and "main" in heads:
            _git("branch", branch, "main", folder=folder)
            heads.append(branch)
        stream = _commit_stream(files, message, branch, onto=branch in heads)
        _git("fast-import", "--quiet", "--date-format=now", folder=folder, given=stream)
        return _git("rev-parse", f"refs/heads/{branch}", folder=folder)

    def large_file(self, name: str, content: bytes) -> str:
        """Keep a file of a repository in Git LFS; returns the pointer to commit in its place."""
        return lfs.store(self.folder(name), content)

    def tag(self, name: str, tag: str, revision: str = "main", message: str | None = None) -> None:
        """Tag a revision, annotated if there is a message."""
        identity = ("-c", "user.name=imagebuild tests", "-c", "user.email=tests@imb.test")
        annotation = ("-a", "-m", message) if message else ()
        _git(*identity, "tag", "--force", *annotation, tag, revision, folder=self.folder(name))


def write_files(paths: ClusterPaths, server: KeyPair) -> None:
    passwords = paths.config / "git.htpasswd"
    # A token goes with the user name that our init container sends when it has none.
    logins = ((settings.GIT_USER, settings.GIT_PASSWORD), ("oauth2", settings.GIT_TOKEN))
    passwords.write_text("".join(f"{password_line(user, password).strip()}\n" for user, password in logins))
    uploads = paths.git / "uploads"
    uploads.mkdir()
    for tree in ("public", "private"):
        (paths.git / tree).mkdir()
    backend = f"{_git('--exec-path')}/git-http-backend"
    large = paths.config / "git-lfs"
    large.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-I', lfs.__file__])}\n")
    large.chmod(0o755)
    text = CONFIG.format(
        root=json.dumps(str(paths.git)),
        address=json.dumps(settings.NODE_ADDRESS),
        port=settings.GIT_PORT,
        uploads=json.dumps(str(uploads)),
        certificate=json.dumps(str(server.certificate)),
        key=json.dumps(str(server.key)),
        passwords=json.dumps(str(passwords)),
        backend=json.dumps(backend),
        lfs=json.dumps(str(large)),
    )
    (paths.config / "lighttpd.conf").write_text(text)


def command(paths: ClusterPaths) -> list[str]:
    return ["lighttpd", "-D", "-f", str(paths.config / "lighttpd.conf")]
