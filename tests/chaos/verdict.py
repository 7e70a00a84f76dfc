"""Whether every build of a scenario came to its right end."""

from collections.abc import Iterator, Sequence

from tests.chaos.api import JSON
from tests.chaos.kubelet import digest_of
from tests.chaos.observer import Observer, SeenPod
from tests.chaos.stories import LAST_TEXT, Act, Case
from tests.chaos.users import TOKEN

SUCCEEDED = "Succeeded"


def losses(observer: Observer, cases: Sequence[Case]) -> list[str]:
    """A line for each build that did not."""
    return [
        f"{'/'.join(case.key)}: {wrong}: {_brief(observer.status(case.key))}"
        for case in cases
        for wrong in _wrong(observer, case)
    ]


def _wrong(observer: Observer, case: Case) -> Iterator[str]:
    story, status = case.story, observer.status(case.key)
    run: JSON = status.get("run") or {}
    if status.get("phase") != story.phase or run.get("reason") != story.reason:
        yield f"is not {story.phase} for {story.reason}"
        return
    if story.run not in (None, run["number"]) or story.attempt not in (None, run["attempt"]):
        yield f"did not end with run {story.run}, attempt {story.attempt}"
    if story.failed is not None and [each["reason"] for each in run["attempts"][1:]] != [story.failed]:
        yield f"its first attempt was not {story.failed}"
    if story.act is Act.REQUEST and status.get("lastHandledRequest") != TOKEN:
        yield "the request was not handled"
    if story.act is Act.CANCEL and status.get("lastHandledCancel") != TOKEN:
        yield "the cancel was not handled"
    yield from _wrong_digests(observer, case, status, run)


def _wrong_digests(observer: Observer, case: Case, status: JSON, run: JSON) -> Iterator[str]:
    pods = [pod for pod in observer.pods.values() if pod.key == case.key]
    for past in status["history"]:
        pushed = {_digest(pod) for pod in pods if pod.attempt.run == past["number"]}
        if (past["reason"] == SUCCEEDED) != ("digest" in past) or past.get("digest") not in {None, *pushed}:
            yield f"run {past['number']} has the digest of no Pod of its own"
    if status["phase"] != SUCCEEDED:
        return
    built = [pod for pod in pods if pod.name == run["podName"] and _digest(pod) == status.get("digest")]
    if not built:
        yield "the digest is not that of the recorded Pod"
    elif case.story.act is Act.EDIT and LAST_TEXT not in str(built[0].document):
        yield "the recorded Pod built an older source"


def _digest(pod: SeenPod) -> str:
    return digest_of(pod.document["metadata"]["uid"])


def _brief(status: JSON) -> JSON:
    run = status.get("run") or {}
    told = {name: run.get(name) for name in ("number", "attempt", "attempts", "podName", "reason", "completionTime")}
    return {"phase": status.get("phase"), "failure": status.get("failure"), "run": told}
