"""The README keeps its word: its tree is the tree, its commands and its links exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("speciation", "cluster", "dashboards")


def fenced(language: str) -> list[str]:
    """Texts of the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def tree_of(drawing: str) -> dict[str, str]:
    """Path to clause, of a tree drawn with two spaces a level; a folder ends with a slash."""
    folders: list[str] = []
    clauses: dict[str, str] = {}
    for line in drawing.splitlines():
        name, _, clause = line.strip().partition(" ")
        level = (len(line) - len(line.lstrip())) // 2
        folders = folders[:level]
        clauses["".join(folders) + name] = clause.strip()
        folders.append(name)
    return clauses


TREE = tree_of(fenced("text")[-1])


def test_a_drawn_tree_is_read_as_paths():
    drawing = ["a/  first", "  b/  second", "    c.py  third", "  d.py  fourth", "e.md  fifth"]
    assert tree_of("\n".join(drawing)) == {
        "a/": "first",
        "a/b/": "second",
        "a/b/c.py": "third",
        "a/d.py": "fourth",
        "e.md": "fifth",
    }


def test_every_module_has_its_line_in_the_tree():
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert {path for path in TREE if path.endswith(".py")} & modules == modules


@pytest.mark.parametrize("path", TREE)
def test_what_the_tree_names_exists_and_is_explained(path: str):
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()
    assert len(TREE[path].split()) >= 2


def test_every_make_command_is_a_target():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(fenced("bash"))))
    assert named >= {"run", "test"}
    assert named <= targets


def test_every_command_of_the_program_exists():
    from cluster.cli import speciation

    words = re.findall(r"\bspeciation ([a-z]+)(?: ([a-z]+))?", "\n".join(fenced("bash")))
    assert words
    for name, inner in words:
        command = speciation.commands[name]
        assert inner in getattr(command, "commands", [inner])


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
