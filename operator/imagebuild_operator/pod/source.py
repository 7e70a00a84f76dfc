"""How the build context gets into the Pod."""

from pathlib import Path
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import GitSource, InlineFile, InlineSource, Source
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Json, Parts, empty_volume, mount, secret_volume
from imagebuild_operator.pod.plan import GitLogin, GitPlan

INLINE_MODE: Final = 0o644


def source_parts(source: Source) -> Parts:
    """The volumes of the one member that is set."""
    if source.git is not None:
        return _git(source.git)
    return _inline(source.inline) if source.inline is not None else Parts()


def git_plan(source: Source) -> GitPlan | None:
    """What the init container has to fetch."""
    git = source.git
    if git is None:
        return None
    login = GitLogin(secret=git.secret_ref.name, folder=Path(paths.GIT_CREDENTIALS)) if git.secret_ref else None
    return GitPlan(url=git.url, revision=git.revision, login=login)


def _git(git: GitSource) -> Parts:
    context = Parts(
        volumes=(empty_volume("context"),),
        prepare_mounts=(mount("context", paths.CONTEXT, read_only=False),),
        build_mounts=(mount("context", paths.CONTEXT),),
    )
    if git.secret_ref is None:
        return context
    # All keys: that one is missing is told by the init container, which knows which.
    return Parts(
        volumes=(*context.volumes, secret_volume("git-login", git.secret_ref.name)),
        prepare_mounts=(*context.prepare_mounts, mount("git-login", paths.GIT_CREDENTIALS)),
        build_mounts=context.build_mounts,
    )


def _inline(inline: InlineSource) -> Parts:
    """Files that travel in annotations of the Pod, so that they need no object of their own.

    Each is mounted by itself: a downward API volume mounted whole consists of symbolic links, which the executor copies
    as such into the image.
    """
    files = list(enumerate(inline.files))
    return Parts(
        volumes=({"name": "inline", "downwardAPI": {"items": [_item(index, file) for index, file in files]}},),
        build_mounts=tuple(
            mount("inline", f"{paths.CONTEXT}/{file.path}", sub_path=f"file-{index}") for index, file in files
        ),
        annotations={f"{names.ANNOTATION_FILE_PREFIX}{index}": file.content for index, file in files},
    )


def _item(index: int, file: InlineFile) -> Json:
    field = f"metadata.annotations['{names.ANNOTATION_FILE_PREFIX}{index}']"
    mode = INLINE_MODE if file.mode is None else file.mode
    return {"path": f"file-{index}", "mode": mode, "fieldRef": {"apiVersion": "v1", "fieldPath": field}}
