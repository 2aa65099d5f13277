//! What members use: processor time, memory, the disk.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

use super::super::client::Client;
use super::super::cluster::Cluster;
use super::super::json::number;
use crate::failure::{Doing, Failure, Result};

/// How long a member may take to tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// A sector of a device's counts, whatever the device has.
const SECTOR_BYTES: f64 = 512.0;

/// Under this name both count how often their log was flushed.
const FLUSHES: &str = "etcd_disk_wal_fsync_duration_seconds_count";

/// What a cluster has used so far, all members together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    /// Bytes that the device under their directories was given; not a number where the system does
    /// not tell. What a process has "written" by its own files is no such thing: there a page
    /// counts as the whole folio that it lies in, which has up to 2 MiB.
    pub(super) disk_bytes: f64,
    /// Flushes of logs.
    pub(super) flushes: f64,
    /// Of the store: how many writes there were.
    pub(super) revision: f64,
}

impl Usage {
    pub(super) fn of(cluster: &Cluster) -> Result<Usage> {
        let mut usage = Usage {
            cpu_seconds: 0.0,
            disk_bytes: written_bytes(cluster.directory())?,
            flushes: 0.0,
            revision: revision(cluster.port(0))?,
        };
        for member in cluster.members() {
            let process = process(cluster, member);
            usage.cpu_seconds += cpu_seconds(process)?;
            usage.flushes += flushes(cluster.port(member))?;
        }
        Ok(usage)
    }

    /// What was used in between.
    pub(super) fn since(&self, before: &Usage) -> Usage {
        Usage {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            disk_bytes: self.disk_bytes - before.disk_bytes,
            flushes: self.flushes - before.flushes,
            revision: self.revision - before.revision,
        }
    }
}

fn process(cluster: &Cluster, member: usize) -> i32 {
    cluster.pid(member).as_raw_nonzero().get()
}

/// The store's newest revision, by a linearizable read.
pub(super) fn revision(port: u16) -> Result<f64> {
    let answer = Client::new(port, PATIENCE).post("/v3/kv/range", r#"{"key":"AA=="}"#);
    let body = answer.doing("ask for the revision")?.body;
    number(&body, &["revision"]).ok_or_else(|| odd(&format!("no revision in {body}")))
}

fn flushes(port: u16) -> Result<f64> {
    let metrics = Client::new(port, PATIENCE).get("/metrics").doing("ask for metrics")?.body;
    metric(&metrics, FLUSHES).ok_or_else(|| odd(&format!("the metrics lack {FLUSHES}")))
}

fn metric(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.split_whitespace().last()?.parse().ok()
}

/// The largest member's resident memory, in bytes.
pub(in crate::bench) fn resident(cluster: &Cluster) -> Result<f64> {
    let members = cluster.members();
    let sizes = members.map(|member| counted(process(cluster, member), "status", "VmRSS:"));
    let sizes: Vec<f64> = sizes.collect::<Result<_>>()?;
    Ok(sizes.into_iter().fold(0.0, f64::max) * 1_024.0)
}

/// What the device that a directory lies on was given since the machine started, once all that
/// waits is written; not a number if it has no counts.
fn written_bytes(directory: &Path) -> Result<f64> {
    rustix::fs::sync();
    let looked_at = || format!("look at {}", directory.display());
    let found = rustix::fs::stat(directory).map_err(std::io::Error::from).doing(looked_at())?;
    let (major, minor) = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
    let counts = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    Ok(counts
        .ok()
        .and_then(|counts| sectors_written(&counts))
        .map_or(f64::NAN, |sectors| sectors * SECTOR_BYTES))
}

/// The seventh count of a device.
fn sectors_written(counts: &str) -> Option<f64> {
    counts.split_whitespace().nth(6)?.parse().ok()
}

/// Processor time of a process, all its threads.
fn cpu_seconds(process: i32) -> Result<f64> {
    let text = read(&format!("/proc/{process}/stat"))?;
    let ticks = ticks(&text).ok_or_else(|| odd("/proc/PID/stat has another shape"))?;
    Ok(ticks as f64 / clock_ticks_per_second() as f64)
}

/// User and system time. The name before them may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The number behind a label in one of a process's files.
fn counted(process: i32, file: &str, label: &str) -> Result<f64> {
    let path = format!("/proc/{process}/{file}");
    let text = read(&path)?;
    // A label may be the end of another one.
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| odd(&format!("{path} lacks {label}")))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).doing(format!("read {path}"))
}

fn odd(message: &str) -> Failure {
    Failure::Unexpected(message.to_owned())
}

/// What was used while nobody asked for anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Idle {
    /// Of one member, in cores.
    pub(super) cores: super::pair::Pair<f64>,
    /// Of everything that is none of our members, in cores.
    pub(super) others: f64,
}

/// Watches both clusters for a time in which nobody asks them for anything.
pub(super) fn idle(clusters: &mut super::pair::Clusters, seconds: u64) -> Result<Idle> {
    let (begin, busy) = (Instant::now(), busy_seconds()?);
    let before = clusters.each(|cluster| cluster_seconds(cluster))?;
    thread::sleep(Duration::from_secs(seconds));
    let after = clusters.each(|cluster| cluster_seconds(cluster))?;
    let (elapsed, busy) = (begin.elapsed().as_secs_f64(), busy_seconds()? - busy);
    let of_all = [after.etcd - before.etcd, after.raftkv - before.raftkv];
    let members = clusters.etcd.members().len() as f64;
    let cores = of_all.map(|seconds| seconds / members / elapsed);
    Ok(Idle {
        cores: super::pair::Pair { etcd: cores[0], raftkv: cores[1] },
        others: ((busy - of_all.iter().sum::<f64>()) / elapsed).max(0.0),
    })
}

fn cluster_seconds(cluster: &Cluster) -> Result<f64> {
    cluster.members().map(|member| cpu_seconds(process(cluster, member))).sum()
}

/// Processor time of the whole machine that was not idle, with what a host took away.
fn busy_seconds() -> Result<f64> {
    let text = read("/proc/stat")?;
    let ticks = busy_ticks(&text).ok_or_else(|| odd("/proc/stat has another shape"))?;
    Ok(ticks as f64 / clock_ticks_per_second() as f64)
}

/// user, nice, system, (idle, iowait,) irq, softirq, steal.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> =
        line.split_whitespace().take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let idle = fields.get(3)? + fields.get(4)?;
    Some(fields.iter().sum::<u64>() - idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20";
        assert_eq!(ticks(stat), Some(123));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn idle_time_is_not_busy() {
        assert_eq!(busy_ticks("cpu  1 2 3 1000 500 4 5 6 7 8\ncpu0 1"), Some(21));
        assert_eq!(busy_ticks("cpu0 1 2 3"), None);
    }

    #[test]
    fn sectors_are_the_seventh_count() {
        let counts = "  131249    11184  6275042   108990  1176298   131536 25022984   134115";
        assert_eq!(sectors_written(counts), Some(25_022_984.0));
        assert_eq!(sectors_written("1 2 3"), None);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP a_count x\na_count_more 9\na_count 7\nb{x=\"1 2\"} 3.5\n";
        assert_eq!((metric(text, "a_count"), metric(text, "b")), (Some(7.0), Some(3.5)));
        assert_eq!(metric(text, "a"), None);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(counted(own, "status", "VmRSS:").unwrap() > 0.0);
        assert!(cpu_seconds(own).unwrap() >= 0.0 && busy_seconds().unwrap() > 0.0);
    }
}
