"""A git repository, fetched by the init container."""

from pathlib import Path

from imagebuild_operator.api.source_git import GitSource
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Parts, SourceParts, empty_context, joined, mount, secret_volume
from imagebuild_operator.pod.source_plans import GitLogin, GitPlan


def git_source(git: GitSource) -> SourceParts:
    """The repository's commit goes into an empty volume; the login is seen by the init container alone."""
    plan = GitPlan(
        url=git.url, revision=git.revision, submodules=git.submodules is True, lfs=git.lfs is True, login=_login(git)
    )
    if git.secret_ref is None:
        return SourceParts(empty_context(), plan)
    # All keys: that one is missing is told by the init container, which knows which.
    login = Parts(
        volumes=(secret_volume("git-login", git.secret_ref.name),),
        prepare_mounts=(mount("git-login", paths.GIT_CREDENTIALS),),
    )
    return SourceParts(joined((empty_context(), login)), plan)


def _login(git: GitSource) -> GitLogin | None:
    if git.secret_ref is None:
        return None
    return GitLogin(secret=git.secret_ref.name, folder=Path(paths.GIT_CREDENTIALS))
