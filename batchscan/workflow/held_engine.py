"""A model package -> the engine of this worker process, opened and proven once, however often it is asked for."""

from __future__ import annotations

import contextlib
import threading

from batchscan.domain.errors import BatchscanError, ModelError
from batchscan.domain.records import EngineInfo, ModelInfo
from batchscan.scan.engines import Engine, open_engine
from batchscan.stores.packages import open_package


class HeldEngine:
    """Holds one engine, the last that was asked for; safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[str, ModelInfo, Engine] | None = None
        # What was asked for when the one that is held was begun, and for whom.
        self._begun: tuple[str, ...] | None = None
        # Who asked last: what was to be begun for them, and wasn't by then, need not be.
        self._answered = ""

    def begin(self, package: str, name: str, precision: str, asker: str) -> None:
        """Begin to open what the same asker's `resolve` will ask for; that, or `get`, is told why it can't be opened.

        On a thread of its own, which whoever asks waits for. A block that does so is seen to hang if that hangs.
        """

        def opened() -> None:
            with contextlib.suppress(BatchscanError), self._lock:
                if self._answered != asker:
                    self._open(package, name, precision)
                    self._begun = package, name, precision, asker

        threading.Thread(target=opened, name="open-model", daemon=True).start()

    def resolve(self, package: str, name: str, precision: str, asker: str = "") -> EngineInfo:
        """What `name` and `precision` (`auto` too) come to here, proven on the package's golden patches, and held.

        Proven for this very asker: of another's engine nobody knows whether the package is still the same.
        """
        with self._lock:
            begun, self._begun, self._answered = self._begun, None, asker
            if self._held and asker and begun == (package, name, precision, asker):
                return self._held[2].info
            return self._open(package, name, precision)

    def _open(self, package: str, name: str, precision: str) -> EngineInfo:
        opened = open_package(package)
        engine = open_engine(opened, name, precision=precision)
        self._held = package, opened.info, engine
        return engine.info

    def get(self, package: str, model: ModelInfo, engine: EngineInfo) -> Engine:
        """The very model and engine that a run records.

        Raises
        ------
        ModelError
            If this worker has another model under that name, or the engine in another precision.
        """
        with self._lock:
            held = self._held
            if held and held[:2] == (package, model) and held[2].info == engine:
                return held[2]
            opened = open_package(package)
            if opened.info != model:
                raise ModelError(
                    f"model {package}: this worker has sha256 {opened.info.sha256}, the run {model.sha256}; install one"
                )
            found = open_engine(opened, engine.name, precision=engine.precision)
            if found.info != engine:
                raise ModelError(
                    f"engine {engine.name}: this worker has {found.info.precision}, the run {engine.precision}"
                )
            self._held, self._begun = (package, model, found), None
            return found
