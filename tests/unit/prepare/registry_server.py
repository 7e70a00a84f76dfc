"""A registry on the loopback that others pull from, which can misbehave; the real ones are in the end-to-end tests."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.prepare.loopback import Answer, reply

JSON = dict[str, Any]

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, str | None], *, links: Mapping[str, str] | None = None, packed: bool = True) -> bytes:
    """An archive of files by path, None for folders, and of symbolic links; compressed with gzip unless told."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            content = (text or "").encode()
            entry.type, entry.size, entry.mode = (
                (tarfile.REGTYPE, len(content), 0o640) if text is not None else (tarfile.DIRTYPE, 0, 0o750)
            )
            archive.addfile(entry, io.BytesIO(content))
        for name, to in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            archive.addfile(entry)
    return gzip.compress(buffer.getvalue(), mtime=0) if packed else buffer.getvalue()


@dataclass
class RegistryServer:
    """What it holds, by path below /v2/; `before` may answer a request itself, `seen` keeps what logins were sent."""

    stored: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    before: list[Answer] = field(default_factory=list)
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0
    host_name: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return f"{self.host_name}:{self.port}"

    def blob(self, content: bytes, repository: str = "app") -> JSON:
        """Store a blob; returns its descriptor."""
        digest = digest_of(content)
        self.stored[f"{repository}/blobs/{digest}"] = ("application/octet-stream", content)
        return {"mediaType": OCI_LAYER, "digest": digest, "size": len(content)}

    def layer(self, files: Mapping[str, str | None], **more: Any) -> JSON:
        return self.blob(tar(files, **more))

    def manifest(self, *layers: JSON, tag: str = "1", repository: str = "app", **more: Any) -> str:
        """Store a manifest under a tag; returns its digest."""
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": list(layers), **more}
        return self.document(document, tag=tag, repository=repository)

    def document(self, document: Any, *, tag: str = "1", repository: str = "app", kind: str = OCI_MANIFEST) -> str:
        content = json.dumps(document).encode()
        for name in (tag, digest_of(content)):
            self.stored[f"{repository}/manifests/{name}"] = (kind, content)
        return digest_of(content)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((request.path, request.headers.get("Authorization")))
        if not any(answer(request) for answer in self.before):
            self._stored(request)

    def _stored(self, request: BaseHTTPRequestHandler) -> None:
        kind, content = self.stored.get(request.path.removeprefix("/v2/"), ("", b""))
        if kind:
            reply(request, 200, content, {"Content-Type": kind})
        elif request.path == "/v2/":
            reply(request, 200)
        else:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            reply(request, 404, json.dumps(error).encode())


@dataclass
class TokenServer:
    """Gives tokens to who logs in so; a registry behind it takes nothing else."""

    server: RegistryServer
    wanted: str | None
    asked: list[tuple[str, str | None, dict[str, list[str]]]] = field(default_factory=list)
    token: str = "the-token"

    def __call__(self, request: BaseHTTPRequestHandler) -> bool:
        """Answer for the token server, and for the registry as long as no token comes."""
        if urlsplit(request.path).path == "/token":
            self._token(request)
            return True
        if request.headers.get("Authorization") == f"Bearer {self.token}":
            return False
        challenge = f'Bearer realm="http://{self.server.host}/token",service="registry",scope="repository:app:pull"'
        reply(request, 401, headers={"WWW-Authenticate": challenge})
        return True

    def _token(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        query = parse_qs(body or urlsplit(request.path).query)
        sent = request.headers.get("Authorization") or "".join(query.get("refresh_token", [])) or None
        self.asked.append((request.command, sent, query))
        if sent != self.wanted:
            reply(request, 401)
            return
        reply(request, 200, json.dumps({"access_token": self.token}).encode())
