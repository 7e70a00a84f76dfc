"""Repositories with submodules and files of Git LFS, and the Secrets that git is given."""

from pathlib import Path

from tests.cluster import settings
from tests.cluster.gitserver import Content, Submodule
from tests.cluster.sshserver import SshServer, make_key
from tests.e2e.team import JSON, Team

LARGE = "a large file\n" * 4096
ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
WRONG_TOKEN = "guess-work-5e07"
PASSPHRASE = "open-sesame"

Files = dict[str, Content]


def gitmodules(**urls: str) -> str:
    """What names the submodules: by folder, with their addresses."""
    return "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in urls.items())


def make_repositories(team: Team) -> None:
    """In both trees: an application with a file of Git LFS, its library as a submodule, and that one's core."""
    git, dockerfile = team.cluster.git, team.dockerfile("COPY . /src")
    for tree in ("public", "private"):
        name = f"{tree}/{team.namespace}"
        core = git.create(f"{name}-core", {"core.txt": tree})
        modules: Files = {".gitmodules": gitmodules(core=f"../{team.namespace}-core.git"), "core": Submodule(core)}
        library = git.create(f"{name}-library", {"library.txt": tree, **modules})
        git.create(name, {"Dockerfile": dockerfile, "which": tree})
        modules = {".gitmodules": gitmodules(library=f"../{team.namespace}-library.git"), "library": Submodule(library)}
        large = {".gitattributes": ATTRIBUTES, "large.bin": git.large_file(name, LARGE.encode())}
        git.commit(name, {**modules, **large}, "Take up a library and a large file")
        git.tag(name, "v1")
    # The same server by its address is another one to git, and gets no login.
    elsewhere = f"https://{settings.NODE_ADDRESS}:{settings.GIT_PORT}/private/{team.namespace}-library.git"
    modules = {".gitmodules": gitmodules(library=elsewhere), "library": Submodule(library)}
    git.create(f"private/{team.namespace}-elsewhere", {"Dockerfile": dockerfile, **modules})
    name = f"public/{team.namespace}-lost"
    git.create(name, {"Dockerfile": dockerfile, ".gitattributes": ATTRIBUTES})
    pointer = git.large_file(name, b"never pushed")
    (git.folder(name) / "lfs" / pointer.split("sha256:")[1].split()[0]).unlink()
    git.commit(name, {"lost.bin": pointer}, "Point at nothing")


def secret(team: Team, name: str, kind: str, values: dict[str, str]) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": team.namespace},
        "type": kind,
        "stringData": values,
    }


def secrets(team: Team, server: SshServer, folder: Path) -> list[JSON]:
    """One that is right, a token alone, and the ways in which they are wrong."""
    key, hosts = server.key.read_text(), server.known_hosts
    other = SshServer(folder / "other", server.root, server.host, server.address, server.ports)
    other.prepare()
    ssh: dict[str, dict[str, str]] = {
        "git-key": {"ssh-privatekey": key, "known_hosts": hosts},
        "no-hosts": {"ssh-privatekey": key},
        "other-hosts": {"ssh-privatekey": key, "known_hosts": hosts.replace(server.host, "git.example.com")},
        "changed-host": {"ssh-privatekey": key, "known_hosts": other.known_hosts},
        "strange-key": {"ssh-privatekey": other.key.read_text(), "known_hosts": hosts},
        "guarded-key": {
            "ssh-privatekey": make_key(folder / "guarded", passphrase=PASSPHRASE).read_text(),
            "known_hosts": hosts,
        },
    }
    return [
        secret(team, "git-token", "kubernetes.io/basic-auth", {"password": team.cluster.git.token}),
        secret(team, "wrong-token", "kubernetes.io/basic-auth", {"password": WRONG_TOKEN}),
        *(secret(team, name, "kubernetes.io/ssh-auth", values) for name, values in ssh.items()),
    ]


def key_lines(server: SshServer) -> list[str]:
    """The lines of the private key that are its own: what no build step may find."""
    return [line for line in server.key.read_text().splitlines() if not line.startswith("-")][1:]
