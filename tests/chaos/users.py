"""Those who make the builds and change their minds, and the luck that their Pods have."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.core.queueing import Key
from tests.chaos.api import JSON, Api, builds_path
from tests.chaos.kubelet import End, Fate
from tests.chaos.observer import Observer
from tests.chaos.stories import LAST_TEXT, Act, Case

TOKEN: Final = "2026-01-01T00:00:00Z"
# A Pod takes some tenths of a second; acts that come at any moment come while the first builds of a scenario run.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 0.6
ANY_MOMENT_SECONDS: Final = 3.0


class Users:
    """All of them.

    Args:
        api: the way round the faults.
        observer: where they look before they act.
        cases: the builds.
        seed: of every moment and duration.

    Attributes:
        acts: how often one of them changed a build.
    """

    def __init__(self, api: Api, observer: Observer, cases: Sequence[Case], seed: int) -> None:
        self._api = api
        self._observer = observer
        self._random = random.Random(seed)
        self._cases = {case.key: case for case in cases}
        self._past: set[Key] = set()
        self.acts = 0

    def fate(self, pod: JSON) -> Fate:
        """What its build's story has in store for a Pod: the first one's end comes once, whatever its name."""
        [owner] = pod["metadata"]["ownerReferences"]
        key = (pod["metadata"]["namespace"], owner["name"])
        story = self._cases[key].story
        end = story.then if key in self._past else story.first
        if end not in (End.PUSHED, End.NEVER):
            self._past.add(key)
        seconds = self._random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
        return Fate(end, seconds)

    async def act(self) -> None:
        """Make every build, and do to it what its story says."""
        async with asyncio.TaskGroup() as group:
            for case in self._cases.values():
                if case.story.act is not Act.REPLACE:
                    await self._create(case)
                group.create_task(self._follow(case))

    async def _follow(self, case: Case) -> None:
        story = case.story
        if story.act is Act.REPLACE:
            [older] = [key for key, other in self._cases.items() if other.group == case.group and key != case.key]
            await self._until_it_runs(older)
        elif story.while_it_runs:
            await self._until_it_runs(case.key)
        else:
            await self._observer.until(lambda: "run" in self._observer.status(case.key))
            await asyncio.sleep(self._random.uniform(0, ANY_MOMENT_SECONDS))
        await self._do(case)

    async def _do(self, case: Case) -> None:
        match case.story.act:
            case Act.REPLACE:
                await self._create(case)
            case Act.EDIT:
                self._past.add(case.key)
                await self._change(case.key, {"spec": case.document(LAST_TEXT)["spec"]})
            case Act.REQUEST:
                await self._annotate(case.key, names.ANNOTATION_REQUESTED_AT)
            case Act.CANCEL:
                await self._annotate(case.key, names.ANNOTATION_CANCEL_REQUESTED_AT)
            case Act.SUSPEND:
                self._past.add(case.key)
                await self._change(case.key, {"spec": {"suspend": True}})
                await self._observer.until(lambda: self._observer.status(case.key)["phase"] == names.Phase.SUSPENDED)
                await self._change(case.key, {"spec": {"suspend": False}})

    async def _until_it_runs(self, key: Key) -> None:
        await self._observer.until(lambda: any(pod.running for pod in self._observer.live(key)))

    async def _create(self, case: Case) -> None:
        await self._api.create(builds_path(case.key[0]), case.document())

    async def _change(self, key: Key, changes: JSON) -> None:
        self.acts += 1
        await self._api.merge(builds_path(*key), changes)

    async def _annotate(self, key: Key, annotation: str) -> None:
        await self._change(key, {"metadata": {"annotations": {annotation: TOKEN}}})
