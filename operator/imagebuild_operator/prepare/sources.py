"""Fetching the source: one row for each kind."""

from typing import assert_never

from imagebuild_operator.pod.source_plans import (
    AzureBlobPlan,
    ConfigMapPlan,
    GcsPlan,
    GitPlan,
    HttpPlan,
    OciPlan,
    S3Plan,
    SourcePlan,
    VolumePlan,
)
from imagebuild_operator.prepare.cluster_files import config_map_fetcher, volume_fetcher
from imagebuild_operator.prepare.git import git_fetcher
from imagebuild_operator.prepare.ground import Fetcher
from imagebuild_operator.prepare.http import http_fetcher
from imagebuild_operator.prepare.objects import azure_blob_fetcher, gcs_fetcher, s3_fetcher
from imagebuild_operator.prepare.oci import oci_fetcher


def fetcher_of(plan: SourcePlan) -> Fetcher:
    """What fetches such a source, its credentials checked.

    Raises:
        PrepareError: if they cannot be used; so does the fetcher when it fails.
    """
    match plan:
        case GitPlan():
            return git_fetcher(plan)
        case HttpPlan():
            return http_fetcher(plan)
        case ConfigMapPlan():
            return config_map_fetcher(plan)
        case VolumePlan():
            return volume_fetcher(plan)
        case OciPlan():
            return oci_fetcher(plan)
        case S3Plan():
            return s3_fetcher(plan)
        case GcsPlan():
            return gcs_fetcher(plan)
        case AzureBlobPlan():
            return azure_blob_fetcher(plan)
        case _:
            assert_never(plan)
