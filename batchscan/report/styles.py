"""A language and a laboratory's templates folder -> the templates of its pages: its own, and ours for the rest.

What a template can do is little: it is run in Jinja's sandbox, everything that it prints is escaped, a name that there
isn't is an error, and files come from the laboratory's folder and from the package alone.
"""

from __future__ import annotations

import base64
import io
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from PIL import Image

from batchscan.domain.errors import TemplateError
from batchscan.domain.job import Paper
from batchscan.report.language import ENGLISH, language, say, speaking, spoken
from batchscan.report.own_files import check_folder, own_names, read_own, read_own_text
from batchscan.report.words import unbroken

TEMPLATES = "batchscan.templates"
"""The package that ours are in."""
_OURS = "batchscan/"
_LOGOS = {"logo.svg": ("image/svg+xml", b"<svg"), "logo.png": ("image/png", b"\x89PNG\r\n")}
_ELSEWHERE = re.compile(rb"""href\s*=\s*["'](?!#|data:)|url\(\s*["']?(?!["']?(?:#|data:))|@import|<!ENTITY""")
_TEMPLATE_SUFFIXES = (".html", ".css")


@dataclass(frozen=True, slots=True)
class ReportStyle:
    """A slide's pages besides what they say: in which language, by whose templates (None: ours), for which paper."""

    language: str = ENGLISH
    templates: Path | None = None
    paper: Paper = "a4"


SHIPPED = ReportStyle()


@contextmanager
def styled(style: ReportStyle) -> Iterator[None]:
    """In this block pages are in the style's language and words.

    Raises
    ------
    TemplateError
        If the language isn't shipped, there is no such folder, or the laboratory's words can't be used.
    """
    if style.templates:
        check_folder(style.templates)
    with speaking(language(style.language, style.templates)):
        yield


def rendered(name: str, templates: Path | None, **values: Any) -> str:
    """A page, by the laboratory's template of that name or ours.

    Raises
    ------
    TemplateError
        If the laboratory's has a fault; the text says in which file, and where it can in which line.
    """
    if templates is None:
        return environment().get_template(name).render(**values)
    try:
        return environment(templates).get_template(name).render(**values)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or error.name}, line {error.lineno}: {error.message}") from error
    except TemplateError:
        raise
    except Exception as error:
        raise TemplateError(f"{_where(error, templates)}: {_fault(error)}") from error


@cache
def environment(templates: Path | None = None) -> Environment:
    """Where templates come from and what they can say; a folder is read once a process.

    Raises
    ------
    TemplateError
        If there is no such folder, or its logo can't be used.
    """
    if templates:
        check_folder(templates)
    # Ours need no sandbox, and the list of a run's slides is long.
    made = (ImmutableSandboxedEnvironment if templates else Environment)(
        loader=_Loader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["unbroken"] = unbroken
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    made.globals |= {"say": say, "spoken": spoken, "logo": _logo(templates) if templates else ""}
    return made


def compile_own(templates: Path) -> None:
    """See that each template of a folder can be read and is one.

    Raises
    ------
    TemplateError
        If there is no such folder, or a template in it has a fault.
    """
    check_folder(templates)
    for name in own_names(templates):
        if name.endswith(_TEMPLATE_SUFFIXES):
            try:
                environment(templates).get_template(name)
            except TemplateSyntaxError as error:
                raise TemplateError(f"{error.filename}, line {error.lineno}: {error.message}") from error


def data_uri(media_type: str, payload: bytes) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(payload).decode('ascii')}"


class _Loader(BaseLoader):
    """The laboratory's template where there is one, else ours, which is `batchscan/...` too."""

    def __init__(self, templates: Path | None) -> None:
        self._templates = templates
        self._ours = PackageLoader(TEMPLATES, package_path="")

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        if self._templates and not template.startswith(_OURS):
            own = read_own_text(self._templates, template)
            if own is not None:
                return own, str(self._templates / template), None
        return self._ours.get_source(environment, template.removeprefix(_OURS))


def _logo(templates: Path) -> str:
    for name, (media_type, beginning) in _LOGOS.items():
        found = read_own(templates, name)
        if found is None:
            continue
        if beginning not in found:
            raise TemplateError(f"{templates / name}: isn't a picture of the kind that its name says")
        if not name.endswith(".svg"):
            _check_picture(templates / name, found)
        # What draws an SVG passes over what it may not fetch: nobody would be told.
        if name.endswith(".svg") and _ELSEWHERE.search(found):
            raise TemplateError(f"{templates / name}: asks for something outside it; put it in as data:, or as paths")
        return data_uri(media_type, found)
    return ""


def _check_picture(path: Path, content: bytes) -> None:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TemplateError(f"{path}: can't be shown ({error}); save the picture again") from error


def _where(error: Exception, templates: Path) -> str:
    """The file and line of the laboratory's own template that was at work last."""
    folder = str(templates)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else folder


def _fault(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return 'a template extends or includes itself; ours is {% extends "batchscan/slide.html" %}'
    if isinstance(error, KeyError):
        return f"no page says {error}; the names are those of words/en.ftl"
    return f"{error} ({type(error).__name__}); docs/templates.md has what a template may use"
