"""The files in `docker/`: what they name exists, versions are the lock's, no secret is in them."""

import fnmatch
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from experiments.cli.main import app
from tests.helpers.pages import blocks

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
FILES = sorted(path for path in DOCKER.rglob("*") if path.is_file() and path.name != ".env")
LOCK = dict(
    line.split("==")
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
)
MANIFESTS = sorted(DOCKER.glob("kuberay/*.yaml"))


def compose() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return made


def manifests() -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in MANIFESTS}


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the groups of nodes of each Ray cluster, and the spec of a group's pods."""
    for manifest in manifests().values():
        spec = manifest["spec"].get("rayClusterSpec", manifest["spec"])
        for group in [*spec.get("workerGroupSpecs", []), spec.get("headGroupSpec")]:
            if group is not None:
                yield group, group["template"]["spec"]


def understood(command: Any, words: list[str]) -> Any:
    """Have a click command read words; it raises on what it does not know."""
    context: Any = None
    while hasattr(command, "commands"):
        context = command.context_class(command, info_name=words[0], parent=context)
        command = command.commands[words.pop(0)]
    return command.make_context(command.name, words, parent=context)


def ray_start_options() -> set[str]:
    from ray.scripts.scripts import cli

    return {name for one in cli.commands["start"].params for name in one.opts}


def check_grid(words: list[str]) -> None:
    """Check a command that starts with `python -m experiments.grid`."""
    assert words[:3] == ["python", "-m", "experiments.grid"]
    understood(typer.main.get_command(app), ["run", *words[3:]])


# the image


def test_the_version_of_torch_stands_in_one_file_and_agrees_with_the_package():
    assert not re.search(r"torch==\d", "".join(path.read_text() for path in FILES))
    assert not re.search(r"torch==\d", (ROOT / "Makefile").read_text())
    for file in ("Dockerfile", "slurm/bindgrid.def"):
        assert "grep '^torch==' requirements.lock" in (DOCKER / file).read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"torch=={LOCK['torch']}" in project["dependencies"]
    assert f"ray[default,train,tune]=={LOCK['ray']}" in project["dependencies"]


def test_both_targets_run_without_rights_and_check_their_health():
    starts = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    stages = {name: base for base, name in starts}
    assert stages["cpu"] == stages["cuda"] == "base"
    base = DOCKERFILE.partition(" AS base\n")[2].partition("\nFROM ")[0]
    assert re.search(r'^RUN useradd --uid "\$UID"', base, re.MULTILINE)
    assert re.search(r"^USER \$UID$", base, re.MULTILINE)
    assert re.search(r"^ARG UID=[1-9]\d*$", base, re.MULTILINE)
    assert "\nHEALTHCHECK " in base
    assert "USER" not in DOCKERFILE.partition(" AS cuda\n")[2]


def test_an_image_is_made_of_the_package_alone():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if not rule.startswith("#")]
    assert rules[0] == "*", "everything is left out but what is named"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    modules = {f"{name}.py" for name in settings["py-modules"]}
    packages = {one.removesuffix("*") for one in settings["packages"]["find"]["include"]}
    others = {"pyproject.toml", "README.md", "requirements.lock"}
    assert let_in == modules | packages | others
    definition = (DOCKER / "slurm/bindgrid.def").read_text()
    files = definition.partition("%files\n")[2].partition("\n\n")[0].split()
    assert set(files[::2]) == let_in
    assert set(files[1::2]) == {"/src/"}


# secrets


def test_what_compose_must_be_given_is_empty_in_the_example_and_named_when_it_is_missing():
    text = (DOCKER / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    example = (DOCKER / ".env.example").read_text()
    assert required == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    assert required == {"RAY_AUTH_TOKEN", "POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    for message in re.findall(r"\$\{\w+:\?([^}]*)\}", text):
        assert "docker/.env" in message
    optional = set(re.findall(r"\$\{(\w+):-", text))
    assert optional == set(re.findall(r"^#(\w+)=", example, re.MULTILINE))


def test_no_secret_is_in_a_file():
    secret = re.compile(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY")
    for service in compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    for manifest in manifests().values():
        assert manifest["kind"] != "Secret"
    for _, pod in pods():
        for variable in pod["containers"][0]["env"]:
            assert not secret.search(variable["name"])
    assert not re.search(r"^(ENV|ARG).*(PASSWORD|TOKEN|SECRET)", DOCKERFILE, re.MULTILINE)
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not fnmatch.filter([path.name for path in FILES], ".env")


# compose


def test_ports_are_published_on_this_machine_alone():
    published = {
        name: one["ports"] for name, one in compose()["services"].items() if "ports" in one
    }
    assert set(published) == {"head", "mlflow"}
    for port in [port for ports in published.values() for port in ports]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


# MLflow's own, when its command line is imported
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
def test_what_compose_starts_exists():
    from mlflow.cli import cli as mlflow
    from ray.scripts.scripts import cli as ray

    services = compose()["services"]
    for name in ("head", "worker"):
        words = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in services[name]["entrypoint"]]
        understood(ray, words[1:])
    submit = services["submit"]["entrypoint"]
    understood(ray, [*submit[1:], "transfer"])
    check_grid([*submit[submit.index("--") + 1 :], "transfer"])
    understood(mlflow, services["mlflow"]["entrypoint"][1:])
    assert "bindgrid" in services["mlflow"]["entrypoint"], "with bindgrid's first page"
    compile("\n".join(services["bucket"]["entrypoint"][2:]), "bucket", "exec")


def test_services_wait_for_those_that_they_need():
    services = compose()["services"]
    for name, service in services.items():
        for needed in service.get("depends_on", {}):
            assert needed in services, name
        if isinstance(service.get("depends_on"), dict):
            for needed, wait in service["depends_on"].items():
                if wait["condition"] == "service_healthy":
                    assert services[needed]["healthcheck"]["test"][0] == "CMD", needed
    for name in ("head", "worker", "mlflow", "bucket", "submit", "bindgrid"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_the_file_for_gpus_changes_services_that_are_there():
    gpu = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())["services"]
    ours = {name for name, one in compose()["services"].items() if "build" in one}
    assert set(gpu) == ours
    assert {one["image"] for one in gpu.values()} == {"bindgrid:cuda"}


# KubeRay


def test_the_job_is_one_that_the_grid_understands():
    job = manifests()["rayjob"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    check_grid(shlex.split(job["spec"]["entrypoint"]))
    assert job["spec"]["submissionMode"] == "K8sJobMode"
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert job["spec"]["backoffLimit"] > 0


def test_the_version_of_ray_is_the_locks_in_every_manifest():
    clusters = [one["spec"] for one in manifests().values() if one["apiVersion"] == "ray.io/v1"]
    assert len(clusters) == 2
    for spec in clusters:
        spec = spec.get("rayClusterSpec", spec)
        assert spec["rayVersion"] == LOCK["ray"]
        assert spec["authOptions"] == {"mode": "token", "secretName": "bindgrid-ray"}


def test_all_pods_share_the_workspace_and_have_no_rights():
    claim = manifests()["volume"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    groups = list(pods())
    assert len(groups) == 5
    for group, pod in groups:
        [container] = pod["containers"]
        volumes = {one["name"]: one for one in pod["volumes"]}
        mounted = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
        named = mounted["/workspace"]["persistentVolumeClaim"]["claimName"]
        assert named == claim["metadata"]["name"]
        variables = {one["name"]: one.get("value") for one in container["env"]}
        assert variables["BINDGRID_WORKSPACE"] == "/workspace"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert {f"--{name}" for name in group["rayStartParams"]} <= ray_start_options()
        limits = container["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == (group.get("groupName") == "gpu")


# the page


def test_the_files_that_the_page_names_exist():
    page = (ROOT / "docs" / "cluster.md").read_text()
    typed = "\n".join(blocks(page, "sh"))
    named = set(re.findall(r"docker/[\w./-]*\w", typed)) - {"docker/.env"}
    assert named >= {"docker/compose.yaml", "docker/kuberay/rayjob.yaml"}
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_pages_jobs_are_ones_that_the_grid_understands():
    page = (ROOT / "docs" / "cluster.md").read_text()
    typed = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    starts = re.compile(r"(?:run --rm submit|bindgrid\.sbatch|experiments[./]grid(?:\.py)?) (.*)")
    found = [match[1] for line in typed if (match := starts.search(line))]
    assert len(found) >= 3
    for arguments in found:
        words = shlex.split(arguments, comments=True)
        understood(typer.main.get_command(app), ["run", *words])


def test_an_unknown_option_would_be_noticed():
    with pytest.raises(typer.TyperException):
        check_grid(["python", "-m", "experiments.grid", "transfer", "--no-such-option"])
