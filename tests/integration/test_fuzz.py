"""Ten thousand specs that no sane person would write: the schema refuses them, or the status says what is wrong.

Each is sent to a real API server (a dry run). What it takes goes, as it took it, through the whole core: to a Pod, of
which the API server is asked as well, or to a status that the schema takes.
"""

import asyncio
import copy
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.api.names import Phase
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.shell.connection import Connection, Request
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import ApiRefusal
from tests.cluster.handle import ApiHandle
from tests.integration.imagebuilds import Document, minimal
from tests.integration.specimens import FULL_SPEC, INLINE
from tests.unit.core.world import World

pytestmark = pytest.mark.integration

SPECS: Final = 10_000
AT_ONCE: Final = 8
SEED: Final = 20_261_121
REFUSED: Final = "refused by the schema"
PODS_REFUSED: Final = "of their Pods refused"

ODD: Final[tuple[Any, ...]] = (
    -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 1e308, 0.5, True, False, None, "", " ", "-1", "0", "1e9", "1h", "0s", "-5m",
    "9" * 40, "8760h", "999999h", "\x00", "\x1b[31m", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "ä" * 64, "x" * 5000, "../../etc/passwd", "/", "a/b/../c", "$(reboot)", "${HOME}", "%s%n", "Dockerfile\n", "NaN",
    "1Gi", "-1Gi", "1e100", "0.000000001", [], {}, [[]], [None], {"a": {"b": {}}}, ["x"] * 200, {"": ""},
    "{{ .Values }}", "'; DROP TABLE", "sha256:" + "0" * 64, "a@b@c", "a:b:c", "latest", "registry.example.com/web:1",
)  # fmt: skip
UNKNOWN: Final = ("privileged", "hostPath", "status", "images ", "Source", "x-y", "", "__class__", "apiVersion")
LEFTOVERS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {names.ANNOTATION_REQUESTED_AT: ""},
    {names.ANNOTATION_REQUESTED_AT: "x" * 5000, names.ANNOTATION_CANCEL_REQUESTED_AT: "😀" * 500},
    {names.ANNOTATION_RUN: "-1", f"{names.ANNOTATION_FILE_PREFIX}0": "left by an older version"},
    {"kopf.zalando.org/last-handled-configuration": "{"},
    {"imagebuild.dev/last-handled-configuration": "[]", "imagebuild.dev/no-such-thing": "\x00\x1b"},
)

# All that one executor can do: a spec that asks for more never becomes a Pod.
_EXECUTOR: Final = {**FULL_SPEC["executor"], "variant": "osscontainertools", "version": "v1.28.3"}
GOOD: Final[Document] = {**FULL_SPEC, "executor": _EXECUTOR}
ALLOWED: Final = tuple(argument.partition("=")[0] for argument in _EXECUTOR["extraArgs"])


class Mutator:
    """Makes specs: a good one, with a few members bent."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._good = (minimal()["spec"], GOOD, {**GOOD, **INLINE}, {**minimal()["spec"], **INLINE})

    def document(self, number: int) -> Document:
        spec = copy.deepcopy(self._random.choice(self._good))
        for _ in range(self._random.choice((1, 1, 2, 4))):
            self._bend(spec)
        annotations = dict(self._random.choice(LEFTOVERS))
        metadata = {"name": f"fuzz-{number}", "annotations": annotations}
        return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}

    def _bend(self, spec: Any) -> None:
        parent, key = self._somewhere(spec)
        match self._random.randrange(8):
            case 0 if isinstance(parent, dict):
                parent.pop(key, None)
            case 1 if isinstance(parent, dict):
                parent[self._random.choice(UNKNOWN)] = self._random.choice(ODD)
            case 2 if isinstance(parent, list):
                parent.extend(copy.deepcopy(parent[key]) for _ in range(self._random.choice((1, 70))))
            case 3:
                parent[key] = {"nested": parent.get(key)} if isinstance(parent, dict) else {}
            case 4:
                parent[key] = [parent.get(key)] if isinstance(parent, dict) else []
            case _:
                parent[key] = copy.deepcopy(self._random.choice(ODD))

    def _somewhere(self, spec: Any) -> tuple[Any, Any]:
        """A member, deeper ones as likely as those at the top."""
        found = ((node, node if isinstance(node, dict) else range(len(node))) for node in _containers(spec))
        places = [(node, key) for node, keys in found for key in keys]
        return self._random.choice(places or [(spec, "source")])


def _containers(value: Any) -> list[Any]:
    if not isinstance(value, dict | list) or not value:
        return []
    children = value.values() if isinstance(value, dict) else value
    return [value, *(found for child in children for found in _containers(child))]


class Judge:
    """Sends documents to the API server and takes what it accepts through the core."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._builds = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self.seen: Counter[str] = Counter()

    async def judge(self, document: Document) -> None:
        try:
            stored = await self._dry_run(names.PLURAL, self._builds, document)
        except ApiRefusal as refusal:
            assert refusal.status in (400, 422), f"{refusal} to {document}"
            assert refusal.message
            self.seen[REFUSED] += 1
            return
        world = self._run(stored)
        phase = Phase(world.status["phase"])
        if phase is Phase.FAILED:
            assert world.status["conditions"][-1]["message"], document
        for pod in world.pods.values():
            await self._pod(pod)
        self.seen[f"taken, {phase}"] += 1

    def _run(self, stored: JSON) -> World:
        world = World(spec=stored["spec"])
        world.annotations = stored["metadata"].get("annotations") or {}
        world.status = stored["status"]
        world.policy = replace(world.policy, pod=replace(world.policy.pod, allowed_arguments=ALLOWED))
        world.step()
        if world.status["phase"] == Phase.BUILDING:
            world.start_pod()
            world.pass_time(5)
            world.step()
        ImageBuildStatus.model_validate(world.status)
        return world

    async def _pod(self, pod: JSON) -> None:
        """A Pod that the API server refuses is told of in the status: only an answer of another kind is a fault."""
        metadata = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "namespace")}
        try:
            await self._dry_run("pods", self._pods, {**pod, "metadata": metadata, "status": {}})
        except ApiRefusal as refusal:
            assert refusal.status in (400, 403, 404, 413, 422), f"{refusal} to {pod}"
            self.seen[PODS_REFUSED] += 1

    async def _dry_run(self, resource: str, path: str, document: Document) -> JSON:
        request = Request("create", resource, path, query={"dryRun": "All"}, body=document, repeatable=True)
        return await self._connection.json(request)


async def judged(control_plane: ApiHandle, namespace: str, count: int) -> Counter[str]:
    mutator = Mutator(SEED)
    documents = iter([mutator.document(number) for number in range(count)])
    environment = {"KUBECONFIG": str(control_plane.kubeconfig)}
    connection = await Connection.open(environment, metrics=Metrics("test"), random=random.random)
    judge = Judge(connection, namespace)

    async def work() -> None:
        for document in documents:
            await judge.judge(document)

    try:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    finally:
        await connection.close()
    return judge.seen


@pytest.fixture(scope="module")
def namespace(control_plane: ApiHandle, new_namespace: Callable[[str], str]) -> str:
    """With the classes that the good specs name, so that their Pods are refused for what was bent alone."""
    template = FULL_SPEC["podTemplate"]
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1}
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "kata"}
    control_plane.apply(
        {**priority, "metadata": {"name": template["priorityClassName"]}},
        {**runtime, "metadata": {"name": template["runtimeClassName"]}},
    )
    return new_namespace("fuzz")


def test_ten_thousand_absurd_specs(
    control_plane: ApiHandle, namespace: str, record_property: Callable[[str, object], None]
) -> None:
    seen = asyncio.run(judged(control_plane, namespace, SPECS))
    record_property("specs", dict(seen))
    assert sum(count for kind, count in seen.items() if kind != PODS_REFUSED) == SPECS
    assert seen[REFUSED] > SPECS // 2
    assert seen[f"taken, {Phase.BUILDING}"] > SPECS // 15
    assert seen[PODS_REFUSED] < seen[f"taken, {Phase.BUILDING}"] // 2, seen
