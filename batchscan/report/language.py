"""Catalogues of words (`templates/words/*.ftl`, Project Fluent) -> what a page says, in the language it is printed in.

A page is printed inside `speaking(...)`; what is asked for meanwhile, `say("headline-found")`, and the digits of every
number (`report/numbers.py`) are of that language. English without.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource
from fluent.syntax import ast
from fluent.syntax.visitor import Visitor

from batchscan.domain.errors import TemplateError
from batchscan.report.own_files import read_own_text

_WORDS = "words"
_SUFFIX = ".ftl"
_LINE = "\n"
ENGLISH = "en"
# An English number's comma and point, by language; a language that isn't here writes them as English does.
_SEPARATORS = {"de": str.maketrans(",.", ".,")}


class Language:
    """The words of one language.

    Parameters
    ----------
    tag
        As in HTML's `lang`: `en`, `de`.
    words
        The catalogue, in the syntax of Project Fluent.
    own
        A laboratory's, whose messages take the place of those of the same name.

    Raises
    ------
    TemplateError
        If there is a message in `own` of a name that no page asks for, or with a variable that it isn't given, or
        either isn't a catalogue.
    """

    def __init__(self, tag: str, words: str, own: str = "") -> None:
        self.tag = tag
        self._bundle = FluentBundle([tag], use_isolating=False)
        shipped, of_laboratory = self._add(words), self._add(own, overrides=True)
        self.variables: Mapping[str, set[str]] = shipped
        """Of each message, and of each `-term`."""
        for name, used in of_laboratory.items():
            if name not in shipped:
                near = "".join(f"; did you mean {each}?" for each in difflib.get_close_matches(name, shipped, 1))
                raise TemplateError(f"{tag}{_SUFFIX} of your templates: no page says {name}{near}")
            for variable in sorted(used - shipped[name]):
                known = ", ".join(f"${each}" for each in sorted(shipped[name]))
                raise TemplateError(
                    f"{tag}{_SUFFIX} of your templates, {name}: there is no ${variable}; it may use {known or 'none'}"
                )

    def _add(self, words: str, *, overrides: bool = False) -> dict[str, set[str]]:
        """The names of a catalogue's messages and terms, each with the variables that it uses."""
        resource = FluentResource(words)
        for entry in resource.body:
            if isinstance(entry, ast.Junk) or (isinstance(entry, ast.Message) and entry.value is None):
                line = (entry.content if isinstance(entry, ast.Junk) else entry.id.name) or ""
                raise TemplateError(
                    f"{self.tag}{_SUFFIX}: {line.strip().split(_LINE)[0][:80]!r} isn't a message; "
                    "expected `name = words`, further lines indented"
                )
        self._bundle.add_resource(resource, allow_overrides=overrides)
        return {_name(entry): _variables(entry) for entry in resource.body if isinstance(entry, ast.Message | ast.Term)}

    def say(self, name: str, /, **values: str | int) -> str:
        """A message with its variables filled in; numbers that are to be read come formatted, as text.

        Raises
        ------
        KeyError
            If there is no such message.
        TemplateError
            If it asks for a variable or a term that there isn't.
        """
        pattern = self._bundle.get_message(name).value
        assert pattern is not None
        said, errors = self._bundle.format_pattern(pattern, values)
        if errors:
            raise TemplateError(f"{self.tag}{_SUFFIX}, {name}: {errors[0]}; mend the message")
        # A message may be written over several lines.
        return " ".join(str(said).split("\n"))

    def digits(self, number: str) -> str:
        """A number in English digits, as this language writes it: `1,234.5` as `1.234,5`."""
        return number.translate(_SEPARATORS[self.tag]) if self.tag in _SEPARATORS else number


def languages() -> tuple[str, ...]:
    """The tags of those that are shipped."""
    return tuple(sorted(entry.name.removesuffix(_SUFFIX) for entry in _shipped().iterdir()))


def language(tag: str = ENGLISH, templates: Path | None = None) -> Language:
    """A language, with a laboratory's own words where its templates have any.

    Raises
    ------
    TemplateError
        If it isn't shipped, or the laboratory's words can't be used.
    """
    return _language(tag, templates)


@cache
def _language(tag: str, templates: Path | None) -> Language:
    if tag not in languages():
        raise TemplateError(f"no words for language {tag!r}: there are {', '.join(languages())}")
    own = read_own_text(templates, f"{_WORDS}/{tag}{_SUFFIX}") if templates else None
    return Language(tag, _shipped().joinpath(f"{tag}{_SUFFIX}").read_text("utf-8"), own or "")


def _name(entry: ast.Message | ast.Term) -> str:
    return f"-{entry.id.name}" if isinstance(entry, ast.Term) else entry.id.name


def _variables(entry: ast.Message | ast.Term) -> set[str]:
    found = _Variables()
    found.visit(entry)
    return found.names


class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802 - Fluent's own name
        self.names.add(node.id.name)


def _shipped() -> Traversable:
    return files("batchscan.templates").joinpath(_WORDS)


_speaking: ContextVar[Language | None] = ContextVar("language", default=None)


@contextlib.contextmanager
def speaking(spoken: Language) -> Iterator[None]:
    """In this block pages are in that language."""
    before = _speaking.set(spoken)
    try:
        yield
    finally:
        _speaking.reset(before)


def spoken() -> Language:
    """The language of the page that is being printed."""
    return _speaking.get() or language()


def say(name: str, /, **values: str | int) -> str:
    """A message of the page's language; see `Language.say`."""
    return spoken().say(name, **values)
