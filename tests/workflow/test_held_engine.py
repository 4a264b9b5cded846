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


AUTO = (DEFAULT_MODEL, "auto", "auto")


def _wait_for_it() -> None:
    for thread in threading.enumerate():
        if thread.name == "open-model":
            thread.join(30)
            assert not thread.is_alive()


def _begun(held: HeldEngine, *question: str) -> None:
    held.begin(*question)
    _wait_for_it()


def test_what_was_begun_answers_its_askers_question_once(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    _begun(held, *AUTO, "run 1")
    assert held.resolve(*AUTO, "run 1") == EngineInfo("openvino", "f32")
    assert len(opened) == 1
    assert held.resolve(*AUTO, "run 1") == EngineInfo("openvino", "f32")
    assert len(opened) == 2


@pytest.mark.parametrize(
    "question", [("auto", "f32", "run 1"), ("keras", "auto", "run 1"), ("auto", "auto", "run 2"), ("auto", "auto", "")]
)
def test_another_question_or_askers_is_answered_anew(opened: list[tuple[str, str]], question: tuple[str, ...]) -> None:
    """A run's engine is proven in every run, by the worker that is asked: the package may have changed since."""
    held = HeldEngine()
    _begun(held, *AUTO, "run 1")
    held.resolve(DEFAULT_MODEL, *question)
    assert opened == [("auto", "auto"), question[:2]]


def test_a_block_takes_what_was_begun(opened: list[tuple[str, str]]) -> None:
    """Also on the workers that nobody asks: each opens the model once."""
    held = HeldEngine()
    held.begin(*AUTO, "run 1")
    _wait_for_it()
    assert held.get(DEFAULT_MODEL, MODEL, EngineInfo("openvino", "f32")).info.name == "openvino"
    assert len(opened) == 1


def test_what_another_engine_has_taken_the_place_of_is_no_answer(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    _begun(held, *AUTO, "run 1")
    held.get(DEFAULT_MODEL, MODEL, EngineInfo("keras", "f32"))
    held.resolve(*AUTO, "run 1")
    assert opened == [("auto", "auto"), ("keras", "f32"), ("auto", "auto")]


def test_what_was_answered_before_it_was_begun_is_not_opened_again(opened: list[tuple[str, str]]) -> None:
    held = HeldEngine()
    held.resolve(*AUTO, "run 1")
    _begun(held, *AUTO, "run 1")
    assert len(opened) == 1


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
