"""A program: the little of a Git LFS server that fetching needs, as a CGI program (RFC 3875) behind the git server.

The batch API (docs/api/batch.md of git-lfs) tells where each object is to be had; the objects lie beside the
repository's own. Logins are the web server's business.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, BinaryIO

MEDIA_TYPE = "application/vnd.git-lfs+json"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
_BATCH = re.compile(r"/(?P<name>[\w./-]+\.git)/info/lfs/objects/batch")
_OBJECT = re.compile(r"/(?P<name>[\w./-]+\.git)/info/lfs/objects/(?P<oid>[0-9a-f]{64})")


def stored(repository: Path, oid: str) -> Path:
    """Where the object with this SHA-256 lies."""
    return repository / "lfs" / oid


def store(repository: Path, content: bytes) -> str:
    """Keep an object; returns the pointer to commit in its place."""
    oid = hashlib.sha256(content).hexdigest()
    file = stored(repository, oid)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return POINTER.format(oid=oid, size=len(content))


def batch(repository: Path, asked: dict[str, Any], address: str, login: str) -> dict[str, Any]:
    """The answer to a request for downloads from below `address`, which are to be asked for with the same login."""
    header = {"Authorization": login} if login else {}
    objects = []
    for each in asked["objects"]:
        entry: dict[str, Any] = {"oid": each["oid"], "size": each["size"]}
        if stored(repository, each["oid"]).is_file():
            entry["actions"] = {"download": {"href": f"{address}/{each['oid']}", "header": header}}
        else:
            entry["error"] = {"code": 404, "message": "Object does not exist"}
        objects.append(entry)
    return {"transfer": "basic", "hash_algo": "sha256", "objects": objects}


def answer(root: Path, path: str, body: bytes, origin: str, output: BinaryIO, login: str = "") -> None:
    """Answer a request that was sent with this login: status and headers as CGI wants them, then the content."""
    if found := _OBJECT.fullmatch(path):
        file = stored(root / found["name"], found["oid"])
        if file.is_file():
            output.write(
                f"Content-Type: application/octet-stream\r\nContent-Length: {file.stat().st_size}\r\n\r\n".encode()
            )
            with file.open("rb") as content:
                shutil.copyfileobj(content, output)
            return
    elif (found := _BATCH.fullmatch(path)) and (root / found["name"]).is_dir():
        address = f"{origin}/{found['name']}/info/lfs/objects"
        said = json.dumps(batch(root / found["name"], json.loads(body), address, login)).encode()
        output.write(f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said)
        return
    output.write(b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")


def main() -> None:
    body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))
    origin = f"https://{os.environ['HTTP_HOST']}"
    root, login = Path(os.environ["GIT_PROJECT_ROOT"]), os.environ.get("HTTP_AUTHORIZATION", "")
    answer(root, os.environ["PATH_INFO"], body, origin, sys.stdout.buffer, login)


if __name__ == "__main__":
    main()
