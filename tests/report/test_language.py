"""The catalogues of words: complete in each language, and a laboratory's own words take their place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from batchscan.domain.errors import TemplateError
from batchscan.domain.quality import MEASURES
from batchscan.report.language import Language, language, languages, say, speaking, spoken

WORDS = Path(__file__).parents[2] / "templates" / "words"


class Variables(Visitor):  # type: ignore[misc]
    """The variables that a message uses."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802 - Fluent's own name
        self.found.add(node.id.name)


def variables(tag: str) -> dict[str, set[str]]:
    """By message."""
    found = {}
    for entry in FluentParser().parse((WORDS / f"{tag}.ftl").read_text("utf-8")).body:
        assert not isinstance(entry, ast.Junk), entry.content
        if isinstance(entry, ast.Message):
            assert entry.id.name not in found
            visitor = Variables()
            visitor.visit(entry)
            found[entry.id.name] = visitor.found
    return found


def test_every_language_says_everything_with_the_same_values() -> None:
    english = variables("en")
    assert languages() == ("de", "en")
    for tag in languages():
        assert variables(tag) == english


def test_numbers_and_plurals_are_of_the_language() -> None:
    with speaking(language("de")):
        assert say("foci", n=1, count=spoken().digits("1")) == "1 Herd"
        assert say("foci", n=1642, count=spoken().digits("1,642")) == "1.642 Herde"
        assert spoken().digits("1,234.5 mm") == "1.234,5 mm"
    assert say("foci", n=1642, count=spoken().digits("1,642")) == "1,642 foci"


def test_a_laboratorys_words_take_the_place_of_ours_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/en.ftl").write_text("not-defined = unknown,\n    as yet\n")
    own = language("en", tmp_path)
    assert own.say("not-defined") == "unknown, as yet"
    assert own.say("foci", n=2, count="2") == "2 foci"
    assert language("de", tmp_path).say("not-defined") == "nicht definiert"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("not-defind = unknown\n", "no page says not-defind; did you mean not-defined?"),
        ("not-defined = unknown\n unknown\nunknown\n", "'unknown' isn't a message"),
    ],
)
def test_words_that_no_page_would_say_are_refused(own: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said.replace("?", r"\?")):
        Language("en", "not-defined = not defined\n", own)


def test_a_variable_that_a_message_is_not_given_is_named() -> None:
    with pytest.raises(TemplateError, match=r"en\.ftl of your templates, a: there is no \$number; it may use \$count"):
        Language("en", "a = { $count } foci\n", "a = { $number } foci\n")


def test_a_language_that_is_not_shipped_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no words for language 'fr': there are de, en"):
        language("fr", tmp_path)


def test_words_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/en.ftl").write_bytes(b"a = \xff\n")
    with pytest.raises(TemplateError, match=r"words/en\.ftl: can't be read .*expected UTF-8 text"):
        language("en", tmp_path)


@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_of_quality_has_its_words(name: str) -> None:
    stem = name.replace("_", "-")
    assert {f"{stem}-{part}" for part in ("label", "low", "high", "how")} <= language("en").variables.keys()


def test_no_message_of_the_catalogue_is_idle() -> None:
    """Each is named in code or a template, whole or by a beginning that an end is put to."""
    root = Path(__file__).parents[2]
    sources = [*(root / "batchscan/report").glob("*.py"), *(root / "templates").glob("*.html")]
    said = "".join(path.read_text("utf-8") for path in sources)
    quoted = set(re.findall(r"[\"']([a-z][a-z0-9-]*?)-?(?:[\"']|\{)", said))
    measures = {name.replace("_", "-") for name in MEASURES}
    idle = [name for name in language("en").variables if name[0] != "-" and not beginnings(name) & (quoted | measures)]
    assert idle == []


def beginnings(name: str) -> set[str]:
    parts = name.split("-")
    return {"-".join(parts[:n]) for n in range(1, len(parts) + 1)}
