//! What `/metrics` counts of calls of gRPC, and of the log.

use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::{PutRequest, RangeRequest, WatchRequest};
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::world::{DEADLINE, World};

/// Waits until the page has a line: answers are counted when they have been sent.
async fn shows(world: &World, line: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let page = world.ask("GET", "/metrics").await.text();
        if page.lines().any(|shown| shown == line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line}\n{page}");
        sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn calls_are_counted_by_what_they_came_to() {
    let world = World::new().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", world.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut kv = KvClient::new(channel.clone());
    let put = PutRequest { key: "k".into(), ..PutRequest::default() };
    kv.put(put).await.unwrap();
    kv.put(PutRequest::default()).await.unwrap_err();
    kv.range(RangeRequest { key: "k".into(), ..RangeRequest::default() }).await.unwrap();
    let labels = |service: &str, method: &str, kind: &str| {
        format!("grpc_service=\"{service}\",grpc_method=\"{method}\",grpc_type=\"{kind}\"")
    };
    let kv = |method: &str| labels("etcdserverpb.KV", method, "unary");
    shows(&world, &format!("grpc_server_started_total{{{}}} 2", kv("Put"))).await;
    let handled = |call: &str, code: &str, count: u64| {
        format!("grpc_server_handled_total{{{call},grpc_code=\"{code}\"}} {count}")
    };
    shows(&world, &handled(&kv("Put"), "OK", 1)).await;
    shows(&world, &handled(&kv("Put"), "InvalidArgument", 1)).await;
    shows(&world, &handled(&kv("Range"), "OK", 1)).await;
    // A stream is over when its client has gone.
    let (asks, requests) = tokio::sync::mpsc::channel::<WatchRequest>(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let watch = WatchClient::new(channel.clone()).watch(requests).await.unwrap();
    let watches = labels("etcdserverpb.Watch", "Watch", "bidi_stream");
    shows(&world, &format!("grpc_server_started_total{{{watches}}} 1")).await;
    drop((asks, watch));
    shows(&world, &handled(&watches, "Canceled", 1)).await;
    // Names that anybody could make up are one.
    let mut client = tonic::client::Grpc::new(channel);
    for path in ["/etcdserverpb.KV/Nothing", "/some.Service/Call", "/etcdserverpb.Nothing/Put"] {
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<PutRequest, PutRequest>::default();
        let request = tonic::Request::new(PutRequest::default());
        client.unary(request, path.parse().unwrap(), codec).await.unwrap_err();
    }
    let unknown = labels("unknown", "unknown", "unary");
    shows(&world, &handled(&unknown, "Unimplemented", 3)).await;
}

#[tokio::test]
async fn members_are_counted_by_a_name_of_their_own() {
    let world = World::new().await;
    assert_eq!(world.ask("GET", "/raft/hello").await.status, 200);
    assert_eq!(world.ask("GET", "/nowhere").await.status, 404);
    let requests = |route: &str, code: u16| {
        format!("raftkv_http_requests_total{{route=\"{route}\",method=\"GET\",code=\"{code}\"}} 1")
    };
    shows(&world, &requests("/raft/", 200)).await;
    shows(&world, &requests("unknown", 404)).await;
}

#[tokio::test]
async fn no_client_gives_names_to_calls() {
    let world = World::new().await;
    let headers = ["Content-Type: application/grpc", "Host: evil.example"];
    for path in ["/etcdserverpb.KV/MadeUp", "/etcdserverpb.KV/Put/MadeUp", "/MadeUp", "/"] {
        world.request("POST", path, &headers, b"").await;
        world.request("POST", path, &headers[..1], b"").await;
    }
    let labels = "grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_type=\"unary\"";
    shows(&world, &format!("grpc_server_started_total{{{labels}}} 8")).await;
    assert!(!world.ask("GET", "/metrics").await.text().contains("MadeUp"));
}

#[tokio::test]
async fn the_log_has_its_histogram() {
    let world = World::new().await;
    let page = world.ask("GET", "/metrics").await.text();
    for line in [
        "# TYPE etcd_disk_wal_fsync_duration_seconds histogram",
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 0",
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 0",
        "etcd_disk_wal_fsync_duration_seconds_count 0",
        "etcd_server_leader_changes_seen_total 0",
        "etcd_server_proposals_failed_total 0",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line}\n{page}");
    }
}
