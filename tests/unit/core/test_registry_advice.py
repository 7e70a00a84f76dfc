"""What is said and advised when a registry is what failed: the names of what a user wrote, within the bounds."""

from typing import Any

import pytest

from imagebuild_operator.core import registry_errors
from imagebuild_operator.core.executor_errors import what_failed
from imagebuild_operator.core.outcome import HINT_BYTES, MESSAGE_BYTES
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.registry_advice import missing_image, missing_registry, refusal, untrusted, without_tls
from tests.unit.core.pod_documents import pod_document
from tests.unit.core.test_registry_errors import NO_IMAGE, NO_REGISTRY, REFUSED, UNTRUSTED, WITHOUT_TLS, lines
from tests.unit.core.world import World, inline_spec

CONFIG_MAP = {"configMapRef": {"name": "company-ca", "key": "ca.crt"}}
SECRET = {"secretRef": {"name": "company-ca", "key": "ca.crt"}}


def pod(registries: dict[str, Any] | None = None, **spec: Any) -> PodView:
    """The Pod of a build."""
    world = World(spec=inline_spec(**({"registries": registries} if registries else {}), **spec))
    world.step()
    [document] = world.pods.values()
    return PodView.parse(document)


# Logins


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        ([], "refused access without a Secret: error"),
        (["push"], "refused the login of Secret push: error"),
        (["a", "b", "c"], "refused the login of Secret a, b, c: error"),
        (["a", "b", "c", "d", "e"], "refused the login of Secret a, b, c and 2 more: error"),
    ],
)
def test_a_refusal_names_the_secrets_that_were_used(secrets: list[str], named: str) -> None:
    message, hint = refusal(lines(REFUSED)[0], pod({"secretRefs": [{"name": name} for name in secrets]}))
    assert named in message
    assert ("spec.registries.secretRefs" in hint) == (not secrets)
    assert "docker.io" not in hint


@pytest.mark.parametrize("line", lines(REFUSED)[-2:])
@pytest.mark.parametrize("secrets", [[], [{"name": "push"}]])
def test_a_refusal_of_docker_hub_names_the_key_that_its_login_needs(line: str, secrets: list[dict[str, str]]) -> None:
    assert "https://index.docker.io/v1/" in refusal(line, pod({"secretRefs": secrets}))[1]


HOSTS = [
    ("google", "gcr.io"),
    ("google", "eu.gcr.io"),
    ("google", "europe-docker.pkg.dev"),
    ("ecr", "123456789012.dkr.ecr.eu-central-1.amazonaws.com"),
    ("ecr", "123456789012.dkr-ecr.eu-central-1.on.aws"),
    ("ecr", "public.ecr.aws"),
    ("acr", "shop.azurecr.io"),
]


def denied(host: str) -> str:
    return f"error building image: GET https://{host}/v2/a/b/manifests/1: DENIED: requested access is denied"


@pytest.mark.parametrize(("vendor", "host"), HOSTS)
def test_a_refused_identity_is_told_and_no_secret_is_asked_for(vendor: str, host: str) -> None:
    account = pod({"cloud": ["acr", "ecr", "google"]}, podTemplate={"serviceAccountName": "image-pusher"})
    message, hint = refusal(denied(host), account)
    assert message.startswith(
        f"The registry refused ServiceAccount image-pusher (spec.registries.cloud: {vendor}): GET"
    )
    assert "workload identity" in hint
    assert "spec.podTemplate.serviceAccountName" in hint
    assert "Secret" not in hint
    nobody, _ = refusal(denied(host), pod({"cloud": [vendor]}))
    assert nobody.startswith("The registry refused ServiceAccount default (")


@pytest.mark.parametrize(
    "host", ["registry.example.com", "evil-gcr.io", "azurecr.io.example.com", "123456789012.dkr.ecr-mirror.example.com"]
)
def test_the_registry_of_somebody_else_still_needs_a_secret(host: str) -> None:
    message, hint = refusal(denied(host), pod({"cloud": ["google", "ecr"]}, podTemplate={"serviceAccountName": "x"}))
    assert message.startswith("The registry refused access without a Secret: ")
    assert hint.startswith("Name a Secret")
    assert f"{host} is none of the registries that spec.registries.cloud (google, ecr) logs in to." in hint


def test_a_vendor_that_is_not_named_does_not_count() -> None:
    assert "Secret" in refusal(denied("eu.gcr.io"), pod({"cloud": ["ecr"]}))[1]
    assert "cloud" not in refusal(denied("eu.gcr.io"), pod())[1]


def test_where_both_a_secret_and_the_identity_may_have_been_used_both_are_told() -> None:
    both = pod({"cloud": ["google"], "secretRefs": [{"name": "push"}]})
    message, hint = refusal(denied("gcr.io"), both)
    told = "Secret push, or ServiceAccount default (spec.registries.cloud: google): "
    assert message.startswith(f"The registry refused the login of {told}")
    assert "workload identity, or a Secret a login" in hint
    message, hint = refusal(denied("registry.example.com"), both)
    assert message.startswith("The registry refused the login of Secret push: ")
    assert "identity" not in hint


# Certificates

UNSIGNED = [line for line in lines(UNTRUSTED) if "unknown authority" in line]


@pytest.mark.parametrize("line", UNSIGNED)
@pytest.mark.parametrize(("bundle", "kind"), [(CONFIG_MAP, "ConfigMap"), (SECRET, "Secret")])
def test_an_unknown_authority_is_told_with_the_bundle_that_lacks_it(
    line: str, bundle: dict[str, Any], kind: str
) -> None:
    message, hint = untrusted(line, pod({"caBundle": bundle}))
    assert message.startswith("The certificate of registry.imb.test:1700")
    assert f"is not trusted, not even with {kind} company-ca, key ca.crt: Get " in message
    assert hint.startswith(f"Add the certificate authority that signed it to {kind} company-ca; then set")


@pytest.mark.parametrize("line", UNSIGNED)
def test_without_a_bundle_one_is_asked_for(line: str) -> None:
    message, hint = untrusted(line, pod())
    assert "is not trusted: Get " in message
    assert hint.endswith("name that in spec.registries.caBundle.")


@pytest.mark.parametrize(
    ("word", "what", "advice"),
    [
        ("valid for other", "registry.imb.test:17002 is for another host name: Get", "by a host that its certificate"),
        (
            "not valid for any",
            "registry.imb.test:17003 is for another host name: Get",
            "by a host that its certificate",
        ),
        ("for 127.0.0.2", "127.0.0.2:17001 is for another host name: Get", "by a host that its certificate"),
        ("for 127.0.0.1", "127.0.0.1:17007 is for another host name: Get", "by a host that its certificate"),
        ("is after", "registry.imb.test:17005 has expired, or is not valid yet: Get", "renewed"),
        ("is before", "registry.imb.test:17006 has expired, or is not valid yet: Get", "renewed"),
    ],
)
def test_a_bundle_does_not_help_against_a_wrong_name_or_time(word: str, what: str, advice: str) -> None:
    for line in (line for line in lines(UNTRUSTED) if word in line):
        message, hint = untrusted(line, pod({"caBundle": CONFIG_MAP}))
        assert message.startswith(f"The certificate of {what}")
        assert advice in hint
        assert "company-ca" not in message + hint


def test_a_certificate_of_the_old_form_has_to_be_issued_anew() -> None:
    """Go's words, crypto/x509/verify.go."""
    unsigned = lines(UNTRUSTED)[0].partition("x509: ")[0]
    line = f"{unsigned}x509: certificate relies on legacy Common Name field, use SANs instead"
    message, hint = untrusted(line, pod({"caBundle": CONFIG_MAP}))
    assert "names its host in the Common Name alone: Get " in message
    assert "subjectAltName" in hint
    assert "company-ca" not in message + hint


@pytest.mark.parametrize("line", lines(WITHOUT_TLS))
def test_plain_http_is_told_with_the_host_to_list(line: str) -> None:
    message, hint = without_tls(line, pod())
    host = message.partition(" does not speak TLS: Get ")[0]
    assert f"https://{host}/v2/" in line
    assert f"list it in spec.registries.insecure, as {host}." in hint


# What is not there


@pytest.mark.parametrize(
    ("line", "what", "fields"),
    list(
        zip(
            lines(NO_REGISTRY),
            [
                "There is no host nowhere.imb.test:5000: Get",
                "There is no host nowhere.imb.test:5000: Get",
                "registry.imb.test:17009 is no registry: GET",
                "registry.imb.test:17009 is no registry: GET",
                *["registry.imb.test:17001 has no such repository: POST"] * 3,
            ],
            [
                ["spec.output.images", "spec.cache.repository"],
                ["Dockerfile", "spec.registries.mirrors"],
                ["spec.output.images", "spec.cache.repository"],
                ["Dockerfile", "spec.registries.mirrors"],
                *[["Create the repository", "spec.output.images"]] * 3,
            ],
            strict=True,
        )
    ),
)
def test_a_wrong_host_is_told_with_the_field_to_look_at(line: str, what: str, fields: list[str]) -> None:
    message, hint = missing_registry(line, pod())
    assert message.startswith(what)
    assert [field for field in fields if field not in hint] == []


@pytest.mark.parametrize(
    ("line", "what"),
    list(
        zip(
            lines(NO_IMAGE),
            [
                "There is no image registry.imb.test:15009/nothing-here:latest: GET",
                "There is no image registry.imb.test:17001/nothing/here@sha256:14c53b: GET",
                "There is no image registry.imb.test:17001/noname/here:1: GET",
                "There is no image registry.imb.test:17001/plain404:1: GET",
                "No mirror has the image busybox:1, or none could be asked (spec.registries.mirrors): image not found",
            ],
            strict=True,
        )
    ),
)
def test_a_missing_image_is_told_by_its_reference(line: str, what: str) -> None:
    message, hint = missing_image(line, pod())
    assert message.startswith(what)
    assert "Correct the image in the Dockerfile" in hint


def test_an_image_of_docker_hub_has_the_name_that_people_know() -> None:
    line = lines(NO_IMAGE)[0].replace("registry.imb.test:15009/v2/nothing", "index.docker.io/v2/library/nothing")
    assert " docker.io/library/nothing-here:latest: " in missing_image(line, pod())[0]
    assert (
        " index.example.com/library/nothing-here:latest: "
        in missing_image(line.replace("index.docker.io", "index.example.com"), pod())[0]
    )


@pytest.mark.parametrize(("secrets", "asked"), [([], True), ([{"name": "pull"}], False)])
def test_an_image_may_be_missing_for_those_alone_who_have_no_login(secrets: list[dict[str, str]], asked: bool) -> None:
    assert ("where a login is needed" in missing_image(lines(NO_IMAGE)[0], pod({"secretRefs": secrets}))[1]) is asked


# Bounds

LONG = ".".join(["h" * 60] * 4) + ":50000"


@pytest.mark.parametrize(
    ("advice", "line"),
    [
        *((untrusted, line) for line in lines(UNTRUSTED)),
        *((without_tls, line) for line in lines(WITHOUT_TLS)),
        *((missing_registry, line) for line in lines(NO_REGISTRY)),
        *((missing_image, line) for line in lines(NO_IMAGE)),
        *((refusal, line) for line in [*lines(REFUSED), denied("gcr.io"), denied("r.example.com")]),
    ],
)
@pytest.mark.parametrize("cloud", ["", "google,ecr,acr"])
def test_the_longest_names_leave_room_for_what_went_wrong(advice: Any, line: str, cloud: str) -> None:
    document = pod_document(metadata={"annotations": {"imagebuild.dev/cloud": cloud}})
    items = [{"key": "k" * 253, "path": "x"}]
    document["spec"]["serviceAccountName"] = "s" * 253
    document["spec"]["volumes"] = [{"name": "ca-bundle", "configMap": {"name": "c" * 253, "items": items}}]
    message, hint = advice(line, PodView.parse(document))
    told = what_failed(line) if advice is refusal else registry_errors.request(line)[1]
    assert len(message.removesuffix(told)) < MESSAGE_BYTES / 2
    assert len(hint) <= HINT_BYTES


def test_a_host_of_any_length_does_not_hide_what_is_to_be_done() -> None:
    line = lines(WITHOUT_TLS)[0].replace("registry.imb.test:17008", LONG)
    assert "spec.registries.insecure" in without_tls(line, pod())[1][:HINT_BYTES]
