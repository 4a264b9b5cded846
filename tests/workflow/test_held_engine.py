"""A worker opens its model once, and only the one that the run records."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError
from batchscan.domain.records import EngineInfo, ModelInfo
from batchscan.stores.packages import open_package
from batchscan.workflow import held_engine
from batchscan.workflow.held_engine import HeldEngine

MODEL = open_package(DEFAULT_MODEL).info


class Opened:
    def __init__(self, info: EngineInfo) -> None:
        self.info = info


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What engines were opened, by name and precision; auto comes to OpenVINO in f32, and bf16 to f32."""
    found: list[tuple[str, str]] = []

    def open_engine(_: Any, name: str, *, precision: str) -> Opened:
        found.append((name, precision))
        return Opened(EngineInfo("openvino" if name == "auto" else name, "f32"))

    monkeypatch.setattr(held_engine, "open_engine", open_engine)
    return found


def test_what_was_resolved_is_not_opened_again(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    info = held.resolve(DEFAULT_MODEL, "auto", "auto")
    assert info == EngineInfo("openvino", "f32")
    assert held.get(DEFAULT_MODEL, MODEL, info) is held.get(DEFAULT_MODEL, MODEL, info)
    assert opened == [("auto", "auto")]


def _begun(held: HeldEngine, *question: str) -> None:
    held.begin(*question)
    for thread in threading.enumerate():
        if thread.name == "open-model":
            thread.join(30)


def test_what_was_begun_answers_the_next_question_and_no_other(opened: list[tuple[str, str]]) -> None:
    """A run's engine is proven in every run, by the worker that is asked."""
    held, auto = HeldEngine(), (DEFAULT_MODEL, "auto", "auto")
    _begun(held, *auto)
    assert held.resolve(*auto) == EngineInfo("openvino", "f32")
    assert len(opened) == 1
    assert held.resolve(*auto) == EngineInfo("openvino", "f32")
    assert len(opened) == 2


@pytest.mark.parametrize("question", [("auto", "f32"), ("keras", "auto")])
def test_another_question_is_answered_anew(opened: list[tuple[str, str]], question: tuple[str, str]) -> None:
    held = HeldEngine()
    _begun(held, DEFAULT_MODEL, "auto", "auto")
    held.resolve(DEFAULT_MODEL, *question)
    assert opened == [("auto", "auto"), question]


def test_what_was_begun_in_an_earlier_run_is_no_answer(opened: list[tuple[str, str]]) -> None:
    held, auto = HeldEngine(), (DEFAULT_MODEL, "auto", "auto")
    _begun(held, *auto)
    # As if the next one's thread had not come to it yet.
    with held._lock:
        held.begin(*auto)
        assert held._begun is None
    held.get(DEFAULT_MODEL, MODEL, EngineInfo("keras", "f32"))
    _begun(held, *auto)
    held.get(DEFAULT_MODEL, MODEL, EngineInfo("keras", "f32"))
    n_before = len(opened)
    held.resolve(*auto)
    assert len(opened) == n_before + 1


def test_a_worker_that_resolved_nothing_opens_what_the_run_records_once(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    assert held.get(DEFAULT_MODEL, MODEL, EngineInfo("keras", "f32")).info.name == "keras"
    held.get(DEFAULT_MODEL, MODEL, EngineInfo("keras", "f32"))
    assert opened == [("keras", "f32")]


def test_another_engine_takes_its_place(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    for name in ("keras", "openvino", "keras"):
        assert held.get(DEFAULT_MODEL, MODEL, EngineInfo(name, "f32")).info.name == name
    assert len(opened) == 3


def test_another_model_of_that_name_or_another_precision_is_refused(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    with pytest.raises(ModelError, match=r"this worker has sha256 .*, the run 00"):
        held.get(DEFAULT_MODEL, ModelInfo(MODEL.name, MODEL.version, "00"), EngineInfo("keras", "f32"))
    assert opened == []
    with pytest.raises(ModelError, match="engine openvino: this worker has f32, the run bf16"):
        held.get(DEFAULT_MODEL, MODEL, EngineInfo("openvino", "bf16"))
