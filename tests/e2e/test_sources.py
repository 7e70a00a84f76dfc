"""Where the context comes from and what is built from it: one namespace, all builds at once, a test for each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team

# The kubelet would replace $(DOCKER_CONFIG), a variable of the build container, and shorten $$.
ARGUMENTS = {
    "EQUALS": "a=b=c",
    "SPACES": "  two  words ",
    "QUOTES": 'it\'s "quoted"',
    "REFERENCE": "$(DOCKER_CONFIG)",
    "DOLLARS": "$$HOME ${HOME} $HOME",
    "BACKSLASH": "a\\nb",
    "UNICODE": "grüße",
    "EMPTY": "",
}


@dataclass(frozen=True)
class Repository:
    """A repository whose file `which` says which commit is checked out; `early` is no tip of anything."""

    name: str
    early: str = ""
    released: str = ""
    feature: str = ""
    pulled: str = ""
    main: str = ""


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "sources")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def repository(cluster: ClusterHandle, team: Team) -> Repository:
    git, made = cluster.git, Repository(f"public/{team.namespace}")
    name, dockerfile = made.name, team.dockerfile("COPY . /src")
    made = replace(made, early=git.create(name, {"Dockerfile": dockerfile, "which": "early"}))
    made = replace(made, released=git.commit(name, {"which": "released"}, "Release"))
    git.tag(name, "v1.0.0")
    git.tag(name, "v1.0.1", message="The same, annotated")
    made = replace(made, feature=git.commit(name, {"which": "feature"}, "Try", branch="feature/next"))
    made = replace(made, pulled=git.commit(name, {"which": "pulled"}, "Propose", branch="proposed"))
    reference = git.folder(name) / "refs" / "pull" / "7" / "head"
    reference.parent.mkdir(parents=True)
    reference.write_text(f"{made.pulled}\n")
    service = {"services/web/Dockerfile": dockerfile, "services/web/which": "web"}
    return replace(made, main=git.commit(name, {"which": "main", "bin/run": "#!/bin/sh\n", **service}, "Go on"))


@pytest.fixture(scope="module")
def builds(cluster: ClusterHandle, team: Team, repository: Repository) -> None:
    """All of them, applied at once."""
    private = f"private/{team.namespace}"
    cluster.git.create(private, {"Dockerfile": team.dockerfile("COPY . /src"), "which": "private"})
    sources = {name: team.git(repository.name, revision=revision) for name, revision in revisions(repository).items()}
    sources["default"] = team.git(repository.name)
    sources["folder"] = {**team.git(repository.name), "subPath": "services/web"}
    sources["private"] = team.git(private, secretRef={"name": "git-login"})
    manifests = [team.manifest(name, source) for name, source in sources.items()]
    team.apply(*manifests, inline(team), stages(team), arguments(team))


def revisions(repository: Repository) -> dict[str, str]:
    return {
        "branch": "feature/next",
        "light-tag": "v1.0.0",
        "annotated-tag": "v1.0.1",
        "full-reference": "refs/pull/7/head",
        "commit": repository.early,
    }


def inline(team: Team) -> JSON:
    """Nested files, one of them executable, and a Dockerfile with a name and a place of its own."""
    dockerfile = team.dockerfile("COPY . /src", "RUN /src/bin/deep/hello > /said")
    files = [
        {"path": "build/Dockerfile.release", "content": dockerfile},
        {"path": "bin/deep/hello", "content": "#!/bin/sh\necho hello from a nested file\n", "mode": 0o755},
        {"path": "bin/other", "content": "no trailing line break", "mode": 0o600},
        {"path": "plain", "content": "ünï\n"},
    ]
    return team.manifest("inline", {"inline": {"files": files}}, dockerfile="build/Dockerfile.release")


def stages(team: Team) -> JSON:
    """A stage in the middle, labels, and several references, one of them without a tag."""
    dockerfile = "\n".join(
        (
            f"FROM {team.busybox} AS first",
            "RUN echo first > /first",
            "FROM first AS wanted",
            "RUN echo wanted > /wanted",
            "FROM wanted AS last",
            "RUN echo last > /last",
        )
    )
    return team.manifest(
        "stages",
        {"inline": {"files": [{"path": "Dockerfile", "content": dockerfile}]}},
        target="wanted",
        output={
            "images": references(team),
            "labels": {"org.example/title": "two words = a 'title'", "plain": "$(HOME)"},
        },
    )


def references(team: Team) -> list[str]:
    return [team.image("stages", "1"), team.image("stages", "1.0"), team.image("other/place").rpartition(":")[0]]


def arguments(team: Team) -> JSON:
    lines = [
        line for name in ARGUMENTS for line in (f"ARG {name}=default", f'RUN printf %s "${name}" > /arguments-{name}')
    ]
    return team.manifest(
        "arguments",
        team.inline(*lines),
        buildArgs=[{"name": name, "value": value} for name, value in ARGUMENTS.items()],
    )


@pytest.mark.usefixtures("builds")
class TestGit:
    @pytest.mark.parametrize(
        ("name", "expected", "revision"),
        [
            ("default", "main", "main"),
            ("branch", "feature", "feature/next"),
            ("light-tag", "released", "v1.0.0"),
            ("annotated-tag", "released", "v1.0.1"),
            ("full-reference", "pulled", "refs/pull/7/head"),
            ("commit", "early", None),
        ],
    )
    def test_a_revision_is_built_and_its_commit_told(
        self, team: Team, repository: Repository, name: str, expected: str, revision: str | None
    ) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        commit = getattr(repository, expected)
        assert status["source"] == {"commit": commit, "revision": revision or commit}
        files = team.files(status["image"])
        assert files["src/which"].content == expected
        assert "src/.git" not in files

    def test_modes_are_as_committed(self, team: Team) -> None:
        files = team.files(team.result("default")["image"])
        assert (files["src/bin/run"].mode, files["src/which"].mode) == (0o755, 0o644)

    def test_a_folder_of_the_source_is_the_whole_context(self, team: Team) -> None:
        status = team.result("folder")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert files["src/which"].content == "web"
        assert "src/services" not in files

    def test_a_private_repository_is_cloned_with_its_secret(self, team: Team) -> None:
        status = team.result("private")
        assert status["phase"] == "Succeeded", status
        assert team.files(status["image"])["src/which"].content == "private"


@pytest.mark.usefixtures("builds")
class TestInline:
    def test_files_arrive_as_written(self, team: Team) -> None:
        status = team.result("inline")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert files["said"].content == "hello from a nested file\n"
        assert files["src/plain"].content == "ünï\n"
        assert files["src/bin/other"].content == "no trailing line break"

    def test_files_are_regular_ones_with_their_modes(self, team: Team) -> None:
        files = team.files(team.result("inline")["image"])
        names = ("build/Dockerfile.release", "bin/deep/hello", "bin/other", "plain")
        assert {name: (files[f"src/{name}"].regular, oct(files[f"src/{name}"].mode)) for name in names} == {
            "build/Dockerfile.release": (True, "0o644"),
            "bin/deep/hello": (True, "0o755"),
            "bin/other": (True, "0o600"),
            "plain": (True, "0o644"),
        }
        # Nothing of how the files got there: the mount's own folders and links.
        assert {name for name in files if name.startswith("src/.")} == set()


@pytest.mark.usefixtures("builds")
class TestWhatIsBuilt:
    def test_the_target_stage_is_the_last_one_built(self, team: Team) -> None:
        files = team.files(team.result("stages")["image"])
        assert {"first", "wanted"} <= files.keys()
        assert "last" not in files

    def test_labels_are_in_the_images_configuration(self, team: Team) -> None:
        labels = team.config(team.result("stages")["image"])["config"]["Labels"]
        assert labels == {"org.example/title": "two words = a 'title'", "plain": "$(HOME)"}

    def test_all_references_have_one_digest(self, team: Team) -> None:
        status = team.result("stages")
        assert [team.digest(reference) for reference in references(team)] == [status["digest"]] * 3
        assert status["images"] == references(team)
        assert status["image"] == f"{team.cluster.registry.host}/{team.namespace}/stages@{status['digest']}"

    def test_build_arguments_arrive_to_the_letter(self, team: Team) -> None:
        status = team.result("arguments")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert {name: files[f"arguments-{name}"].content for name in ARGUMENTS} == ARGUMENTS
