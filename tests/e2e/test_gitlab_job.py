"""The pipeline of `examples/gitlab`, run by gitlab-ci-local: it applies a build, waits for it, tells its end."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cluster.handle import ClusterHandle
from tests.cluster.npm import GITLAB_CI_LOCAL, install_program
from tests.cluster.programs import program
from tests.cluster.settings import CHECKOUT
from tests.e2e.team import JSON, Team

FOLDER: Final = CHECKOUT / "examples" / "gitlab"
PAGE: Final = CHECKOUT / "docs" / "how-to" / "from-gitlab-kaniko.md"
TAG: Final = "v1.2.0"
JOB_SECONDS: Final = 240
# What a later job has of the build's.
LATER: Final = """
use-image:
  stage: build
  needs: [build-image]
  script:
    - echo "a later job has $IMAGE"
"""


@dataclass(frozen=True)
class Project:
    """A project with the pipeline, and the kubeconfig of its CI/CD variables.

    Attributes:
        team: the namespace of its builds.
        folder: for its checkouts.
        repository: its name on the git server.
    """

    team: Team
    folder: Path
    repository: str

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def check_out(self, pipeline: int, revision: str) -> None:
        """What a runner has for a branch or a tag; variables follow from the git server's address and from HEAD."""
        git, target = self.team.cluster.git, self.folder / f"{pipeline}"
        for command in (
            ("clone", "--quiet", "--branch", revision, str(git.folder(self.repository)), str(target)),
            ("-C", str(target), "remote", "set-url", "origin", git.url(self.repository)),
        ):
            subprocess.run(["git", "-c", "advice.detachedHead=false", *command], check=True)

    def start(self, pipeline: int, revision: str, **variables: str) -> subprocess.Popen[str]:
        """Run the pipeline of a branch or tag; one with a number that was there already is started again."""
        checkout = self.folder / f"{pipeline}"
        if not checkout.exists():
            self.check_out(pipeline, revision)
        cluster = self.team.cluster
        given = {
            "CI_PIPELINE_ID": str(pipeline),
            "CI_REGISTRY_IMAGE": f"{cluster.registry.host}/{self.team.namespace}/web",
            "KUBECONFIG": str(self.kubeconfig),
            **variables,
        }
        options = [f"--variable={name}={value}" for name, value in given.items()]
        if "CI_COMMIT_TAG" in variables:
            options.append("--unset-variable=CI_COMMIT_BRANCH")
        return subprocess.Popen(
            [*GITLAB_CI_LOCAL.command(), "--force-shell-executor", "--no-color", *options],
            cwd=checkout,
            env={"PATH": f"{program('kubectl').parent}:{os.environ['PATH']}", "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def ended(pipeline: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output; a pipeline that does not end is killed, with what it started."""
    try:
        said, _ = pipeline.communicate(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(pipeline.pid, signal.SIGKILL)
        said, _ = pipeline.communicate()
        raise AssertionError(f"the pipeline did not end:\n{said}") from None
    return pipeline.returncode, said


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "gitlab")
    yield space
    space.delete()


def role() -> JSON:
    """What the page about GitLab says the runner's user needs."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [found] = [document for document in map(yaml.safe_load, blocks) if document.get("kind") == "Role"]
    return dict(found)


def log_in(team: Team, kubeconfig: Path) -> None:
    """Write a kubeconfig for the namespace, of a user that may do what the page says and nothing else."""
    name, kubectl = role()["metadata"]["name"], team.kubectl
    kubectl("apply", "-f", "-", input=json.dumps(role()))
    kubectl("create", "serviceaccount", "runner")
    kubectl("create", "rolebinding", "runner", f"--role={name}", f"--serviceaccount={team.namespace}:runner")
    token = kubectl("create", "token", "runner", "--duration=1h").strip()
    kubeconfig.write_text(team.cluster.kubeconfig.read_text())
    file = f"--kubeconfig={kubeconfig}"
    config = ("config", "set-context", "--current", "--user=runner", f"--namespace={team.namespace}", file)
    team.cluster.kubectl("config", "set-credentials", "runner", f"--token={token}", file)
    team.cluster.kubectl(*config)


@pytest.fixture(scope="module")
def project(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example's own files, but for the certificate authority of the cluster's servers."""
    install_program(GITLAB_CI_LOCAL)
    found = Project(team, tmp_path_factory.mktemp("project"), f"private/{team.namespace}")
    manifest = yaml.safe_load((FOLDER / "imagebuild.yaml").read_text())
    manifest["spec"]["registries"]["caBundle"] = team.registries["caBundle"]
    files = {
        ".gitlab-ci.yml": (FOLDER / ".gitlab-ci.yml").read_text() + LATER,
        # JSON is YAML whose texts are all quoted, so that the number of a job stays a text.
        "imagebuild.yaml": json.dumps(manifest),
        "Dockerfile": team.dockerfile("RUN echo main > /which"),
    }
    git = team.cluster.git
    git.create(found.repository, files)
    git.tag(found.repository, TAG)
    for branch, step in (("Feature/Cart", "RUN exit 3"), ("slow", "RUN sleep 600"), ("lost", "RUN true")):
        git.commit(found.repository, {"Dockerfile": team.dockerfile(step)}, "Try", branch=branch)
    log_in(team, found.kubeconfig)
    return found


@pytest.fixture(scope="module")
def pipelines(team: Team, project: Project) -> dict[str, tuple[int, str]]:
    """Exit code and output of pipelines that run at the same time."""
    # gitlab-ci-local takes what HEAD is for a branch.
    tagged = {"CI_COMMIT_TAG": TAG, "CI_COMMIT_REF_NAME": TAG, "CI_COMMIT_REF_SLUG": "v1-2-0"}
    started = {
        "main": project.start(17, "main"),
        "branch": project.start(18, "Feature/Cart"),
        "tag": project.start(19, TAG, **tagged),
        "slow": project.start(20, "slow", WAIT_SECONDS="1"),
        "lost": project.start(21, "lost", CI_PROJECT_URL=team.cluster.git.url("private/nothing").removesuffix(".git")),
    }
    return {name: ended(pipeline) for name, pipeline in started.items()}


def tags(status: JSON) -> list[str]:
    return [image.rpartition(":")[2] for image in status["images"]]


def test_the_default_branch_becomes_latest(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    code, said = pipelines["main"]
    assert code == 0, said + team.story()
    status = team.status("web-17")
    assert tags(status) == ["latest", status["source"]["commit"]]
    assert team.digest(team.image("web", "latest")) == status["digest"]


def test_a_git_tag_becomes_the_tag_of_the_image(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    code, said = pipelines["tag"]
    assert code == 0, said + team.story()
    status = team.status("web-19")
    assert tags(status) == [TAG, status["source"]["commit"]]
    assert team.digest(team.image("web", TAG)) == status["digest"]


def test_what_is_built_is_the_commit_of_the_pipeline(
    team: Team, project: Project, pipelines: dict[str, tuple[int, str]]
) -> None:
    for pipeline in ("17", "19"):
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=project.folder / pipeline, capture_output=True, text=True, check=True
        )
        build = team.get(f"web-{pipeline}")
        assert build["spec"]["source"]["git"]["revision"] == head.stdout.strip()
        assert build["status"]["source"]["commit"] == head.stdout.strip()


def test_later_jobs_get_the_image_by_digest(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    image = team.status("web-17")["image"]
    assert "@sha256:" in image
    assert f"> a later job has {image}\n" in pipelines["main"][1]


def said_by_the_job(said: str) -> list[str]:
    """What the job itself printed, without the lines that gitlab-ci-local adds."""
    start = "build-image > "
    return [line.removeprefix(start) for line in said.splitlines() if line.startswith(start)]


def test_a_job_whose_build_fails_fails_and_says_why(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    code, said = pipelines["branch"]
    assert code == 1, said + team.story()
    build: dict[str, Any] = team.get("web-18")
    assert build["spec"]["output"]["images"][0].endswith("/web:feature-cart")
    failure = build["status"]["failure"]
    assert failure["exitCode"] == 3
    lines = said_by_the_job(said)
    assert failure["logTail"].splitlines()[-1] in lines
    assert lines[-3:] == [failure["message"], failure["hint"], "The build has failed: StepFailed"]
    assert "a later job" not in said


def test_a_job_says_what_to_do_about_a_failure(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    code, said = pipelines["lost"]
    assert code == 1, said + team.story()
    failure = team.status("web-21")["failure"]
    assert failure["hint"]
    told = [failure["message"], failure["hint"], "The build has failed: SourceNotFound"]
    assert said_by_the_job(said)[-3:] == told


def test_a_job_that_is_started_again_waits_for_a_run_of_its_own(
    team: Team, project: Project, pipelines: dict[str, tuple[int, str]]
) -> None:
    before = team.status("web-18")["run"]
    code, said = ended(project.start(18, "Feature/Cart"))
    assert code == 1, said
    run = team.status("web-18")["run"]
    assert (before["number"], run["number"]) == (1, 2), said
    assert run["requestedAt"] == team.get("web-18")["metadata"]["annotations"]["imagebuild.dev/requestedAt"]
    assert run["requestedAt"] != before["requestedAt"]


def test_a_job_waits_no_longer_than_it_may(team: Team, pipelines: dict[str, tuple[int, str]]) -> None:
    code, said = pipelines["slow"]
    assert code == 1, said
    assert "No result after 1 seconds; the build goes on" in said
    team.until_building("web-20")


def test_a_job_does_not_wait_for_a_build_that_is_suspended(
    team: Team, project: Project, pipelines: dict[str, tuple[int, str]]
) -> None:
    team.change("web-20", suspend=True)
    team.until_status("web-20", lambda status: status["phase"] == "Suspended", "suspension", 60)
    code, said = ended(project.start(20, "slow"))
    assert code == 1, said
    assert "The build is suspended: set spec.suspend of imagebuild/web-20 to false" in said
