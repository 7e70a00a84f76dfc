"""What a registry did to a build: rows over `registry_errors`, with words by `registry_advice` or of their own."""

from collections.abc import Callable
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import registry_advice, registry_errors
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found, said
from imagebuild_operator.core.executor_errors import BUILDING, CHECKING_PUSH, PUSHING, what_failed
from imagebuild_operator.core.pods import PodView

_PUSHING: Final = rf"(?:{PUSHING}|{CHECKING_PUSH}).*"
_ANSWER: Final = rf"{_PUSHING}\b(?:POST|PUT|PATCH|HEAD|GET) https?://(?P<host>[^/]+)/\S+: "
_PULLING: Final = rf"{BUILDING}(?:unable to complete operation after [0-9]+ attempts, last error: )?"


def _met(
    name: str, reason: Reason, sign: str, says: str, hint: str, *matches: Callable[[str], bool], advice: "_Advice"
) -> Cause:
    """A row for the executor's last words, where one of these functions knows them."""

    def applies(evidence: Evidence) -> bool:
        return evidence.exit_code == 1 and any(match(evidence.said) for match in matches)

    def explain(evidence: Evidence) -> Explanation:
        return Explanation(*advice(evidence.said, evidence.pod))

    return Cause(reason, applies, explain, Doc(name, Found.LOG, sign, says, hint))


_Advice = Callable[[str, PodView], registry_advice.Advice]


def _plain(what: str, hint: str) -> _Advice:
    return lambda line, pod: (f"{what}: {what_failed(line)}", hint)


_LIMITED: Final = (
    "The registry allows no further requests for now",
    "Name a Secret with a login in spec.registries.secretRefs, or a mirror in spec.registries.mirrors.",
)
_FAILED: Final = (
    "The registry failed or cannot be reached",
    "Check the registry's health and its address, then set the annotation imagebuild.dev/requestedAt.",
)
_NO_WAY: Final = (
    "The proxy on the way to the registry cannot be reached, or lets nobody through",
    "Ask the platform team to correct the chart's build.proxy (httpsProxy, or noProxy for a host that needs none); "
    "then set the annotation imagebuild.dev/requestedAt.",
)

ANSWERS: Final[tuple[Cause, ...]] = (
    _met(
        "registry-rate-limit",
        Reason.RATE_LIMITED,
        "the answer 429 or TOOMANYREQUESTS",
        *_LIMITED,
        registry_errors.rate_limited,
        advice=_plain(*_LIMITED),
    ),
    _met(
        "registry-proxy",
        Reason.REGISTRY_UNAVAILABLE,
        "proxyconnect, or the bare words of a proxy's status such as Bad Gateway",
        *_NO_WAY,
        registry_errors.behind_proxy,
        advice=_plain(*_NO_WAY),
    ),
    # Before those that are looked for in the whole answer: a try by plain http, which failed as well, may follow.
    _met(
        "registry-certificate",
        Reason.CERTIFICATE_UNKNOWN,
        "an error of x509",
        "The certificate of {host} is not trusted, has expired, or is for another host name",
        "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle.",
        registry_errors.untrusted,
        advice=registry_advice.untrusted,
    ),
    _met(
        "registry-without-tls",
        Reason.CERTIFICATE_UNKNOWN,
        "an answer in plain http",
        "{host} does not speak TLS",
        "Give the registry a certificate, then set the annotation imagebuild.dev/requestedAt; for tests, list it in "
        "spec.registries.insecure.",
        registry_errors.without_tls,
        advice=registry_advice.without_tls,
    ),
    _met(
        "registry-missing",
        Reason.REGISTRY_NOT_FOUND,
        "no such host; or the answer 404 at /v2/ or to an upload",
        "There is no host {host}, it is no registry, or it has no such repository",
        "Correct the host in spec.output.images or the Dockerfile; or create the repository, then set the annotation "
        "imagebuild.dev/requestedAt.",
        registry_errors.no_such_host,
        registry_errors.no_registry,
        registry_errors.no_repository,
        advice=registry_advice.missing_registry,
    ),
    _met(
        "image-missing",
        Reason.IMAGE_NOT_FOUND,
        "the answer 404, MANIFEST_UNKNOWN or NAME_UNKNOWN to a manifest that is pulled",
        "There is no image {image}",
        "Correct the image in the Dockerfile, or what its ARG gets from spec.buildArgs; or push it, then set the "
        "annotation imagebuild.dev/requestedAt.",
        registry_errors.no_image,
        advice=registry_advice.missing_image,
    ),
    _met(
        "registry-unavailable",
        Reason.REGISTRY_UNAVAILABLE,
        "an answer 5xx, or none",
        *_FAILED,
        registry_errors.unavailable,
        advice=_plain(*_FAILED),
    ),
    _met(
        "registry-login",
        Reason.REGISTRY_AUTH_FAILED,
        "the answer 401 or 403, UNAUTHORIZED or DENIED",
        "The registry refused the login of Secret {secret}, or access without one",
        "Name a Secret with a login for this registry in spec.registries.secretRefs, or mend the one there.",
        registry_errors.refused,
        advice=registry_advice.refusal,
    ),
)

PUSHES: Final[tuple[Cause, ...]] = (
    said(
        "tag-immutable",
        Reason.TAG_IMMUTABLE,
        rf"{_ANSWER}.*immutab",
        "{host} does not let a tag be moved that exists:",
        "Give spec.output.images a tag that is not there yet, such as one with the variable for the commit.",
    ),
    said(
        "registry-quota",
        Reason.REGISTRY_FULL,
        rf"{_ANSWER}.*(?:upper limit|quota|insufficient storage)",
        "{host} has no room left for the image:",
        "Delete images of the project there, or have its quota raised; then set the annotation "
        "imagebuild.dev/requestedAt.",
    ),
    said(
        "push-too-large",
        Reason.PUSH_REJECTED,
        rf"{_ANSWER}unexpected status code 413\b",
        "{host}, or a proxy in front of it, does not take a layer of this size:",
        "Put less into one RUN or COPY; or have the proxy's limit raised (nginx: client_max_body_size), then set the "
        "annotation imagebuild.dev/requestedAt.",
    ),
    said(
        "upload-lost",
        Reason.REGISTRY_UNAVAILABLE,
        rf"{_ANSWER}BLOB_UPLOAD_(?:UNKNOWN|INVALID)\b",
        "{host} has lost an upload that it had begun:",
        "Let all replicas of the registry share one storage, or its balancer keep a client at one of them; then set "
        "the annotation imagebuild.dev/requestedAt.",
    ),
    said(
        "push-name-invalid",
        Reason.PUSH_REJECTED,
        rf"{_ANSWER}NAME_INVALID\b",
        "{host} does not take the name of the repository:",
        "Correct spec.output.images by the rules of this registry: some want a project, or only one slash.",
    ),
    said(
        "push-refused",
        Reason.PUSH_REJECTED,
        rf"{_ANSWER}",
        "{host} does not take the image:",
        "Ask who runs the registry for its log; check spec.output.images and what stands between.",
    ),
)

IMAGES: Final[tuple[Cause, ...]] = (
    said(
        "image-of-other-platform",
        Reason.IMAGE_UNUSABLE,
        rf"{_PULLING}no child with platform (?P<platform>\S+) in index (?P<image>\S+)",
        "The image {image} does not exist for {platform}.",
        "Name an image in FROM that exists for {platform}, or build on other nodes (spec.podTemplate.nodeSelector).",
        by_files=True,
    ),
    said(
        "image-of-old-format",
        Reason.IMAGE_UNUSABLE,
        rf'{_PULLING}unsupported MediaType: "(?P<type>[^"]*)"',
        "An image that the Dockerfile names has a format that the executor does not know: {type}",
        "Push that image anew with a current tool, then set the annotation imagebuild.dev/requestedAt; or name another "
        "one in FROM.",
    ),
    said(
        "image-damaged",
        Reason.IMAGE_UNUSABLE,
        rf"{_PULLING}.*(?:error verifying \S+ checksum|does not match expected size|"
        r"/blobs/\S+: (?:BLOB_UNKNOWN|unexpected status code 404)\b)",
        "What the registry sent of an image is not what its manifest says:",
        "Push that image anew, or mend the proxy or mirror between (spec.registries.mirrors) if it is whole; then set "
        "the annotation imagebuild.dev/requestedAt.",
    ),
    said(
        "image-is-no-manifest",
        Reason.IMAGE_UNUSABLE,
        rf"{_PULLING}invalid character .* looking for beginning of value",
        "In the place of an image, the registry sent something that is no JSON, such as the page of a login:",
        "Check the host of the image in FROM, and the proxy or mirror between (spec.registries.mirrors).",
        by_files=True,
    ),
)
