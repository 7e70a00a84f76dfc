"""The slice everything else stands on: an ImageBuild goes in, a digest comes back."""

from tests.e2e.team import Team


def test_an_inline_build_is_pushed_and_its_digest_is_the_registrys(team: Team) -> None:
    status = team.build("web")
    assert status["phase"] == "Succeeded"
    assert status["digest"] == team.digest(team.image("web"))
    assert status["image"] == f"{team.image('web').rpartition(':')[0]}@{status['digest']}"
    assert team.file(status["image"], "/built").strip() == "built"
