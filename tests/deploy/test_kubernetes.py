"""The Kubernetes manifests: their schemas, and that what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import manifests
from visema.cli.platform import COMMANDS
from visema.paths import ROOT

ALL = manifests()
#: Kinds that are no part of Kubernetes: checked by hand below.
FOREIGN = {"Kustomization", "ScaledObject"}


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in ALL if m["kind"] == kind}


def pods() -> dict[str, dict[str, Any]]:
    return {
        name: m["spec"]["template"] for kind in ("Deployment", "StatefulSet") for name, m in of(kind).items()
    }  # fmt: skip


@pytest.mark.parametrize("manifest", ALL, ids=lambda m: f"{m['file']}-{m['kind']}")
def test_manifest_keeps_to_its_schema(manifest: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    if manifest["kind"] in FOREIGN:
        return
    validate({key: value for key, value in manifest.items() if key != "file"}, "1.30", strict=True)


def test_kustomization_lists_every_file() -> None:
    listed = set(yaml.safe_load((ROOT / "k8s/kustomization.yaml").read_text())["resources"])
    there = {m["file"] for m in ALL} - {"kustomization.yaml", "secret.example.yaml"}
    assert listed == there | {"secret.yaml"}


def test_kustomize_puts_them_together(tmp_path: Path) -> None:
    program = shutil.which("kubectl") or shutil.which("kustomize")
    if program is None:
        pytest.skip("neither kubectl nor kustomize is here")
    folder = tmp_path / "k8s"
    shutil.copytree(ROOT / "k8s", folder, ignore=shutil.ignore_patterns("secret.yaml"))
    shutil.copy(folder / "secret.example.yaml", folder / "secret.yaml")
    command = [program, "kustomize" if Path(program).name == "kubectl" else "build", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    made = [document for document in yaml.safe_load_all(done.stdout) if document]
    assert len(made) == len([m for m in ALL if m["kind"] != "Kustomization"])
    assert all(m["metadata"].get("namespace", "visema") == "visema" for m in made)
    assert done.stdout.count("image: registry.example.org/visema:latest") == 3


@pytest.mark.parametrize("name", sorted(pods()))
def test_pods_are_locked_up_and_looked_after(name: str) -> None:
    spec = pods()[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["livenessProbe"] and container["resources"]["limits"]["memory"]
        assert name.startswith("worker") or container["readinessProbe"]
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        claims = {claim["metadata"]["name"] for claim in (of("StatefulSet").get(name) or {"spec": {}})["spec"].get(
            "volumeClaimTemplates", [])}  # fmt: skip
        assert mounts <= {volume["name"] for volume in spec["volumes"]} | claims
        if container["image"] == "visema":
            assert container["args"][0] == "visema" and container["args"][1] in COMMANDS
            for probe in ("startupProbe", "livenessProbe"):
                words = container[probe].get("exec", {}).get("command")
                assert not words or (ROOT / words[1]).is_file()


def test_what_is_named_is_there() -> None:
    keys = set(of("Secret")["visema"]["stringData"])
    for template in pods().values():
        for volume in template["spec"]["volumes"]:
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or claim["claimName"] in of("PersistentVolumeClaim")
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                assert reference is None or (reference["name"], reference["key"] in keys) == ("visema", True)
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", source.get("secretRef"))["name"] == "visema"
    for name, service in of("Service").items():
        chosen = [t for t in pods().values() if service["spec"]["selector"].items() <= t["metadata"]["labels"].items()]
        assert len(chosen) == 1, name
        ports = {port["name"] for port in chosen[0]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    backend = of("Ingress")["visema"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] in of("Service")
    values = of("Secret")["visema"]["stringData"]
    for address in (values["VISEMA_DATABASE"], values["VISEMA_BROKER"]):
        match = re.search(r"@(\w+):(\d+)/", address)
        assert match and of("Service")[match[1]]["spec"]["ports"][0]["port"] == int(match[2])
    for budget in of("PodDisruptionBudget").values():
        labels = budget["spec"]["selector"]["matchLabels"]
        assert any(labels.items() <= template["metadata"]["labels"].items() for template in pods().values())


def test_autoscaling_by_the_length_of_the_queue() -> None:
    scaled = {m["spec"]["scaleTargetRef"]["name"]: m["spec"] for m in of("ScaledObject").values()}
    assert set(scaled) == {"worker", "worker-train"} and set(scaled) <= set(of("Deployment"))
    for name, spec in scaled.items():
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
        (trigger,) = spec["triggers"]
        assert trigger["type"] == "prometheus" and float(trigger["metadata"]["threshold"]) > 0
        queue = of("Deployment")[name]["spec"]["template"]["spec"]["containers"][0]["args"][-1]
        assert f'queue="{queue}"' in trigger["metadata"]["query"]
        # Whoever scales decides how many there are: a number here would undo it with every apply.
        assert "replicas" not in of("Deployment")["worker"]["spec"]
    assert of("HorizontalPodAutoscaler")["app"]["spec"]["scaleTargetRef"]["name"] in of("Deployment")
