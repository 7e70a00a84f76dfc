"""Reads from a registry: manifests and blobs (OCI distribution specification, "Pull")."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests
import urllib3

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.certificates import SYSTEM_BUNDLE
from imagebuild_operator.prepare.image_reference import ImageReference
from imagebuild_operator.prepare.network_errors import explained
from imagebuild_operator.prepare.redirects import Authorization, Redirects, Session, host_of, origin_of
from imagebuild_operator.prepare.registry_errors import FIELD, refusal
from imagebuild_operator.prepare.registry_login import (
    RegistryLogin,
    challenge_of,
    token_in,
    token_request,
)
from imagebuild_operator.prepare.result import PrepareError

# Seconds for the connection, and for the silence between two pieces of an answer.
TIMEOUT: Final = (15.0, 60.0)
CHUNK: Final = 1024 * 1024
# So much a registry has to take at least (OCI distribution specification, "Pushing Manifests"); most take no more.
MANIFEST_BYTES: Final = 4 * 1024 * 1024

MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class RegistryClient:
    """One repository of a registry."""

    def __init__(
        self,
        reference: ImageReference,
        login: RegistryLogin,
        *,
        trusted: Path | None = None,
        insecure: bool = False,
    ) -> None:
        """Remember how to reach it; nothing is asked yet.

        Args:
            reference: an image or artifact of the repository.
            login: what to log in with; it goes to this registry, and to the token server that it names.
            trusted: file with every trusted certificate; None for the system's own.
            insecure: whether plain http and any certificate will do.
        """
        self._reference = reference
        self._login = login
        self._host = reference.api_host
        self._insecure = insecure
        self._redirects = Redirects(
            reference.name, plain=insecure, plain_hint="List it in spec.registries.insecure if it may speak plain http."
        )
        self._bundle = str(trusted or SYSTEM_BUNDLE)
        self._session = Session()
        self._authorization = f"Bearer {login.registry_token}" if login.registry_token else ""
        self._scheme = ""
        if insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def manifest(self, wanted: str) -> bytes:
        """The manifest or index with this tag or digest, byte by byte as it is stored.

        Raises:
            PrepareError: if it cannot be had.
        """
        what = f"{'digest' if ':' in wanted else 'tag'} {wanted}"
        content = b""
        with self._answer(f"manifests/{wanted}", ", ".join(MANIFESTS), what) as answer:
            for chunk in answer.iter_content(CHUNK):
                content += chunk
                if len(content) > MANIFEST_BYTES:
                    message = f"The manifest of {self._reference.name}, {what}, has more than {MANIFEST_BYTES} bytes."
                    raise PrepareError(Reason.SOURCE_INVALID, message)
        return content

    def blob(self, digest: str, size: int, target: Path) -> None:
        """Write a blob of so many bytes to a file.

        Raises:
            PrepareError: if it cannot be had, or is not what its digest says.
        """
        found, received = hashlib.sha256(), 0
        with self._answer(f"blobs/{digest}", "*/*", f"blob {digest}") as answer, target.open("wb") as file:
            for chunk in answer.iter_content(CHUNK):
                received += len(chunk)
                if received > size:
                    break
                found.update(chunk)
                file.write(chunk)
        if received != size or f"sha256:{found.hexdigest()}" != digest:
            message = f"What {self._host} sends as {digest} of {self._reference.name} is something else."
            raise PrepareError(Reason.SOURCE_INVALID, message, "Push the image or artifact again.")

    @contextmanager
    def _answer(self, path: str, accept: str, what: str) -> Iterator[requests.Response]:
        """The answer 200 to a request, after a login where one is asked for."""
        with explained(self._host, FIELD):
            url = f"{self._base()}/v2/{self._reference.repository}/{path}"
            with self._followed(url, accept) as answer:
                if not self._asks_for_login(answer, url):
                    yield self._accepted(answer, what)
                    return
            self._log_in(answer.headers.get("WWW-Authenticate", ""))
            with self._followed(url, accept) as answer:
                yield self._accepted(answer, what)

    @contextmanager
    def _followed(self, url: str, accept: str) -> Iterator[requests.Response]:
        """The answer at the end of all redirects; many registries keep their blobs elsewhere."""

        def ask(following: str) -> requests.Response:
            with explained(host_of(following), FIELD):
                return self._get(following, accept)

        with self._redirects.followed(ask, url) as answer, explained(host_of(answer.url), FIELD):
            yield answer

    def _asks_for_login(self, answer: requests.Response, url: str) -> bool:
        """Whether the registry itself does: another server could name a token server of its own."""
        return answer.status_code == requests.codes.unauthorized and origin_of(answer.url) == origin_of(url)

    def _accepted(self, answer: requests.Response, what: str) -> requests.Response:
        if answer.status_code != requests.codes.ok:
            raise refusal(answer, self._reference, self._login, what, host_of(answer.url))
        return answer

    def _get(self, url: str, accept: str) -> requests.Response:
        return self._session.get(
            url,
            # As it is stored: what a server compresses on the way would have another digest.
            headers={"Accept": accept, "Accept-Encoding": "identity"},
            auth=Authorization(self._authorization, f"{self._scheme or 'https'}://{self._host}"),
            timeout=TIMEOUT,
            verify=False if self._insecure else self._bundle,
            allow_redirects=False,
            stream=True,
        )

    def _base(self) -> str:
        """The registry's address; one that may be insecure is asked by TLS first, as the executor does."""
        if not self._scheme:
            self._scheme = "http" if self._insecure and not self._speaks_tls() else "https"
        return f"{self._scheme}://{self._host}"

    def _speaks_tls(self) -> bool:
        try:
            self._get(f"https://{self._host}/v2/", "*/*").close()
        except requests.ConnectionError:
            return False
        return True

    def _log_in(self, header: str) -> None:
        challenge = challenge_of(header)
        if challenge.bearer:
            self._authorization = f"Bearer {self._token(header)}"
        elif self._login.basic:
            self._authorization = f"Basic {self._login.basic}"

    def _token(self, header: str) -> str:
        asked = token_request(challenge_of(header), self._login, self._reference.repository)
        scheme, name, _ = origin_of(asked.url)
        server = host_of(asked.url)
        insecure = self._insecure and name == origin_of(self._base())[1]
        if scheme != "https" and not insecure:
            message = f"{self._host} names a token server that is not asked by TLS; it gets no login."
            raise PrepareError(Reason.SOURCE_FAILED, message)
        with (
            explained(server, FIELD),
            self._session.request(
                asked.method,
                asked.url,
                headers={"Accept-Encoding": "identity"},
                params=asked.parameters,
                data=asked.form,
                auth=asked.authorization,
                timeout=TIMEOUT,
                verify=False if insecure else self._bundle,
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            if answer.status_code != requests.codes.ok:
                what = f"a token for {self._reference.repository}"
                raise refusal(answer, self._reference, self._login, what, server)
            return token_in(answer, server)
