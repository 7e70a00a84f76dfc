"""From a Pod that ended to the instruction and the line in the status."""

import json
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import ending
from imagebuild_operator.core.conditions import SHORT_BYTES
from imagebuild_operator.core.decisions import WriteStatus
from imagebuild_operator.core.instruction import Place
from imagebuild_operator.core.outcome import HINT_BYTES, INSTRUCTION_BYTES, failure, judge
from imagebuild_operator.pod.outline import encode
from tests.unit.core.pod_documents import pod, terminated
from tests.unit.core.test_instruction import EXITED, log, marks, stage
from tests.unit.core.world import World, inline_spec

DOCKERFILE = "FROM a\n\nRUN make\nRUN ls\n"
FAILED = log(stage("a"), "RUN make", EXITED)


def spec(content: str = DOCKERFILE, path: str = "Dockerfile", **changes: Any) -> dict[str, Any]:
    return inline_spec(source={"inline": {"files": [{"path": path, "content": content}]}}, **changes)


def failed_at(world: World) -> tuple[str | None, int | None]:
    world.built(exit_code=7, message="", reason="Error")
    told = world.status["failure"]
    return told.get("instruction"), told.get("line")


def test_the_dockerfile_of_the_spec_has_the_lines() -> None:
    assert failed_at(World(spec=spec(), log=FAILED)) == ("RUN make", 3)
    assert failed_at(World(spec=spec(path="d/My.file", dockerfile="d/My.file"), log=FAILED)) == ("RUN make", 3)


def test_of_another_file_there_is_no_line() -> None:
    assert failed_at(World(spec=spec(path="Other"), log=FAILED)) == ("RUN make", None)


def test_a_dockerfile_that_was_edited_meanwhile_has_no_lines() -> None:
    world = World(spec=spec(), log=FAILED).begun()
    world.edit(**spec(f"# moved by a line\n{DOCKERFILE}"), suspend=True)
    world.end_pod(exit_code=7, message="", reason="Error")
    world.step()
    assert (world.status["failure"]["instruction"], world.status["failure"].get("line")) == ("RUN make", None)


@pytest.mark.parametrize("line", ["0", "000", "00000000", "99999999"])
def test_a_line_that_no_dockerfile_has_ends_the_build_all_the_same(line: str) -> None:
    words = f"error building image: parsing dockerfile: dockerfile parse error on line {line}: unknown instruction"
    assert failed_at(World(spec=spec(), log=words)) == (None, None)


def test_a_build_that_is_given_up_tells_where_it_was() -> None:
    world = World(spec=spec(timeout="5m"), log=log(stage("a"), "RUN make")).begun()
    world.pass_time(331)
    world.step()
    assert world.reason() == Reason.TIMEOUT
    assert (world.status["failure"]["instruction"], world.status["failure"]["line"]) == ("RUN make", 3)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"commit": "c", "outline": encode(marks(DOCKERFILE))}, 3),
        ({"commit": "c", "outline": "nonsense"}, None),
        ({"commit": "c"}, None),
        ({"other": "words"}, None),
    ],
)
def test_the_init_container_has_the_lines_of_what_it_fetched(message: dict[str, str], line: int | None) -> None:
    ended = judge(pod(prepare=terminated(0, message=json.dumps(message)), build=terminated(7)), FAILED)
    assert (getattr(ended, "instruction", None), getattr(ended, "line", None)) == ("RUN make", line)


def test_an_init_container_that_failed_was_at_no_instruction() -> None:
    ended = judge(pod(prepare=terminated(1, message="")), FAILED)
    assert (getattr(ended, "instruction", 0), getattr(ended, "line", 0)) == (None, None)


def test_an_instruction_in_the_status_is_one_short_line_without_credentials() -> None:
    text = f"RUN a  &&\n\tcurl https://me:hunter2@example.com {'x' * 999}"
    made = failure(Reason.BUILD_FAILED, "password=hunter2", at=Place(text, 5))
    assert made.instruction is not None
    assert made.instruction.startswith("RUN a && curl https://***@example.com xxx")
    assert len(made.instruction.encode()) <= INSTRUCTION_BYTES
    assert (made.line, made.message) == (5, "password=***")


def test_colours_and_garbage_are_gone_before_anything_is_read() -> None:
    ended = judge(
        pod(build=terminated(7)), f"\x1b[36mINFO\x1b[0m[0001] RUN make \n\x1b[31mred\x1b[0m\x00\x00\n{EXITED}\n"
    )
    assert (getattr(ended, "instruction", None), getattr(ended, "log_tail", "")) == (
        "RUN make",
        f"INFO[0001] RUN make\nred\ufffd\n{EXITED}",
    )


AGAIN = "Then set the annotation imagebuild.dev/requestedAt, or name the new revision."
NO_FILE = (
    "error building image: error building stage: failed to get files used from context: "
    "failed to get fileinfo for /kaniko/ctx/{0}: lstat /kaniko/ctx/{0}: no such file or directory\n"
)


def inline(path: str) -> dict[str, Any]:
    return {"inline": {"files": [{"path": path, "content": "FROM scratch\nCOPY no /\n"}]}}


class TestHowMendedFilesAreBuilt:
    @pytest.mark.parametrize(
        ("source", "told"),
        [
            (inline("Dockerfile"), False),
            # Files without a Dockerfile of the name that the spec has.
            (inline("other"), False),
            ({"git": {"url": "https://git.example.com/web.git"}}, True),
            ({"git": {"url": "https://git.example.com/web.git", "revision": "a" * 40}}, True),
            ({"configMap": {"name": "web"}}, True),
            ({"configMap": {"name": "web", "items": [{"key": "Dockerfile", "path": "Dockerfile"}]}}, True),
        ],
    )
    def test_is_told_where_the_spec_does_not_hold_them(self, source: dict[str, Any], told: bool) -> None:
        world = World(spec=inline_spec(source=source), log=NO_FILE.format("no")).built(exit_code=1, message="")
        hint = world.status["failure"]["hint"]
        assert hint.startswith("Put no into the source, or correct COPY or ADD;")
        assert hint.endswith(f" {AGAIN}") == ("requestedAt" in hint) == told

    @pytest.mark.parametrize(
        ("source", "told"), [(inline("Dockerfile"), False), ({"configMap": {"name": "web"}}, True)]
    )
    def test_is_told_of_a_step_that_hangs(self, source: dict[str, Any], told: bool) -> None:
        changes = {"source": source, "noOutputTimeout": "5m", "retry": {"memoryFactor": 1}}
        world = World(spec=inline_spec(**changes), log="step 7\n").begun()
        world.pass_time(300)
        world.step()
        assert world.reason() == Reason.NO_OUTPUT
        hint = world.status["failure"]["hint"]
        assert hint.endswith(f"raise spec.noOutputTimeout. {AGAIN}" if told else "raise spec.noOutputTimeout.")

    @pytest.mark.parametrize("letter", ["x", "ä"])
    def test_is_told_after_the_longest_names(self, letter: str) -> None:
        failed = judge(pod(build=terminated(1)), NO_FILE.format(letter * 900))
        hint = getattr(failed, "hint", "")
        assert hint.startswith(f"Put {letter * 50}")
        assert hint.endswith(f"{letter}… {AGAIN}")
        assert len(hint.encode()) <= HINT_BYTES

    def test_is_told_although_a_credential_is_hidden_before_it(self) -> None:
        failed = judge(pod(build=terminated(1)), NO_FILE.format("password=hunter2"))
        assert "hunter2" not in getattr(failed, "hint", "")
        assert getattr(failed, "hint", "").endswith(AGAIN)


class TestWhatToDoIsToldWhereverPeopleLook:
    def test_when_it_failed_for_good(self) -> None:
        world = World(spec=inline_spec(retry={"memoryFactor": 1}))
        world.built(exit_code=137, message="", reason="OOMKilled")
        hint = world.status["failure"]["hint"]
        messages = {each["type"]: each["message"] for each in world.status["conditions"]}
        assert messages["Stalled"] == f"{world.status['failure']['message']} {hint}"
        assert messages["Ready"] == f"Run 1 failed: {messages['Stalled']}"
        assert world.writes[-1].announcements[-1].note == messages["Ready"]

    def test_while_another_attempt_is_waited_for(self) -> None:
        world = World().backing_off()
        hint = world.status["failure"]["hint"]
        assert world.writes[-1].announcements[-1].note.endswith(hint)
        assert all(each["message"].endswith(hint) or "…" in each["message"] for each in world.status["conditions"])

    @pytest.mark.parametrize("hint", ["h" * 30, "h" * 250])
    def test_of_a_long_message_the_beginning_and_the_hint(self, hint: str) -> None:
        world = World(spec=spec()).begun()
        run = world.build.status.run
        assert run is not None
        made = failure(Reason.BUILD_FAILED, "m" * 500, hint)
        decision = ending.close(world.observe(), run, made, world.now)
        assert isinstance(decision, WriteStatus)
        [ready] = [each for each in decision.status.conditions or () if each.type == "Ready"]
        assert ready.message.startswith(f"Run 1 failed: {'m' * 70}")
        assert ready.message.endswith(f" {hint}" if len(hint) < 100 else "…")
        assert len(ready.message.encode()) <= SHORT_BYTES
