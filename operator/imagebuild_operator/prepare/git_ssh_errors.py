"""What ssh's messages mean (OpenSSH, sshconnect.c and sshconnect2.c), and what git hosts say over ssh."""

from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_causes import REACH_HINT, GitCause, Words, fixed, row
from imagebuild_operator.prepare.git_remote import Remote, server_of

PORT: Final = 22


def _host_key_changed(remote: Remote, line: str) -> Words:
    return (
        f"{remote.host} shows another host key than {_known_hosts(remote)} lists: {line}",
        "Compare it with the keys that the host's operators publish, then replace the line: either the host has a new "
        "key, or somebody stands between.",
    )


def _host_key_unknown(remote: Remote, line: str) -> Words:
    server = server_of(remote.url)
    port = f"-p {server.port} " if server.port != PORT else ""
    return (
        f"The host key of {remote.host} is not in {_known_hosts(remote)}: {line}",
        f"Add the line there that ssh-keyscan {port}{server.host} prints. Compare it with the keys that the host's "
        "operators publish: whoever stands between answers, too.",
    )


def _known_hosts(remote: Remote) -> str:
    return f"the key known_hosts of Secret {_secret(remote)}"


def key_refused(remote: Remote, line: str) -> Words:
    """What is said about a key that the server does not take."""
    return (
        f"{remote.host} refuses the ssh key in Secret {_secret(remote)}: {line}",
        f"Register its public key there, as a deploy key of the repository; and check the user in {remote.url_field}, "
        "which most hosts want to be git.",
    )


def _secret(remote: Remote) -> str:
    return remote.login.secret if remote.login is not None else "(none)"


SSH_CAUSES: Final[tuple[GitCause, ...]] = (
    row(Reason.HOST_KEY_UNKNOWN, r"host identification has changed|host key \S+ was revoked", _host_key_changed),
    row(Reason.HOST_KEY_UNKNOWN, r"host key verification failed|host key is known for", _host_key_unknown),
    row(
        Reason.SOURCE_AUTH_FAILED,
        r"permission denied \(|too many authentication failures|public key authentication failed|^unauthorized|"
        r"repository access denied",
        key_refused,
    ),
    row(
        Reason.SOURCE_FAILED,
        r"no matching (host key type|key exchange method|cipher|mac) found",
        fixed("{host} offers only algorithms that ssh takes for broken: {line}", "Have the server updated."),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"server \S+ not responding|timed out during banner exchange",
        fixed("{host} does not answer in time: {line}", REACH_HINT),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"connection (closed|reset) by|kex_exchange_identification|banner exchange|client_loop|ssh_dispatch_run_fatal",
        fixed("{host} cannot be reached: {line}", REACH_HINT),
    ),
)
