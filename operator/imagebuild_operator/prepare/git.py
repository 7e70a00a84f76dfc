"""A git repository becomes the build context: one commit's files, and what they refer to if that is asked for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.source_plans import GitPlan
from imagebuild_operator.prepare.context_links import refuse_links_to_credentials
from imagebuild_operator.prepare.git_checkout import Pause, checked_out
from imagebuild_operator.prepare.git_client import STALL_SECONDS, GitClient
from imagebuild_operator.prepare.git_lfs import fetch_files
from imagebuild_operator.prepare.git_login import secrets_of, ssh_files
from imagebuild_operator.prepare.git_remote import Remote
from imagebuild_operator.prepare.git_ssh import ssh_command
from imagebuild_operator.prepare.git_submodules import Submodules
from imagebuild_operator.prepare.ground import Fetcher, Ground

_SSH: Final = "ssh"


def git_fetcher(plan: GitPlan) -> Fetcher:
    """What fetches the repository's commit, its login checked.

    Raises:
        PrepareError: if the login cannot be used; so does the fetcher when it fails.
    """
    remote = Remote(plan.url, plan.login)
    secrets: tuple[str, ...] = ()
    if plan.login is not None and remote.ssh:
        ssh_files(plan.login)
    elif plan.login is not None:
        secrets = secrets_of(plan.login)

    def fetch(ground: Ground) -> Prepared:
        with git_client(remote, ground, secrets) as client:
            return fetch_source(plan, client)

    return fetch


@contextmanager
def git_client(
    remote: Remote, ground: Ground, secrets: tuple[str, ...] = (), *, stall_seconds: int = STALL_SECONDS
) -> Iterator[GitClient]:
    """The client for a repository; what ssh needs is there as long as the block runs.

    Raises:
        PrepareError: if ssh cannot use the login.
    """
    client = GitClient(
        folder=ground.scratch / "git",
        work_tree=ground.context,
        remote=remote,
        certificates=ground.trusted,
        protocols=ground.protocols,
        stall_seconds=stall_seconds,
        secrets=secrets,
    )
    if remote.login is None or not remote.ssh:
        yield client
        return
    with ssh_command(remote.login, ground.scratch / _SSH, stall_seconds=stall_seconds) as command:
        yield replace(client, ssh=command, protocols=f"{client.protocols}:{_SSH}")


def fetch_source(plan: GitPlan, client: GitClient, *, pause: Pause = time.sleep) -> Prepared:
    """Check the revision out into the client's work tree, without `.git` and without history.

    Raises:
        PrepareError: if that is not possible.
    """
    prepared = checked_out(client, plan.revision, pause=pause)
    if plan.lfs:
        fetch_files(client, pause=pause)
    if plan.submodules:
        Submodules(client.remote, plan.lfs, pause).fetch(client)
    client.discard()
    refuse_links_to_credentials(client.work_tree, client.remote.url)
    return prepared
