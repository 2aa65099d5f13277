//! Consensus, pure.
mod config;
mod entry;
mod event;
mod message;
mod output;
mod types;

pub use config::Config;
pub use entry::{ENTRY_OVERHEAD_BYTES, Entry, EntryKind};
pub use event::{Event, RoleName};
pub use message::{AppendResult, Body, Envelope, Message};
pub use output::{Output, Persist, ReadEntries, ReadReady};
pub use types::{HardState, Index, LogId, MemberId, Now, PersistNumber, ReadId, Term};
