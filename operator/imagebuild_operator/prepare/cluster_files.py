"""Files that the cluster itself holds: a ConfigMap is copied into the context, a volume is the context."""

import logging
import shutil
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.source_plans import ConfigMapPlan, VolumePlan
from imagebuild_operator.prepare.folders import empty
from imagebuild_operator.prepare.ground import Fetcher, Ground
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)

# What the kubelet keeps beside the keys: the folder they really lie in, and a link to it. No key begins so (Kubernetes,
# pkg/volume/util/atomic_writer.go).
_INTERNAL: Final = ".."


def config_map_fetcher(plan: ConfigMapPlan) -> Fetcher:
    """What copies a mounted ConfigMap's keys, links followed, as files of their names.

    Raises:
        PrepareError: if it has no keys.
    """
    files = [file for file in sorted(plan.folder.iterdir()) if not file.name.startswith(_INTERNAL)]
    if not files:
        message = f"ConfigMap {plan.name} is empty."
        raise PrepareError(Reason.SOURCE_NOT_FOUND, message, "Put the files of the context into it, one a key.")

    def copy(ground: Ground) -> Prepared:
        empty(ground.context)
        for file in files:
            shutil.copyfile(file, ground.context / file.name)
        log.info("Copied %d files of ConfigMap %s", len(files), plan.name)
        return Prepared()

    return copy


def volume_fetcher(_plan: VolumePlan) -> Fetcher:
    """Nothing to fetch: what is to be checked of a volume is checked of every source."""
    return lambda _ground: Prepared()
