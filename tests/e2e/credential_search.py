"""Searches for words that stand nowhere: by a build step in its own container, and in what can be read from outside."""

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import quote

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
