import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import BaseModel

from imagebuild_operator.api.names import ANNOTATION_REQUESTED_AT, API_VERSION, GROUP, KIND
from imagebuild_operator.api.v1alpha1 import ImageBuild
from tests.chart.paths import EXAMPLES

FILES = sorted(EXAMPLES.glob("*.yaml"))


def manifests(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def unknown(written: Any, model: Any, path: str) -> list[str]:
    """Fields of a manifest that the model has no word for: the API server would drop them without one."""
    if isinstance(model, BaseModel) and isinstance(written, dict):
        fields = {info.alias or name: name for name, info in type(model).model_fields.items()}
        return [
            problem
            for key, value in written.items()
            for problem in (
                unknown(value, getattr(model, fields[key]), f"{path}.{key}") if key in fields else [f"{path}.{key}"]
            )
        ]
    if isinstance(model, list) and isinstance(written, list):
        pairs = enumerate(zip(written, model, strict=True))
        return [problem for index, (item, each) in pairs for problem in unknown(item, each, f"{path}[{index}]")]
    return []


def test_they_are_numbered_without_a_gap() -> None:
    assert [file.name[:3] for file in FILES] == [f"{number:02}-" for number in range(1, len(FILES) + 1)]
    assert len(FILES) == 11


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_says_what_it_shows_and_is_an_imagebuild(file: Path) -> None:
    assert file.read_text().startswith("# ")
    for manifest in manifests(file):
        assert (manifest["apiVersion"], manifest["kind"]) == (API_VERSION, KIND)
        build = ImageBuild.model_validate(manifest)
        assert unknown(manifest["spec"], build.spec, "spec") == []


def test_the_examples_have_names_of_their_own() -> None:
    names = [manifest["metadata"]["name"] for file in FILES for manifest in manifests(file)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_example_holds_a_secret(file: Path) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in manifests(file)}
    assert "stringData" not in file.read_text()


def test_the_command_of_the_queue_makes_builds_of_one_group() -> None:
    text = (EXAMPLES / "05-queue.yaml").read_text()
    command = next(line for line in text.splitlines() if "sed " in line).removeprefix("#").partition("|")[0]
    made = []
    for pipeline in ("17", "18"):
        environment = {**os.environ, "CI_PIPELINE_ID": pipeline, "CI_COMMIT_SHA": "c" * 40}
        done = subprocess.run(["sh", "-c", command], cwd=EXAMPLES, env=environment, capture_output=True, check=True)
        made.append(yaml.safe_load(done.stdout))
    assert [build["metadata"]["name"] for build in made] == ["web-app-main-17", "web-app-main-18"]
    assert {build["spec"]["concurrencyGroup"] for build in made} == {"web-app-main"}
    assert {build["spec"]["source"]["git"]["revision"] for build in made} == {"c" * 40}


GITLAB: Final = EXAMPLES / "gitlab"
VARIABLES: Final = {
    "CI_COMMIT_REF_SLUG": "feature-cart",
    "CI_COMMIT_SHA": "c" * 40,
    "CI_JOB_ID": "170",
    "CI_PIPELINE_ID": "17",
    "CI_PROJECT_URL": "https://gitlab.example.com/shop/web",
    "CI_REGISTRY_IMAGE": "registry.gitlab.example.com/shop/web",
    "IMAGE_TAG": "latest",
}


def test_the_pipeline_fills_its_template_in() -> None:
    job = yaml.safe_load((GITLAB / ".gitlab-ci.yml").read_text())["build-image"]
    command = next(line for line in job["script"] if line.startswith("sed ")).partition("| kubectl")[0]
    environment = {**os.environ, **VARIABLES}
    done = subprocess.run(["sh", "-euc", command], cwd=GITLAB, env=environment, capture_output=True, check=True)
    manifest = yaml.safe_load(done.stdout)
    assert unknown(manifest["spec"], ImageBuild.model_validate(manifest).spec, "spec") == []
    assert manifest["metadata"]["annotations"] == {ANNOTATION_REQUESTED_AT: "170"}
    assert manifest["metadata"]["name"] == "web-17"
    assert manifest["spec"]["source"]["git"]["url"] == "https://gitlab.example.com/shop/web.git"
    assert manifest["spec"]["source"]["git"]["revision"] == "c" * 40
    assert manifest["spec"]["concurrencyGroup"] == "feature-cart"
    repository = VARIABLES["CI_REGISTRY_IMAGE"]
    assert manifest["spec"]["output"]["images"] == [f"{repository}:latest", f"{repository}:$(commit)"]
    assert manifest["spec"]["cache"]["repository"] == f"{repository}/cache"
    assert re.findall(r"[$][A-Z]", str(manifest)) == []


def test_the_page_about_gitlab_has_the_rules_of_the_pipeline() -> None:
    page = (EXAMPLES.parent / "docs" / "how-to" / "from-gitlab-kaniko.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    [shown] = [block for block in blocks if block.keys() == {"rules"}]
    assert shown["rules"] == yaml.safe_load((GITLAB / ".gitlab-ci.yml").read_text())["build-image"]["rules"]


def test_the_page_about_gitops_has_the_health_script() -> None:
    page = (EXAMPLES.parent / "docs" / "how-to" / "gitops.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    [shown] = [block["data"] for block in blocks if block["kind"] == "ConfigMap"]
    script = (EXAMPLES / "argocd" / "health.lua").read_text()
    assert shown == {f"resource.customizations.health.{GROUP}_{KIND}": script}
