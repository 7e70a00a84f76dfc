"""Logins for registries of every form, and what steps are given by reference: who finds them, and who is told.

One namespace, all builds at once. Each login is an account of its own; those that fail have their Secrets mounted.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.cluster import settings
from tests.cluster.handle import ClusterHandle
from tests.cluster.registry import Registry, docker_config
from tests.e2e.credential_search import CONTROLS, holders, image_texts, push_searcher, silent, told_outside
from tests.e2e.git_repositories import secret
from tests.e2e.team import JSON, ImageFile, Team

ROBOT, ELDER, FETCHER = (settings.FURTHER_LOGINS[user] for user in ("robot", "elder", "fetcher"))
STALE, REFUSED, BROKEN = "stale-word-0c7d", "refused-word-93ab", "broken-word-f25e"
ARGUMENT, FILE = "argument-word-6e11", "file-word-b8d4"
WORDS = {
    "basic-auth": ROBOT,
    "dockercfg": ELDER,
    "mirror": FETCHER,
    "registry": settings.REGISTRY_PASSWORD,
    "stale": STALE,
    "refused": REFUSED,
    "broken": BROKEN,
    "argument": ARGUMENT,
    "file": FILE,
}
# What the steps of a build find in the file of its logins.
BUILT = {
    "mirrored": {"basic-auth", "mirror"},
    "old-form": {"dockercfg"},
    "argument": {"registry"},
    "argument-cached": {"registry"},
}
FAILED = {
    "refused": "RegistryAuthFailed",
    "broken": "SecretInvalid",
    "argument-failed": "StepFailed",
    "file-failed": "ExecutorUnsupported",
}
LOGINS = "/kaniko/.docker/config.json"


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "registry-credentials")
    yield space
    space.delete()


def as_user(registry: Registry, user: str, password: str = "") -> Registry:
    return replace(registry, user=user, password=password or settings.FURTHER_LOGINS[user])


def secrets(team: Team) -> list[JSON]:
    main, mirror = team.cluster.registry, team.cluster.mirror
    basic, config, old = (f"kubernetes.io/{kind}" for kind in ("basic-auth", "dockerconfigjson", "dockercfg"))
    elder = json.loads(docker_config(as_user(main, "elder")))["auths"]
    broken = {f"https://builder:{BROKEN}@{main.host}": {"auth": base64.b64encode(BROKEN.encode()).decode()}}
    return [
        secret(team, "basic", basic, {"username": "robot", "password": ROBOT}),
        secret(team, "refused", basic, {"username": "robot", "password": REFUSED}),
        secret(team, "mirror", config, {".dockerconfigjson": docker_config(as_user(mirror, "fetcher"))}),
        secret(team, "stale", config, {".dockerconfigjson": docker_config(as_user(main, "robot", STALE))}),
        secret(team, "old", old, {".dockercfg": json.dumps(elder)}),
        secret(team, "broken", old, {".dockercfg": json.dumps(broken)}),
        secret(team, "given", "Opaque", {"argument": ARGUMENT, "file": FILE}),
    ]


def searching(base: str, *lines: str) -> JSON:
    text = "\n".join((f"FROM {base}", *lines, "RUN sh /search")) + "\n"
    files = {"Dockerfile": text, "planted": CONTROLS["planted"]}
    return {"inline": {"files": [{"path": path, "content": content} for path, content in files.items()]}}


@pytest.fixture(scope="module")
def builds(team: Team) -> None:
    """All of them, applied at once."""
    main, mirror = team.cluster.registry, team.cluster.mirror
    push_searcher(team, WORDS, team.image("searcher"))
    team.cluster.crane("copy", team.image("searcher"), mirror.image(f"{team.namespace}/library/searcher", "1"))
    base = searching(team.image("searcher"))
    hub = {"registry": "docker.io", "endpoints": [f"{mirror.host}/{team.namespace}"], "fallback": False}
    by_reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "given", "key": "argument"}}}
    file = {"id": "file", "secretKeyRef": {"name": "given", "key": "file"}}
    # None of the executors here knows the flag: this one is told what another would be, and mounts what it would.
    pretended = {"image": team.cluster.registry.image("kaniko-executor", "chainguard"), "variant": "osscontainertools"}

    def manifest(name: str, source: JSON, *references: JSON, mirrors: list[JSON] | None = None, **spec: Any) -> JSON:
        logins = {"secretRefs": list(references)} if references else {}
        listed = {"mirrors": mirrors} if mirrors else {}
        return team.manifest(name, source, registries={**team.registries, **logins, **listed}, **spec)

    def basic(name: str) -> JSON:
        return {"name": name, "type": "BasicAuth", "registry": main.host}

    use = ("ARG TOKEN", 'RUN test -n "$TOKEN"')
    used, verbose = searching(team.image("searcher"), *use), {"verbosity": "trace"}
    team.apply(
        *secrets(team),
        manifest(
            "mirrored", searching("searcher:1"), {"name": "stale"}, basic("basic"), {"name": "mirror"}, mirrors=[hub]
        ),
        manifest("old-form", base, {"name": "old", "type": "DockerConfig"}),
        manifest("argument", used, buildArgs=[by_reference], executor=verbose),
        manifest("argument-cached", used, buildArgs=[by_reference], executor=verbose, cache={}),
        manifest("refused", base, basic("refused")),
        manifest("broken", base, {"name": "broken", "type": "DockerConfig"}),
        manifest("argument-failed", team.inline(*use, 'RUN exit "${#TOKEN}"'), buildArgs=[by_reference]),
        manifest("file-failed", team.inline("RUN true"), secrets=[file], executor=pretended),
    )


@pytest.fixture(scope="module")
def statuses(team: Team, builds: None) -> dict[str, JSON]:
    """How each build ended."""
    return {name: team.result(name) for name in (*BUILT, *FAILED)}


@pytest.fixture(scope="module")
def images(team: Team, statuses: dict[str, JSON]) -> dict[str, dict[str, ImageFile]]:
    """The files of those that were built, by build and path."""
    assert {name: statuses[name]["phase"] for name in BUILT} == dict.fromkeys(BUILT, "Succeeded"), team.story()
    return {name: team.files(statuses[name]["image"]) for name in BUILT}


@pytest.mark.parametrize("name", BUILT)
def test_build_steps_find_what_was_given_to_this_build(images: dict[str, dict[str, ImageFile]], name: str) -> None:
    found = {word: set(images[name][f"found/{word}"].content.split()) for word in (*WORDS, *CONTROLS)}
    assert "/kaniko/ctx/planted" in found.pop("planted")
    assert "/proc/1/environ" in found.pop("environment")
    assert "/proc/1/cmdline" in found.pop("arguments")
    if name.startswith("argument"):
        # As the documentation says, and in no file or argument.
        environments = found.pop("argument")
        assert "/proc/1/environ" in environments
        assert all(place.endswith("/environ") for place in environments), environments
    assert {word: places for word, places in found.items() if places} == {word: {LOGINS} for word in BUILT[name]}


@pytest.mark.parametrize("name", BUILT)
def test_no_layer_and_no_configuration_holds_one(team: Team, statuses: dict[str, JSON], name: str) -> None:
    texts = image_texts(team, statuses[name]["image"])
    assert {"its configuration", "search", "found/registry"} <= texts.keys()
    assert holders(texts, WORDS) == []


@pytest.mark.parametrize(("name", "reason"), FAILED.items())
def test_the_others_fail_with_theirs_at_hand(statuses: dict[str, JSON], name: str, reason: str) -> None:
    assert statuses[name]["failure"]["reason"] == reason, statuses[name]


def test_none_is_told_anywhere(team: Team, statuses: dict[str, JSON]) -> None:
    pods = {name: status["run"]["podName"] for name, status in statuses.items()}
    told = told_outside(team, pods, started=[name for name in pods if name != "broken"])
    # Merging has nothing to say unless something is wrong; and there is no executor without logins.
    merged = [("prepare's logs", name) for name in pods if name not in ("mirrored", "broken")]
    assert silent(told, pods) == [*merged, ("builds' logs", "broken")]
    assert "CredentialClash" in told["events"]
    assert statuses["argument-failed"]["failure"]["logTail"]
    assert holders(told, WORDS) == []
