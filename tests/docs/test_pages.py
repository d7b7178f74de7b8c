"""Pages that people wrote: links lead somewhere, dependencies are explained, nothing is private."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BUILT = {"node_modules", "dist", "target"}
MACHINE = re.compile(r"/work/(?:main|shared)|/root/|(?:^|[\s\"'=:`(])\.\./shared/(?!data/)", re.M)
TEXT = {"", ".md", ".py", ".toml", ".lock", ".yml", ".yaml", ".sh", ".json", ".js", ".html", ".css"}


def pages() -> list[Path]:
    """Return every page that people read."""
    found = (file.relative_to(ROOT) for file in ROOT.rglob("*.md"))
    return sorted(
        ROOT / page
        for page in found
        if not BUILT & set(page.parts) and not any(part.startswith(".") for part in page.parts)
    )


def tracked() -> list[Path]:
    """Return the files of the repository; in an unpacked archive, those beside this one."""
    asked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode:
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    return [ROOT / name for name in asked.stdout.split("\0") if name]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what a link may name after `#`, as forges derive it from headings."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = (re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings)
    return frozenset(made) | frozenset(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{target} leads nowhere"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target}: there is no such heading"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            there = (page.parent / target.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.is_file():
                waiting.append(there)
    assert set(pages()) <= seen


def test_both_readmes_have_the_same_chapters() -> None:
    def levels(name: str) -> list[str]:
        return re.findall(r"^(#+) ", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)

    assert levels("README.md") == levels("README.ko.md")


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    names = {re.match(r"[A-Za-z0-9_-]+", one)[0] for one in wanted}  # type: ignore[index]
    page = (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([A-Za-z0-9_-]+)", page, re.MULTILINE))
    assert told == names


def test_the_continuous_integration_calls_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "make test\n" in readme
    assert "make check" in script
    assert "$(MAKE) --no-print-directory test" in makefile
    assert "make test-integration" in script


def test_nothing_in_the_repository_names_a_machine() -> None:
    for file in tracked():
        if file.suffix in TEXT and file.is_file() and file != Path(__file__).resolve():
            found = MACHINE.search(file.read_text(encoding="utf-8"))
            assert found is None, f"{file.relative_to(ROOT)}: {found}"
