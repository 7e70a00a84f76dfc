"""The documentation names only what exists (files, headings, fields, reasons), and its manifests are ImageBuilds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from imagebuild_operator import config
from imagebuild_operator.api import crd, names, v1alpha1
from imagebuild_operator.core import decisions, inputs, observe, queueing, retry
from imagebuild_operator.pod.executors import FLAGS
from imagebuild_operator.pod.reserved_flags import NEVER_ALLOWED
from tests.causes import TRIED_AGAIN, WAITED_FOR

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted(
    [*ROOT.joinpath("docs").rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
)
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

# Words in CamelCase that are not ours: kinds, conditions and settings of Kubernetes and of what surrounds it.
FOREIGN: Final = frozenset({"RuntimeDefault", "IfNotPresent", "UserNamespacesSupport", "ImageVolume", "ReadWriteOnce"})

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def code_in(page: Path) -> set[str]:
    """What stands between backticks in the prose of a page."""
    return set(CODE.findall(prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        if target.startswith(("https://", "http://")):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert file.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(file), f"{link}: there is no such heading"


def api_names() -> set[str]:
    return {value for value in vars(names).values() if isinstance(value, str)}


@each_page
def test_every_label_and_annotation_is_one_of_the_api(page: Path) -> None:
    written = set(re.findall(rf"(?<![\w.]){re.escape(names.GROUP)}/[A-Za-z0-9-]*", page.read_text()))
    assert written <= api_names()


def our_words() -> set[str]:
    enums = (
        names.Reason,
        names.EventReason,
        names.Phase,
        names.ConditionType,
        names.RunCause,
        names.ConcurrencyPolicy,
        names.RegistrySecretType,
    )
    reasons = {member.value for enum in enums for member in enum}
    modules = (names, v1alpha1, config, decisions, observe, queueing)
    return reasons | {names.KIND}.union(*(vars(module).keys() for module in modules))


@each_page
def test_every_word_in_camel_case_is_a_reason_or_another_name_of_ours(page: Path) -> None:
    written = {word for word in code_in(page) if re.fullmatch(r"([A-Z][a-z]+){1,4}", word)}
    assert written - FOREIGN <= our_words()


def test_every_word_that_is_let_through_is_used() -> None:
    assert set().union(*map(code_in, PAGES)) >= FOREIGN


def schema_has(path: str) -> bool:
    """Whether a dotted path names a field of an ImageBuild; lists and maps are passed through."""
    node: dict[str, Any] = crd.openapi_schema()
    for name in path.split("."):
        node = node.get("items", node)
        if node.get("x-kubernetes-preserve-unknown-fields"):
            return True
        below = node.get("properties", {}).get(name) or node.get("additionalProperties")
        if not isinstance(below, dict):
            return False
        node = below
    return True


@each_page
def test_every_field_exists(page: Path) -> None:
    text = page.read_text()
    written = {path.rstrip(".") for path in re.findall(r"(?<![\w/.-])(?:spec|status)\.[a-z][A-Za-z0-9.-]*", text)}
    written |= set(re.findall(r"imagebuild\.(spec[A-Za-z.]*)", text))
    # Of the Pod, not of the ImageBuild.
    pods = {"status.phase"} | {path for path in written if path.startswith("spec.template")}
    assert [path for path in sorted(written - pods) if not schema_has(path)] == []


def manifests() -> Iterator[tuple[str, Any]]:
    for page in PAGES:
        for language, block in FENCE.findall(page.read_text()):
            for document in yaml.safe_load_all(block) if language in ("yaml", "yml") else ():
                yield str(page.relative_to(ROOT)), document


IMAGEBUILDS: Final = [(page, found) for page, found in manifests() if found.get("kind") == names.KIND]


@pytest.mark.parametrize(("page", "manifest"), IMAGEBUILDS)
def test_a_manifest_is_an_imagebuild_without_unknown_fields(page: str, manifest: dict[str, Any]) -> None:
    assert manifest["apiVersion"] == names.API_VERSION
    read = v1alpha1.ImageBuild.model_validate(manifest).model_dump(by_alias=True, exclude_none=True)
    assert read == {"spec": manifest["spec"]}


def test_the_tutorial_and_every_how_to_page_show_a_manifest_where_they_need_one() -> None:
    shown = {page for page, _ in IMAGEBUILDS}
    pages = {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/how-to/*.md")} | {"docs/tutorial.md", "README.md"}
    assert pages - shown == {"docs/how-to/failed-builds.md"}


def linked_files() -> set[Path]:
    links = ((page, link.partition("#")[0]) for page in PAGES for link in LINK.findall(prose(page)))
    return {(page.parent / target).resolve() for page, target in links if target and "://" not in target}


def test_every_example_is_linked_from_somewhere() -> None:
    assert [file.name for file in ROOT.glob("examples/*.yaml") if file not in linked_files()] == []


def test_every_page_is_linked_from_somewhere() -> None:
    folders = {file for file in linked_files() if file.is_dir()}
    lost = [page for page in PAGES if page not in linked_files() and page.parent not in folders]
    assert [str(page.relative_to(ROOT)) for page in lost] == []


@each_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join([*code_in(page), *(block for _, block in FENCE.findall(page.read_text()))])
    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets


@each_page
def test_every_file_of_the_repository_exists(page: Path) -> None:
    folders = "operator|tests|charts|crds|docs|examples"
    written = {word for word in code_in(page) if re.fullmatch(rf"({folders})/[\w./-]+", word)}
    assert [path for path in sorted(written) if not (ROOT / path).exists()] == []


@each_page
def test_every_setting_exists(page: Path) -> None:
    written = set(re.findall(r"\bIMAGEBUILD_[A-Z_]+\b", page.read_text()))
    assert written <= {config.variable(name) for name in config.Settings.model_fields}


@each_page
def test_every_value_of_the_chart_exists(page: Path) -> None:
    values = yaml.safe_load((ROOT / "charts" / "imagebuild-operator" / "values.yaml").read_text())
    for path in re.findall(r"--set(?:-string)? ([\w.]+)=", page.read_text()):
        node = values
        for name in path.split("."):
            assert name in node, f"there is no value {path}"
            node = node[name]


def test_the_page_about_failures_speaks_of_every_reason_but_success_and_building() -> None:
    page = ROOT / "docs" / "how-to" / "failed-builds.md"
    spoken_of = {word.partition(",")[0] for word in code_in(page)}
    assert {reason.value for reason in names.Reason} - spoken_of == {"Succeeded", "Building"}


def test_the_page_about_runs_names_every_input() -> None:
    fields = {f"spec.{'.'.join(path)}" for path in inputs._INPUTS if schema_has(f"spec.{'.'.join(path)}")}
    assert len(fields) > 5
    assert fields <= code_in(ROOT / "docs" / "explanation" / "runs.md")


def test_the_page_about_runs_names_every_field_that_never_starts_one() -> None:
    fields = {f"spec.{name}" for name in inputs._NOT_THE_BUILD}
    assert all(schema_has(field) for field in fields)
    assert fields <= code_in(ROOT / "docs" / "explanation" / "runs.md")


@each_page
def test_no_upgrade_keeps_the_values_of_an_older_chart_alone(page: Path) -> None:
    """`--reuse-values` leaves out what a newer chart brings, which its schema then asks for."""
    assert not re.search(r"(?<!then)--reuse-values", page.read_text())


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table that follows a heading, its own two lines left out."""
    section = f"\n{page.read_text()}".partition(f"\n{heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_reference_of_reasons_says_what_is_tried_again() -> None:
    table = rows(ROOT / "docs" / "reference" / "reasons.md", "# Reasons")
    expected = {f"`{reason}`": TRIED_AGAIN[kind] for reason, kind in retry.CLASSES.items()}
    expected |= {f"`{reason}`": WAITED_FOR for reason in (names.Reason.POD_NOT_STARTING, names.Reason.POD_FORBIDDEN)}
    assert {row[0]: row[-1] for row in table if row[-1] != "-"} == expected


def test_the_page_about_retries_explains_what_the_references_say_of_it() -> None:
    table = rows(ROOT / "docs" / "how-to" / "retries.md", "# Retries: what is tried again, and what is not")
    assert {re.split("[,:]", row[-1])[0] for row in table} == {*TRIED_AGAIN.values(), WAITED_FOR}


def test_the_reference_of_names_has_the_causes_of_runs() -> None:
    table = rows(ROOT / "docs" / "reference" / "names.md", "## Causes")
    assert [row[0] for row in table] == [f"`{cause}`" for cause in names.RunCause]


FLAGS_PAGE: Final = ROOT / "docs" / "how-to" / "from-kaniko-flags.md"


def flags_in(cell: str) -> set[str]:
    return set(re.findall(r"`--([A-Za-z-]+)", cell))


def flags_below(heading: str) -> set[str]:
    """The flags in the first column of a table."""
    return set().union(*(flags_in(row[0]) for row in rows(FLAGS_PAGE, heading)))


@pytest.mark.parametrize("row", rows(FLAGS_PAGE, "## Flags with a field"), ids=lambda row: row[0])
def test_a_flag_with_a_field_is_one_that_is_passed_or_says_what_is_passed_in_its_place(row: list[str]) -> None:
    flag, field, passed = row
    assert re.search(r"`spec\.", field)
    if passed.startswith("the same"):
        assert flags_in(flag) <= FLAGS.keys()
    else:
        assert not flags_in(flag) & FLAGS.keys()
        assert passed.startswith("nothing: ") or (flags_in(passed) and flags_in(passed) <= FLAGS.keys())


def test_the_flags_that_the_operator_sets_and_those_for_extra_arguments_are_known() -> None:
    extra = flags_below("## Flags for `extraArgs`")
    assert flags_below("## Flags that the operator sets") <= FLAGS.keys()
    assert extra <= FLAGS.keys() - NEVER_ALLOWED


def test_a_flag_without_a_counterpart_is_never_passed_and_has_its_reason() -> None:
    table = rows(FLAGS_PAGE, "## Flags without a counterpart")
    assert not set().union(*(flags_in(flag) for flag, _ in table)) & FLAGS.keys()
    assert [flag for flag, why in table if len(why) < 20] == []


def test_the_page_about_flags_has_every_flag_that_is_known_or_refused() -> None:
    headings = re.findall(r"^## Flags .+$", FLAGS_PAGE.read_text(), re.MULTILINE)
    assert FLAGS.keys() | NEVER_ALLOWED <= set().union(*map(flags_below, headings))
