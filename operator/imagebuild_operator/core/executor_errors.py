"""How the executor's own errors begin (kaniko, cmd/executor/cmd/root.go, pkg/executor and pkg/commands/run.go).

Patterns are made from them as they are: no character of theirs means anything else there.
"""

from typing import Final

BUILDING: Final = "error building image: "
PUSHING: Final = "error pushing image: "
# What follows is advice before it is an error.
CHECKING_PUSH: Final = "error checking push permissions"

PARSING: Final = f"{BUILDING}parsing dockerfile: "
STAGE: Final = f"{BUILDING}error building stage: "
# With a cache, files are asked for before the first instruction runs.
OPTIMIZING: Final = "failed to optimize instructions: "
LOOKING_FOR_FILES: Final = "failed to get files used from context: "

INSTRUCTION: Final = f"{STAGE}failed to execute command: "
ENDED: Final = "waiting for process to exit: "
STEP_ENDED: Final = f"{INSTRUCTION}{ENDED}"
STEP_STARTING: Final = f"{INSTRUCTION}starting command: "


def what_failed(line: str) -> str:
    """An error without the beginning that many have alike, to stand behind words that say what was going on."""
    begin = next((each for each in (INSTRUCTION, STAGE, BUILDING) if line.startswith(each)), "")
    return line.removeprefix(begin)
