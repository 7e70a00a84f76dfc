"""Where the files under test are."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "charts" / "imagebuild-operator"
CRD: Final = ROOT / "crds" / "imagebuilds.yaml"
EXAMPLES: Final = ROOT / "examples"
VALUES_DOC: Final = ROOT / "docs" / "reference" / "helm-values.md"
