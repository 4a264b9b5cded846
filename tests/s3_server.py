"""A real S3 server (moto's) on loopback, as a process of its own; what it was asked for can be read afterwards."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import botocore.session
import pytest
from dask_processes import free_port

from batchscan.stores import remote_files

BUCKET = "lab-slides"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
PASSWORD = "wJalrXUtnFEMI-not-a-real-secret"


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    """Come back once something is so, as long as a process is at work on it."""
    deadline = time.monotonic() + 120
    while not condition():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError(f"the process has ended with {process.returncode}")
        assert time.monotonic() < deadline


class Gate:
    """A way to a server that can be shut and opened again; what is connected already stays so."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self._there = port

    def open(self) -> None:
        """Take connections."""
        there = self._there

        class Way(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", there)) as beyond:
                    back = threading.Thread(target=_pass_on, args=(beyond, self.request), daemon=True)
                    back.start()
                    _pass_on(self.request, beyond)
                    back.join()

        self._listening = _Listener(("127.0.0.1", self.port), Way)
        threading.Thread(target=self._listening.serve_forever, daemon=True).start()

    def shut(self) -> None:
        """Refuse connections."""
        self._listening.shutdown()
        self._listening.server_close()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := one.recv(1 << 16):
            other.sendall(content)
        other.shutdown(socket.SHUT_WR)


@dataclass
class S3Server:
    """A server with one bucket; ends as a context manager."""

    log: Path
    port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        """What a user would set; nothing of the machine's own AWS settings counts."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": PASSWORD,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream)
        wait_until(lambda: b"Running on" in self.log.read_bytes(), self._process)
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it, in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()

    def pause(self, *, paused: bool) -> None:
        """Let it take connections and answer none, or go on."""
        self._process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    @functools.cached_property
    def client(self) -> Any:
        """For what a user does with other tools."""
        session = botocore.session.Session()
        return session.create_client(
            "s3",
            region_name=self.environment["AWS_DEFAULT_REGION"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def upload(self, folder: Path, prefix: str) -> str:
        """Copy a folder's files there; returns its address."""
        client = self.client
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """This process talks to this server inside the block."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            remote_files._filesystem.cache_clear()
            try:
                yield
            finally:
                remote_files._filesystem.cache_clear()

    def objects(self) -> dict[str, tuple[str, Any]]:
        """Key -> (ETag, time of the last change) of everything there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {
            each["Key"]: (each["ETag"], each["LastModified"]) for page in pages for each in page.get("Contents", ())
        }

    def requests(self) -> list[str]:
        """Method and path of each request so far."""
        return re.findall(r"([A-Z]+ /\S*) HTTP", self.log.read_text())
