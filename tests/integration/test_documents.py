"""Every manifest of README, docs and examples is taken by a real API server, which knows each field it names."""

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.chart.test_examples import VARIABLES
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ApiHandle
from tests.cluster.settings import CHECKOUT

pytestmark = pytest.mark.integration

PAGES: Final = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.joinpath("docs").rglob("*.md")])
EXAMPLES: Final = sorted(
    [*CHECKOUT.joinpath("examples").rglob("*.yaml"), *CHECKOUT.joinpath("examples").rglob("*.yml")]
)
BLOCK: Final = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a shell hands to kubectl.
HEREDOC: Final = re.compile(r"apply -f - <<'?(\w+)'?\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
# What people put in themselves, or their pipeline does.
VALUES: Final = {**VARIABLES, "REGISTRY": "registry.example.com"}
GITLAB: Final = "docs/how-to/from-gitlab-kaniko.md"
# YAML that this API server has no kind for, by file and kind (or the first key of what has no kind), with the reason.
NOT_APPLIED: Final = {
    (GITLAB, "build"): "a job of GitLab, the one with kaniko",
    (GITLAB, "rules"): "of a job of GitLab",
    (GITLAB, "after_script"): "of a job of GitLab",
    ("docs/how-to/gitops.md", "Kustomization"): "of Flux",
    ("examples/gitlab/.gitlab-ci.yml", "stages"): "a pipeline of GitLab, which the end-to-end tests run",
}


@dataclass(frozen=True)
class Written:
    """One YAML document as it is written; `line` is where its block begins."""

    file: str
    line: int
    text: str

    @property
    def kind(self) -> str:
        """Its kind, or its first key."""
        read = yaml.safe_load(self.text)
        return str(read.get("kind", next(iter(read))))

    @property
    def namespace(self) -> str | None:
        """The namespace it names itself."""
        found: str | None = yaml.safe_load(self.text).get("metadata", {}).get("namespace")
        return found

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}"


def documents(file: Path, text: str, line: int) -> Iterator[Written]:
    for part in re.split(r"^---$", text, flags=re.MULTILINE):
        if yaml.safe_load(part) is not None:
            yield Written(str(file.relative_to(CHECKOUT)), line, string.Template(part).safe_substitute(VALUES))


def all_documents() -> Iterator[Written]:
    for page in PAGES:
        text = page.read_text()
        for found in (*BLOCK.finditer(text), *HEREDOC.finditer(text)):
            yield from documents(page, found[found.re.groups], text.count("\n", 0, found.start()) + 1)
    for example in EXAMPLES:
        yield from documents(example, example.read_text(), 1)


WRITTEN: Final = list(all_documents())
APPLIED: Final = [document for document in WRITTEN if (document.file, document.kind) not in NOT_APPLIED]


Apply = Callable[[str, str | None], str]


@pytest.fixture(scope="module")
def apply(control_plane: ApiHandle, new_namespace: Callable[[str], str]) -> Apply:
    """As a careful person tries a manifest out; returns what kubectl says, and raises ClusterError if it is refused."""
    ours = new_namespace("documents")
    for named in sorted({document.namespace for document in APPLIED if document.namespace}):
        control_plane.kubectl("create", "namespace", named)

    def run(text: str, namespace: str | None) -> str:
        options = ("--dry-run=server", "--validate=strict", "--namespace", namespace or ours)
        return control_plane.kubectl("apply", *options, "-f", "-", input=text)

    return run


@pytest.mark.parametrize("document", APPLIED, ids=str)
def test_it_is_taken(apply: Apply, document: Written) -> None:
    assert apply(document.text, document.namespace).endswith("created (server dry run)\n")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndate: {a: b}\n", 'unknown field "date"'),
        ("apiVersion: kueue.x-k8s.io/v1beta1\nkind: LocalQueue\nmetadata: {name: x}\n", "no matches for kind"),
    ],
    ids=["unknown field", "unknown kind"],
)
def test_what_is_wrong_is_not_taken(apply: Apply, wrong: str, complaint: str) -> None:
    with pytest.raises(ClusterError, match=complaint):
        apply(wrong, None)


def test_what_is_not_applied_is_still_written() -> None:
    assert {(document.file, document.kind) for document in WRITTEN} >= NOT_APPLIED.keys()


def test_every_value_is_asked_for() -> None:
    sources = "".join(file.read_text() for file in (*PAGES, *EXAMPLES))
    assert [name for name in VALUES if f"${name}" not in sources] == []


def test_no_block_goes_unseen() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert len(re.findall(r"```ya?ml", text)) == len(BLOCK.findall(text))
    assert len(re.findall(r"apply .*<<", text)) == len(HEREDOC.findall(text))
