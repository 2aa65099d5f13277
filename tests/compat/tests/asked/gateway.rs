//! The JSON gateway: one request of each path that tells something, and bodies that are none.

pub(crate) fn script() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/v3/kv/range", r#"{"key":"bm9uZQ=="}"#),
        ("/v3/kv/put", r#"{"key":"ay8x","value":"djE="}"#),
        ("/v3/kv/put", r#"{"key":"ay8y","value":"","prev_kv":true}"#),
        ("/v3/kv/put", r#"{"key":"ay8x","value":"djI=","prev_kv":true}"#),
        ("/v3/kv/range", r#"{"key":"ay8x"}"#),
        ("/v3/kv/range", r#"{"key":"ay8=","range_end":"azA=","limit":"1"}"#),
        ("/v3/kv/range", r#"{"key":"ay8=","range_end":"azA=","limit":1,"keys_only":true}"#),
        ("/v3/kv/range", r#"{"key":"ay8=","range_end":"azA=","sort_order":"DESCEND"}"#),
        ("/v3/kv/range", r#"{"key":"ay8=","range_end":"azA=","sort_order":2,"sort_target":"KEY"}"#),
        ("/v3/kv/range", r#"{"key":"ay8=","rangeEnd":"azA=","countOnly":true}"#),
        ("/v3/kv/range", r#"{"key":"AA==","range_end":"AA==","revision":"2"}"#),
        ("/v3/kv/range", r#"{"key":"ay8x","revision":"99"}"#),
        ("/v3/kv/range", r#"{"key":"ay8x","unknown_field":1}"#),
        ("/v3/kv/range", "{}"),
        ("/v3/kv/put", "{}"),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"key":"ay8x","target":"VERSION","result":"GREATER","version":"1"}],
                "success":[{"request_put":{"key":"ay8z","value":"eA=="}},
                           {"requestRange":{"key":"ay8z"}}],
                "failure":[{"request_delete_range":{"key":"ay8x"}}]}"#,
        ),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"key":"ay8x","target":"VALUE","value":"bm8="}],
                "failure":[{"request_delete_range":{"key":"ay8x","prev_kv":true}}]}"#,
        ),
        ("/v3/kv/deleterange", r#"{"key":"ay8=","range_end":"azA=","prev_kv":true}"#),
        ("/v3/kv/deleterange", r#"{"key":"ay8=","range_end":"azA="}"#),
        ("/v3/kv/compaction", r#"{"revision":"3"}"#),
        ("/v3/kv/compaction", r#"{"revision":"3"}"#),
        ("/v3/lease/grant", r#"{"ID":"7","TTL":"100"}"#),
        ("/v3/lease/grant", r#"{"ID":"7","TTL":"100"}"#),
        ("/v3/lease/leases", "{}"),
        ("/v3/kv/put", r#"{"key":"bA==","value":"djE=","lease":"7"}"#),
        ("/v3/kv/lease/revoke", r#"{"ID":"7"}"#),
        ("/v3/lease/revoke", r#"{"ID":"7"}"#),
        ("/v3/lease/timetolive", r#"{"ID":"7"}"#),
        ("/v3/maintenance/alarm", "{}"),
        ("/v3/maintenance/defragment", "{}"),
        ("/v3/election/leader", r#"{"name":"bm9uZQ=="}"#),
        ("/v3/lock/unlock", r#"{"key":"bm9uZQ=="}"#),
    ]
}

/// Bodies that are no message: refused, in words of each one's own.
pub(crate) fn broken() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/v3/kv/range", "nonsense"),
        ("/v3/kv/range", r#"{"key":"not base64!"}"#),
        ("/v3/kv/range", r#"{"key":"ay8x","limit":"many"}"#),
        ("/v3/kv/range", r#"{"key":"ay8x","sort_order":"SIDEWAYS"}"#),
        ("/v3/kv/range", r#"{"key":7}"#),
        ("/v3/kv/range", "["),
    ]
}
