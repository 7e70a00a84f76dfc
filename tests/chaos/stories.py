"""What can become of a build of a scenario: one table, and a mixture of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.core.queueing import Key
from tests.chaos.api import JSON
from tests.chaos.kubelet import End

FIRST_TEXT: Final = "first"
LAST_TEXT: Final = "edited"

PHASES: Final = {
    Reason.SUCCEEDED: Phase.SUCCEEDED,
    Reason.CANCELLED: Phase.CANCELLED,
    Reason.SUPERSEDED: Phase.CANCELLED,
}


class Act(Enum):
    """What its user does to a build."""

    NOTHING = "make it, and wait"
    EDIT = "change its source"
    REQUEST = "ask for it to be built anyway"
    CANCEL = "cancel it"
    SUSPEND = "suspend it, and resume it"
    REPLACE = "make it once the one before it runs, to take its place"


@dataclass(frozen=True)
class Story:
    """One row of the table.

    Attributes:
        name: of the story, and of its builds.
        share: how many of each fifty builds it happens to.
        first: how the first Pod ends.
        then: how every other Pod ends.
        act: of the user.
        while_it_runs: whether the act waits for the Pod to run; else it comes at any moment.
        group: the concurrency group; builds with one share a namespace.
        reason: why the last run ends.
        run: its number in the end, where that is certain.
        attempt: its number in the end, where that is certain.
        failed: why the first attempt ended, where that is certain.
    """

    name: str
    share: int
    first: End = End.PUSHED
    then: End = End.PUSHED
    act: Act = Act.NOTHING
    while_it_runs: bool = False
    group: str = ""
    reason: Reason = Reason.SUCCEEDED
    run: int | None = None
    attempt: int | None = None
    failed: Reason | None = None

    @property
    def phase(self) -> Phase:
        """The build's in the end."""
        return PHASES.get(self.reason, Phase.FAILED)


STORIES: Final = (
    Story("plain", 18, run=1, attempt=1),
    Story("grouped", 6, group="line", run=1, attempt=1),
    Story("edited", 3, act=Act.EDIT),
    Story("corrected", 2, End.NEVER, act=Act.EDIT, while_it_runs=True, run=2, attempt=1),
    Story("requested", 3, act=Act.REQUEST),
    Story("cancelled", 2, End.NEVER, End.NEVER, act=Act.CANCEL, reason=Reason.CANCELLED, run=1),
    Story("stopped", 2, End.NEVER, End.NEVER, act=Act.CANCEL, while_it_runs=True, reason=Reason.CANCELLED, run=1),
    Story("older", 1, End.NEVER, group="newest", reason=Reason.SUPERSEDED, run=1, attempt=1),
    Story("newer", 1, act=Act.REPLACE, while_it_runs=True, group="newest", run=1, attempt=1),
    Story("suspended", 2, End.NEVER, act=Act.SUSPEND, while_it_runs=True, run=1, attempt=2),
    Story("evicted", 2, End.EVICTED, run=1, attempt=2, failed=Reason.EVICTED),
    Story("unlucky", 1, End.REGISTRY_DOWN, run=1, attempt=2, failed=Reason.REGISTRY_UNAVAILABLE),
    # A Pod that is deleted while no operator looks is made anew under the same name, for the same attempt.
    Story("preempted", 2, End.PREEMPTED, run=1),
    Story("deleted", 2, End.DELETED, run=1),
    Story("broken", 3, End.BROKEN, End.BROKEN, reason=Reason.BUILD_FAILED, run=1, attempt=1),
)


@dataclass(frozen=True)
class Case:
    """One build of a scenario."""

    key: Key
    story: Story
    group: str = ""

    def document(self, text: str = FIRST_TEXT) -> JSON:
        """Its manifest, with a Dockerfile that tells the text."""
        namespace, name = self.key
        source = {"inline": {"files": [{"path": "Dockerfile", "content": f"FROM scratch\nLABEL text={text}\n"}]}}
        spec: JSON = {"source": source, "output": {"images": [f"registry.example.com/{namespace}/{name}:1"]}}
        if self.group:
            spec["concurrencyGroup"] = self.group
            spec["concurrencyPolicy"] = "Replace" if self.story.act is Act.REPLACE else "Queue"
        metadata = {"namespace": namespace, "name": name}
        return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}


# Those that need no second build.
ALONE: Final = tuple(story for story in STORIES if not story.group)


def cast(count: int, namespaces: Sequence[str], stories: Sequence[Story] = STORIES) -> list[Case]:
    """So many builds, with stories by their shares, mixed; with groups, the count is a multiple of fifty."""
    pattern = [story for story in stories for _ in range(story.share)]
    random.Random(len(pattern)).shuffle(pattern)
    return [
        _case(number, pattern[number % len(pattern)], namespaces, number // len(pattern)) for number in range(count)
    ]


def _case(number: int, story: Story, namespaces: Sequence[str], block: int) -> Case:
    place = block if story.group else number
    group = f"{story.group}-{block}" if story.group else ""
    return Case((namespaces[place % len(namespaces)], f"{story.name}-{number}"), story, group)
