"""A git repository, fetched by the init container."""

from imagebuild_operator.api.source_git import GitSource
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import SourceParts, empty_context, joined, source_secret
from imagebuild_operator.pod.source_plans import GitPlan


def git_source(git: GitSource) -> SourceParts:
    """The repository's commit goes into an empty volume; the login is seen by the init container alone."""
    parts, login = source_secret(git.secret_ref, "git-login", paths.GIT_CREDENTIALS)
    plan = GitPlan(
        url=git.url, revision=git.revision, submodules=git.submodules is True, lfs=git.lfs is True, login=login
    )
    return SourceParts(joined((empty_context(), parts)), plan)
