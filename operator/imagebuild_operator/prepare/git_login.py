"""A git credential helper that reads a mounted basic-auth Secret: `python3 -m ...git_login FOLDER get`.

git asks it only for the host it was set up for (gitcredentials, `credential.<url>.helper`), so a redirect elsewhere
gets nothing; and the password is never in an argument, a variable or the repository's configuration.
"""

import sys
from pathlib import Path


def read_login(folder: Path) -> tuple[str, str]:
    """User and password from the files `username` and `password`; a token needs no user name.

    Raises:
        OSError: when there is no `password`.
    """
    user = folder / "username"
    name = user.read_text().strip() if user.exists() else ""
    return name or "git", (folder / "password").read_text().rstrip("\r\n")


def main(arguments: list[str]) -> int:
    """Answer git's `get`; other operations (store, erase) are none of our business."""
    folder, operation = Path(arguments[0]), arguments[1]
    if operation == "get":
        user, password = read_login(folder)
        sys.stdout.write(f"username={user}\npassword={password}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
