"""Files that the cluster itself holds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.api.source_files import ClaimSource, ConfigMapFile, ConfigMapSource, InlineFile, InlineSource
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Json, Parts, SourceParts, empty_context, joined, mount
from imagebuild_operator.pod.source_plans import ConfigMapPlan, VolumePlan

FILE_MODE: Final = 0o644


def inline_source(inline: InlineSource) -> SourceParts:
    """Files that travel in annotations of the Pod, so that they need no object of their own."""
    files = list(enumerate(inline.files))
    parts = Parts(
        volumes=({"name": "inline", "downwardAPI": {"items": [_inline_item(index, file) for index, file in files]}},),
        build_mounts=_file_mounts("inline", (file.path for file in inline.files)),
        annotations={f"{names.ANNOTATION_FILE_PREFIX}{index}": file.content for index, file in files},
    )
    return SourceParts(parts)


def dockerfile_of(spec: ImageBuildSpec) -> str | None:
    """The Dockerfile, where it stands in the spec."""
    if spec.source.inline is None:
        return None
    path = "/".join(filter(None, (spec.source.sub_path, spec.dockerfile or "Dockerfile")))
    return next((file.content for file in spec.source.inline.files if file.path == path), None)


def config_map_source(config_map: ConfigMapSource) -> SourceParts:
    """The items of a ConfigMap, or all of it, which the init container then copies: nobody else knows its keys."""
    source: Json = {"name": config_map.name, "defaultMode": FILE_MODE}
    if config_map.items:
        source["items"] = [_key_item(index, item) for index, item in enumerate(config_map.items)]
        files = _file_mounts("config-map", (item.path for item in config_map.items))
        return SourceParts(Parts(volumes=({"name": "config-map", "configMap": source},), build_mounts=files))
    whole = Parts(
        volumes=({"name": "config-map", "configMap": source},),
        prepare_mounts=(mount("config-map", paths.CONFIG_MAP),),
    )
    plan = ConfigMapPlan(name=config_map.name, folder=Path(paths.CONFIG_MAP))
    return SourceParts(joined((empty_context(), whole)), plan)


def claim_source(claim: ClaimSource, sub_path: str | None) -> SourceParts:
    """A volume, or one folder of it.

    Of a folder, the executor gets nothing but that. The init container looks first whether it is there: the kubelet
    would make it, where a volume's driver does not mind `readOnly` (pkg/kubelet/kubelet_pods.go, makeMounts).
    """
    volume: Json = {
        "name": "context",
        "persistentVolumeClaim": {"claimName": claim.claim_name, "readOnly": True},
    }
    if sub_path is None:
        return SourceParts(Parts(volumes=(volume,), build_mounts=(mount("context", paths.CONTEXT),)))
    parts = Parts(
        volumes=(volume,),
        prepare_mounts=(mount("context", paths.CONTEXT),),
        build_mounts=(mount("context", f"{paths.CONTEXT}/{sub_path}", sub_path=sub_path),),
    )
    return SourceParts(parts, VolumePlan(claim=claim.claim_name))


def _file_mounts(volume: str, files: Iterable[str]) -> tuple[Json, ...]:
    """Each file of a volume mounted by itself, below the context.

    Mounted whole, such a volume consists of symbolic links, which the executor copies as such into the image.
    """
    return tuple(
        mount(volume, f"{paths.CONTEXT}/{file}", sub_path=_file_name(index)) for index, file in enumerate(files)
    )


def _inline_item(index: int, file: InlineFile) -> Json:
    field = f"metadata.annotations['{names.ANNOTATION_FILE_PREFIX}{index}']"
    return {
        "path": _file_name(index),
        "mode": FILE_MODE if file.mode is None else file.mode,
        "fieldRef": {"apiVersion": "v1", "fieldPath": field},
    }


def _key_item(index: int, item: ConfigMapFile) -> Json:
    return {"key": item.key, "path": _file_name(index), "mode": FILE_MODE if item.mode is None else item.mode}


def _file_name(index: int) -> str:
    return f"file-{index}"
