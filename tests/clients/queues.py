"""Queues, locks and limits of Python: Celery with kombu, RQ, redlock-py, limits and redis-py's own locks.

Usage: queues.py PORT. Fails on the first wrong answer.
"""

import operator
import sys
import threading
import time

import redis
import rq
import rq.job
import rq.registry
from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker
from kombu import Connection, Exchange, Queue
from limits import RateLimitItemPerMinute, storage, strategies
from redlock import Redlock

PORT = int(sys.argv[1])
URL = f"redis://127.0.0.1:{PORT}"


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def celery_works():
    app = Celery("tests", broker=f"{URL}/1", backend=f"{URL}/2")
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_transport_options={"priority_steps": [0, 5, 9], "visibility_timeout": 60},
        result_expires=600,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
    )
    attempts = []

    @app.task
    def add(x, y):
        return x + y

    @app.task
    def total(numbers):
        return sum(numbers)

    @app.task(bind=True, max_retries=5)
    def flaky(self):
        attempts.append(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=0.05)
        return "at last"

    @app.task
    def broken():
        raise ValueError("no")

    with start_worker(app, pool="threads", concurrency=4, perform_ping_check=False, shutdown_timeout=20):
        check(add.delay(2, 3).get(timeout=20), 5)
        check(group(add.s(n, n) for n in range(50))().get(timeout=20), [2 * n for n in range(50)])
        check(chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=20), 10)
        check(chord((add.s(n, 1) for n in range(20)), total.s())().get(timeout=20), sum(range(1, 21)))
        check(flaky.delay().get(timeout=20), "at last")
        check(attempts, [0, 1, 2])
        check(broken.delay().get(timeout=20, propagate=False).args, ("no",))
        urgent = [add.apply_async((n, 0), priority=n % 10) for n in range(30)]
        check([result.get(timeout=20) for result in urgent], list(range(30)))
        later = add.apply_async((1, 1), countdown=0.1)
        check(later.get(timeout=20), 2)
        revoked = add.apply_async((1, 1), countdown=60)
        revoked.revoke()
        later.forget()
        check(later.state, "PENDING")


def kombu_works():
    exchange = Exchange("events", type="topic")
    queues = [
        Queue("errors", exchange, routing_key="*.error"),
        Queue("everything", exchange, routing_key="#"),
    ]
    with Connection(f"{URL}/3", transport_options={"fanout_patterns": True}) as connection:
        producer = connection.Producer()
        for name in ("web.error", "web.info", "db.error"):
            producer.publish({"name": name}, exchange=exchange, routing_key=name, declare=queues)
        heard = {}
        for queue in queues:
            with connection.SimpleQueue(queue) as simple:
                count = 2 if queue.name == "errors" else 3
                check(simple.qsize(), count)
                if queue.name == "everything":
                    # What is refused comes again, to all whom it concerns.
                    simple.get(timeout=10).requeue()
                heard[queue.name] = set()
                for _ in range(count):
                    message = simple.get(timeout=10)
                    heard[queue.name].add(message.payload["name"])
                    message.ack()
        check(heard["errors"], {"web.error", "db.error"})
        check(heard["everything"], {"web.error", "web.info", "db.error"})


def rq_works():
    connection = redis.Redis(port=PORT, db=4)
    queue = rq.Queue("work", connection=connection)
    jobs = [queue.enqueue(operator.mul, n, n) for n in range(30)]
    last = queue.enqueue(operator.add, 1, 2, depends_on=jobs[-1])
    urgent = queue.enqueue(operator.neg, 1, at_front=True)
    broken = queue.enqueue(operator.truediv, 1, 0, retry=rq.Retry(max=2))
    check(queue.count, 32)
    check(queue.job_ids[0], urgent.id)
    check(last.get_status(), rq.job.JobStatus.DEFERRED)
    worker = rq.SimpleWorker([queue], connection=connection)
    worker.work(burst=True, logging_level="CRITICAL")
    check([job.return_value() for job in jobs], [n * n for n in range(30)])
    check((last.return_value(), urgent.return_value()), (3, -1))
    check(broken.get_status(refresh=True), rq.job.JobStatus.FAILED)
    check(rq.registry.FailedJobRegistry(queue=queue).count, 1)
    check(rq.registry.FinishedJobRegistry(queue=queue).count, 32)
    broken.requeue()
    check(queue.count, 1)
    queue.empty()
    check(queue.count, 0)


def locks_work():
    manager = Redlock([{"host": "127.0.0.1", "port": PORT, "db": 5}], retry_count=1)
    lock = manager.lock("resource", 10000)
    assert lock and not manager.lock("resource", 1000)
    manager.unlock(lock)
    again = manager.lock("resource", 10000)
    assert again and again.key != lock.key
    manager.unlock(lock)
    assert not manager.lock("resource", 1000), "somebody else's key has unlocked it"
    manager.unlock(again)

    r = redis.Redis(port=PORT, db=5)
    counter = []

    def work():
        for _ in range(10):
            with redis.Redis(port=PORT, db=5).lock("own", timeout=20, sleep=0.002):
                seen = len(counter)
                time.sleep(0.001)
                counter.append(seen)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(counter, list(range(40)))
    lock = r.lock("own", timeout=5)
    assert lock.acquire(blocking=False) and lock.extend(10) and lock.reacquire()
    r.delete("own")
    try:
        lock.release()
    except redis.exceptions.LockNotOwnedError:
        return
    raise AssertionError("a lock that is gone was released")


def limits_work():
    counters = storage.storage_from_string(f"{URL}/6")
    for strategy in (
        strategies.FixedWindowRateLimiter,
        strategies.MovingWindowRateLimiter,
        strategies.SlidingWindowCounterRateLimiter,
    ):
        limiter, item = strategy(counters), RateLimitItemPerMinute(10)
        name = strategy.__name__
        check([limiter.hit(item, name, "user") for _ in range(12)], [True] * 10 + [False] * 2)
        check(limiter.test(item, name, "user"), False)
        check(limiter.test(item, name, "other"), True)
        check(limiter.get_window_stats(item, name, "user").remaining, 0)
        check(limiter.hit(item, name, "other", cost=11), False)
        limiter.clear(item, name, "user")
        check(limiter.hit(item, name, "user"), True)
    assert counters.reset() > 0


if __name__ == "__main__":
    celery_works()
    kombu_works()
    rq_works()
    locks_work()
    limits_work()
