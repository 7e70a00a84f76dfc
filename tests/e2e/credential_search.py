"""Searches for words that stand nowhere: by a build step in its own container, and in what can be read from outside."""

import base64
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

from tests import installation
from tests.e2e.artifacts import archive
from tests.e2e.exposition import ask_operator, sample
from tests.e2e.team import Team

PLANTED = "planted-word-5d1e"
PLANTED_FILES = {"planted/plain": PLANTED, "planted/encoded": base64.b64encode(f"user:{PLANTED}".encode()).decode()}
# What is there, and proves that each part of the search finds what there is.
CONTROLS = {"planted": PLANTED, "environment": "DOCKER_CONFIG=/kaniko", "arguments": "dir:///kaniko/ctx"}

# All that a build step can look at: every file, those of volumes too, but programs, which are left out by their size,
# and the environment and arguments of every process. Each word's places go into the file of its name below /found.
_SCRIPT = """\
mkdir /found
find / \\( -path /proc -o -path /sys -o -path /found \\) -prune \\
  -o -type f -size -512k -exec grep -l -s {every} {{}} + > /found/places
ls -d /proc/[0-9]*/environ /proc/[0-9]*/cmdline >> /found/places
look() {{
  name=$1
  shift
  while read -r file; do
    if tr '\\000' '\\n' 2>/dev/null < "$file" | grep -q "$@"; then echo "$file"; fi
  done < /found/places > "/found/$name"
}}
{looks}
exit 0
"""


def forms(word: str) -> list[str]:
    """A word in plain text, in a URL, and in base64, whatever stands before and behind it there."""
    return list(dict.fromkeys((word, quote(word, safe=""), *(_inside_base64(word, before) for before in range(3)))))


def _inside_base64(word: str, before: int) -> str:
    """The characters of base64 (6 bits each) that are the word's alone, with so many bytes (8 bits each) before it."""
    content = bytes(before) + word.encode()
    return base64.b64encode(content).decode()[-(-8 * before // 6) : 8 * len(content) // 6]


def search_script(words: Mapping[str, str]) -> str:
    """What a build step runs to look for words by name; none of them is found in the script itself."""
    patterns = {name: _patterns(forms(word)) for name, word in words.items()}
    looks = "\n".join(f"look {name} {wanted}" for name, wanted in patterns.items())
    return _SCRIPT.format(every=" ".join(patterns.values()), looks=looks)


def _patterns(texts: Iterable[str]) -> str:
    """Arguments for grep: patterns that find the texts, and are not found by themselves (`passwor[d]`)."""
    return " ".join(f"-e '{text[:-1]}[{text[-1]}]'" for text in texts)


def holders(texts: Mapping[str, str], words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Which text holds which word: names only, so that a failure does not tell the words either."""
    wanted = {name: forms(word) for name, word in words.items()}
    return [
        (place, name)
        for place, text in texts.items()
        for name, its_forms in wanted.items()
        if any(form in text for form in its_forms)
    ]


def push_files(team: Team, files: Mapping[str, str], image: str, *base: str) -> None:
    """Push an image of these files."""
    layer = team.cluster.paths.config / f"{team.namespace}.tar"
    layer.write_bytes(archive(files, packed=False))
    team.cluster.crane("append", *base, "-f", str(layer), "-t", image)


def push_searcher(team: Team, words: Mapping[str, str], image: str) -> None:
    """Push a base image that brings /search: what it looks for depends on the servers' start."""
    push_files(team, {"search": search_script({**words, **CONTROLS})}, image, "-b", team.busybox)


def image_texts(team: Team, reference: str) -> dict[str, str]:
    """All that an image holds: its files by path, also those that a later layer hides, and its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        pulled = Path(folder) / "image.tar"
        team.cluster.crane("pull", reference, str(pulled))
        texts: dict[str, list[str]] = {"its configuration": [json.dumps(team.config(reference))]}
        with tarfile.open(pulled) as image:
            for layer in filter(None, map(image.extractfile, _layers(image))):
                for path, content in _files(layer):
                    texts.setdefault(path, []).append(content)
    return {path: "\n".join(contents) for path, contents in texts.items()}


def _layers(image: tarfile.TarFile) -> list[str]:
    manifest = image.extractfile("manifest.json")
    assert manifest is not None
    [described] = json.load(manifest)
    return list(described["Layers"])


def _files(layer: IO[bytes]) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=layer) as files:
        for member in files:
            stream = files.extractfile(member) if member.isreg() else None
            if stream is not None:
                yield member.name.strip("/"), stream.read().decode(errors="replace")


def told_outside(team: Team, pods: Mapping[str, str], started: Iterable[str]) -> dict[str, str]:
    """All that others can read about these builds, by place.

    Args:
        team: whose builds they are.
        pods: the Pod of each, by the build's name.
        started: those whose executor ran, so that it has a log.
    """
    told = {kind: json.dumps(team.cluster.get(kind, "-n", team.namespace)) for kind in ("pods", "imb", "events")}
    told["operator's log"] = installation.operator_log(team.cluster, lines=-1)
    told["operator's metrics"] = ask_operator(team.cluster, "/metrics")
    told["prepare's logs"] = _logs(team, pods, "prepare")
    told["builds' logs"] = _logs(team, started, "build")
    return told


def _logs(team: Team, builds: Iterable[str], container: str) -> str:
    """All that a container of these builds wrote, with the Pods' names."""
    selector = f"imagebuild.dev/build in ({','.join(builds)})"
    return team.kubectl("logs", "-l", selector, "-c", container, "--prefix", "--tail=-1")


def silent(told: Mapping[str, str], pods: Mapping[str, str]) -> list[tuple[str, str]]:
    """The places that say nothing of a build, where nothing can be found; metrics count builds without names."""
    assert sample(told["operator's metrics"], "imagebuild_builds_total", result="succeeded") > 0
    places = {place: text for place, text in told.items() if place != "operator's metrics"}
    return [(place, name) for place, text in places.items() for name, pod in pods.items() if pod not in text]
