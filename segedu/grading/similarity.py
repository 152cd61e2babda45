"""Answers that are more alike than chance: names, comments and layout left out, solutions and stubs not counted."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from segedu.grading.cells import is_cuda
from segedu.grading.policy import parsed

FEWEST_WORDS = 30  # of an answer: shorter ones agree by chance
GRAM = 5  # words that are compared as one
ALIKE = 0.85  # shared grams, of all that either answer has, from which a pair is listed
_WORD = re.compile(r"[^\W\d]\w*|\d[\w.]*|[^\s\w]")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Pair:
    """Two answers to one question and how much of them is the same, 0 to 1."""

    assignment: str
    question: str
    first: str
    second: str
    share: float


@dataclass(frozen=True)
class Group:
    """Students whose answers to a question are alike, each with one of the others; `share` is the least of these."""

    assignment: str
    question: str
    students: tuple[str, ...]
    share: float


def normalised(source: str) -> tuple[str, ...]:
    """The words of an answer that are left when a copy has been renamed, commented and laid out anew.

    >>> normalised("def f(x):  # mine\\n    return 2 * x") == normalised("def f(array):\\n    return (2*array)")
    True
    """
    if is_cuda(source):
        return tuple(_numbered(_WORD.findall(_COMMENT.sub(" ", source.split("\n", 1)[-1]))))
    tree = parsed(source)
    if tree is None:
        return tuple(_WORD.findall(source))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]  # a docstring
    try:
        return tuple(_numbered(_WORD.findall(ast.unparse(tree))))
    except (RecursionError, ValueError):
        return tuple(_WORD.findall(source))


def _numbered(words: Sequence[str]) -> Iterator[str]:
    """Words of which names are numbers, in the order of their first appearance."""
    seen: dict[str, str] = {}
    for word in words:
        yield seen.setdefault(word, f"n{len(seen)}") if word[0].isalpha() or word[0] == "_" else word


def pairs(answers: Sequence[tuple[str, str, Mapping[str, str]]], known: Mapping[str, Sequence[str]]) -> list[Pair]:
    """Pairs of students whose answers are alike, most alike first.

    Args:
        answers: assignment, student and the student's answers by question.
        known: by question, answers that do not count: the solution, the stub.
    """
    excluded = {question: {normalised(source) for source in sources} for question, sources in known.items()}
    groups: dict[tuple[str, str], list[tuple[str, frozenset]]] = defaultdict(list)
    for assignment, student, by_question in answers:
        for question, source in by_question.items():
            words = normalised(source)
            if len(words) >= FEWEST_WORDS and words not in excluded.get(question, ()):
                grams = frozenset(words[i : i + GRAM] for i in range(len(words) - GRAM + 1))
                groups[assignment, question].append((student, grams))
    found = [
        Pair(assignment, question, first, second, share)
        for (assignment, question), group in groups.items()
        for (first, mine), (second, theirs) in combinations(group, 2)
        if (share := len(mine & theirs) / len(mine | theirs)) >= ALIKE
    ]
    return sorted(found, key=lambda pair: (-pair.share, pair.assignment, pair.question, pair.first, pair.second))


def groups(found: Sequence[Pair]) -> list[Group]:
    """Pairs that have a student in common, as groups: the same students in most questions first."""
    made: dict[tuple[str, str], list[tuple[set[str], float]]] = defaultdict(list)
    for pair in found:
        mine = made[pair.assignment, pair.question]
        touched = [group for group in mine if {pair.first, pair.second} & group[0]]
        students = {pair.first, pair.second}.union(*(group[0] for group in touched))
        mine[:] = [group for group in mine if group not in touched]
        mine.append((students, min([pair.share, *(group[1] for group in touched)])))
    listed = [
        Group(assignment, question, tuple(sorted(students)), share)
        for (assignment, question), mine in made.items()
        for students, share in mine
    ]
    often = Counter(group.students for group in listed)
    return sorted(listed, key=lambda g: (-often[g.students], g.students, g.assignment, g.question))
