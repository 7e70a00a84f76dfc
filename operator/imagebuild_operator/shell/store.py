"""The last watched copies of unfinished builds and their Pods: what observations are made from.

Nothing here is the truth: every write proves itself (name, uid, resourceVersion), and a GET is spent where a stale
copy could do harm. A finished build is forgotten, so memory follows the work, not the history.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import PodView, controller_of
from imagebuild_operator.core.queueing import Key, Waiting
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.standing import Standing, standing

logger = logging.getLogger(__name__)


def version_of(raw: JSON) -> int:
    """The resourceVersion as a number: they are comparable within one resource (KEP-5504); 0 when it is not one."""
    text = str((raw.get("metadata") or {}).get("resourceVersion") or "")
    return int(text) if text.isascii() and text.isdigit() else 0


def owner_of(raw: JSON) -> Key | None:
    """The build that a Pod belongs to, by its controller ownerReference."""
    owner = controller_of(raw)
    namespace = (raw.get("metadata") or {}).get("namespace")
    return (str(namespace), str(owner.get("name"))) if owner else None


@dataclass
class _Entry:
    version: int
    view: PodView


class Store:
    """Copies by key; an older copy never replaces a newer one."""

    def __init__(self) -> None:
        self._builds: dict[Key, tuple[int, BuildView]] = {}
        # By the Pods' uid.
        self._pods: dict[Key, dict[str, _Entry]] = {}
        self._standings: dict[Key, Standing] = {}
        self._changed: dict[Key, None] = {}

    def build(self, key: Key) -> BuildView | None:
        """The newest copy of an unfinished build."""
        entry = self._builds.get(key)
        return entry[1] if entry else None

    def pods(self, key: Key) -> tuple[PodView, ...]:
        """The copies of its Pods, those that exist first."""
        views = [entry.view for entry in self._pods.get(key, {}).values()]
        return tuple(sorted(views, key=lambda view: view.gone))

    def keys(self) -> set[Key]:
        """Every build something is known of."""
        return {*self._builds, *self._pods}

    def builds(self) -> Iterator[tuple[Key, int]]:
        """Keys and resourceVersions of the unfinished builds."""
        return ((key, version) for key, (version, _) in list(self._builds.items()))

    def existing_pods(self) -> Iterator[tuple[Key, str, int]]:
        """Key, uid and resourceVersion of every Pod that is not known to be gone."""
        for key, pods in list(self._pods.items()):
            for uid, entry in list(pods.items()):
                if not entry.view.gone:
                    yield key, uid, entry.version

    def key_of(self, raw: JSON) -> Key | None:
        """The build a Pod belongs to, or belonged to: deleting a build with `--cascade=orphan` takes its owner away."""
        uid = str((raw.get("metadata") or {}).get("uid"))
        return owner_of(raw) or next((key for key, pods in self._pods.items() if uid in pods), None)

    def standing(self, key: Key) -> Standing:
        """Where the build stands in the queue."""
        return self._standings.get(key) or Standing(Waiting(key))

    def take_changes(self) -> Iterable[Key]:
        """The builds whose standing has changed since the last call, each once."""
        changed, self._changed = self._changed, {}
        return changed

    def see_build(self, raw: JSON) -> BuildView | None:
        """Take in a copy; one that is older than the known one is ignored.

        Returns:
            The newest copy; None when its status cannot be read: somebody else wrote it, and it is left alone.
        """
        try:
            view, version = BuildView.parse(raw), version_of(raw)
        except ValidationError as error:
            self._leave_alone(raw, error)
            return None
        known = self._builds.get(view.key)
        if known is not None and known[0] > version:
            return known[1]
        self._builds[view.key] = (version, view)
        self._count(view.key)
        return view

    def _leave_alone(self, raw: JSON, error: ValidationError) -> None:
        metadata, first = raw.get("metadata") or {}, error.errors(include_input=False, include_url=False)[0]
        key = (str(metadata.get("namespace")), str(metadata.get("name")))
        where = ".".join(map(str, first["loc"]))
        logger.error("The status of %s/%s cannot be read at %s: %s", *key, where, first["msg"])
        self.forget(key)

    def drop_build(self, key: Key, uid: str | None = None) -> None:
        """The build does not exist any more: its Pods count until they are gone too."""
        known = self._builds.get(key)
        if known is None or uid in (None, known[1].uid):
            self.forget(key)

    def forget(self, key: Key) -> None:
        """Nothing more is to be done for the build: let its copies go, its live Pods excepted."""
        self._builds.pop(key, None)
        pods = self._pods.get(key)
        if pods is not None:
            # A Pod of another owner was only looked at because it has the name: no watch would tell that it ended.
            self._pods[key] = {uid: e for uid, e in pods.items() if e.view.live and e.view.owner_name == key[1]}
        self._count(key)

    def see_pod(self, raw: JSON, key: Key | None = None, *, listed: bool = False) -> Key | None:
        """Take in a Pod, for the build it belongs to or the one given.

        A Pod that has ended, or lost its owner, is only kept for a build that is not finished.

        Returns:
            The key of the build to look at; None when the Pod means nothing to any.
        """
        key, version = key or self.key_of(raw), version_of(raw)
        if key is None:
            return None
        view = PodView.parse(raw)
        pods = self._pods.setdefault(key, {})
        known = pods.get(view.uid)
        if key not in self._builds and (view.terminal or not view.owner_uid):
            pods.pop(view.uid, None)
        elif known is None or version >= known.version:
            # A list says what came of asking: a Pod that is still there unasked has to be asked again.
            asked = known.view.delete_requested and not listed if known else False
            told = known.view.told if known else None
            pods[view.uid] = _Entry(version, replace(view, delete_requested=asked, told=told))
        self._count(key)
        return key if known is not None or key in self._pods else None

    def lose_pod(self, key: Key, uid: str, last: JSON | None = None) -> None:
        """The Pod does not exist any more, it seems; its last copy stays while its build is unfinished.

        A deletion has a resourceVersion of its own, so only a Pod that was given up by mistake (its label was taken
        away, which a watch with a selector calls a deletion too) can be seen again.
        """
        pods = self._pods.setdefault(key, {})
        known = pods.get(uid)
        view = PodView.parse(last) if last is not None else (known.view if known else None)
        if view is not None and key in self._builds:
            version = max(known.version if known else 0, version_of(last) if last is not None else 0)
            pods[uid] = _Entry(version, replace(view, gone=True))
        else:
            pods.pop(uid, None)
        self._count(key)

    def request_delete(self, key: Key, uid: str) -> None:
        """Remember that this process asked the Pod to go, until the watch tells."""
        entry = self._pods.get(key, {}).get(uid)
        if entry is not None:
            entry.view = replace(entry.view, delete_requested=True)

    def note_told(self, key: Key, uid: str, now: datetime) -> None:
        """Remember that an Event tells of the Pod: each pass would post it anew."""
        entry = self._pods.get(key, {}).get(uid)
        if entry is not None:
            entry.view = replace(entry.view, told=now)

    def _count(self, key: Key) -> None:
        """Keep the standing of one build in step with its copies."""
        build, pods = self.build(key), self._pods.get(key)
        if pods is not None and not pods:
            del self._pods[key]
        known, now = self.standing(key), standing(key, build, self.pods(key))
        if build is None and key not in self._pods:
            self._standings.pop(key, None)
        else:
            self._standings[key] = now
        if now != known:
            self._changed[key] = None
