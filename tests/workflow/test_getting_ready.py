"""Workers load what they need before a slide waits for it, all at once; what is missing is no matter until then."""

from __future__ import annotations

import gc
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
from batchscan.workflow.getting_ready import get_ready

LOADED = """
import sys
from batchscan.report.styles import ReportStyle
from batchscan.workflow.getting_ready import get_ready
steps = "batchscan.workflow.slide_steps"
loaded = lambda: [name for name in (steps, "matplotlib", "weasyprint", "keras", "openvino") if name in sys.modules]
print(loaded())
get_ready(None)
print(loaded())
get_ready(ReportStyle("de"))
print(loaded())
"""
PACKAGE = open_package("published-cnn")


def test_what_draws_is_loaded_and_for_reports_what_prints() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    steps = "'batchscan.workflow.slide_steps'"
    assert done.stdout.splitlines() == ["[]", f"[{steps}, 'matplotlib']", f"[{steps}, 'matplotlib', 'weasyprint']"]


FROZEN = """
import gc
from batchscan.report.styles import SHIPPED
class Own: pass
def looped():
    own = Own(); own.itself = own; return own
looped()
from batchscan.workflow.getting_ready import get_ready
looks = []
gc.callbacks.append(lambda phase, info: looks.append(info["generation"]))
get_ready(SHIPPED)
print(looks, gc.isenabled(), gc.get_freeze_count() > 50_000, len(gc.get_objects()) < gc.get_freeze_count() / 10)
kept = looped()
get_ready(SHIPPED)
del kept
get_ready(SHIPPED)
gc.unfreeze()
print([each for each in gc.get_objects() if isinstance(each, Own)])
"""


def test_what_is_loaded_is_not_looked_through_for_garbage_and_what_was_garbage_before_does_not_stay() -> None:
    """Nor what has become garbage when the process gets ready for another run."""
    done = subprocess.run([sys.executable, "-c", FROZEN], capture_output=True, text=True, check=True)
    # Once (beginning and end), before anything is loaded.
    assert done.stdout.splitlines() == ["[2, 2] True True True", "[]"]


def test_who_had_no_garbage_collected_has_none_afterwards() -> None:
    gc.disable()
    try:
        get_ready(None)
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.parametrize("error", [ImportError("no matplotlib"), OSError("no Pango")])
def test_what_is_missing_is_not_told_yet(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise error

    monkeypatch.setattr(printing, "load_weasyprint", missing)
    get_ready(SHIPPED)
    assert gc.isenabled()
    gc.unfreeze()


@pytest.mark.parametrize(("package", "precision"), [("published-cnn", "no such precision"), ("no-such-model", "f32")])
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_cant_be_opened_is_not_told_yet(package: str, precision: str) -> None:
    slide_steps.begin_to_open(package, "openvino", precision, "a run")
    _wait_for_it()


def test_a_model_that_is_never_opened_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """But the block that needs it, which is seen to hang."""
    may_go_on = threading.Event()
    monkeypatch.setattr(slide_steps._ENGINE, "_open", lambda *_: may_go_on.wait(30))
    slide_steps.begin_to_open("published-cnn", "openvino", "f32", "a run")
    assert [thread.is_alive() for thread in threading.enumerate() if thread.name == "open-model"] == [True]
    may_go_on.set()
    _wait_for_it()


def _wait_for_it() -> None:
    for thread in threading.enumerate():
        if thread.name == "open-model":
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("printed", [True, False])
def test_all_workers_load_and_open_the_model_side_by_side_and_one_says_what_it_came_to(
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
    # Whoever asks is another in every run.
    (asker,) = {arguments[3] for _, arguments, *_ in asked[1:]}
    assert len(asker) > 8
    wanted = "published-cnn", "auto", "auto", asker
    assert asked == [
        (get_ready, (SHIPPED if printed else None,), {"kind": "aside"}),
        (slide_steps.begin_to_open, wanted, {"kind": "network"}),
        (slide_steps.resolve_engine, wanted),
    ]
