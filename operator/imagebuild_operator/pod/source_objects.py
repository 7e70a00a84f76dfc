"""Archives in object stores, fetched by the init container."""

from pathlib import Path
from typing import Final

from imagebuild_operator.api.fields import LocalObjectReference
from imagebuild_operator.api.source_objects import AzureBlobSource, GcsSource, S3Source
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Parts, SourceParts, empty_context, joined, mount, secret_volume
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan, StoreKeys

_VOLUME: Final = "object-store"


def s3_source(s3: S3Source) -> SourceParts:
    """The archive is unpacked into an empty volume; the keys are seen by the init container alone."""
    plan = S3Plan(bucket=s3.bucket, key=s3.key, endpoint=s3.endpoint, region=s3.region, keys=_keys(s3.secret_ref))
    return SourceParts(_parts(s3.secret_ref), plan)


def gcs_source(gcs: GcsSource) -> SourceParts:
    """The same out of Google Cloud Storage."""
    return SourceParts(_parts(gcs.secret_ref), GcsPlan(bucket=gcs.bucket, key=gcs.key, keys=_keys(gcs.secret_ref)))


def azure_blob_source(blob: AzureBlobSource) -> SourceParts:
    """The same out of Azure Blob Storage."""
    return SourceParts(_parts(blob.secret_ref), AzureBlobPlan(url=blob.url, keys=_keys(blob.secret_ref)))


def _parts(reference: LocalObjectReference | None) -> Parts:
    if reference is None:
        return empty_context()
    # All keys: that one is missing is told by the init container, which knows which.
    keys = Parts(
        volumes=(secret_volume(_VOLUME, reference.name),),
        prepare_mounts=(mount(_VOLUME, paths.STORE_KEYS),),
    )
    return joined((empty_context(), keys))


def _keys(reference: LocalObjectReference | None) -> StoreKeys | None:
    return None if reference is None else StoreKeys(secret=reference.name, folder=Path(paths.STORE_KEYS))
