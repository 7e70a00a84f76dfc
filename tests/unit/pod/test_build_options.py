"""What users choose about a build: arguments, variables and volumes of the executor."""

from typing import Any

import pytest

from imagebuild_operator.pod.settings import Proxy
from tests.unit.pod.specs import (
    GIT,
    IMAGE,
    Json,
    build_container,
    expanded,
    mounts,
    pod_of,
    prepare_container,
    settings_of,
    spec_of,
    variables,
    volumes,
)

BY_REFERENCE: list[Json] = [
    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "npm", "key": "token"}}},
    {"name": "PLAIN", "value": "1"},
    {"name": "CHANNEL", "valueFrom": {"configMapKeyRef": {"name": "release", "key": "channel"}}},
]
PROXY = Proxy(http="http://proxy.example.com:3128", none=".svc,registry.example.com")


def arguments(*, settings: Json | None = None, **members: Any) -> list[str]:
    container = build_container(pod_of(spec_of(**members), **(settings or {})))
    return [expanded(argument, variables(container)) for argument in container["args"]]


def output(**members: Any) -> Json:
    return {"images": ["registry.example.com:5000/shop/web:1", "acme/web"], **members}


def given(found: list[str], *flags: str) -> list[str]:
    return [argument for argument in found if argument.removeprefix("--").partition("=")[0] in flags]


# Arguments and secrets


def test_an_argument_by_reference_is_a_bare_name_and_a_variable() -> None:
    container = build_container(pod_of(spec_of(buildArgs=BY_REFERENCE)))
    assert given(container["args"], "build-arg") == ["--build-arg=TOKEN", "--build-arg=PLAIN=1", "--build-arg=CHANNEL"]
    assert [entry for entry in container["env"] if "valueFrom" in entry] == [BY_REFERENCE[0], BY_REFERENCE[2]]


def test_an_argument_by_value_is_no_variable() -> None:
    container = build_container(pod_of(spec_of(buildArgs=[{"name": "KANIKO_NO_PUSH", "value": "true"}])))
    assert given(container["args"], "build-arg") == ["--build-arg=KANIKO_NO_PUSH=true"]
    assert "KANIKO_NO_PUSH" not in variables(container)


def test_the_init_container_knows_no_build_argument() -> None:
    container = prepare_container(pod_of(spec_of(GIT, buildArgs=BY_REFERENCE)))
    assert not [entry for entry in container["env"] if "valueFrom" in entry]


def test_secrets_are_files_of_one_volume_outside_of_the_context() -> None:
    secrets = [
        {"id": "npm", "secretKeyRef": {"name": "tokens", "key": "npm-token"}},
        {"id": "aws.credentials", "secretKeyRef": {"name": "aws", "key": "credentials"}},
    ]
    pod = pod_of(spec_of(secrets=secrets))
    container = build_container(pod)
    assert given(container["args"], "secret") == [
        "--secret=id=npm,src=/kaniko/build-secrets/npm",
        "--secret=id=aws.credentials,src=/kaniko/build-secrets/aws.credentials",
    ]
    assert mounts(container)["/kaniko/build-secrets"] == {
        "name": "build-secrets",
        "mountPath": "/kaniko/build-secrets",
        "readOnly": True,
    }
    assert volumes(pod)["build-secrets"]["projected"] == {
        "defaultMode": 0o400,
        "sources": [
            {"secret": {"name": "tokens", "items": [{"key": "npm-token", "path": "npm"}]}},
            {"secret": {"name": "aws", "items": [{"key": "credentials", "path": "aws.credentials"}]}},
        ],
    }


# Output


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ["--push-retry=2"]),
        ({"annotations": {"b": "2", "a": "x=y $(HOME)"}}, ["--annotation=a=x=y $(HOME)", "--annotation=b=2"]),
        ({"compression": "gzip"}, ["--compression=gzip"]),
        ({"compression": "zstd"}, ["--compression=zstd", "--image-format=oci"]),
        ({"reproducible": True}, ["--reproducible=true"]),
        ({"reproducible": False, "skipPushCheck": False, "push": True}, ["--push-retry=2"]),
        ({"pushRetries": 0}, ["--push-retry=0"]),
        ({"pushRetries": 10}, ["--push-retry=10"]),
        ({"skipPushCheck": True}, ["--skip-push-permission-check=true"]),
    ],
)
def test_how_the_image_is_written_and_pushed(members: Json, expected: list[str]) -> None:
    flags = ("annotation", "compression", "image-format", "no-push", "push-retry", "reproducible")
    found = given(arguments(output=output(**members)), *flags, "skip-push-permission-check")
    assert set(found) == {*expected, *(() if "pushRetries" in members else ("--push-retry=2",))}
    assert len(found) == len(set(found))


def test_build_only_names_no_destination() -> None:
    found = arguments(output=output(push=False))
    assert given(found, "destination", "no-push", "cache", "no-push-cache") == ["--no-push=true"]
    assert "--digest-file=/dev/termination-log" in found


@pytest.mark.parametrize(
    ("cache", "repository"),
    [
        ({}, "registry.example.com:5000/shop/web/cache"),
        ({"repository": "r.example.com/cache"}, "r.example.com/cache"),
    ],
)
def test_build_only_reads_the_cache_that_pushed_builds_write(cache: Json, repository: str) -> None:
    found = arguments(output=output(push=False), cache=cache)
    expected = ["--no-push=true", "--cache=true", "--no-push-cache=true", f"--cache-repo={repository}"]
    assert given(found, "no-push", "cache", "cache-repo", "no-push-cache") == expected


# Base images


def test_base_images_lie_on_a_volume_that_is_only_read() -> None:
    pod = pod_of(spec_of(cache={"baseImages": {"persistentVolumeClaim": {"claimName": "warm"}}}))
    assert given(build_container(pod)["args"], "cache", "cache-dir") == [
        "--cache=true",
        "--cache-dir=/kaniko/base-images",
    ]
    assert volumes(pod)["base-images"]["persistentVolumeClaim"] == {"claimName": "warm", "readOnly": True}
    assert mounts(build_container(pod))["/kaniko/base-images"]["readOnly"] is True


def test_base_images_are_left_out_with_the_cache() -> None:
    cache = {"enabled": False, "baseImages": {"persistentVolumeClaim": {"claimName": "warm"}}}
    pod = pod_of(spec_of(cache=cache))
    assert not given(build_container(pod)["args"], "cache", "cache-dir")
    assert "base-images" not in volumes(pod)


# Proxies


def test_proxies_are_variables_of_both_containers_in_both_cases() -> None:
    pod = pod_of(spec_of(GIT), proxy=PROXY)
    expected = {
        "HTTP_PROXY": "http://proxy.example.com:3128",
        "http_proxy": "http://proxy.example.com:3128",
        "NO_PROXY": ".svc,registry.example.com",
        "no_proxy": ".svc,registry.example.com",
    }
    for container in (build_container(pod), prepare_container(pod)):
        assert expected.items() <= variables(container).items()
        assert not {"HTTPS_PROXY", "https_proxy"} & variables(container).keys()
    assert given(build_container(pod)["args"], "build-arg") == [
        f"--build-arg={name}={value}" for name, value in expected.items()
    ]


def test_the_users_own_proxy_argument_wins_in_both_cases() -> None:
    found = arguments(settings={"proxy": PROXY}, buildArgs=[{"name": "http_proxy", "value": ""}])
    assert given(found, "build-arg") == [
        "--build-arg=http_proxy=",
        "--build-arg=NO_PROXY=.svc,registry.example.com",
        "--build-arg=no_proxy=.svc,registry.example.com",
    ]


def test_no_proxy_is_the_default() -> None:
    assert settings_of().proxy.variables() == {}


# Raw arguments


def test_further_arguments_come_last_as_they_were_written() -> None:
    extra = ["--single-snapshot", "--custom-platform=linux/arm64", "--image-format=$(HOME)"]
    assert arguments(executor={"extraArgs": extra}, output={"images": [IMAGE]})[-3:] == extra
