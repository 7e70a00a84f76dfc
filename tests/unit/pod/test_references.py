"""Names of images, and those that a Dockerfile takes anything from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.pod.references import Repository, named_images, registry_host, repository_of


@pytest.mark.parametrize(
    ("reference", "registry", "path"),
    [
        ("registry.example.com/shop/web:1.4.2", "registry.example.com", "shop/web"),
        ("Registry.Example.com:5000/web", "registry.example.com:5000", "web"),
        ("localhost:5000/web:1", "localhost:5000", "web"),
        ("registry.example.com/web@sha256:" + "a" * 64, "registry.example.com", "web"),
        ("registry.example.com:5000/a/b:1@sha256:" + "a" * 64, "registry.example.com:5000", "a/b"),
        ("debian", "index.docker.io", "library/debian"),
        ("debian:12-slim", "index.docker.io", "library/debian"),
        ("acme/web", "index.docker.io", "acme/web"),
        ("docker.io/debian", "index.docker.io", "library/debian"),
        ("docker.io/acme/web:1", "index.docker.io", "acme/web"),
        # No dot and no colon: a folder of Docker Hub.
        ("localhost/web", "index.docker.io", "localhost/web"),
        ("mirror.example.com/hub", "mirror.example.com", "hub"),
    ],
)
def test_the_repository_of_a_reference(reference: str, registry: str, path: str) -> None:
    assert repository_of(reference) == Repository(registry, tuple(path.split("/")))


@pytest.mark.parametrize("host", ["docker.io", "Docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_name(host: str) -> None:
    assert registry_host(host) == "index.docker.io"
    assert registry_host(f"my{host}") == f"my{host}"


@pytest.mark.parametrize(
    ("dockerfile", "images"),
    [
        ("FROM debian:12\nRUN true\n", ("debian:12",)),
        ("\ufefffrom debian:12 as base\nFROM base\n", ("debian:12", "base")),
        ("FROM --platform=$BUILDPLATFORM golang:1 AS build\n", ("golang:1",)),
        ("FROM \\\n  # why\n  r.example.com/a \\\n  AS x\n", ("r.example.com/a",)),
        ("FROM scratch\nCOPY --chown=1:1 --from=r.example.com/a:1 /a /b\n", ("scratch", "r.example.com/a:1")),
        ("RUN --mount=type=bind,from=b.example.com/b,target=/b true\n", ("b.example.com/b",)),
        ("FROM a.example.com/a\nONBUILD COPY --from=b.example.com/b / /\n", ("a.example.com/a", "b.example.com/b")),
        ("FROM a.example.com/a\r\nCOPY --from=0 / /\r\n", ("a.example.com/a", "0")),
        ("# FROM hidden.example.com/a\nFROM a.example.com/a\nENV PRICE=5$\n", ("a.example.com/a",)),
        ("", ()),
        ("ARG BASE=debian\nFROM $BASE\n", None),
        ("FROM debian\nFROM r.example.com/${NAME}:1\n", None),
        ("FROM debian\nCOPY --from=$STAGE / /\n", None),
        ("# escape=`\nFROM debi`\nan\n", None),
        ("\ufeff# escape=`\nFROM debi`\nan\n", None),
        ("# syntax=docker/dockerfile:1\n#escape = `\nFROM debian\n", None),
    ],
)
def test_the_images_that_a_dockerfile_names(dockerfile: str, images: tuple[str, ...] | None) -> None:
    assert named_images(dockerfile) == images


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "filler",
    [
        "\n",
        " ",
        "#\n",
        "# \n",
        "\\",
        "\\ ",
        "\\\n",
        "\\\n#",
        "FROM ",
        "ONBUILD ",
        "FROM --a ",
        "FROM x AS\t",
        " --",
        " --from=",
        ',from="',
    ],
)
def test_a_dockerfile_as_large_as_can_be_is_read_in_time_that_grows_with_it(filler: str) -> None:
    """A megabyte of which each part may be the start of something; squared, it would take many minutes."""
    text = filler * (2**20 // len(filler))
    assert "last.example.com/x" in (named_images(f"{text}\n\n\nFROM last.example.com/x") or ())
    named_images(text)


@given(st.text())
def test_nothing_raises(text: str) -> None:
    for image in named_images(text) or ():
        repository_of(image)
    repository_of(text)
