//! What each worker does from time to time.

use crate::net::Worker;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Gives signs of life, which go on as long as the worker gets round to its tasks. Periodic work may wait for others.
pub(crate) async fn beat(worker: Rc<Worker>) {
    let watch = worker.server.watchdog.watch(format!("worker-{}", worker.index));
    loop {
        watch.beat();
        worker.stats.last_beat_ms.set(crate::clock::unix_ms().unsigned_abs());
        let pause = worker.config().beat();
        tokio::time::sleep(pause).await;
    }
}

/// Runs the periodic work of a worker: sweeping its clients, taking figures.
pub(crate) async fn run(worker: Rc<Worker>) {
    let mut replicas_ms = 0;
    loop {
        let pause = worker.config().beat();
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        if !worker.server.switches.cron_rests.load(Relaxed) {
            worker.sweep();
        }
        worker.member.publish_memory();
        let server = &worker.server;
        server.memory.observe(server.store.used_memory());
        let cpu = crate::metrics::process::cpu_of_thread();
        worker.stats.cpu_user_us.set(cpu.user_us);
        worker.stats.cpu_system_us.set(cpu.system_us);
        if worker.index == 0 {
            server.rates.sample(&server.stats, worker.now_ms());
            let now_ms = crate::clock::unix_ms();
            if now_ms - replicas_ms >= 1000 {
                replicas_ms = now_ms;
                server.log.tick(server, now_ms);
                server.full_sync.tick(server);
                server.migrations.sockets.close_unused();
            }
            if !server.switches.cron_rests.load(Relaxed) {
                crate::persistence::points::look(&worker).await;
                crate::propagation::full_sync::look(&worker).await;
                crate::aof::look(&worker).await;
                crate::upstream::expire_own_keys(&worker).await;
            }
        }
        worker.stats.cron_us.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}
