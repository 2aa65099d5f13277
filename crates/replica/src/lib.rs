//! One member without a runtime: raft's output in the right order over log, store and disk.
