"""Every kind of source that logs in: what build steps find of its credentials, and who else is told them.

One namespace, all builds at once. Each kind is built once, and fails once after it logged in, where there is nothing.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.cluster import settings
from tests.cluster.fileserver import FileServer
from tests.cluster.gitserver import Submodule
from tests.cluster.handle import ClusterHandle
from tests.cluster.object_stores import BUCKET, ObjectStores
from tests.cluster.registry import PULLED, docker_config
from tests.cluster.sshserver import SshServer
from tests.e2e.artifacts import archive
from tests.e2e.credential_search import (
    CONTROLS,
    PLANTED,
    PLANTED_FILES,
    holders,
    image_texts,
    push_files,
    push_searcher,
    silent,
    told_outside,
)
from tests.e2e.git_repositories import ATTRIBUTES, LARGE, Files, gitmodules, key_lines, secret
from tests.e2e.team import JSON, ImageFile, Team

KINDS = ("git", "git-token", "git-ssh", "http", "http-token", "s3", "gcs", "azure", "azure-sas", "oci")
# The first kind again, in a user namespace of its own, which hides nothing inside of the container.
MAPPED = "mapped"
BUILT = (*KINDS, MAPPED)
LOST = tuple(f"{kind}-lost" for kind in KINDS)

KEY, MISSING = "context.tar.gz", "none.tar.gz"


@dataclass(frozen=True)
class Servers:
    """The servers that are there on demand."""

    ssh: SshServer
    files: FileServer
    stores: ObjectStores


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "credentials")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def context(team: Team) -> dict[str, str]:
    """The files of every build; the base image brings the search, which names what the servers' start decides."""
    lines = (f"FROM {team.image('searcher')}", "COPY . /src", "RUN sh /search", "RUN cat /src/planted/encoded")
    return {"Dockerfile": "\n".join(lines) + "\n", **PLANTED_FILES}


@pytest.fixture(scope="module")
def servers(cluster: ClusterHandle, context: dict[str, str]) -> Iterator[Servers]:
    with ExitStack() as started:
        yield Servers(
            started.enter_context(cluster.ssh_server()),
            started.enter_context(cluster.file_server()),
            started.enter_context(cluster.object_stores({KEY: archive(context)})),
        )


@pytest.fixture(scope="module")
def credentials(team: Team, servers: Servers) -> dict[str, str]:
    """Every credential of the builds by a name of ours; of a private key, a line that is its own."""
    google: str = json.loads(servers.stores.gcs_key)["private_key"]
    return {
        "git-password": team.cluster.git.password,
        "git-token": team.cluster.git.token,
        "git-ssh-key": key_lines(servers.ssh)[0],
        "http-password": servers.files.password,
        "http-token": servers.files.token,
        "s3-key": settings.S3_SECRET,
        "gcs-key": google.splitlines()[2],
        "azure-key": settings.AZURE_KEY,
        "azure-signature": parse_qs(servers.stores.sas_token)["sig"][0],
        "oci-password": settings.PULL_PASSWORD,
        "registry-password": settings.REGISTRY_PASSWORD,
    }


def secrets(team: Team, servers: Servers) -> list[JSON]:
    """One for each kind, by its name."""
    git, files, stores = team.cluster.git, servers.files, servers.stores
    basic = "kubernetes.io/basic-auth"
    return [
        secret(team, "git", basic, {"username": git.user, "password": git.password}),
        secret(team, "git-token", basic, {"password": git.token}),
        secret(
            team,
            "git-ssh",
            "kubernetes.io/ssh-auth",
            {"ssh-privatekey": servers.ssh.key.read_text(), "known_hosts": servers.ssh.known_hosts},
        ),
        secret(team, "http", basic, {"username": files.user, "password": files.password}),
        secret(team, "http-token", "Opaque", {"token": files.token}),
        secret(team, "s3", "Opaque", {"accessKeyId": settings.S3_KEY, "secretAccessKey": settings.S3_SECRET}),
        secret(team, "gcs", "Opaque", {"key.json": stores.gcs_key}),
        secret(team, "azure", "Opaque", {"accountKey": settings.AZURE_KEY}),
        secret(team, "azure-sas", "Opaque", {"sasToken": stores.sas_token}),
        secret(team, "oci", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": docker_config(PULLED)}),
    ]


def places(team: Team, servers: Servers, *, lost: bool) -> dict[str, JSON]:
    """The source of each kind, with or without something there."""
    private = f"private/{team.namespace}"
    revision = {"revision": "nowhere"} if lost else {}
    key = MISSING if lost else KEY
    return {
        "git": {"git": {"url": team.cluster.git.url(private), "submodules": True, "lfs": True, **revision}},
        "git-token": {"git": {"url": team.cluster.git.url(private), **revision}},
        "git-ssh": {"git": {"url": servers.ssh.url(private), **revision}},
        "http": {"http": {"url": servers.files.url(f"private/{key}")}},
        "http-token": {"http": {"url": servers.files.url(f"token/{key}")}},
        "s3": {"s3": {"bucket": BUCKET, "key": key, "endpoint": servers.stores.s3}},
        "gcs": {"gcs": {"bucket": BUCKET, "key": key}},
        "azure": {"azureBlob": {"url": servers.stores.azure(key)}},
        "azure-sas": {"azureBlob": {"url": servers.stores.azure(key)}},
        "oci": {"oci": {"image": team.image("context", "2" if lost else "1")}},
    }


def sources(team: Team, servers: Servers, *, lost: bool) -> dict[str, JSON]:
    """The same, each with the Secret of its name."""
    return {
        kind: {member: {**place, "secretRef": {"name": kind}} for member, place in source.items()}
        for kind, source in places(team, servers, lost=lost).items()
    }


def make_repository(team: Team, context: dict[str, str]) -> None:
    """With a submodule and a file of Git LFS, which are behind the same login."""
    git, name = team.cluster.git, f"private/{team.namespace}"
    library = git.create(f"{name}-library", {"library.txt": "library"})
    git.create(name, context)
    modules = gitmodules(library=f"../{team.namespace}-library.git")
    parts: Files = {".gitmodules": modules, "library": Submodule(library), ".gitattributes": ATTRIBUTES}
    git.commit(name, {**parts, "large.bin": git.large_file(name, LARGE.encode())}, "Take up a library and a large file")


@pytest.fixture(scope="module")
def builds(team: Team, servers: Servers, context: dict[str, str], credentials: dict[str, str]) -> None:
    """All of them, applied at once."""
    push_searcher(team, credentials, team.image("searcher"))
    push_files(team, context, team.image("context"))
    make_repository(team, context)
    for tree in ("private", "token"):
        servers.files.write(f"{tree}/{KEY}", archive(context))
    # Two logins are merged into one file, whose name is known.
    registries = {**team.registries, "secretRefs": [{"name": "registry-login"}, {"name": "mirror-login"}]}
    there, lost = sources(team, servers, lost=False), sources(team, servers, lost=True)

    def manifest(name: str, source: JSON, **spec: Any) -> JSON:
        return team.manifest(name, source, registries=registries, **spec)

    team.apply(
        *secrets(team, servers),
        *(manifest(kind, there[kind]) for kind in KINDS),
        manifest(MAPPED, there[KINDS[0]], podTemplate={"hostUsers": False}),
        *(manifest(f"{kind}-lost", lost[kind]) for kind in KINDS),
    )


@pytest.fixture(scope="module")
def statuses(team: Team, builds: None) -> dict[str, JSON]:
    """How each build ended."""
    return {name: team.result(name) for name in (*BUILT, *LOST)}


@pytest.fixture(scope="module")
def images(team: Team, statuses: dict[str, JSON]) -> dict[str, dict[str, ImageFile]]:
    """The files of those that were built, by build and path."""
    assert {name: statuses[name]["phase"] for name in BUILT} == dict.fromkeys(BUILT, "Succeeded"), team.story()
    return {name: team.files(statuses[name]["image"]) for name in BUILT}


@pytest.mark.parametrize("name", BUILT)
def test_build_steps_find_the_registrys_login_and_nothing_else(
    credentials: dict[str, str], images: dict[str, dict[str, ImageFile]], name: str
) -> None:
    words = (*credentials, *CONTROLS)
    found = {word: images[name][f"found/{word}"].content.splitlines() for word in words}
    # And in the layer of COPY, which waits below /kaniko.
    planted = {f"{folder}/{file}" for folder in ("/kaniko/ctx", "/src") for file in PLANTED_FILES}
    assert planted <= set(found.pop("planted"))
    assert "/proc/1/environ" in found.pop("environment")
    assert "/proc/1/cmdline" in found.pop("arguments")
    # As the documentation says.
    assert found.pop("registry-password") == ["/kaniko/.docker/config.json"]
    assert found == {word: [] for word in credentials if word != "registry-password"}


def test_the_login_of_git_has_fetched_submodules_and_large_files_as_well(
    images: dict[str, dict[str, ImageFile]],
) -> None:
    assert images["git"]["src/library/library.txt"].content == "library"
    assert images["git"]["src/large.bin"].content == LARGE


@pytest.mark.parametrize("name", BUILT)
def test_no_layer_and_no_configuration_holds_one(
    team: Team, credentials: dict[str, str], statuses: dict[str, JSON], name: str
) -> None:
    texts = image_texts(team, statuses[name]["image"])
    found = sorted(holders(texts, {**credentials, "planted": PLANTED}))
    assert found == [(f"src/{file}", "planted") for file in sorted(PLANTED_FILES)]


@pytest.mark.parametrize("name", LOST)
def test_a_credential_is_used_before_nothing_is_found(statuses: dict[str, JSON], name: str) -> None:
    assert statuses[name]["failure"]["reason"] in ("SourceNotFound", "RevisionNotFound"), statuses[name]


def test_none_is_told_anywhere(team: Team, credentials: dict[str, str], statuses: dict[str, JSON]) -> None:
    pods = {name: status["run"]["podName"] for name, status in statuses.items()}
    told = told_outside(team, pods, started=BUILT)
    # Each source of words tells something of every build.
    assert silent(told, pods) == [("builds' logs", name) for name in LOST]
    assert holders(told, {**credentials, "planted": PLANTED}) == [("builds' logs", "planted")]
