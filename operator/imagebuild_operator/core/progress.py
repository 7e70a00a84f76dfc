"""What the executor's log tells of how far it came: stages and instructions, as they stand in the Dockerfile.

The executor names them as it comes to them, before it replaces variables (kaniko, pkg/executor/build.go).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from imagebuild_operator.pod.outline import key_of

_NAMES: Final = (
    "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR"
)
_INSTRUCTION: Final = re.compile(rf"(?:{_NAMES})\s", re.IGNORECASE)
_STAGE: Final = re.compile(r"Building stage '([^']*)' \[idx:")
_BASE: Final = re.compile(r"Retrieving image manifest (\S+)$")
_TRIGGERS: Final = re.compile(r"Executing ([0-9]+) build triggers$")
# What is quoted of an instruction before it is its turn.
_MENTIONED: Final = re.compile(
    r"(?:Unpacking rootfs as cmd (.*) requires it\."
    r"|(?:No cached layer found for cmd|Using caching version of cmd:) (.*))$",
    re.DOTALL,
)
# After these the instruction is done with, or the whole stage.
_DONE: Final = ("Storing source image from stage ", "Saving file ", "Deleting filesystem")
# Layers are pushed to the cache in the same words as the image, and while the build goes on.
_CACHED: Final = re.compile(r"Pushing layer \S+ to cache now$")
_PUSH: Final = "Pushing image to "
# Of a RUN step alone, once its instruction is logged.
_COMMAND: Final = "Running: ["
# A step may print as many instructions as it likes.
_LOOKED_AT: Final = 20


@dataclass
class Progress:
    """What the log tells of how far the executor came.

    Attributes:
        base: of the stage being built; None before the first, or where the log's beginning is lost.
        done: the instructions of that stage so far, the last of them perhaps at work.
        wanted: the base image asked for last, before any stage was built.
        over: whether something came after the last instruction.
        triggers: how many instructions of the stage its base image brings (ONBUILD); they come first.
        announced: the same of the stage that comes next.
        mentioned: texts of instructions by their keys.
        to_cache: pushes to the cache that are announced and not begun.
        ran: base, instructions so far and triggers as they were when the last command of a step was started.
    """

    base: str | None = None
    done: list[str] = field(default_factory=list)
    wanted: str = ""
    over: bool = False
    triggers: int = 0
    announced: int = 0
    mentioned: dict[str, str] = field(default_factory=dict)
    to_cache: int = 0
    ran: tuple[str | None, list[str], int, int] | None = None

    def read(self, log: Iterable[str]) -> None:
        """Follow the executor's messages."""
        for message in log:
            if stage := _STAGE.match(message):
                self.base, self.done, self.over = stage[1], [], False
                self.triggers, self.announced = self.announced, 0
            elif _INSTRUCTION.match(message):
                self.done.append(message)
                self.over = False
            elif wanted := _BASE.match(message):
                self.wanted = wanted[1]
            elif triggers := _TRIGGERS.match(message):
                self.announced = int(triggers[1][:9])
            elif mentioned := _MENTIONED.match(message):
                text = mentioned[1] or mentioned[2]
                self.mentioned[key_of(text)] = text
            elif _CACHED.match(message):
                self.to_cache += 1
            elif message.startswith(_PUSH) and self.to_cache:
                self.to_cache -= 1
            elif message.startswith(_COMMAND):
                self.ran = (self.base, self.done, self._begun(message), self.triggers)
            elif message.startswith((_PUSH, *_DONE)):
                self.over = True

    def _begun(self, message: str) -> int:
        """How many instructions there were when a command was started, by the message that says so.

        What it prints comes through a pipe of its own, and may stand before that message.
        """
        command = " ".join(message.removesuffix("]").split())
        latest = range(len(self.done), max(len(self.done) - _LOOKED_AT, 0), -1)
        return next((count for count in latest if _begins(self.done[count - 1], command)), len(self.done))

    def back_to_command(self) -> None:
        """Drop what was logged after the last command was started: it failed, and what follows is what it printed."""
        if self.ran is not None:
            self.base, done, count, self.triggers = self.ran
            self.done = done[:count]

    def keep_known(self, keys: set[str]) -> None:
        """Drop what stands neither in the Dockerfile nor in its base image: a step printed it."""
        own = [text for text in self.done[self.triggers :] if key_of(text) in keys]
        self.done = [*self.done[: self.triggers], *own]

    @property
    def own(self) -> list[str]:
        """What the Dockerfile itself holds of what is done."""
        return self.done[self.triggers :]


def _begins(instruction: str, command: str) -> bool:
    """Whether a RUN instruction has a shell run this command; its own flags are left out."""
    # One that is much longer has another: a step may print many.
    if len(instruction) > 2 * len(command) + 256:
        return False
    words = instruction.split()[1:]
    flags = next((index for index, word in enumerate(words) if not word.startswith("--")), len(words))
    return command.endswith(" ".join(("", "-c", *words[flags:])))
