"""A program written with etcd3 (python-etcd3), over gRPC. Its argument: the port of a member."""

import sys

import etcd3

client = etcd3.client(host="127.0.0.1", port=int(sys.argv[1]), timeout=20)
client.put("b/1", "one")
client.put("b/2", "two")
assert client.get("b/1")[0] == b"one"
assert client.get("b/none") == (None, None)
assert [value for value, _ in client.get_prefix("b/")] == [b"one", b"two"]
assert [value for value, _ in client.get_prefix("b/", sort_order="descend")] == [b"two", b"one"]
assert client.replace("b/1", "one", "1") and not client.replace("b/1", "one", "never")
assert client.put_if_not_exists("b/3", "three") and not client.put_if_not_exists("b/3", "no")

succeeded, _ = client.transaction(
    compare=[client.transactions.version("b/3") > 0],
    success=[client.transactions.put("b/4", "four"), client.transactions.get("b/4")],
    failure=[client.transactions.delete("b/3")],
)
assert succeeded and client.get("b/4")[0] == b"four"

lease = client.lease(60)
client.put("b/leased", "v", lease=lease)
assert lease.remaining_ttl > 0 and client.get("b/leased")[1].lease_id == lease.id
lease.refresh()
lease.revoke()
assert client.get("b/leased") == (None, None)

events, cancel = client.watch_prefix("b/")
client.put("b/5", "seen")
client.delete("b/5")
seen = [(type(next(events)).__name__) for _ in range(2)]
assert seen == ["PutEvent", "DeleteEvent"], seen
cancel()

with client.lock("b/lock", ttl=10) as lock:
    assert lock.is_acquired()
assert client.delete_prefix("b/").deleted == 4
assert client.status().version == "3.6.0"
assert len(list(client.members)) == 1
try:
    client.compact(1 << 40)
    raise AssertionError("the future can not be compacted")
except Exception as error:  # etcd3 has no type for it
    assert "future revision" in str(error), error
print("ok")
