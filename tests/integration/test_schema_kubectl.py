"""What people see of an ImageBuild through kubectl: columns, category, `kubectl explain`."""

import re
import time

import pytest

from imagebuild_operator.api import crd
from tests.cluster.handle import ApiHandle
from tests.integration.imagebuilds import ImageBuilds, minimal
from tests.integration.specimens import DIGEST, FULL_STATUS

pytestmark = pytest.mark.integration


def test_kubectl_get_tells_the_story_in_one_line(control_plane: ApiHandle, builds: ImageBuilds) -> None:
    builds.apply_status(builds.create(minimal("story")), FULL_STATUS)

    def columns(*options: str) -> list[tuple[str, str]]:
        text = control_plane.kubectl("get", "imb", "story", "--namespace", builds.namespace, *options)
        head, line = (re.split(r" {2,}", row.strip()) for row in text.splitlines())
        return list(zip(head, line, strict=True))

    narrow, wide = columns(), columns("-o", "wide")
    assert [name for name, _ in narrow] == ["NAME", "PHASE", "IMAGE", "REASON", "AGE"]
    assert dict(narrow).items() >= {
        ("PHASE", "Failed"),
        ("IMAGE", "registry.example.com/acme/web:1.0"),
        ("REASON", "BuildFailed"),
    }
    assert set(wide) - set(narrow) >= {("DIGEST", DIGEST), ("DURATION", "1m32s")}
    assert wide[-1] == ("MESSAGE", "The build failed with exit code 1.")


def test_a_fresh_build_is_one_readable_line_too(control_plane: ApiHandle, builds: ImageBuilds) -> None:
    builds.create(minimal("newborn"))
    _, line = control_plane.kubectl("get", "imagebuild", "newborn", "--namespace", builds.namespace).splitlines()
    assert line.split()[:3] == ["newborn", "Pending", "registry.example.com/acme/web:1.0"]


def test_builds_are_found_by_category(control_plane: ApiHandle, builds: ImageBuilds) -> None:
    builds.create(minimal("listed"))
    text = control_plane.kubectl("get", "builds", "--namespace", builds.namespace, "-o", "name")
    assert "imagebuild.imagebuild.dev/listed" in text.splitlines()


def explained(control_plane: ApiHandle, path: str) -> str:
    """What `kubectl explain` says, line breaks aside; the schema is published a moment after the CRD."""
    end = time.monotonic() + 30
    while True:
        text = " ".join(control_plane.kubectl("explain", path).split())
        if "FIELDS:" in text or time.monotonic() > end:
            return text
        time.sleep(0.2)


def test_kubectl_explain_reads_like_documentation(control_plane: ApiHandle) -> None:
    text = explained(control_plane, "imagebuild.spec.source.git")
    git = crd.openapi_schema()["properties"]["spec"]["properties"]["source"]["properties"]["git"]
    assert git["description"] in text
    assert set(git["properties"]) == {"url", "revision", "secretRef", "submodules", "lfs"}
    for name, field in git["properties"].items():
        assert field["description"] in text, name
    assert "url <string> -required-" in text
