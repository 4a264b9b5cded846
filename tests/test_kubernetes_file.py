"""jobs/kubernetes.yaml against the fields of Kubernetes and of the Dask operator that it uses, a model for each kind.

The models are written from kubernetes.io's API reference and from the operator's CRD: an unknown, missing or misspelt
field is an error, as `kubectl apply --validate=strict` would have it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from batchscan.cli.main import commands
from batchscan.domain.job import read_job

ROOT = Path(__file__).parents[1]
FILE = ROOT / "jobs" / "kubernetes.yaml"
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Quantity = Annotated[str, Field(pattern=r"^\d+(m|Ki|Mi|Gi|Ti)?$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(_Kind):
    name: Name


class Resources(_Kind):
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Variable(_Kind):
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    value: str


class Mount(_Kind):
    name: Name
    mount_path: Annotated[str, Field(pattern="^/")]


class ContainerPort(_Kind):
    name: Annotated[Name, Field(max_length=15)]
    container_port: Port
    protocol: Literal["TCP"]


class HttpGet(_Kind):
    port: str
    path: str


class Probe(_Kind):
    http_get: HttpGet
    initial_delay_seconds: int
    period_seconds: int


class Container(_Kind):
    name: Name
    image: str
    args: list[str]
    resources: Resources
    env: list[Variable] = []
    ports: list[ContainerPort] = []
    volume_mounts: list[Mount] = []
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None


class Claim(_Kind):
    claim_name: Name


class Volume(_Kind):
    name: Name
    persistent_volume_claim: Claim


class PodSpec(_Kind):
    containers: Annotated[list[Container], Field(min_length=1)]
    init_containers: list[Container] = []
    volumes: list[Volume] = []
    restart_policy: Literal["Always", "OnFailure", "Never"] | None = None
    termination_grace_period_seconds: int = 30


class ServicePort(_Kind):
    name: Name
    protocol: Literal["TCP"]
    port: Port
    target_port: str


class ServiceSpec(_Kind):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    selector: dict[str, str]
    ports: list[ServicePort]


class Worker(_Kind):
    replicas: int
    spec: PodSpec


class Scheduler(_Kind):
    spec: PodSpec
    service: ServiceSpec


class ClusterSpec(_Kind):
    worker: Worker
    scheduler: Scheduler


class DaskCluster(_Kind):
    api_version: Literal["kubernetes.dask.org/v1"]
    kind: Literal["DaskCluster"]
    metadata: Metadata
    spec: ClusterSpec


class VolumeSpec(_Kind):
    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]]
    resources: Resources


class PersistentVolumeClaim(_Kind):
    api_version: Literal["v1"]
    kind: Literal["PersistentVolumeClaim"]
    metadata: Metadata
    spec: VolumeSpec


class Labels(_Kind):
    match_labels: dict[str, str]


class Peer(_Kind):
    pod_selector: Labels | None = None
    namespace_selector: Labels | None = None


class Ingress(_Kind):
    peers: Annotated[list[Peer], Field(alias="from")]


class PolicySpec(_Kind):
    pod_selector: Labels
    policy_types: list[Literal["Ingress", "Egress"]]
    ingress: list[Ingress]


class NetworkPolicy(_Kind):
    api_version: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: Metadata
    spec: PolicySpec


class ExitCodes(_Kind):
    container_name: Name
    operator: Literal["In", "NotIn"]
    values: list[int]


class Condition(_Kind):
    type: str
    status: Literal["True", "False"]


class Rule(_Kind):
    action: Literal["FailJob", "FailIndex", "Ignore", "Count"]
    on_exit_codes: ExitCodes | None = None
    on_pod_conditions: list[Condition] = []


class FailurePolicy(_Kind):
    rules: list[Rule]


class TemplateMetadata(_Kind):
    labels: dict[str, str]


class Template(_Kind):
    metadata: TemplateMetadata
    spec: PodSpec


class JobSpec(_Kind):
    backoff_limit: int
    pod_failure_policy: FailurePolicy
    template: Template


class Job(_Kind):
    api_version: Literal["batch/v1"]
    kind: Literal["Job"]
    metadata: Metadata
    spec: JobSpec


KINDS: dict[str, type[_Kind]] = {
    kind.__name__: kind for kind in (PersistentVolumeClaim, DaskCluster, NetworkPolicy, Job)
}


def parsed(text: str) -> dict[str, Any]:
    """Each object of a manifest, by its kind."""
    return {each["kind"]: KINDS[each["kind"]].model_validate(each) for each in yaml.safe_load_all(text)}


OBJECTS = parsed(FILE.read_text())
CLUSTER: DaskCluster = OBJECTS["DaskCluster"]
RUN: Job = OBJECTS["Job"]


def test_there_is_one_of_each_kind() -> None:
    assert OBJECTS.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("volumeMounts:", "volumeMount:"),
        ("replicas: 8", "replicas: eight"),
        ("    service:", "    services:"),
        ("memory: 3Gi", "memory: 3 GB"),
        ("restartPolicy: Never", "restartPolicy: Sometimes"),
    ],
)
def test_a_misspelt_field_or_value_is_an_error(good: str, bad: str) -> None:
    assert good in FILE.read_text()
    with pytest.raises(ValidationError):
        parsed(FILE.read_text().replace(good, bad))


def test_what_is_for_gpus_holds_too_once_it_is_wanted() -> None:
    text = re.sub(r"^( +)# (- \{name|limits:)", r"\1\2", FILE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\n +limits: \{cpu: \"1\", memory: 3Gi\}", "", text)
    worker = parsed(text)["DaskCluster"].spec.worker.spec.containers[0]
    assert worker.resources.limits["nvidia.com/gpu"] == "1"
    assert {each.name for each in worker.env} >= {"NVIDIA_TF32_OVERRIDE", "TF_FORCE_GPU_ALLOW_GROWTH"}


def test_workers_have_one_thread_and_the_name_that_the_operator_gives() -> None:
    args = CLUSTER.spec.worker.spec.containers[0].args
    assert args[:4] == ["dask", "worker", "--name", "$(DASK_WORKER_NAME)"]
    assert args[args.index("--nthreads") + 1] == "1"
    assert "--no-nanny" not in args


def test_the_service_leads_to_the_scheduler_and_the_run_to_the_service() -> None:
    service, (scheduler,) = CLUSTER.spec.scheduler.service, CLUSTER.spec.scheduler.spec.containers
    name = CLUSTER.metadata.name
    assert service.selector == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    assert {port.target_port for port in service.ports} == {port.name for port in scheduler.ports}
    address = f"tcp://{name}-scheduler:{service.ports[0].port}"
    (run,), (wait,) = RUN.spec.template.spec.containers, RUN.spec.template.spec.init_containers
    assert run.args[-2:] == ["--scheduler", address]
    assert f'"{address}"' in wait.args[-1]
    compile(wait.args[-1], "wait", "exec")


def test_the_run_is_a_command_that_exists_and_ends_for_good_when_trying_again_is_no_use(tmp_path: Path) -> None:
    (run,) = RUN.spec.template.spec.containers
    program, command, job, *options = run.args
    assert program == "batchscan"
    assert set(options[::2]) <= {name for parameter in commands.commands[command].params for name in parameter.opts}
    shipped = tmp_path / Path(job).name
    shipped.write_bytes((ROOT / "jobs" / shipped.name).read_bytes())
    assert read_job(shipped)
    rule = RUN.spec.pod_failure_policy.rules[0]
    assert rule.on_exit_codes
    assert (rule.on_exit_codes.container_name, rule.on_exit_codes.operator) == (run.name, "In")
    assert rule.on_exit_codes.values == [2, 3]
    # Kubernetes takes a failure policy with this alone.
    assert RUN.spec.template.spec.restart_policy == "Never"


def test_all_see_the_same_volume_at_the_same_place() -> None:
    claim: PersistentVolumeClaim = OBJECTS["PersistentVolumeClaim"]
    assert claim.spec.access_modes == ["ReadWriteMany"]
    for pod in (CLUSTER.spec.worker.spec, RUN.spec.template.spec):
        assert [volume.persistent_volume_claim.claim_name for volume in pod.volumes] == [claim.metadata.name]
        assert [(mount.name, mount.mount_path) for mount in pod.containers[0].volume_mounts] == [("data", "/data")]


def test_only_the_cluster_itself_the_run_and_the_operator_reach_the_scheduler() -> None:
    policy: NetworkPolicy = OBJECTS["NetworkPolicy"]
    cluster = {"dask.org/cluster-name": CLUSTER.metadata.name}
    assert policy.spec.pod_selector.match_labels == cluster
    ((pods, run, operator),) = [each.peers for each in policy.spec.ingress]
    assert pods.pod_selector.match_labels == cluster
    assert run.pod_selector.match_labels == RUN.spec.template.metadata.labels
    assert operator.namespace_selector.match_labels == {"kubernetes.io/metadata.name": "dask-operator"}
