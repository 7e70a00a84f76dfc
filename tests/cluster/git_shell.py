"""A program: what sshd lets a git client do, whatever it asks for: fetch, and ask for the address of Git LFS.

sshd starts it as its forced command, with the client's own one in SSH_ORIGINAL_COMMAND (sshd_config(5), ForceCommand).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shlex
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder that the clients' paths are below")
    parser.add_argument("--lfs", default="", help="address of Git LFS that the clients' paths are put behind")
    parser.add_argument("--lfs-login", default="", help="user:password that they are told with it, as a token is")
    options = parser.parse_args()
    words = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    match words:
        case ["git-upload-pack", path]:
            folder = str(options.root / path.lstrip("/"))
            # The repositories may belong to whoever made the cluster.
            os.execvp("git", ["git", "-c", "safe.directory=*", "upload-pack", folder])
        case ["git-lfs-authenticate", path, "download"] if options.lfs:
            login = base64.b64encode(options.lfs_login.encode()).decode()
            header = {"Authorization": f"Basic {login}"} if login else {}
            json.dump({"href": f"{options.lfs}/{path.lstrip('/')}/info/lfs", "header": header}, sys.stdout)
        case _:
            sys.exit(f"There is only fetching here, no: {' '.join(words) or 'shell'}")


if __name__ == "__main__":
    main()
