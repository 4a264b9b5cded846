"""Workers load what they need before a slide waits for it, all at once; what is missing is no matter until then."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.job import validated_job
from batchscan.domain.records import EngineInfo
from batchscan.report.styles import SHIPPED
from batchscan.stores.packages import open_package
from batchscan.workflow import printing, run, slide_steps

LOADED = """
import sys
from batchscan.report.styles import ReportStyle
from batchscan.workflow.slide_steps import get_ready
loaded = lambda: [name for name in ("matplotlib", "weasyprint", "keras", "openvino") if name in sys.modules]
print(loaded())
get_ready(None)
print(loaded())
get_ready(ReportStyle("de"))
print(loaded())
"""
PACKAGE = open_package("published-cnn")


def test_what_draws_is_loaded_and_for_reports_what_prints() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['matplotlib']", "['matplotlib', 'weasyprint']"]


@pytest.mark.parametrize("error", [ImportError("no matplotlib"), OSError("no Pango")])
def test_what_is_missing_is_not_told_yet(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise error

    monkeypatch.setattr(printing, "load_weasyprint", missing)
    slide_steps.get_ready(SHIPPED)


@pytest.mark.parametrize(("package", "precision"), [("published-cnn", "no such precision"), ("no-such-model", "f32")])
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_cant_be_opened_is_not_told_yet(package: str, precision: str) -> None:
    slide_steps.open_model(package, PACKAGE.info, EngineInfo("openvino", precision))
    _wait_for_it()


def test_a_model_that_is_never_opened_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """But the block that needs it, which is seen to hang."""
    may_go_on = threading.Event()
    monkeypatch.setattr(slide_steps._ENGINE, "get", lambda *_: may_go_on.wait(30))
    slide_steps.open_model("published-cnn", PACKAGE.info, EngineInfo("openvino", "f32"))
    assert [thread.is_alive() for thread in threading.enumerate() if thread.name == "open-model"] == [True]
    may_go_on.set()
    _wait_for_it()


def _wait_for_it() -> None:
    for thread in threading.enumerate():
        if thread.name == "open-model":
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("printed", [True, False])
def test_all_workers_load_side_by_side_and_each_opens_the_model_that_the_first_has_proven(
    *, printed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, asked = EngineInfo("openvino", "f32"), []

    def begin_on_each(_: Any, step: Any, *arguments: Any, **named: Any) -> list[Any]:
        asked.append((step, arguments, named))
        return ["a future"]

    monkeypatch.setattr(run, "begin_on_each", begin_on_each)
    monkeypatch.setattr(run, "call_on_worker", lambda _, step, *arguments: asked.append((step, arguments)) or engine)
    store = write_own(tmp_path / "a.ome.zarr", Pixels(noise(64, 64)))
    sections = {"slides": {"sources": [store]}, "run": {"out": tmp_path / "run"}, "report": {"per_slide": printed}}
    found, held = run._loaded(None, validated_job(sections, "a test"), PACKAGE)
    assert found == engine
    assert held == ["a future"] * 2
    assert asked == [
        (slide_steps.get_ready, (SHIPPED if printed else None,), {"kind": "aside"}),
        (slide_steps.resolve_engine, ("published-cnn", "auto", "auto")),
        (slide_steps.open_model, ("published-cnn", PACKAGE.info, engine), {"kind": "network"}),
    ]
