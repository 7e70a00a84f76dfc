"""The executor's command line."""

from typing import Any

import pytest

from imagebuild_operator.pod.arguments import build_arguments, escaped, executor_of
from imagebuild_operator.pod.executors import ALL, FLAGS, Executor, parse_version, version_of_image
from imagebuild_operator.pod.settings import Proxy
from tests.unit.pod.specs import EVERY_OPTION, GIT, IMAGE, Json, expanded, settings_of, spec_of

NEWEST = Executor("osscontainertools", (1, 28, 3))
# What EVERY_OPTION cannot ask for, or nobody asks for but with extraArgs.
BUILD_ONLY = {"no-push", "no-push-cache"}
EXTRA = {
    *("compression-level", "custom-platform", "ignore-var-run", "image-fs-extract-retry", "single-snapshot"),
    "use-new-run",
}

# The root command's flags of the three executors, as far as they are in question here (cmd/executor/cmd/root.go).
COMMON = {
    *("build-arg", "context", "destination", "digest-file", "dockerfile", "ignore-path", "label", "log-format"),
    *("cache", "cache-copy-layers", "cache-dir", "cache-repo", "cache-run-layers", "cache-ttl", "compressed-caching"),
    *("image-download-retry", "insecure-registry", "push-retry", "registry-map", "skip-default-registry-fallback"),
    *("skip-tls-verify-registry", "snapshot-mode", "target", "verbosity", "compression", "compression-level"),
    *("custom-platform", "ignore-var-run", "image-fs-extract-retry", "no-push", "no-push-cache", "reproducible"),
    *("single-snapshot", "skip-push-permission-check", "use-new-run"),
}
KNOWN = {
    "osscontainertools": {*COMMON, "annotation", "credential-helpers", "image-format", "secret"},
    "chainguard": {*COMMON, "annotation"},
    "google": COMMON,
}
OF_ONE = {"annotation", "credential-helpers", "image-format", "secret"}


def names(arguments: list[str]) -> set[str]:
    return {argument.removeprefix("--").partition("=")[0] for argument in arguments}


def values(arguments: list[str], flag: str) -> list[str]:
    return [argument.partition("=")[2] for argument in arguments if argument.startswith(f"--{flag}=")]


def arguments_of(known: Executor = NEWEST, /, **members: Any) -> list[str]:
    return build_arguments(spec_of(**members), known, Proxy())


def test_the_plain_build() -> None:
    assert arguments_of() == [
        "--context=dir:///kaniko/ctx",
        "--dockerfile=/kaniko/ctx/Dockerfile",
        f"--destination={IMAGE}",
        "--push-retry=2",
        "--snapshot-mode=redo",
        "--verbosity=info",
        "--log-format=text",
        "--digest-file=/dev/termination-log",
        "--compressed-caching=false",
        "--image-download-retry=1",
        "--credential-helpers=",
        "--ignore-path=/product_uuid",
    ]


@pytest.mark.parametrize("variant", sorted(ALL))
def test_every_flag_is_known_to_the_executor_it_is_given_to(variant: str) -> None:
    arguments = arguments_of(Executor(variant, None), **EVERY_OPTION)
    assert names(arguments) == KNOWN[variant] - BUILD_ONLY - EXTRA


@pytest.mark.parametrize("variant", sorted(ALL))
def test_the_table_says_what_each_executor_knows(variant: str) -> None:
    assert {flag for flag in FLAGS if Executor(variant, None).knows(flag)} == KNOWN[variant]


def test_an_unknown_variant_gets_what_all_of_them_know() -> None:
    assert names(arguments_of(Executor(None, None), **EVERY_OPTION)) == set(FLAGS) - OF_ONE - BUILD_ONLY - EXTRA


@pytest.mark.parametrize(
    ("variant", "version", "left_out"),
    [
        ("osscontainertools", (1, 28, 3), set()),
        ("osscontainertools", (1, 28, 1), set()),
        ("osscontainertools", (1, 28, 0), {"image-format"}),
        ("osscontainertools", (1, 26, 3), {"image-format"}),
        ("osscontainertools", (1, 26, 2), {"image-format", "secret"}),
        ("osscontainertools", (1, 25, 3), {"image-format", "secret"}),
        ("osscontainertools", (1, 25, 2), {"image-format", "secret", "annotation"}),
        ("osscontainertools", (1, 25, 1), OF_ONE),
        ("chainguard", (1, 25, 16), OF_ONE - {"annotation"}),
        ("chainguard", (1, 25, 1), OF_ONE - {"annotation"}),
        ("chainguard", (1, 25, 0), OF_ONE),
        ("google", (1, 24, 0), OF_ONE),
        ("google", (1, 20, 1), {*OF_ONE, "registry-map"}),
        (
            "google",
            (1, 9, 0),
            {
                *OF_ONE,
                "compression",
                "compression-level",
                "custom-platform",
                "image-download-retry",
                "registry-map",
                "skip-default-registry-fallback",
                "skip-push-permission-check",
                "snapshot-mode",
            },
        ),
        (None, (1, 28, 3), OF_ONE),
        (None, (1, 20, 1), {*OF_ONE, "registry-map"}),
    ],
)
def test_flags_that_came_later_are_left_out(
    variant: str | None, version: tuple[int, int, int], left_out: set[str]
) -> None:
    executor = Executor(variant, version)
    assert {flag for flag in FLAGS if not executor.knows(flag)} == left_out
    assert names(arguments_of(executor, **EVERY_OPTION)) == set(FLAGS) - left_out - BUILD_ONLY - EXTRA


@pytest.mark.parametrize(
    ("executor", "variant", "version"),
    [
        (None, "osscontainertools", (1, 28, 3)),
        ({"image": "registry.example.com/kaniko:v1.25.16"}, None, (1, 25, 16)),
        ({"image": "registry.example.com:5000/kaniko"}, None, None),
        ({"image": "ghcr.io/osscontainertools/kaniko:v1.28.3"}, "osscontainertools", (1, 28, 3)),
        ({"image": "r.example.com/kaniko:latest", "version": "1.24.0", "variant": "google"}, "google", (1, 24, 0)),
        ({"image": "r.example.com/kaniko:v1.2.3", "version": "v1.25.16"}, None, (1, 25, 16)),
        ({"variant": "chainguard"}, "chainguard", (1, 28, 3)),
        ({"verbosity": "debug"}, "osscontainertools", (1, 28, 3)),
    ],
)
def test_which_executor_it_is(
    executor: dict[str, str] | None, variant: str | None, version: tuple[int, int, int] | None
) -> None:
    members = {"executor": executor} if executor else {}
    assert executor_of(spec_of(**members), settings_of()) == Executor(variant, version)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/osscontainertools/kaniko:v1.28.3", (1, 28, 3)),
        ("ghcr.io/osscontainertools/kaniko:v1.28.3-debug", (1, 28, 3)),
        ("r.example.com:5000/kaniko:1.25.16@sha256:" + "a" * 64, (1, 25, 16)),
        ("r.example.com:5000/kaniko@sha256:" + "a" * 64, None),
        ("r.example.com:5000/kaniko", None),
        ("kaniko:latest", None),
        ("kaniko:v1.28", None),
        ("kaniko:1.2.3.4", None),
    ],
)
def test_the_version_in_a_tag(image: str, version: tuple[int, int, int] | None) -> None:
    assert version_of_image(image) == version


def test_a_version_with_something_behind() -> None:
    assert parse_version("v1.28.3-rc.1+build") == (1, 28, 3)


def test_paths_are_those_of_the_sub_path() -> None:
    arguments = arguments_of(source={**GIT, "subPath": "services/web"}, dockerfile="docker/Dockerfile.prod")
    assert values(arguments, "context") == ["dir:///kaniko/ctx/services/web"]
    assert values(arguments, "dockerfile") == ["/kaniko/ctx/services/web/docker/Dockerfile.prod"]


def test_what_is_built_and_where_it_goes() -> None:
    arguments = arguments_of(
        target="runtime",
        buildArgs=[{"name": "VERSION", "value": "1=2 3"}, {"name": "EMPTY", "value": ""}],
        output={"images": [IMAGE, "acme/web"], "labels": {"b": "2", "a": "x=y z"}},
        executor={"snapshotMode": "full", "verbosity": "trace"},
    )
    assert values(arguments, "destination") == [IMAGE, "acme/web"]
    assert values(arguments, "target") == ["runtime"]
    assert values(arguments, "build-arg") == ["VERSION=1=2 3", "EMPTY="]
    assert values(arguments, "label") == ["a=x=y z", "b=2"]
    assert values(arguments, "snapshot-mode") == ["full"]
    assert values(arguments, "verbosity") == ["trace"]


@pytest.mark.parametrize(
    ("kind", "cache", "expected"),
    [
        ("secretKeyRef", {}, "info"),
        ("secretKeyRef", {"enabled": False}, "trace"),
        ("secretKeyRef", None, "trace"),
        ("configMapKeyRef", {}, "trace"),
    ],
)
def test_the_log_is_not_so_verbose_that_it_prints_secrets(kind: str, cache: Json | None, expected: str) -> None:
    """The keys of the layer cache hold the values of build arguments."""
    argument = {"name": "TOKEN", "valueFrom": {kind: {"name": "npm", "key": "token"}}}
    arguments = arguments_of(
        buildArgs=[{"name": "VERSION", "value": "1"}, argument],
        executor={"verbosity": "trace"},
        **({} if cache is None else {"cache": cache}),
    )
    assert values(arguments, "verbosity") == [expected]


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        (None, {}),
        ({"enabled": False, "repository": "r.example.com/cache"}, {}),
        ({}, {"cache": ["true"]}),
        ({"enabled": True, "runLayers": False}, {"cache": ["true"], "cache-run-layers": ["false"]}),
        (
            {"repository": "r.example.com/cache", "ttl": "24h", "copyLayers": True},
            {
                "cache": ["true"],
                "cache-repo": ["r.example.com/cache"],
                "cache-ttl": ["24h"],
                "cache-copy-layers": ["true"],
            },
        ),
    ],
)
def test_the_cache(cache: dict[str, Any] | None, expected: dict[str, list[str]]) -> None:
    members: dict[str, Any] = {} if cache is None else {"cache": cache}
    arguments = arguments_of(**members)
    found = {name: values(arguments, name) for name in names(arguments) if name.startswith("cache")}
    assert found == expected


def test_registries_that_may_be_insecure() -> None:
    arguments = arguments_of(registries={"insecure": ["registry.local:5000", "docker.io"]})
    assert values(arguments, "insecure-registry") == ["registry.local:5000", "index.docker.io"]
    assert values(arguments, "skip-tls-verify-registry") == ["registry.local:5000", "index.docker.io"]


@pytest.mark.parametrize(
    ("mirrors", "maps", "strict"),
    [
        (
            [{"registry": "docker.io", "endpoints": ["a.example.com/hub", "b.example.com"]}],
            ["index.docker.io=a.example.com/hub", "index.docker.io=b.example.com"],
            False,
        ),
        ([{"registry": "quay.io", "endpoints": ["a.example.com"], "fallback": False}], ["quay.io=a.example.com"], True),
        (
            [
                {"registry": "quay.io", "endpoints": ["a.example.com"], "fallback": False},
                {"registry": "docker.io", "endpoints": ["b.example.com"]},
                {"registry": "ghcr.io", "endpoints": ["c.example.com"], "fallback": True},
            ],
            [
                "quay.io=a.example.com",
                "index.docker.io=b.example.com",
                "index.docker.io=index.docker.io",
                "ghcr.io=c.example.com",
                "ghcr.io=ghcr.io",
            ],
            True,
        ),
    ],
)
def test_mirrors(mirrors: list[dict[str, Any]], maps: list[str], strict: bool) -> None:
    arguments = arguments_of(registries={"mirrors": mirrors})
    assert values(arguments, "registry-map") == maps
    assert ("--skip-default-registry-fallback=true" in arguments) == strict


@pytest.mark.parametrize("text", ["$", "$$", "$(HOME)", "$$(HOME)", "a$b", "$(", "price: 5$", "${HOME}", "$$$(X)$"])
def test_dollars_reach_the_executor_as_they_were_written(text: str) -> None:
    assert expanded(escaped(text), {"HOME": "/root", "X": "y"}) == text
    arguments = arguments_of(buildArgs=[{"name": "A", "value": text}])
    assert [expanded(value, {"HOME": "/root"}) for value in values(arguments, "build-arg")] == [f"A={text}"]
