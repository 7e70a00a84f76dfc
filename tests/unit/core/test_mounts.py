"""Objects in the volumes of Pods as the operator makes them, and what the kubelet says when a key of one is missing."""

from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.mounts import MountedObject, mounted_objects, with_object
from imagebuild_operator.core.pods import PodView
from tests.unit.core.world import World, inline_spec

DOCKERFILE = [{"path": "Dockerfile", "content": "FROM scratch\n"}]
GIT = {"url": "https://git.example.com/a.git", "secretRef": {"name": "source"}}
ARCHIVE = {"url": "https://files.example.com/a.tar", "secretRef": {"name": "source"}}
S3 = {"bucket": "sources", "key": "a.tar", "secretRef": {"name": "source"}}
OCI = {"artifact": "registry.example.com/a:1", "secretRef": {"name": "source"}}
ITEMS = [{"key": "web.conf", "path": "web.conf"}, {"key": "df", "path": "Dockerfile"}]
REFERENCE = {"name": "company-ca", "key": "ca.crt"}
TOKENS = [
    {"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}},
    {"id": "pip", "secretKeyRef": {"name": "pip", "key": "password"}},
    {"id": "gem", "secretKeyRef": {"name": "gem", "key": "token"}},
]


def waiting(*warnings: str, **spec: Any) -> World:
    world = World(spec=inline_spec(**spec), warnings=warnings)
    world.step()
    return world


def objects(**spec: Any) -> list[MountedObject]:
    [document] = waiting(**spec).pods.values()
    return list(PodView.parse(document).objects)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, []),
        ({"source": {"git": GIT}}, [MountedObject("Secret", "source", "git-login")]),
        ({"source": {"http": ARCHIVE}}, [MountedObject("Secret", "source", "http-login")]),
        ({"source": {"s3": S3}}, [MountedObject("Secret", "source", "object-store")]),
        ({"source": {"oci": OCI}}, [MountedObject("Secret", "source", "oci-login", (".dockerconfigjson",))]),
        ({"source": {"configMap": {"name": "site"}}}, [MountedObject("ConfigMap", "site", "config-map")]),
        (
            {"source": {"configMap": {"name": "site", "items": ITEMS}}},
            [MountedObject("ConfigMap", "site", "config-map", ("web.conf", "df"))],
        ),
        (
            {"registries": {"caBundle": {"configMapRef": REFERENCE}}},
            [MountedObject("ConfigMap", "company-ca", "ca-bundle", ("ca.crt",))],
        ),
        (
            {"registries": {"caBundle": {"secretRef": REFERENCE}}},
            [MountedObject("Secret", "company-ca", "ca-bundle", ("ca.crt",))],
        ),
        (
            {"secrets": TOKENS},
            [
                MountedObject("Secret", "npm", "build-secrets", ("token",)),
                MountedObject("Secret", "pip", "build-secrets", ("password",)),
                MountedObject("Secret", "gem", "build-secrets", ("token",)),
            ],
        ),
        ({"cache": {"baseImages": {"persistentVolumeClaim": {"claimName": "warm"}}}}, []),
    ],
)
def test_the_objects_of_a_pod(spec: dict[str, Any], found: list[MountedObject]) -> None:
    assert objects(**spec) == found


def test_the_bundle_is_known_among_them() -> None:
    [document] = waiting(
        registries={"caBundle": {"configMapRef": REFERENCE}, "secretRefs": [{"name": "a"}]}
    ).pods.values()
    pod = PodView.parse(document)
    assert str(pod.ca_bundle) == "ConfigMap company-ca"
    assert [login.name for login in pod.login_secrets] == ["a"]
    assert PodView.parse({}).ca_bundle is None


@pytest.mark.parametrize(
    "volume",
    [
        {},
        {"name": 5, "secret": "s"},
        {"name": "v", "secret": {"secretName": 1}, "configMap": {"name": None}},
        {"name": "v", "projected": {"sources": [None, 5, {"secret": []}, {"serviceAccountToken": {"path": "t"}}]}},
        {"name": "v", "projected": {"sources": {"secret": {"name": "s"}}}},
    ],
)
def test_volumes_without_an_object(volume: dict[str, Any]) -> None:
    assert mounted_objects([volume]) == ()


def missing(volume: str, key: str, kind: str = "secret") -> str:
    """The kubelet's words, which begin in another way for a ConfigMap."""
    what = "configmap references" if kind == "config" else "references"
    return f'MountVolume.SetUp failed for volume "{volume}" : {what} non-existent {kind} key: {key}'


@pytest.mark.parametrize(
    ("spec", "volume", "kind", "key", "words"),
    [
        ({"source": {"oci": OCI}}, "oci-login", "secret", ".dockerconfigjson", "Secret source has no key .dockerconf"),
        (
            {"source": {"configMap": {"name": "site", "items": ITEMS}}},
            "config-map",
            "config",
            "df",
            "ConfigMap site has no key df. ",
        ),
        (
            {"registries": {"caBundle": {"configMapRef": REFERENCE}}},
            "ca-bundle",
            "config",
            "ca.crt",
            "ConfigMap company-ca has no key ca.crt. ",
        ),
        (
            {"registries": {"caBundle": {"secretRef": REFERENCE}}},
            "ca-bundle",
            "secret",
            "ca.crt",
            "Secret company-ca has no key ca.crt. ",
        ),
        # A key of this name is nothing special outside of a login.
        ({"secrets": TOKENS}, "build-secrets", "secret", "password", "Secret pip has no key password. "),
        ({"secrets": TOKENS}, "build-secrets", "secret", "token", "Secret npm or gem has no key token. "),
    ],
)
def test_a_missing_key_is_told_with_its_object(
    spec: dict[str, Any], volume: str, kind: str, key: str, words: str
) -> None:
    said = missing(volume, key, kind)
    world = waiting(said, **spec)
    world.pass_time(20)
    world.step()
    message = world.status["conditions"][0]["message"]
    assert world.reason() == Reason.POD_NOT_STARTING
    assert message.startswith(f"The Pod cannot start: {words}")
    assert message.__contains__(said)
    writes = len(world.writes)
    world.pass_time(20)
    world.step()
    assert len(world.writes) == writes


def test_after_its_time_the_failure_names_the_object_too() -> None:
    world = waiting(missing("ca-bundle", "ca.crt", "config"), registries={"caBundle": {"configMapRef": REFERENCE}})
    world.pass_time(601)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert "ConfigMap company-ca has no key ca.crt." in world.status["failure"]["message"]


def test_several_missing_keys_of_one_volume_are_told_as_the_kubelet_lists_them() -> None:
    listed = (
        'MountVolume.SetUp failed for volume "build-secrets" : '
        "[references non-existent secret key: password, references non-existent secret key: token]"
    )
    assert with_object(listed, objects(secrets=TOKENS), ()) == f"Secret pip has no key password. {listed}"


@pytest.mark.parametrize(
    "said",
    [
        'MountVolume.SetUp failed for volume "ca-bundle" : configmap "company-ca" not found',
        missing("ca-bundle", "ca.crt", "secret"),
        missing("other", "ca.crt", "config"),
        # So much takes minutes to search: an Event may be anybody's.
        'volume "ca-bundle" : ' * 50_000 + missing("ca-bundle", "ca.crt", "config"),
        "0/1 nodes are available",
        "",
    ],
)
def test_other_words_of_the_cluster_stay_as_they_are(said: str) -> None:
    assert with_object(said, objects(registries={"caBundle": {"configMapRef": REFERENCE}}), ()) == said
