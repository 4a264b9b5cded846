from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchscan.domain.errors import JobError
from batchscan.domain.job import Job, known_keys, overridden, read_job
from batchscan.domain.places import Address
from batchscan.domain.quality import Limits
from batchscan.domain.quality_limits import DEFAULT_LIMITS

JOBS = Path(__file__).parents[2] / "jobs"
LEAST = '[slides]\nsources = ["a"]\n[run]\nout = "r"\n'


def _job(folder: Path, text: str) -> Job:
    file = folder / "job.toml"
    file.write_text(text)
    return read_job(file)


def test_paths_are_taken_from_the_jobs_own_folder(tmp_path: Path) -> None:
    job = _job(tmp_path, LEAST + '[model]\npackage = "models/mine"\n')
    assert job.slides.sources == ((tmp_path / "a").resolve(),)
    assert job.run.out == (tmp_path / "r").resolve()
    assert job.model.package == str((tmp_path / "models/mine").resolve())


def test_what_an_evaluation_reads_and_writes_is_taken_from_there_too(tmp_path: Path) -> None:
    said = _job(tmp_path, LEAST + '[evaluation]\nmanifest = "m.csv"\n[gates]\nrequire = ["f1.low >= 0.5"]\n')
    assert (said.evaluation.manifest, said.evaluation.out) == ((tmp_path / "m.csv").resolve(), None)
    assert said.gates.require == ("f1.low >= 0.5",)
    assert _job(tmp_path, LEAST + '[evaluation]\nout = "e"\n').evaluation.out == (tmp_path / "e").resolve()
    models = _job(tmp_path, LEAST + '[evaluation]\nmodels = ["published-cnn", "models/mine"]\n').evaluation.models
    assert models == ("published-cnn", str((tmp_path / "models/mine").resolve()))


def test_an_address_stays_as_it_is_also_through_options_and_json(tmp_path: Path) -> None:
    job = _job(tmp_path, LEAST.replace('["a"]', '["s3://lab/archive", "a"]'))
    expected = (Address("s3", "lab/archive"), (tmp_path / "a").resolve())
    assert job.slides.sources == expected
    assert overridden(job, {"workers": 2}).slides.sources == expected
    assert job.model_dump(mode="json")["slides"]["sources"] == ["s3://lab/archive", str(expected[1])]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ('["s3://me:hidden@lab/x"]', "key 'slides.sources.0' isn't an address such as s3://bucket/folder"),
        ('["a", "https://lab/hidden"]', "key 'slides.sources.1' is at https://, which isn't read from"),
        ('"s3://me:hidden@lab/x"', "key 'slides.sources' is 's3://...': expected a list, such as ['s3://...']"),
        ("[]", "key 'slides.sources' is empty: name at least one"),
        ("[5]", "key 'slides.sources.0' isn't a path or an address"),
    ],
)
def test_a_wrong_address_is_named_by_its_key_and_not_repeated(tmp_path: Path, sources: str, said: str) -> None:
    with pytest.raises(JobError) as caught:
        _job(tmp_path, LEAST.replace('["a"]', sources))
    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_an_evaluation_reads_no_address(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"key 'evaluation.manifest' is an address") as caught:
        _job(tmp_path, LEAST + '[evaluation]\nmanifest = "s3://me:hidden@lab/m.csv"\n')
    assert "hidden" not in str(caught.value)


def test_a_shipped_models_name_is_no_path(tmp_path: Path) -> None:
    assert _job(tmp_path, LEAST).model.package == "published-cnn"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[patches]\nstrid = 0.5\n", "unknown key 'patches.strid'; did you mean 'patches.stride'?"),
        ("[modle]\nengine = 'auto'\n", "unknown key 'modle'; did you mean 'model'?"),
        ("[patches]\nstride = 0.0\n", "key 'patches.stride' is 0.0"),
        ("[model]\nengine = 'gpu'\n", "key 'model.engine' is 'gpu'"),
        ("[model]\nthreshold = 1.5\n", "key 'model.threshold' is 1.5"),
        ("[model]\norientations = 3\n", "key 'model.orientations' is 3: input should be 1, 2, 4 or 8"),
        ("[model]\nneighbours = -0.5\n", "key 'model.neighbours' is -0.5"),
        ("[model]\nneighbour = 1\n", "unknown key 'model.neighbour'; did you mean 'model.neighbours'?"),
        ("[report]\nper_slide = 'perhaps'\n", "key 'report.per_slide'"),
        (
            "[evaluation]\nmanifesto = 'm.csv'\n",
            "unknown key 'evaluation.manifesto'; did you mean 'evaluation.manifest'?",
        ),
        ("[evaluation]\nprevalence = [0.0]\n", "key 'evaluation.prevalence.0' is 0.0"),
        ("[gates]\nrequire = ['f1.low >= .5']\n", "[gates] needs [evaluation] with a manifest"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(JobError) as caught:
        _job(tmp_path, LEAST + wrong)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"'patches.strid'.*'run.outt'.*'run.out' is missing|'run.out' is missing.*"):
        _job(tmp_path, '[slides]\nsources = ["a"]\n[patches]\nstrid = 1\n[run]\noutt = "r"\n')


@pytest.mark.parametrize("text", ["[slides\n", "\x00"])
def test_what_is_not_toml_is_a_named_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(JobError, match="isn't valid TOML"):
        _job(tmp_path, text)


def test_a_missing_job_file_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="can't be read"):
        read_job(tmp_path / "none.toml")


def test_options_override_the_run_section(tmp_path: Path) -> None:
    job = _job(tmp_path, LEAST)
    assert overridden(job, {"out": None, "scheduler": None}) == job
    assert overridden(job, {"out": tmp_path / "other", "scheduler": "tcp://h:1"}).run.scheduler == "tcp://h:1"
    with pytest.raises(JobError, match=r"run\.scheduler"):
        overridden(job, {"scheduler": "nonsense"})


def _shown(text: str, *sections: str) -> str:
    """The job file with every commented key of these sections in force."""
    keys = {key.rsplit(".", maxsplit=1)[-1] for key in known_keys() if key.split(".")[0] in sections}
    lines = text.splitlines()
    return "\n".join(line[2:] if line.startswith("# ") and line[2:].split(" =")[0] in keys else line for line in lines)


_OF_A_SCAN = ("schema_version", "slides", "model", "patches", "quality", "run", "report")
_OF_AN_EVALUATION = ("evaluation", "gates")


@pytest.mark.parametrize(("file", "sections"), [("overnight", _OF_A_SCAN), ("validation", _OF_AN_EVALUATION)])
def test_a_job_file_says_every_key_of_its_sections_with_its_default(
    tmp_path: Path, file: str, sections: tuple[str, ...]
) -> None:
    text = (JOBS / f"{file}.toml").read_text()
    job = _job(tmp_path, text)
    manifest = '[evaluation]\nmanifest = "archive/manifest.csv"\n' if file == "validation" else ""
    assert job == _job(tmp_path, '[slides]\nsources = ["archive"]\n[run]\nout = "run"\n' + manifest)
    said = _shown(text, *sections)
    for key in known_keys():
        if key.split(".")[0] in sections:
            last = key.rsplit(".", maxsplit=1)[-1]
            assert re.search(rf"(^\[?|{{ |, ){last}\b", said, re.MULTILINE), key


def test_uncommenting_every_key_of_a_job_file_is_valid(tmp_path: Path) -> None:
    job = _job(tmp_path, _shown((JOBS / "overnight.toml").read_text(), *_OF_A_SCAN))
    assert (job.model.threshold, job.run.workers, job.slides.um_per_px) == (0.5, 2, 0.5)
    assert {name: Limits(**limits) for name, limits in job.quality.overrides.items() if name in DEFAULT_LIMITS} == {
        **DEFAULT_LIMITS
    }
    evaluation = _job(tmp_path, _shown((JOBS / "validation.toml").read_text(), *_OF_AN_EVALUATION)).evaluation
    assert (evaluation.tune_on, evaluation.slide_threshold) == ("tune", 1.0)


def test_limits_of_quality_are_a_table_a_measure(tmp_path: Path) -> None:
    job = _job(tmp_path, LEAST + "[quality]\nsharpness = { review_below = 2 }\n")
    assert job.quality.enabled
    assert job.quality.overrides == {"sharpness": {"review_below": 2.0}}
    with pytest.raises(
        JobError, match=r"unknown key 'quality.sharpness.review_belw'; did you mean 'quality\.\w+\.review_below'"
    ):
        _job(tmp_path, LEAST + "[quality]\nsharpness = { review_belw = 2 }\n")
    with pytest.raises(JobError, match=r"unknown key 'quality.sharpnes'; did you mean 'quality.sharpness'"):
        _job(tmp_path, LEAST + "[quality]\nsharpnes = { review_below = 2 }\n")
