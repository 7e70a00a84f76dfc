"""Which builds a newer one of their concurrency group takes the place of (`concurrencyPolicy: Replace`)."""

from collections.abc import Sequence

from imagebuild_operator.core.queueing import Key
from imagebuild_operator.core.standing import Member

Group = tuple[str, str]


class Groups:
    """The builds with an open run, by namespace and concurrency group."""

    def __init__(self) -> None:
        self._members: dict[Key, Member] = {}
        self._groups: dict[Group, dict[Key, Member]] = {}
        self._replacing: dict[Group, dict[Key, Member]] = {}

    def put(self, key: Key, member: Member | None) -> Sequence[Key]:
        """Note what is known of one build; None when it is in no group, or has no open run.

        Returns:
            The builds whose place it takes, when that is new.
        """
        known = self._members.get(key)
        if known == member:
            return ()
        if known is not None:
            del self._members[key]
            for index in (self._groups, self._replacing):
                _take_out(index, (key[0], known.group), key)
        if member is None:
            return ()
        group = (key[0], member.group)
        self._members[key] = self._groups.setdefault(group, {})[key] = member
        if not member.replaces:
            return ()
        self._replacing.setdefault(group, {})[key] = member
        return [other for other, its in self._groups[group].items() if member.is_newer_than(its)]

    def newest(self, namespace: str, group: str) -> str:
        """The queuedTime of the newest open run of a group; empty when there is none."""
        return max((its.since for its in self._groups.get((namespace, group), {}).values()), default="")

    def superseded_by(self, key: Key) -> str:
        """The name of the newest build that takes this one's place; empty when none does."""
        mine = self._members.get(key)
        if mine is None:
            return ""
        newer = [its for its in self._replacing.get((key[0], mine.group), {}).values() if its.is_newer_than(mine)]
        return max(newer, key=lambda its: (its.since, its.name)).name if newer else ""


def _take_out(index: dict[Group, dict[Key, Member]], group: Group, key: Key) -> None:
    members = index.get(group, {})
    members.pop(key, None)
    if not members:
        index.pop(group, None)
