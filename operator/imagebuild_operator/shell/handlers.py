"""kopf as the informer: every watch event becomes a newer copy in the store and a key in the work queue.

Only `on.event`: it stores nothing on the objects, adds no finalizer, and leaves retries to the work queue. The
handlers do no I/O and decide nothing, so they cannot fail for a reason that trying again would mend.
"""

from typing import Any, Final

import kopf

from imagebuild_operator.api import names
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.shell.cleanup import Cleanup
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import WorkQueue

# The API server sends a bookmark every minute: a watch that says less than that is dead, whatever TCP thinks.
SILENCE_SECONDS: Final = 70.0
# A watch is begun anew this often, from where it was: by the server, and if that does not keep to it by us.
WATCH_SECONDS: Final = 600
LATE_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
# For one page of a list.
ANSWER_SECONDS: Final = 60.0


class Intake:
    """Takes watch events in."""

    def __init__(self, store: Store, queue: WorkQueue[Key], cleanup: Cleanup) -> None:
        self._store = store
        self._queue = queue
        self._cleanup = cleanup

    def build(self, kind: str | None, raw: JSON) -> None:
        """An ImageBuild was listed, added, changed or deleted."""
        metadata = raw.get("metadata") or {}
        key = (str(metadata.get("namespace")), str(metadata.get("name")))
        if kind == "DELETED":
            self._store.drop_build(key, metadata.get("uid"))
        else:
            self._store.see_build(raw)
        self._queue.add(key)

    def pod(self, kind: str | None, raw: JSON) -> None:
        """A build Pod was listed, added, changed or deleted."""
        self._cleanup.see(raw, gone=kind == "DELETED")
        key = self._store.key_of(raw) if kind == "DELETED" else self._store.see_pod(raw)
        if key is None:
            return
        if kind == "DELETED":
            self._store.lose_pod(key, str((raw.get("metadata") or {}).get("uid")), raw)
        self._queue.add(key)


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Attach the intake to the watch events of ImageBuilds and of build Pods, and the login that watching needs."""

    @kopf.on.login(registry=registry)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def imagebuilds(event: Any, **_: Any) -> None:
        intake.build(event["type"], event["object"])

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pods(event: Any, **_: Any) -> None:
        intake.pod(event["type"], event["object"])


def settings(operator_settings: kopf.OperatorSettings) -> kopf.OperatorSettings:
    """kopf, told to keep out of everything but watching.

    Selectors are the server's work, lists are paged, idle workers go soon (a worker for each object that was listed
    costs memory), and nothing watches CRDs, namespaces or peers.

    A watch that stays open and says nothing ends after 70 s, and one that says too little after ten minutes. The next
    one goes on from the last resourceVersion that was heard of, so it tells what was missed; where the server no
    longer has that (410), kopf lists anew. What a list cannot tell, deletions, the resync finds.
    """
    operator_settings.posting.enabled = False
    operator_settings.scanning.disabled = True
    operator_settings.peering.standalone = True
    operator_settings.watching.chunk_size = 500
    operator_settings.watching.inactivity_timeout = SILENCE_SECONDS
    operator_settings.watching.server_timeout = WATCH_SECONDS
    operator_settings.watching.client_timeout = WATCH_SECONDS + LATE_SECONDS
    operator_settings.watching.connect_timeout = CONNECT_SECONDS
    operator_settings.networking.connect_timeout = CONNECT_SECONDS
    operator_settings.networking.request_timeout = ANSWER_SECONDS
    operator_settings.watching.label_selectors["", "v1", "pods"] = f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"
    operator_settings.queueing.idle_timeout = 0.5
    operator_settings.persistence.finalizer = f"{names.GROUP}/unused"
    operator_settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=names.GROUP)
    operator_settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=names.GROUP)
    return operator_settings
