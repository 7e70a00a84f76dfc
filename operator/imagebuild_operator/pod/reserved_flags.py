"""Flags that no setting can allow as raw arguments, and what stands in their place."""

from collections.abc import Mapping
from typing import Final

# Those that a field stands for:
FIELD_OF: Final[Mapping[str, str]] = {
    "annotation": "spec.output.annotations",
    "bucket": "spec.source.s3.bucket or spec.source.gcs.bucket",
    "build-arg": "spec.buildArgs",
    "cache": "spec.cache",
    "cache-copy-layers": "spec.cache.copyLayers",
    "cache-dir": "spec.cache.baseImages",
    "cache-repo": "spec.cache.repository",
    "cache-run-layers": "spec.cache.runLayers",
    "cache-ttl": "spec.cache.ttl",
    "compression": "spec.output.compression",
    "context": "spec.source",
    "context-sub-path": "spec.source.subPath",
    "credential-helpers": "spec.registries.cloud",
    "destination": "spec.output.images",
    "dockerfile": "spec.dockerfile",
    "insecure-registry": "spec.registries.insecure",
    "label": "spec.output.labels",
    "no-push": "spec.output.push",
    "no-push-cache": "spec.output.push",
    "push-retry": "spec.output.pushRetries",
    "registry-map": "spec.registries.mirrors",
    "reproducible": "spec.output.reproducible",
    "secret": "spec.secrets",
    "skip-default-registry-fallback": "spec.registries.mirrors",
    "skip-push-permission-check": "spec.output.skipPushCheck",
    "skip-tls-verify-registry": "spec.registries.insecure",
    "snapshot-mode": "spec.executor.snapshotMode",
    "target": "spec.target",
    "verbosity": "spec.executor.verbosity",
}
# Those whose value is the operator's own business:
OF_THE_OPERATOR: Final = frozenset({"compressed-caching", "digest-file", "image-download-retry", "log-format"})
# What would let a build succeed that pushed nothing, or break the Pod it runs in:
HARMFUL: Final = frozenset(
    {
        *("cleanup", "dryrun", "force", "help", "image-name-tag-with-digest-file", "image-name-with-digest-file"),
        *("kaniko-dir", "oci-layout-path", "pre-cleanup", "push-ignore-immutable-tag-errors", "tar-path"),
    }
)
NEVER_ALLOWED: Final = OF_THE_OPERATOR | HARMFUL | FIELD_OF.keys()
