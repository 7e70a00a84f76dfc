"""The pipeline of `examples/gitlab`: its script, run as by a runner, applies a build, waits for it, tells its end."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cluster.handle import ClusterHandle
from tests.cluster.programs import program
from tests.cluster.settings import CHECKOUT
from tests.e2e.team import JSON, Team

FOLDER: Final = CHECKOUT / "examples" / "gitlab"
PAGE: Final = CHECKOUT / "docs" / "how-to" / "from-gitlab-kaniko.md"
JOB: Final[JSON] = yaml.safe_load((FOLDER / ".gitlab-ci.yml").read_text())["build-image"]
BRANCH: Final = "Feature/Cart"
JOB_SECONDS: Final = 240


@dataclass(frozen=True)
class Checkout:
    """A project as a runner has checked it out, with the kubeconfig of its CI/CD variables."""

    team: Team
    folder: Path
    repository: str

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def variables(self, pipeline: int, job: int, commit: str, branch: str = "main") -> dict[str, str]:
        """What the runner sets for a branch, the variables of the rule that applies included."""
        cluster = self.team.cluster
        slug = re.sub("[^a-z0-9]", "-", branch.lower())
        known = {
            "CI_COMMIT_BRANCH": branch,
            "CI_COMMIT_REF_NAME": branch,
            "CI_COMMIT_REF_SLUG": slug,
            "CI_COMMIT_SHA": commit,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_ID": str(job),
            "CI_PIPELINE_ID": str(pipeline),
            "CI_PROJECT_URL": cluster.git.url(self.repository).removesuffix(".git"),
            "CI_REGISTRY_IMAGE": f"{cluster.registry.host}/{self.team.namespace}/web",
            "KUBECONFIG": str(self.kubeconfig),
        }
        return known | {name: known.get(value.removeprefix("$"), value) for name, value in rule_for(known).items()}

    def start(self, variables: dict[str, str]) -> subprocess.Popen[str]:
        """The job's script, every line of it in one shell that ends with the first line that fails."""
        path = f"{program('kubectl').parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", "\n".join(JOB["script"])],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def rule_for(known: dict[str, str]) -> dict[str, str]:
    """The variables of the first rule that applies; the rules of this file are a name, or two that are equal."""
    for rule in JOB["rules"]:
        values = [known.get(name.strip().removeprefix("$")) for name in rule["if"].split("==")]
        if all(values) and len(set(values)) == 1:
            found: dict[str, str] = rule["variables"]
            return found
    raise AssertionError(f"no rule applies to {known}")


def ended(job: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output; a job that does not end is killed."""
    try:
        said, _ = job.communicate(timeout=JOB_SECONDS)
    finally:
        job.kill()
    return job.returncode, said


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
def checkout(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The example's own template, but for the certificate authority of the cluster's servers."""
    found = Checkout(team, tmp_path_factory.mktemp("checkout"), f"private/{team.namespace}")
    manifest = yaml.safe_load((FOLDER / "imagebuild.yaml").read_text())
    manifest["spec"]["registries"]["caBundle"] = team.registries["caBundle"]
    # JSON is YAML whose texts are all quoted, so that the number of a job stays a text.
    (found.folder / "imagebuild.yaml").write_text(json.dumps(manifest))
    log_in(team, found.kubeconfig)
    return found


@pytest.fixture(scope="module")
def commits(checkout: Checkout) -> tuple[str, str]:
    """One on main that builds, and one on a branch that does not."""
    git, dockerfile = checkout.team.cluster.git, checkout.team.dockerfile
    main = git.create(checkout.repository, {"Dockerfile": dockerfile("RUN echo main > /which")})
    broken = git.commit(checkout.repository, {"Dockerfile": dockerfile("RUN exit 3")}, "Try", branch=BRANCH)
    return main, broken


@pytest.fixture(scope="module")
def jobs(checkout: Checkout, commits: tuple[str, str]) -> dict[str, tuple[int, str]]:
    """Exit code and output of two jobs that run at the same time."""
    main, broken = commits
    both = {
        "main": checkout.start(checkout.variables(17, 170, main)),
        "branch": checkout.start(checkout.variables(18, 180, broken, BRANCH)),
    }
    return {name: ended(job) for name, job in both.items()}


def test_the_default_branch_becomes_latest(
    team: Team, checkout: Checkout, commits: tuple[str, str], jobs: dict[str, tuple[int, str]]
) -> None:
    code, said = jobs["main"]
    assert code == 0, said + team.story()
    status = team.status("web-17")
    assert [image.rpartition(":")[2] for image in status["images"]] == ["latest", commits[0]]
    assert status["source"]["commit"] == commits[0]
    assert team.digest(team.image("web", "latest")) == status["digest"]


def test_later_jobs_get_the_image_by_digest(team: Team, checkout: Checkout, jobs: dict[str, tuple[int, str]]) -> None:
    assert jobs["main"][0] == 0, jobs["main"][1]
    report = checkout.folder / JOB["artifacts"]["reports"]["dotenv"]
    assert report.read_text() == f"IMAGE={team.status('web-17')['image']}\n"


def test_a_job_whose_build_fails_fails_and_says_why(team: Team, jobs: dict[str, tuple[int, str]]) -> None:
    code, said = jobs["branch"]
    assert code == 1, said + team.story()
    build: dict[str, Any] = team.get("web-18")
    assert build["spec"]["output"]["images"][0].endswith("/web:feature-cart")
    failure = build["status"]["failure"]
    assert failure["exitCode"] == 3
    assert failure["message"] in said
    assert failure["logTail"].splitlines()[-1] in said
    assert said.rstrip().endswith("The build has failed: BuildFailed")


def test_a_job_that_is_started_again_waits_for_a_run_of_its_own(
    team: Team, checkout: Checkout, commits: tuple[str, str], jobs: dict[str, tuple[int, str]]
) -> None:
    again = checkout.start(checkout.variables(18, 181, commits[1], BRANCH))
    code, said = ended(again)
    assert code == 1, said
    run = team.status("web-18")["run"]
    assert (run["number"], run["requestedAt"]) == (2, "181"), said
