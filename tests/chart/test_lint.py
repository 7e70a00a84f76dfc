import pytest

from tests.chart.helm import REPOSITORY, Helm, Values


@pytest.mark.parametrize("values", [{}, {"image": {"repository": REPOSITORY}}], ids=["defaults", "repository set"])
def test_lint_finds_nothing(helm: Helm, values: Values) -> None:
    result = helm.lint(values)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stdout


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    refusal = helm.refusal({"image": {"repository": REPOSITORY}}, kubernetes="v1.31.9")

    assert "requires kubeVersion: >=1.32.0-0" in refusal
