"""What is said, and what to do, when a registry is what failed a build: with the names of what its user wrote.

Each takes the executor's last words and the Pod, and returns a message and a hint.
"""

import re
from collections.abc import Mapping
from typing import Final

from imagebuild_operator.core import registry_errors
from imagebuild_operator.core.executor_errors import BUILDING, what_failed
from imagebuild_operator.core.pods import PodView

Advice = tuple[str, str]

_SECRETS_TOLD: Final = 3
# Names of objects have up to 253 characters; what the registry said has to fit into the message, too.
_NAME_TOLD: Final = 63
_AGAIN: Final = "then set the annotation imagebuild.dev/requestedAt."
_LOGIN: Final = f"Check that a Secret holds a login for this very host, with the right to do this; {_AGAIN}"
_NO_LOGIN: Final = "Name a Secret with a login for this registry in spec.registries.secretRefs."
# Docker Hub refuses images that do not exist in the same words.
_HUB: Final = (
    "Check that the image exists, and that the key of Docker Hub in the Secret is https://index.docker.io/v1/; "
    f"{_AGAIN}"
)
_HUB_LOGIN: Final = (
    "Check that the image exists; or name a Secret in spec.registries.secretRefs, in which the key of Docker Hub is "
    "https://index.docker.io/v1/."
)
_NO_BUNDLE: Final = (
    "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle."
)
_IDENTITY: Final = (
    "Give that ServiceAccount (spec.podTemplate.serviceAccountName) the vendor's workload identity, with the right to "
    f"do this; {_AGAIN}"
)
_IDENTITY_OR_LOGIN: Final = (
    "Give the ServiceAccount the vendor's workload identity, or a Secret a login for this very host, with the right to "
    f"do this; {_AGAIN}"
)
_DOCKER_HUB: Final = re.compile(r"https://(?:index|registry-1|auth)\.docker\.io/")
# Which hosts the executor's helpers log in to (go-containerregistry, pkg/v1/google/keychain.go; amazon-ecr-credential-
# helper, ecr-login/api/client.go; docker-credential-acr-env, pkg/credhelper/helper.go).
_HOSTS: Final[Mapping[str, re.Pattern[str]]] = {
    "google": re.compile(r"(?:.*\.)?gcr\.io|.*\.pkg\.dev"),
    "ecr": re.compile(r"public\.ecr\.aws|[0-9]{12}\.dkr[.-]ecr(?:-fips)?\..*"),
    "acr": re.compile(r".*\.azurecr\.(?:io|cn|de|us)"),
}
_OTHER_NAME: Final = re.compile(r"x509: (?:certificate is (?:not )?valid for|cannot validate certificate for) ")
# Go reads the names that a certificate is for from nowhere else since 1.15.
_NO_SAN: Final = re.compile(r"x509: certificate relies on legacy Common Name field")
_WRONG_TIME: Final = re.compile(r"x509: certificate has expired or is not yet valid")
_HOST: Final = re.compile(r"https?://([^/?]+)")
_IMAGE: Final = re.compile(r"https?://(?:index\.(?=docker\.io/))?([^/]+)/v2/(\S+)/manifests/(sha256:)?(\S+)")


def refusal(line: str, pod: PodView) -> Advice:
    """Of a registry that refused a login, or that nobody logged in to."""
    line = what_failed(line)
    secrets = [login.name for login in pod.login_secrets]
    if not secrets:
        if pod.cloud:
            return _refused_identity(line, pod)
        hint = _HUB_LOGIN if _DOCKER_HUB.search(line) else _NO_LOGIN
        return f"The registry refused access without a Secret: {line}", hint
    more = f" and {len(secrets) - _SECRETS_TOLD} more" if len(secrets) > _SECRETS_TOLD else ""
    told = ", ".join(name[:_NAME_TOLD] for name in secrets[:_SECRETS_TOLD]) + more
    if vendor := _vendor(line, pod):
        # Which of the two it was depends on the Secrets' hosts, and nobody can look into them.
        return (
            f"The registry refused the login of Secret {told}, or {_identity(vendor, pod)}: {line}",
            _IDENTITY_OR_LOGIN,
        )
    return f"The registry refused the login of Secret {told}: {line}", _HUB if _DOCKER_HUB.search(line) else _LOGIN


def _refused_identity(line: str, pod: PodView) -> Advice:
    if vendor := _vendor(line, pod):
        return f"The registry refused {_identity(vendor, pod)}: {line}", _IDENTITY
    host, _ = _asked(line)
    return (
        f"The registry refused access without a Secret: {line}",
        f"{_NO_LOGIN} {host[:_NAME_TOLD]} is none of the registries that spec.registries.cloud "
        f"({', '.join(_vendors(pod))}) logs in to.",
    )


def _vendors(pod: PodView) -> list[str]:
    return [vendor for vendor in _HOSTS if vendor in pod.cloud.split(",")]


def _vendor(line: str, pod: PodView) -> str | None:
    """Whose helper would log in to the registry that was asked; None if none of those that are on does."""
    host = _asked(line)[0].partition(":")[0]
    return next((each for each in _vendors(pod) if _HOSTS[each].fullmatch(host)), None)


def _identity(vendor: str, pod: PodView) -> str:
    return f"ServiceAccount {pod.service_account[:_NAME_TOLD] or 'default'} (spec.registries.cloud: {vendor})"


def untrusted(line: str, pod: PodView) -> Advice:
    """Of a registry whose certificate does not do."""
    host, said = _asked(line)
    if _OTHER_NAME.search(said):
        hint = f"Name the registry by a host that its certificate is for; or have this one added to it, {_AGAIN}"
        return f"The certificate of {host} is for another host name: {said}", hint
    if _NO_SAN.search(said):
        hint = f"Have it issued anew with its host among the names in subjectAltName; {_AGAIN}"
        return f"The certificate of {host} names its host in the Common Name alone: {said}", hint
    if _WRONG_TIME.search(said):
        return f"The certificate of {host} has expired, or is not valid yet: {said}", f"Have it renewed; {_AGAIN}"
    bundle = pod.ca_bundle
    if bundle is None:
        return f"The certificate of {host} is not trusted: {said}", _NO_BUNDLE
    key = f", key {bundle.keys[0][:_NAME_TOLD]}" if bundle.keys else ""
    name = f"{bundle.kind} {bundle.name[:_NAME_TOLD]}{key}"
    return (
        f"The certificate of {host} is not trusted, not even with {name}: {said}",
        f"Add the certificate authority that signed it to {bundle.kind} {bundle.name[:_NAME_TOLD]}; {_AGAIN}",
    )


def without_tls(line: str, pod: PodView) -> Advice:
    """Of a registry that speaks plain http."""
    host, said = _asked(line)
    hint = f"Give the registry a certificate, {_AGAIN[:-1]}; for tests, list it in spec.registries.insecure, as {host}."
    return f"{host} does not speak TLS: {said}", hint


def missing_registry(line: str, pod: PodView) -> Advice:
    """Of a host that is not there or no registry, or of a repository that a registry does not have."""
    host, said = _asked(line)
    if registry_errors.no_repository(line):
        hint = f"Create the repository, or the project it belongs to, {_AGAIN[:-1]}; or correct spec.output.images."
        return f"{host} has no such repository: {said}", hint
    what = f"There is no host {host}" if registry_errors.no_such_host(line) else f"{host} is no registry"
    if line.startswith(BUILDING):
        field = "of the image in the Dockerfile, or of its mirror in spec.registries.mirrors"
        return f"{what}: {said}", f"Correct the host {field}, {_AGAIN} What other mirrors answered is in the log."
    return f"{what}: {said}", "Correct the host in spec.output.images, or in spec.cache.repository."


def missing_image(line: str, pod: PodView) -> Advice:
    """Of an image that is to be built on, and is not there."""
    address, said = registry_errors.request(line)
    found = _IMAGE.match(address)
    if found is None:
        image = line.rpartition(" ")[2]
        hint = f"Correct the image in the Dockerfile, or spec.registries.mirrors, {_AGAIN} The log has their answers."
        return f"No mirror has the image {image}, or none could be asked (spec.registries.mirrors): {said}", hint
    host, repository, digest, tag = found.groups()
    image = f"{host}/{repository}@{digest}{tag}" if digest else f"{host}/{repository}:{tag}"
    hint = f"Correct the image in the Dockerfile, or what its ARG gets from spec.buildArgs; or push it, {_AGAIN}"
    if not pod.login_secrets:
        hint += " Some registries say so where a login is needed."
    return f"There is no image {image}: {said}", hint


def _asked(line: str) -> tuple[str, str]:
    """The host that was asked, and the words from there on."""
    address, said = registry_errors.request(line)
    host = _HOST.match(address)
    return host[1] if host else "the registry", said
