"""jobs/slurm.sh and the dask-jobqueue script of docs/clusters.md, run where SLURM's commands are stand-ins."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dask_processes import wait_until

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "jobs" / "slurm.sh"
# In place of `batchscan`: writes its words, and how many workers the scheduler has that it is given.
COUNTING = """\
import sys
from distributed import Client
with Client(sys.argv[-1], timeout=30) as client:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    said = [*sys.argv[1:], *(f"{each['nthreads']} thread, {each['memory_limit']} bytes" for each in workers)]
open("said", "w").write("\\n".join(said))
sys.exit(3)
"""
# srun runs its command once; sbatch a job script's, in the background, as its job 7.
SRUN = '#!/bin/sh\nwhile [ "$1" != dask ]; do shift; done\nexec "$@"\n'
SBATCH = '#!/bin/sh\ncp "$1" job.sh\nsh job.sh >job.log 2>&1 &\necho $! >job.pid\necho Submitted batch job 7\n'


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder of stand-ins that goes before all others on the PATH."""
    folder = tmp_path / "commands"
    folder.mkdir()
    _command(folder, "hostname", "#!/bin/sh\necho 127.0.0.1\n")
    _command(folder, "batchscan", f"#!{sys.executable}\n{COUNTING}")
    _command(folder, "srun", SRUN)
    _command(folder, "sbatch", SBATCH)
    _command(folder, "scancel", "#!/bin/sh\nkill $(cat job.pid)\n")
    _command(folder, "scontrol", '#!/bin/sh\necho "$@" >scontrol.said\n')
    return folder


def _command(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def _environment(commands: Path) -> dict[str, str]:
    # Of these only the port is real: another than that of a test beside it.
    slurm = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_MEM_PER_CPU": "500", "SLURM_CPUS_PER_TASK": "2"}
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **slurm, "PATH": path}


def test_the_slurm_script_starts_scheduler_workers_and_run_and_ends_with_its_exit_code(
    commands: Path, tmp_path: Path
) -> None:
    environment = _environment(commands)
    done = subprocess.run(
        ["bash", str(SCRIPT), "night.toml"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    port = 20000 + os.getpid() % 20000
    words = ["run", "night.toml", "--scheduler", f"tcp://127.0.0.1:{port}"]
    assert (tmp_path / "said").read_text().splitlines() == [*words, f"1 thread, {1000 * 2**20} bytes"]
    assert not (tmp_path / "scontrol.said").exists()


@pytest.mark.parametrize(("code", "requeued"), [(130, True), (0, False), (3, False)])
def test_when_time_is_nearly_up_the_run_is_told_and_the_job_queued_again(
    commands: Path, tmp_path: Path, code: int, *, requeued: bool
) -> None:
    _command(commands, "dask", "#!/bin/sh\nexec sleep 600\n")
    _command(commands, "python", "#!/bin/sh\n")
    waiting = "while :; do read -r nothing <fifo || :; done"
    _command(commands, "batchscan", f"#!/bin/sh\ntrap 'touch saved; exit {code}' TERM\ntouch begun\n{waiting}\n")
    os.mkfifo(tmp_path / "fifo")
    environment = _environment(commands)
    with subprocess.Popen(["bash", str(SCRIPT), "night.toml"], cwd=tmp_path, env=environment) as process:
        wait_until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == code
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "scontrol.said").exists() is requeued
    if requeued:
        assert (tmp_path / "scontrol.said").read_text() == f"requeue {os.getpid()}\n"


def test_the_slurm_script_asks_for_what_its_words_say() -> None:
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", SCRIPT.read_text(), re.MULTILINE))
    assert asked["signal"] == "B:TERM@300"
    assert asked.keys() >= {"nodes", "ntasks-per-node", "cpus-per-task", "mem-per-cpu", "time", "requeue"}
    assert os.access(SCRIPT, os.X_OK)


def test_the_jobqueue_script_of_the_document_brings_workers_of_one_thread(commands: Path, tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/clusters.md").read_text(), re.DOTALL)
    # As it stands there, but for the number of processes: 2 in place of 32.
    for large, small in (("=8", "=2"), ("24GB", "6GB"), ("_jobs=4", "_jobs=1")):
        assert large in script
        script = script.replace(large, small)
    (tmp_path / "night.py").write_text(script)
    # The cluster listens on this machine alone.
    environment = {**_environment(commands), "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": '{"host": "127.0.0.1"}'}
    done = subprocess.run(
        [sys.executable, "night.py", "night.toml"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    said = (tmp_path / "said").read_text()
    assert re.match(r"run\nnight.toml\n--scheduler\ntcp://127.0.0.1:\d+\n1 thread, 29\d{8} bytes", said)
    job = (tmp_path / "job.sh").read_text()
    asked = {"#SBATCH -p normal", "#SBATCH -A pathology", "#SBATCH --cpus-per-task=2", "#SBATCH -t 04:00:00"}
    assert asked <= set(job.splitlines())
    for option in ("--nthreads 1", "--nworkers 2", "--lifetime 225m", "--lifetime-stagger 10m"):
        assert option in job
