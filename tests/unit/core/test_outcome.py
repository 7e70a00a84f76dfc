"""What an ended Pod means: digests, warnings, and texts within their bounds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import BuiltSource, Failure
from imagebuild_operator.core.instruction import Place
from imagebuild_operator.core.log_tail import LOG_TAIL_BYTES
from imagebuild_operator.core.masking import masked
from imagebuild_operator.core.outcome import (
    HINT_BYTES,
    MESSAGE_BYTES,
    Success,
    advised,
    clip,
    digest_of,
    failure,
    judge,
    log_container,
    tail,
)
from tests.causes import ROWS
from tests.unit.core.pod_documents import DELETED, IMAGES, pod, terminated
from tests.unit.core.world import DIGEST

DONE = terminated(0, message=DIGEST)


@pytest.mark.parametrize(
    "fields",
    [
        {"build": terminated(1, message=DIGEST)},
        {"build": terminated(0, message=DIGEST + "\n")},
        {"build": terminated(0, message=" " + DIGEST)},
        {"build": terminated(0, message=DIGEST.upper())},
        {"build": terminated(0, message=DIGEST[:-1])},
        {"build": terminated(0, message=DIGEST + "0")},
        {"build": {"running": {}}},
        {"build": {"terminated": {"message": DIGEST}}},
        {"prepare": terminated(0, message=DIGEST)},
        {},
    ],
)
def test_no_digest(fields: dict[str, Any]) -> None:
    assert digest_of(pod(phase="Succeeded", **fields)) is None
    assert isinstance(judge(pod(phase="Succeeded", **fields), ""), Failure)


@pytest.mark.parametrize(
    "fields",
    [
        {"phase": "Succeeded"},
        {"phase": "Failed"},
        {"phase": "Running", "gone": True},
        {"phase": "Failed", "metadata": DELETED},
        {"phase": "Failed", "reason": "Evicted"},
    ],
)
def test_an_image_that_was_pushed_is_a_success_whatever_became_of_the_pod(fields: dict[str, Any]) -> None:
    assert judge(pod(build=DONE, **fields), "") == Success(DIGEST, IMAGES)


def test_a_success_after_an_out_of_memory_kill_is_warned_of() -> None:
    outcome = judge(pod(phase="Succeeded", build=terminated(0, message=DIGEST, reason="OOMKilled")), "")
    assert isinstance(outcome, Success)
    assert "memory limit" in outcome.warning


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ({"commit": "c0ffee", "revision": "main"}, BuiltSource(commit="c0ffee", revision="main")),
        ({"commit": "c" * 80, "revision": "r" * 300}, BuiltSource(commit="c" * 64, revision="r" * 256)),
        ({"commit": "c0ffee", "revision": "ä" * 200}, BuiltSource(commit="c0ffee", revision="ä" * 126 + "…")),
        ({"commit": "c0ffee", "revision": "x\ud800"}, BuiltSource(commit="c0ffee", revision="x\ufffd")),
        ({"commit": "", "revision": ""}, None),
        ({"message": "but it failed?"}, None),
        ([], None),
    ],
)
def test_the_source_is_what_the_init_container_fetched(said: object, source: BuiltSource | None) -> None:
    outcome = judge(pod(phase="Succeeded", build=DONE, prepare=terminated(0, message=json.dumps(said))), "")
    assert isinstance(outcome, Success)
    assert outcome.source == source


@pytest.mark.parametrize(
    ("fields", "container"),
    [
        ({"build": terminated(1)}, "build"),
        ({"prepare": terminated(1)}, "prepare"),
        ({"prepare": terminated(0), "build": terminated(2)}, "build"),
        ({"build": terminated(0)}, "build"),
        ({"build": DONE}, None),
        ({"build": terminated(1), "gone": True}, None),
        ({"reason": "Evicted"}, None),
        ({"prepare": terminated(1, message='{"message": "said all"}')}, None),
    ],
)
def test_whose_log_is_read(fields: dict[str, Any], container: str | None) -> None:
    assert log_container(pod(**fields)) == container


def test_the_log_of_a_failure_is_kept_with_its_exit_code() -> None:
    outcome = judge(pod(build=terminated(7, message=DIGEST)), "one\nerror building image: two\n")
    assert isinstance(outcome, Failure)
    assert (outcome.exit_code, outcome.log_tail) == (7, "one\nerror building image: two")


def test_the_termination_message_stands_in_for_a_log_that_is_gone() -> None:
    outcome = judge(pod(build=terminated(1, message="error pushing image: denied")), "")
    assert isinstance(outcome, Failure)
    assert outcome.log_tail == "error pushing image: denied"
    assert "denied" in outcome.message


def test_of_a_termination_message_that_the_kubelet_cut_the_half_line_is_left_out() -> None:
    said = f"{'hunter2' * 40} x\n{'whole line' * 195}"
    cut = judge(pod(build=terminated(1, message=said[-2048:])), "")
    assert isinstance(cut, Failure)
    assert cut.log_tail
    assert "hunter" not in cut.log_tail
    whole = judge(pod(build=terminated(1, message="a line\nanother")), "")
    assert isinstance(whole, Failure)
    assert whole.log_tail == "a line\nanother"
    endless = judge(pod(build=terminated(1, message="x" * 2048)), "")
    assert isinstance(endless, Failure)
    assert endless.log_tail


def test_no_credential_is_left_where_one_before_it_made_room() -> None:
    text = f"password={'hunter2' * 280} https://me:{'hunter2' * 10}@example.com"
    told = failure(Reason.BUILD_FAILED, text, at=Place(text))
    assert "hunter" not in f"{told.message} {told.instruction}"


@pytest.mark.parametrize("state", [terminated(1, message=DIGEST), terminated(7, message=DIGEST)])
def test_a_digest_that_was_never_pushed_is_not_shown_as_a_log(state: dict[str, Any]) -> None:
    outcome = judge(pod(build=state), "")
    assert isinstance(outcome, Failure)
    assert outcome.log_tail is None
    assert "sha256" not in outcome.message


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("", 10, ""),
        ("\n\n", 10, ""),
        ("short\n", 10, "short"),
        ("exactly 10", 10, "exactly 10"),
        ("first\nsecond\nthird\n", 12, "second\nthird"),
        ("first\nsecond\nthird\n", 11, "third"),
        ("one line that is too long", 8, "too long"),
        ("one\nlonger than it may be", 8, "t may be"),
        ("ääää", 4, "ää"),
        ("xäää", 5, "ää"),
        ("a\x1b[31mb\rc", 20, "a\ufffd[31mb\ufffdc"),
        ("tab\tstays", 20, "tab\tstays"),
        ("\ud800", 20, "\ufffd"),
    ],
)
def test_the_tail_of_a_log(text: str, limit: int, kept: str) -> None:
    assert tail(text, limit) == kept


@given(text=st.text() | st.text(alphabet="ab\n😀\x00", min_size=30), limit=st.integers(4, 60))
def test_a_tail_is_the_end_within_its_bytes(text: str, limit: int) -> None:
    kept = tail(text, limit)
    assert len(kept.encode()) <= limit
    whole = tail(text, 4 * len(text) + 4)
    assert whole.endswith(kept)
    if "\n" in kept:
        assert whole == kept or whole[: -len(kept)].endswith("\n"), "the first line is whole"


@given(text=st.text() | st.text(alphabet="a😀\ud800 ", min_size=10), limit=st.integers(4, 40))
def test_a_clipped_text_is_the_beginning_within_its_bytes(text: str, limit: int) -> None:
    kept = clip(text, limit)
    whole = clip(text, 4 * len(text) + 4)
    assert len(kept.encode()) <= limit
    assert whole == kept or (kept.endswith("…") and whole.startswith(kept[:-1]))


def test_a_huge_log_costs_no_more_than_its_end() -> None:
    assert tail("x" * 5_000_000 + "\nend") == "end"
    assert len(clip("y" * 5_000_000, 512).encode()) == 512


def test_every_text_of_a_failure_is_within_its_bound() -> None:
    made = failure(Reason.BUILD_FAILED, "😀" * 1000, "ä" * 1000, exit_code=1, log="ß" * 10_000)
    assert made.hint is not None
    assert made.log_tail is not None
    assert len(made.message.encode()) <= MESSAGE_BYTES
    assert len(made.hint.encode()) <= HINT_BYTES
    assert len(made.log_tail.encode()) <= LOG_TAIL_BYTES


def test_every_text_of_a_failure_is_without_credentials() -> None:
    """A hint may name what a user or a server wrote, too."""
    at = Place("RUN curl https://robot:hunter2@files.example.com/", 3)
    made = failure(
        Reason.BUILD_FAILED, "password=hunter2", "Check https://robot:hunter2@a/", log="token=hunter2", at=at
    )
    assert made.hint == "Check https://***@a/"
    assert "hunter2" not in made.model_dump_json()


def test_no_credentials_are_seen_in_what_the_table_itself_says() -> None:
    assert [row.doc.name for row in ROWS if masked(row.doc.hint) != row.doc.hint] == []


def test_empty_texts_of_a_failure_are_left_out() -> None:
    made = failure(Reason.POD_LOST, "gone")
    assert (made.hint, made.log_tail, made.exit_code) == (None, None, None)


@pytest.mark.parametrize(
    ("message", "hint", "told"),
    [
        ("It broke.", "Mend it.", "It broke. Mend it."),
        ("exit status 1", "Mend it.", "exit status 1. Mend it."),
        ('secret "login" not found\n', "Create it.", 'secret "login" not found. Create it.'),
        ("Why?", "Ask.", "Why? Ask."),
        ("Stop!", "Go.", "Stop! Go."),
        ("It broke and br…", "Mend it.", "It broke and br… Mend it."),
        ("exit status 1", "", "exit status 1"),
        ("exit status 1", None, "exit status 1"),
    ],
)
def test_what_to_do_is_a_sentence_of_its_own(message: str, hint: str | None, told: str) -> None:
    assert advised(message, hint) == told


@pytest.mark.parametrize("letter", ["x", "ä"])
@pytest.mark.parametrize("limit", [256, 512])
def test_of_message_and_hint_the_message_gives_way(letter: str, limit: int) -> None:
    told = advised(letter * 999, "Mend it.", limit)
    assert told.endswith(f"{letter}… Mend it.")
    assert limit - 4 <= len(told.encode()) <= limit
    assert advised("m" * MESSAGE_BYTES, "h" * HINT_BYTES) == f"{'m' * MESSAGE_BYTES}. {'h' * HINT_BYTES}"


@pytest.mark.parametrize(("hint", "kept"), [("h" * 214, 37), ("h" * 215, 77), ("h" * HINT_BYTES, 77)])
def test_of_a_message_with_a_long_hint_the_beginning_is_told(hint: str, kept: int) -> None:
    assert advised("m" * 500, hint, 256) == f"{'m' * kept}… {hint}"
