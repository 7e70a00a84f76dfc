"""Git's credential helper: answers with the login in a mounted Secret, for one host only.

Git starts it as a program of its own (gitcredentials(7)), so that the login is neither in git's arguments, nor its
environment, nor its configuration. It stands alone: standard library only, run by its path.

Arguments: the Secret's folder, the protocol and the host the login is for, a file that says that the login was
refused, and git's operation.
"""

import sys
from pathlib import Path

# Goes with a token: GitLab wants it for OAuth tokens; with others GitLab, GitHub, Gitea and Azure do not look at it.
USERNAME = "oauth2"


def answer(folder: Path, protocol: str, host: str, question: dict[str, str]) -> str:
    """What to print; nothing when git asks for another host, as after a redirect."""
    if question.get("protocol") != protocol or question.get("host", "").lower() != host.lower():
        return ""
    username = value(folder, "username") if (folder / "username").exists() else USERNAME
    return f"username={username}\npassword={value(folder, 'password')}\n"


def value(folder: Path, key: str) -> str:
    """One value of the Secret; the line break that an editor or `echo` left at its end is not part of it."""
    return (folder / key).read_text(encoding="utf-8").rstrip("\r\n")


def main(arguments: list[str]) -> None:
    """`get` is answered until `erase` says that the login is wrong: git-lfs would ask again and again."""
    folder, protocol, host, refused, operation = arguments
    question = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    said = answer(Path(folder), protocol, host, question)
    if operation == "erase" and said:
        Path(refused).touch()
    elif operation == "get":
        sys.stdout.write("quit=1\n" if said and Path(refused).exists() else said)


if __name__ == "__main__":
    main(sys.argv[1:])
