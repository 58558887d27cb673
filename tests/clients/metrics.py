"""Compares /metrics with INFO, by the parser of Prometheus's own library. Usage: metrics.py PORT METRICS_PORT."""

import http.client
import sys

import redis
from prometheus_client.parser import text_string_to_metric_families

PORT, METRICS_PORT = int(sys.argv[1]), int(sys.argv[2])


def request(path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read().decode()


def scrape():
    status, kind, text = request("/metrics")
    assert status == 200 and kind.startswith("text/plain; version=0.0.4"), (status, kind)
    families = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in families, f"{family.name} comes twice"
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        families[family.name] = family
    samples = {}
    for family in families.values():
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{key} comes twice"
            samples[key] = sample.value
    return families, samples


def main():
    r = redis.Redis(host="127.0.0.1", port=PORT, decode_responses=True)
    r.flushall()
    r.config_resetstat()
    for number in range(200):
        r.set(f"key:{number}", "x" * number, ex=1000 if number % 4 == 0 else None)
    for number in range(300):
        r.get(f"key:{number}")
    r.hset("hash", mapping={"a": 1})
    for _ in range(3):
        try:
            r.lpush("hash", 1)
        except redis.ResponseError:
            pass
    try:
        r.execute_command("GET")
    except redis.ResponseError:
        pass
    redis.Redis(host="127.0.0.1", port=PORT, db=3).set("other", 1)
    # That connection is closed, which the server has to see first.
    while len(r.client_list()) > 1:
        pass
    info = r.info("everything")
    families, samples = scrape()

    def value(name, **labels):
        return samples[name, frozenset(labels.items())]

    # Nothing has happened since but the INFO itself.
    equal = {
        "ochre_connections_received_total": info["total_connections_received"],
        "ochre_connections_rejected_total": info["rejected_connections"],
        "ochre_max_clients": info["maxclients"],
        "ochre_keyspace_hits_total": info["keyspace_hits"],
        "ochre_keyspace_misses_total": info["keyspace_misses"],
        "ochre_expired_keys_total": info["expired_keys"],
        "ochre_evicted_keys_total": info["evicted_keys"],
        "ochre_error_replies_total": info["total_error_replies"],
        "ochre_connected_clients": info["connected_clients"],
        "ochre_net_input_bytes_total": info["total_net_input_bytes"],
        "ochre_net_replication_input_bytes_total": info["total_net_repl_input_bytes"],
        "ochre_net_replication_output_bytes_total": info["total_net_repl_output_bytes"],
        "ochre_memory_max_bytes": info["maxmemory"],
        "ochre_memory_startup_bytes": info["used_memory_startup"],
        "ochre_loading": info["loading"],
        "ochre_rdb_last_save_timestamp_seconds": info["rdb_last_save_time"],
        "ochre_connected_replicas": info["connected_slaves"],
    }
    for name, expected in equal.items():
        assert value(name) == expected, f"{name}: {value(name)}, INFO says {expected}"
    assert value("ochre_keyspace_hits_total") == 200 and value("ochre_keyspace_misses_total") == 100
    assert value("ochre_errors_total", code="WRONGTYPE") == 3 == info["errorstat_WRONGTYPE"]["count"]
    for db in ("db0", "db3"):
        assert value("ochre_db_keys", db=db) == info[db]["keys"], db
        assert value("ochre_db_keys_expiring", db=db) == info[db]["expires"], db
    assert value("ochre_db_keys", db="db0") == 201 and value("ochre_db_keys_expiring", db="db0") == 50
    near = {
        "ochre_commands_processed_total": info["total_commands_processed"],
        "ochre_memory_used_bytes": info["used_memory"],
        "ochre_memory_resident_bytes": info["used_memory_rss"],
        "ochre_net_output_bytes_total": info["total_net_output_bytes"],
    }
    for name, expected in near.items():
        assert abs(value(name) - expected) <= 0.1 * expected + 20_000, f"{name}: {value(name)}, INFO says {expected}"

    for command, calls, failed, rejected in (("set", 201, 0, 0), ("get", 300, 0, 1), ("lpush", 3, 3, 0)):
        stat = info[f"cmdstat_{command}"]
        assert value("ochre_command_calls_total", command=command) == stat["calls"] == calls, command
        assert value("ochre_command_errors_total", command=command, kind="failed") == stat["failed_calls"] == failed
        assert value("ochre_command_errors_total", command=command, kind="rejected") == stat["rejected_calls"] == rejected
        seconds = value("ochre_command_seconds_total", command=command)
        assert abs(seconds * 1e6 - stat["usec"]) <= 1, (command, seconds, stat)
        histogram(families, command, calls, seconds)
    assert value("ochre_command_calls_total", command="config|resetstat") == 1
    workers = [sample.value for sample in families["ochre_worker_commands"].samples]
    assert sum(workers) == value("ochre_commands_processed_total") and len(workers) == info["worker_threads"]
    assert value("ochre_info", version=info["ochre_version"], redis_version=info["redis_version"], run_id=info["run_id"]) == 1

    assert request("/health")[0::2] == (200, "ok\n")
    assert request("/metrics", "HEAD")[0::2] == (200, "")
    assert request("/metrics", "POST")[0] == 405 and request("/nothing")[0] == 404


def histogram(families, command, count, seconds):
    samples = [s for s in families["ochre_command_duration_seconds"].samples if s.labels["command"] == command]
    buckets = [(float(s.labels["le"]), s.value) for s in samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and len({bound for bound, _ in buckets}) == len(buckets) > 10, buckets
    assert all(low[1] <= high[1] for low, high in zip(buckets, buckets[1:])), buckets
    assert buckets[-1] == (float("inf"), count), buckets
    named = {s.name.rsplit("_", 1)[1]: s.value for s in samples if not s.name.endswith("_bucket")}
    assert named["count"] == count and abs(named["sum"] - seconds) < 1e-9, named


main()
