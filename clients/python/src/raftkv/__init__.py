"""An asyncio client of raftkv, over HTTP.

>>> async with raftkv.Client(["http://localhost:8001"]) as kv:
...     await kv.put("db.host", "postgres.internal")
...     found = await kv.get("db.host")

A write has three outcomes: it returns (done), it raises ``NotDone`` (definitely not, and never
will be), or it raises ``OutcomeUnknown``. Writes are sent again under a name of their own until
they are answered, and are done once; see ``raftkv.errors`` for what is left.

What this does not do: cache, speak HTTP/2, use a proxy of the environment.
"""

from raftkv.client import Client
from raftkv.cluster import Leader, Member, Status
from raftkv.errors import (
    Compacted,
    ConditionFailed,
    LeaseNotFound,
    LockLost,
    LockTimeout,
    Malformed,
    NotDone,
    OutcomeUnknown,
    PermissionDenied,
    RaftkvError,
    Refused,
    Unauthenticated,
    Unavailable,
)
from raftkv.leases import KeptLease
from raftkv.listing import Listing
from raftkv.lock import Lock
from raftkv.txn import (
    Compare,
    DeleteOp,
    DeleteResult,
    GetOp,
    GetResult,
    PutOp,
    PutResult,
    TxnOp,
    TxnResult,
)
from raftkv.types import (
    EVERY_KEY,
    BytesLike,
    Changes,
    Deleted,
    Event,
    FieldsWritten,
    FieldValue,
    Keys,
    KeyValue,
    LeaseInfo,
    LeaseItem,
    Moment,
    Page,
    PastVersion,
    Prefix,
    Put,
    Range,
    Removed,
    Staleness,
    Written,
)
from raftkv.users import AuthStatus, Permission, Role, User
from raftkv.watch import Watch

__version__ = "0.1.0"

__all__ = [
    "EVERY_KEY",
    "AuthStatus",
    "BytesLike",
    "Changes",
    "Client",
    "Compacted",
    "Compare",
    "ConditionFailed",
    "DeleteOp",
    "DeleteResult",
    "Deleted",
    "Event",
    "FieldValue",
    "FieldsWritten",
    "GetOp",
    "GetResult",
    "KeptLease",
    "KeyValue",
    "Keys",
    "Leader",
    "LeaseInfo",
    "LeaseItem",
    "LeaseNotFound",
    "Listing",
    "Lock",
    "LockLost",
    "LockTimeout",
    "Malformed",
    "Member",
    "Moment",
    "NotDone",
    "OutcomeUnknown",
    "Page",
    "PastVersion",
    "Permission",
    "PermissionDenied",
    "Prefix",
    "Put",
    "PutOp",
    "PutResult",
    "RaftkvError",
    "Range",
    "Refused",
    "Removed",
    "Role",
    "Staleness",
    "Status",
    "TxnOp",
    "TxnResult",
    "Unauthenticated",
    "Unavailable",
    "User",
    "Watch",
    "Written",
]
