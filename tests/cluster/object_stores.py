"""Object stores that tests fetch from: S3 (versitygw), Google Cloud Storage and Azure Blob Storage (their emulators).

All three speak TLS and hold the same objects. versitygw and azurite check signatures; fake-gcs-server takes any token.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import shutil
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import settings
from .certificates import KeyPair
from .control_plane import https_answers
from .namespaces import Namespaces
from .npm import AZURITE, install_program
from .process import Process, ProcessTable, wait_ready
from .programs import GCS, S3, build_family

if TYPE_CHECKING:
    from .handle import ClusterHandle

BUCKET = "contexts"
PROCESSES = ("store-s3", "store-gcs", "store-azure")

Spawn = Callable[[str, Sequence[str], Mapping[str, str]], Process]


@dataclass(frozen=True)
class Ports:
    """Where the stores listen."""

    s3: int = settings.S3_PORT
    gcs: int = settings.GCS_PORT
    azure: int = settings.AZURE_PORT


@dataclass(frozen=True)
class ObjectStores:
    """The stores, which all hold one bucket, `BUCKET`.

    Attributes:
        host: the name that clients use.
        address: what they listen at.
        folder: for their data.
        server: their certificate and its key.
        ca: certificate of the authority that signed it.
    """

    host: str
    address: str
    folder: Path
    server: KeyPair = field(repr=False)
    ca: Path = field(repr=False)
    ports: Ports = Ports()

    @property
    def s3(self) -> str:
        """The endpoint for `source.s3`."""
        return f"https://{self.host}:{self.ports.s3}"

    def azure(self, key: str, container: str = BUCKET) -> str:
        """The address for `source.azureBlob`."""
        return f"https://{self.host}:{self.ports.azure}/{settings.AZURE_ACCOUNT}/{container}/{quote(key)}"

    @cached_property
    def gcs_key(self) -> str:
        """A service account's key, as Google hands it out, but for the store's address."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "client_email": "reader@shop.example.com",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "gcs_base_url": f"https://{self.host}:{self.ports.gcs}",
            }
        )

    @property
    def sas_token(self) -> str:
        """A signature that lets its owner read and write; see Microsoft's "Create an account SAS"."""
        values = {
            "sv": "2020-08-04",
            "ss": "b",
            "srt": "sco",
            "sp": "rwc",
            "se": "2099-01-01T00:00:00Z",
            "spr": "https",
        }
        named = (settings.AZURE_ACCOUNT, *(values.get(name, "") for name in ("sp", "ss", "srt", "st", "se", "sip")))
        text = "".join(f"{line}\n" for line in (*named, values["spr"], values["sv"]))
        signature = hmac.new(base64.b64decode(settings.AZURE_KEY), text.encode(), hashlib.sha256).digest()
        return urlencode({**values, "sig": base64.b64encode(signature).decode()})

    def start(self, spawn: Spawn, objects: Mapping[str, bytes]) -> None:
        """Start all three, wait until they answer, and fill the bucket with objects by key."""
        for store in ("s3", "gcs"):
            for key, content in objects.items():
                file = self.folder / store / BUCKET / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        started = zip((self._s3(spawn), self._gcs(spawn), self._azure(spawn)), self._port_numbers, strict=True)
        for process, port in started:
            url = f"https://{self.address}:{port}/"
            # What they say to a stranger.
            wait_ready(process, lambda url=url: https_answers(url, self.ca, expected=(200, 400, 403, 404)))  # type: ignore[misc]
        self._put(f"{settings.AZURE_ACCOUNT}/{BUCKET}", b"", "restype=container&")
        for key, content in objects.items():
            self._put(f"{settings.AZURE_ACCOUNT}/{BUCKET}/{quote(key)}", content)

    @property
    def _port_numbers(self) -> tuple[int, int, int]:
        return self.ports.s3, self.ports.gcs, self.ports.azure

    def _s3(self, spawn: Spawn) -> Process:
        certificate, key = str(self.server.certificate), str(self.server.key)
        listen = ("--port", f"{self.address}:{self.ports.s3}", "--cert", certificate, "--key", key)
        program = build_family(S3) / "versitygw"
        environment = {"ROOT_ACCESS_KEY_ID": settings.S3_KEY, "ROOT_SECRET_ACCESS_KEY": settings.S3_SECRET}
        command = [str(program), *listen, "posix", "--nometa", str(self.folder / "s3")]
        return spawn("store-s3", command, environment)

    def _gcs(self, spawn: Spawn) -> Process:
        name = f"{self.host}:{self.ports.gcs}"
        command = [
            str(build_family(GCS) / "fake-gcs-server"),
            *("-scheme", "https", "-host", self.address, "-port", str(self.ports.gcs)),
            *("-cert-location", str(self.server.certificate), "-private-key-location", str(self.server.key)),
            *("-backend", "memory", "-data", str(self.folder / "gcs")),
            *("-public-host", name, "-external-url", f"https://{name}"),
        ]
        return spawn("store-gcs", command, {})

    def _azure(self, spawn: Spawn) -> Process:
        install_program(AZURITE)
        command = [
            *AZURITE.command(),
            *("--blobHost", self.address, "--blobPort", str(self.ports.azure)),
            *("--cert", str(self.server.certificate), "--key", str(self.server.key)),
            *("--inMemoryPersistence", "--disableProductStyleUrl", "--skipApiVersionCheck"),
        ]
        return spawn("store-azure", command, {"AZURITE_ACCOUNTS": f"{settings.AZURE_ACCOUNT}:{settings.AZURE_KEY}"})

    def _put(self, path: str, content: bytes, query: str = "") -> None:
        """Make a container or a blob in Azure's store."""
        url = f"https://{self.address}:{self.ports.azure}/{path}?{query}{self.sas_token}"
        headers = {"x-ms-version": "2020-08-04", "x-ms-blob-type": "BlockBlob", "Content-Type": "application/gzip"}
        request = urllib.request.Request(url, data=content, headers=headers, method="PUT")
        context = ssl.create_default_context(cafile=str(self.ca))
        # The person's proxy settings must not come between us and the bridge.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=10):
            pass


@contextlib.contextmanager
def object_stores(cluster: ClusterHandle, objects: Mapping[str, bytes]) -> Iterator[ObjectStores]:
    """The stores on the node, holding these objects by key; one at a time."""
    paths, processes = cluster.paths, cluster.processes
    _remove(processes)
    folder = paths.state / "stores"
    shutil.rmtree(folder, ignore_errors=True)
    server = KeyPair(paths.pki / "servers.crt", paths.pki / "servers.key")
    inside = Namespaces(processes.find("namespaces"))

    def spawn(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
        return processes.add(inside.spawn(name, command, paths.log(name), environment=environment))

    stores = ObjectStores(settings.OBJECTS_HOST, settings.NODE_ADDRESS, folder, server, paths.ca)
    try:
        stores.start(spawn, objects)
        yield stores
    finally:
        _remove(processes)
        shutil.rmtree(folder, ignore_errors=True)


def _remove(processes: ProcessTable) -> None:
    for name in PROCESSES:
        processes.remove(name)
