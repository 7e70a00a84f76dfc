"""Write the corpus: `python -m tests.corpus.record`, as root, with the names of builds or none for all.

Each build of `tests.corpus.logs.cases` runs once with each executor; the log lands in
`tests/corpus/<executor>/<build>.log`, its exit code in the first line.
"""

import sys
import tempfile
from pathlib import Path

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod.arguments import build_arguments
from imagebuild_operator.pod.executors import Executor, parse_version
from imagebuild_operator.pod.settings import Proxy
from tests.cluster.images import KANIKO_IMAGE, make_google_executor
from tests.cluster.programs import say_on_stdout
from tests.corpus.logs import EXECUTORS, Recorded, cases
from tests.corpus.sandbox import Sandbox, enter, sandbox
from tests.e2e.broken_builds import Broken


def record(place: Sandbox, case: Broken, executor: str, layout: Path) -> Recorded:
    """What an executor says of a build."""
    members = {"output": {"images": [f"registry.imb.test:15000/{case.name}:1"]}, **case.spec(place)}
    spec = ImageBuildSpec.model_validate(members)
    asked = spec.executor
    version = parse_version((asked.version if asked else None) or EXECUTORS[executor])
    known = Executor((asked.variant if asked else None) or executor, version)
    assert spec.source.inline is not None, "the sandbox has no init container"
    files = {file.path: file.content for file in spec.source.inline.files}
    place.fail(*case.faults_at(case.name))
    proxy = Proxy(https=case.proxy)
    ending = place.run(layout, build_arguments(spec, known, proxy), files, proxy.variables())
    return Recorded(executor, case.name, ending.exit_code, ending.log)


def main() -> None:
    enter()
    wanted = sys.argv[1:]
    layouts = {"chainguard": KANIKO_IMAGE.make(), "google": make_google_executor()}
    with tempfile.TemporaryDirectory(prefix="imagebuild-corpus-") as folder, sandbox(Path(folder)) as place:
        for case in cases():
            for executor, layout in layouts.items():
                if not wanted or case.name in wanted:
                    recorded = record(place, case, executor, layout)
                    recorded.write()
                    say_on_stdout(f"{case.name}, {executor}: exit code {recorded.exit_code}")


if __name__ == "__main__":
    main()
