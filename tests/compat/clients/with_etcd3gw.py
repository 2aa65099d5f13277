"""A program written with etcd3gw, over the JSON gateway. Its argument: the port of a member."""

import sys

import etcd3gw

client = etcd3gw.client(host="127.0.0.1", port=int(sys.argv[1]), api_path="/v3/", timeout=20)
client.put("c/1", "one")
client.put("c/2", "two")
assert client.get("c/1") == [b"one"]
assert client.get("c/none") == []
assert [value for value, _ in client.get_prefix("c/")] == [b"one", b"two"]
assert client.create("c/3", "three") and not client.create("c/3", "no")
assert client.replace("c/1", "one", "1") and not client.replace("c/1", "one", "never")

lease = client.lease(ttl=60)
client.put("c/leased", "v", lease=lease)
assert lease.ttl() > 0 and lease.keys() == [b"c/leased"]
assert lease.refresh() == 60
assert lease.revoke() and client.get("c/leased") == []

events, cancel = client.watch_prefix("c/")
client.put("c/4", "seen")
event = next(events)
assert event["kv"]["key"] == b"c/4" and event["kv"]["value"] == b"seen", event
cancel()

with client.lock("c/lock", ttl=10) as lock:
    assert lock.is_acquired()
assert client.delete_prefix("c/")
assert client.get_prefix("c/") == []
assert client.status()["version"] == "3.6.0"
assert len(client.members()) == 1
print("ok")
