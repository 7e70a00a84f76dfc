"""How the build context gets into the Pod: one row for each kind of source."""

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod.parts import SourceParts
from imagebuild_operator.pod.settings import PodSettings
from imagebuild_operator.pod.source_files import claim_source, config_map_source, inline_source
from imagebuild_operator.pod.source_git import git_source
from imagebuild_operator.pod.source_http import http_source
from imagebuild_operator.pod.source_objects import azure_blob_source, gcs_source, s3_source
from imagebuild_operator.pod.source_oci import oci_source


def source_parts(spec: ImageBuildSpec, settings: PodSettings) -> SourceParts:
    """What the one member of the source that is set adds to the Pod; nothing if there is none."""
    source = spec.source
    if source.git is not None:
        return git_source(source.git)
    if source.inline is not None:
        return inline_source(source.inline)
    if source.config_map is not None:
        return config_map_source(source.config_map)
    if source.http is not None:
        return http_source(source.http)
    if source.s3 is not None:
        return s3_source(source.s3)
    if source.gcs is not None:
        return gcs_source(source.gcs)
    if source.azure_blob is not None:
        return azure_blob_source(source.azure_blob)
    if source.oci is not None:
        return oci_source(source.oci, spec.registries, image_volumes=settings.image_volumes)
    if source.persistent_volume_claim is not None:
        return claim_source(source.persistent_volume_claim, source.sub_path)
    return SourceParts()
