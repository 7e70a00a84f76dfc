"""Archives in object stores, fetched by the init container."""

from imagebuild_operator.api.fields import LocalObjectReference
from imagebuild_operator.api.source_objects import AzureBlobSource, GcsSource, S3Source
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Parts, SourceParts, empty_context, joined, source_secret
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan, SourceSecret


def s3_source(s3: S3Source) -> SourceParts:
    """The archive is unpacked into an empty volume; the keys are seen by the init container alone."""
    parts, keys = _parts(s3.secret_ref)
    return SourceParts(parts, S3Plan(bucket=s3.bucket, key=s3.key, endpoint=s3.endpoint, region=s3.region, keys=keys))


def gcs_source(gcs: GcsSource) -> SourceParts:
    """The same out of Google Cloud Storage."""
    parts, keys = _parts(gcs.secret_ref)
    return SourceParts(parts, GcsPlan(bucket=gcs.bucket, key=gcs.key, keys=keys))


def azure_blob_source(blob: AzureBlobSource) -> SourceParts:
    """The same out of Azure Blob Storage."""
    parts, keys = _parts(blob.secret_ref)
    return SourceParts(parts, AzureBlobPlan(url=blob.url, keys=keys))


def _parts(reference: LocalObjectReference | None) -> tuple[Parts, SourceSecret | None]:
    parts, keys = source_secret(reference, "object-store", paths.STORE_KEYS)
    return joined((empty_context(), parts)), keys
