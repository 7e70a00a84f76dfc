"""Logins, cloud vendors and tags on a real API server: what it takes, what it refuses, and in which words."""

from typing import Any

import pytest

from tests.integration.imagebuilds import ImageBuilds, with_fields

pytestmark = pytest.mark.integration

COMMIT = "0123456789abcdef0123456789ABCDEF01234567"
REVISION = "spec.source.git.revision"
IMAGES = "spec.output.images"
SECRETS = "spec.registries.secretRefs"
HOST = "registry.example.com:5000"
CACHE = "spec.cache"


def tags(*tags: str, revision: str | None = None) -> dict[str, Any]:
    images = {IMAGES: [f"{HOST}/acme/web:{tag}" for tag in tags]}
    return images if revision is None else {**images, REVISION: revision}


LONG_HOST = f"{'.'.join(['r' * 40] * 4)}:5000"

ACCEPTED: dict[str, dict[str, Any]] = {
    "a Secret without a type": {SECRETS: [{"name": "push"}]},
    "every type": {
        SECRETS: [
            {"name": "a", "type": "DockerConfigJSON"},
            {"name": "b", "type": "DockerConfig"},
            {"name": "c", "type": "BasicAuth", "registry": "docker.io"},
        ]
    },
    "16 Secrets": {SECRETS: [{"name": f"s{n}", "type": "BasicAuth", "registry": HOST} for n in range(16)]},
    "one vendor": {"spec.registries.cloud": ["ecr"]},
    "all vendors": {"spec.registries.cloud": ["acr", "ecr", "google"]},
    "run and generation": tags("$(run)", "r$(run)-g$(generation)", "latest"),
    "a commit": tags("$(commit)", "$(shortCommit)", "v1-$(shortCommit)", revision=COMMIT),
    "a commit of SHA-256": tags("$(commit)", revision="a" * 64),
    "a slug of a branch": tags("$(revisionSlug)", "$(revisionSlug)-$(run)", revision="feature/next"),
    "a slug and a commit": tags("$(revisionSlug).$(commit)", revision="a" * 40),
    "16 long references": {
        IMAGES: [f"{LONG_HOST}/{'a' * 250}/x{number}:$(run)-{'t' * 60}" for number in range(10, 26)],
        SECRETS: [{"name": "push"}],
    },
    # The specification for registries allows a part of one character, and so does kaniko.
    "parts of one character": {IMAGES: [f"{HOST}/x/1:1", "x/1", "x/y/z:v1.0", "registry/x:1"]},
    "repositories of two characters": {
        IMAGES: [f"{HOST}/xy:1", "registry.example.com/xy", "xy:v1.0", "localhost:5000/xy:$(run)"],
        CACHE: {"repository": f"{HOST}/xy"},
    },
    "repositories of 255 characters": {
        IMAGES: [
            f"{HOST}/{'a' * 255}:{'t' * 128}",
            f"registry.example.com/b/{'b' * 253}",
            f"{'c' * 127}/{'c' * 127}:1",
        ],
        CACHE: {"repository": f"{LONG_HOST}/{'a' * 255}"},
    },
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(builds: ImageBuilds, changes: dict[str, Any]) -> None:
    document = with_fields(changes)
    assert builds.create(document, dry_run=True)["spec"] == document["spec"]


FULL_COMMIT = "need a full commit (40 hexadecimal digits) in source.git.revision"
SLUG = "$(revisionSlug) needs source.git.revision, with a letter or digit in it"
IMAGE = "must be [registry/]repository[:tag] with the repository in lower case"
LONG = "the tag has more than 128 characters"
LENGTH = "the repository (without registry and tag) must have 2 to 255 characters: kaniko takes no other"

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "basic-auth for nobody knows which registry": (
        {SECRETS: [{"name": "a", "type": "BasicAuth"}]},
        f"{SECRETS}[0].registry",
        "a Secret of type BasicAuth does not say which registry it is for: name it in registry, host[:port]",
    ),
    "a registry without a type": (
        {SECRETS: [{"name": "a", "registry": HOST}]},
        f"{SECRETS}[0].registry",
        "is for type BasicAuth only, the other types name their registries themselves",
    ),
    "a registry for another type": (
        {SECRETS: [{"name": "x"}, {"name": "a", "type": "DockerConfig", "registry": HOST}]},
        f"{SECRETS}[1].registry",
        "is for type BasicAuth only",
    ),
    "a registry with a path": (
        {SECRETS: [{"name": "a", "type": "BasicAuth", "registry": f"{HOST}/team"}]},
        f"{SECRETS}[0].registry",
        "must be host[:port], without https:// and without a path",
    ),
    "a type there is not": (
        {SECRETS: [{"name": "a", "type": "kubernetes.io/basic-auth"}]},
        f"{SECRETS}[0].type",
        'supported values: "DockerConfigJSON", "DockerConfig", "BasicAuth"',
    ),
    "one Secret for two registries": (
        {SECRETS: [{"name": "a", "type": "BasicAuth", "registry": host} for host in ("a.io", "b.io")]},
        f"{SECRETS}[1]",
        "Duplicate value",
    ),
    "a vendor there is not": ({"spec.registries.cloud": ["aws"]}, "spec.registries.cloud[0]", "Unsupported value"),
    "a vendor twice": ({"spec.registries.cloud": ["ecr", "ecr"]}, "spec.registries.cloud[1]", "Duplicate value"),
    "no vendor": ({"spec.registries.cloud": []}, "spec.registries.cloud", "should have at least 1 items"),
    "a commit without a revision": (tags("$(commit)"), IMAGES, FULL_COMMIT),
    "a commit of a branch": (tags("1", "a$(commit)", revision="main"), IMAGES, FULL_COMMIT),
    "a short commit of a short commit": (tags("$(shortCommit)", revision="01234567"), IMAGES, FULL_COMMIT),
    "a commit of files": (
        {**tags("$(commit)"), "spec.source": {"inline": {"files": [{"path": "Dockerfile", "content": ""}]}}},
        IMAGES,
        FULL_COMMIT,
    ),
    "a slug without a revision": (tags("$(revisionSlug)"), IMAGES, SLUG),
    "a slug of nothing": (tags("$(revisionSlug)", revision="___"), IMAGES, SLUG),
    "a variable there is not": (tags("$(branch)"), f"{IMAGES}[0]", IMAGE),
    "a variable of the shell": (tags("1", "${run}"), f"{IMAGES}[1]", IMAGE),
    "a variable in the repository": ({IMAGES: [f"{HOST}/$(run)/web:1"]}, f"{IMAGES}[0]", IMAGE),
    "a variable in the place of a tag's colon": ({IMAGES: [f"{HOST}/web$(run)"]}, f"{IMAGES}[0]", IMAGE),
    "a variable after a dash": (tags("-$(run)"), f"{IMAGES}[0]", IMAGE),
    "a tag of 129 characters": (tags("t" * 129), f"{IMAGES}[0]", LONG),
    "a tag that may become too long": (
        tags("$(revisionSlug)-$(revisionSlug)-$(run)", revision="main"),
        f"{IMAGES}[0]",
        LONG,
    ),
    **{
        f"a repository of one character: {image}": ({IMAGES: [f"{HOST}/ok", image]}, f"{IMAGES}[1]", LENGTH)
        for image in (f"{HOST}/x", f"{HOST}/x:1", "registry.example.com/1:v1.0", "x", "x:latest", f"{HOST}/x:$(run)")
    },
    "a repository of 256 characters": ({IMAGES: [f"{HOST}/{'a' * 256}"]}, f"{IMAGES}[0]", LENGTH),
    "one of 256 characters, with parts and a tag": (
        {IMAGES: [f"r.io/{'a' * 127}/{'b' * 128}:1"]},
        f"{IMAGES}[0]",
        LENGTH,
    ),
    "one of 256 characters on Docker Hub": ({IMAGES: [f"{'a' * 127}/{'b' * 128}:1"]}, f"{IMAGES}[0]", LENGTH),
    "a cache in a repository of one character": ({CACHE: {"repository": f"{HOST}/x"}}, f"{CACHE}.repository", LENGTH),
    "a cache in one of 256 characters": ({CACHE: {"repository": "a" * 256}}, f"{CACHE}.repository", LENGTH),
    "one reference twice": (
        tags("$(run)", "$(run)"),
        IMAGES,
        "the same reference stands there twice (no tag means latest): take one out",
    ),
}


@pytest.mark.parametrize(("changes", "field", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(builds: ImageBuilds, changes: dict[str, Any], field: str, words: str) -> None:
    message = builds.refusal(with_fields(changes))
    assert f"{field}:" in message
    assert words in message
