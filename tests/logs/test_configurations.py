"""What the shipped configurations of log shippers promise besides their patterns (LOG-07 to 09)."""

import fnmatch
import re

import pytest
import yaml

from tests.controlplane.manifests import K8S, kustomize, load, pod_specs
from tests.support import filebeat
from tests.support.fluentd import Element, read
from tests.support.logstash import Choice, Pipeline, Plugin

FOLDER = K8S / "logging"
FILEBEAT = (FOLDER / "filebeat.yaml").read_text("utf-8")
FLUENTD = read((FOLDER / "fluentd-gpu-management.conf").read_text("utf-8"))
LOGSTASH = Pipeline((FOLDER / "logstash-gpu-management.conf").read_text("utf-8"))
FILE = "/var/log/containers/k8s-gpu-management-abc_gpu-management_k8s-gpu-management-0123.log"


def test_filebeat_writes_where_the_guide_says() -> None:
    told = filebeat.configuration(FILEBEAT, "filebeat.yml")
    assert told["output.elasticsearch"]["index"] == "gpu-management-%{+yyyy.MM.dd}"
    assert told["setup.ilm.enabled"] is False
    assert told["setup.template.name"] == "gpu-management"
    assert told["setup.template.pattern"] == "gpu-management-*"
    assert told["setup.template.settings"] == {
        "index.number_of_shards": 1,
        "index.number_of_replicas": 0,
    }
    assert told["logging.files"]["keepfiles"] == 7
    [thing] = yaml.safe_load_all(FILEBEAT)
    assert thing["metadata"] == {"name": "filebeat-config", "namespace": "gpu-management"}


@pytest.mark.parametrize("variant", ["filebeat.yml", "filebeat-logstash.yml"])
def test_filebeat_reads_our_containers_with_their_metadata(variant: str) -> None:
    told = filebeat.configuration(FILEBEAT, variant)
    [source] = told["filebeat.inputs"]
    assert any(fnmatch.fnmatch(FILE, path) for path in source["paths"])
    assert source["prospector.scanner.symlinks"] is True
    assert "container" in source["parsers"][0]
    assert "add_kubernetes_metadata" in source["processors"][0]
    [output] = [name for name in told if name.startswith("output.")]
    assert output == ("output.logstash" if "logstash" in variant else "output.elasticsearch")


def test_logstash_waits_where_filebeat_sends_to() -> None:
    told = filebeat.configuration(FILEBEAT, "filebeat-logstash.yml")
    [beats] = LOGSTASH.inputs
    assert isinstance(beats, Plugin)
    assert beats.options == {"port": "5044"}
    assert told["output.logstash"]["hosts"][0].endswith(":5044")


def test_logstash_and_fluentd_write_to_the_same_indexes() -> None:
    [choice] = LOGSTASH.outputs
    assert isinstance(choice, Choice)
    [elastic] = choice.then
    assert isinstance(elastic, Plugin)
    assert elastic.options["hosts"] == ["elasticsearch.logging.svc.cluster.local:9200"]
    assert elastic.options["index"] == "gpu-management-%{+YYYY.MM.dd}"
    told = one("match", "elasticsearch").told
    assert told["host"] + ":" + told["port"] == elastic.options["hosts"][0]
    assert (told["logstash_format"], told["logstash_prefix"]) == ("true", "gpu-management")
    assert "type_name" not in told


def test_logstash_takes_the_containers_that_we_install() -> None:
    [choice] = LOGSTASH.outputs
    assert isinstance(choice, Choice)
    things = [*load(K8S / "deployment.yaml"), *load(K8S / "daemonset-gpu-collector.yaml")]
    ours = {container["name"] for _, spec in pod_specs(things) for container in spec["containers"]}
    assert set(choice.question[2]) == ours


def one(name: str, kind: str) -> Element:
    [found] = [part for part in FLUENTD.of(name) if part.told["@type"] == kind]
    return found


def test_fluentd_keeps_what_it_could_not_send_and_holds_back() -> None:
    [buffer] = one("match", "elasticsearch").of("buffer")
    assert buffer.told == {
        "@type": "file",
        "path": "/var/log/fluentd-buffers/gpu-management",
        "flush_mode": "interval",
        "retry_type": "exponential_backoff",
        "flush_thread_count": "2",
        "flush_interval": "5s",
        "retry_forever": "true",
        "retry_max_interval": "30",
        "chunk_limit_size": "2M",
        "queue_limit_length": "8",
        "overflow_action": "block",
    }


def test_fluentds_tag_reaches_every_step_and_names_the_file() -> None:
    [source] = FLUENTD.of("source")
    tag = source.told["tag"].replace("*", FILE.strip("/").replace("/", "."))
    assert tag.startswith("kubernetes.gpu-management.")
    for part in [*FLUENTD.of("filter"), *FLUENTD.of("match")]:
        assert part.argument == "kubernetes.gpu-management.**"
    # As the metadata filter finds the pod.
    assert re.search(r"var\.log\.containers\.(?P<pod>[^_]+)_(?P<namespace>[^_]+)_(.+)\.log$", tag)
    assert fnmatch.fnmatch(FILE, source.told["path"])


def test_every_part_of_fluentd_has_an_id_of_its_own() -> None:
    parts = [*FLUENTD.of("source"), *FLUENTD.of("filter"), *FLUENTD.of("match")]
    assert len({part.told["@id"] for part in parts}) == len(parts)


@pytest.mark.cluster
def test_kustomize_makes_config_maps_of_the_files() -> None:
    made = {thing["metadata"]["name"]: thing for thing in kustomize("logging")}
    assert set(made) == {"filebeat-config", "logstash-gpu-management", "fluentd-gpu-management"}
    for name in ("logstash-gpu-management", "fluentd-gpu-management"):
        file = f"{name}.conf"
        assert made[name]["data"] == {file: (FOLDER / file).read_text("utf-8")}
