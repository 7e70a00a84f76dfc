"""What git prints has no end where a server wants that: only its end is kept, and lists have a limit."""

import os
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare import git_output
from imagebuild_operator.prepare.git_checkout import TARGET
from imagebuild_operator.prepare.git_client import GitError
from imagebuild_operator.prepare.git_output import TAIL_BYTES, OutputTooLongError, Printed, run
from tests.unit.prepare.fetching import Fetch
from tests.unit.prepare.git_server import GitServer, Remote, answers, git
from tests.unit.prepare.loopback import Answer, reply

MEBIBYTES = 1024 * 1024


def printed(program: str) -> Printed:
    return run([sys.executable, "-c", program], os.environ, Path("/"))


def test_both_are_read_while_they_come() -> None:
    """More in each than a pipe holds, by turns: whoever read one after the other would wait for ever."""
    step = "os.write(1, b'1' * 999 + b'\\n'); os.write(2, b'2' * 49 + b'\\n')"
    lines = ("1" * 999 + "\n") * 1000, ("2" * 49 + "\n") * 1000
    assert printed(f"import os\nfor _ in range(1000): {step}") == Printed(0, *lines)


@pytest.mark.parametrize(("more", "kept"), [(0, TAIL_BYTES), (1, TAIL_BYTES - 64)])
def test_the_end_is_kept_in_whole_lines(more: int, kept: int) -> None:
    lines = TAIL_BYTES // 64
    program = f"import os; os.write(2, b'0' * {more})\nfor _ in range({lines}): os.write(2, b'2' * 63 + b'\\n')"
    assert printed(program).told == ("2" * 63 + "\n") * (kept // 64)


def test_a_line_that_never_ends_is_not_told() -> None:
    assert printed(f"import os; os.write(2, b'fatal: ' + b'x' * {TAIL_BYTES})").told == ""


def test_a_list_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_output, "OUTPUT_BYTES", MEBIBYTES)
    with pytest.raises(OutputTooLongError):
        printed("import os\nwhile True: os.write(1, b'x' * 4096)")


def test_helpers_that_hold_the_pipes_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_output, "OUTPUT_BYTES", MEBIBYTES)
    helper = "import subprocess, sys; subprocess.Popen(['sleep', '600'])"
    with pytest.raises(OutputTooLongError):
        printed(f"{helper}\nimport os\nwhile True: os.write(1, b'x' * 4096)")


def says(*texts: bytes) -> Answer:
    """Answers what git asks for with the server's words (gitprotocol-pack(5)), and never with files."""
    packets = (b"packfile\n", *(b"\2" + text for text in texts))
    content = b"".join(f"{len(packet) + 4:04x}".encode() + packet for packet in packets)

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if request.command == "GET":
            return False
        reply(request, 200, content, {"Content-Type": "application/x-git-upload-pack-result"})
        return True

    return answer


@pytest.fixture
def commit(remote: Remote) -> str:
    """Asked for by its full name, git wants no list of branches before."""
    return git(remote.work, "rev-parse", "HEAD")


def test_of_a_server_that_talks_and_talks_only_the_end_is_kept(tmp_path: Path, server: GitServer, commit: str) -> None:
    line = b"fatal: Authentication failed for 'https://git.example.com'\n"
    server.before.append(says(*[line * 1000] * 64))
    with Fetch(tmp_path, server.url()).client() as client:
        client.initialise()
        with pytest.raises(GitError) as caught:
            client.run("fetch", "--no-tags", "--depth=1", "--", client.remote.url, f"+{commit}:{TARGET}")
    output = caught.value.output
    assert TAIL_BYTES - 2 * len(line) < len(output) <= TAIL_BYTES
    assert output.startswith("remote: fatal: Authentication failed")
    assert output.splitlines()[-1].startswith(("fatal: ", "error: "))


@pytest.mark.parametrize(
    "text",
    [
        b"fatal: Authentication failed for 'https://git.example.com'\n",
        b"counting\rfatal: Authentication failed for 'https://git.example.com'\r",
        b"not our ref\nfatal: remote error: upload-pack: not our ref\n",
        b"error: index-pack died of signal 9",
    ],
)
def test_what_a_server_says_is_not_what_git_says(tmp_path: Path, server: GitServer, commit: str, text: bytes) -> None:
    server.before.append(says(text))
    failure = Fetch(tmp_path, server.url()).failure(commit)
    assert failure.reason == Reason.SOURCE_FAILED, failure
    assert failure.message.endswith("protocol error: bad pack header")


@pytest.mark.parametrize("line_break", [b"\n", b"\r", b"\x0b"])
def test_nor_is_it_in_the_page_of_an_error(tmp_path: Path, server: GitServer, line_break: bytes) -> None:
    page = b"sorry" + line_break + b"fatal: Authentication failed for 'https://git.example.com'"
    server.before.append(answers(500, page, {"Content-Type": "text/plain"}))
    failure = Fetch(tmp_path, server.url()).failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE, failure
    assert "returned error: 500" in failure.message


def test_more_references_than_anybody_reads(
    tmp_path: Path, server: GitServer, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_output, "OUTPUT_BYTES", 1000)
    commit = git(remote.work, "rev-parse", "HEAD")
    # Git lists whatever ends like the branch that it is asked for.
    for number in range(20):
        git(remote.bare, "update-ref", f"refs/heads/{number}/refs/heads/main", commit)
    server.version = 0
    failure = Fetch(tmp_path, server.url()).failure("main")
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert server.url() in failure.message
