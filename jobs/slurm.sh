#!/bin/bash
# A run on a SLURM cluster: scheduler and runner on the first node, a worker process for each task on all of them.
#
#     sbatch slurm.sh overnight.toml
#
# Copy this file, set the #SBATCH lines for your cluster, and submit it. The same command again does only what is
# missing. Slides, run folder, model and batchscan itself must be there under the same paths on every node
# (a shared mount). When the time is nearly up the run is interrupted, keeps what is finished, and is queued again.
# docs/clusters.md says more, also on GPUs and on dask-jobqueue.

#SBATCH --job-name=batchscan
#SBATCH --output=batchscan-%j.log
# Worker processes: here 16, of one core and 3 GB each. Scheduler and runner need little; they share the first node.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=3G
#SBATCH --time=12:00:00
# Five minutes before the end SLURM tells this script, so that the run can stop in good order.
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
# With GPUs, one for each task; the job file says engine = "keras".
##SBATCH --gpus-per-task=1

set -euo pipefail

job=${1:?usage: sbatch slurm.sh JOB.toml}
# Put batchscan on the PATH here if it isn't yet: a module, or a virtual environment on the shared mount.
# source /shared/batchscan/bin/activate

# A port of this job's own: several jobs may share a node. Other nodes must reach this one by the name that hostname says.
address=tcp://$(hostname):$((20000 + SLURM_JOB_ID % 20000))
memory=$((${SLURM_MEM_PER_CPU:-3072} * ${SLURM_CPUS_PER_TASK:-1}))MiB

# A worker near its limit goes on, as on one machine: tasks hold next to nothing between them.
export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False
export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False
export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False
# No samples of its stack, which would take more and more memory.
export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False
# On GPUs, float32 is float32 on all of them, and the network takes no more memory than it needs.
export NVIDIA_TF32_OVERRIDE=0 TF_FORCE_GPU_ALLOW_GROWTH=true

dask scheduler --host "$(hostname)" --port "${address##*:}" --no-dashboard &
scheduler=$!
srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
    dask worker "$address" --nthreads 1 --no-dashboard --local-directory "${TMPDIR:-/tmp}" --memory-limit "$memory" &
workers=$!
trap 'kill $workers $scheduler ${patience:-} 2>/dev/null || true' EXIT

# Nodes may take their time to start Python from a shared mount.
python -c "import sys; from distributed import Client; Client(sys.argv[1], timeout=300).wait_for_workers(1, 600)" "$address"

batchscan run "$job" --scheduler "$address" &
run=$!
interrupted=
# The run begins no slide any more and finishes those under way; what isn't finished after 200 s is left for the next time.
trap 'interrupted=yes; kill -TERM $run; (sleep 200; kill -TERM $run) & patience=$!' TERM
code=0
wait $run || code=$?
if [ -n "$interrupted" ]; then
    # The first wait ended with the signal, this one ends with the run.
    code=0
    wait $run || code=$?
    # 0 and 3: it was finished at that very moment.
    case $code in 0 | 3) ;; *) scontrol requeue "$SLURM_JOB_ID" ;; esac
fi
exit $code
