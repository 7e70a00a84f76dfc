"""Git's credential helper: answers with the login in a mounted Secret, for one host only.

Git starts it as a program of its own (gitcredentials(7)), so that the login is neither in git's arguments, nor its
environment, nor its configuration. It stands alone: standard library only, run by its path.

Arguments: the Secret's folder, the protocol and the host the login is for, and git's operation.
"""

import sys
from pathlib import Path


def answer(folder: Path, protocol: str, host: str, question: dict[str, str]) -> str:
    """What to print; nothing when git asks for another host, as after a redirect."""
    if question.get("protocol") != protocol or question.get("host", "").lower() != host.lower():
        return ""
    lines = [f"{key}={value(folder, key)}" for key in ("username", "password")]
    return "".join(f"{line}\n" for line in lines)


def value(folder: Path, key: str) -> str:
    """One value of the Secret; the line break that an editor or `echo` left at its end is not part of it."""
    return (folder / key).read_text(encoding="utf-8").rstrip("\r\n")


def main(arguments: list[str]) -> None:
    """Only `get` is answered; `store` and `erase` have nothing to do."""
    folder, protocol, host, operation = arguments
    question = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    if operation == "get":
        sys.stdout.write(answer(Path(folder), protocol, host, question))


if __name__ == "__main__":
    main(sys.argv[1:])
