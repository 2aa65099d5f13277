//! One member without a runtime.
mod api;
mod configuration;

pub use api::{
    Answer, Done, Effects, Failure, ForwardRefusal, PeerMessage, PeerStatus, Request, Status,
    Submission, Ticket,
};
pub use configuration::{Configuration, ConfigurationError, Member};

/// A request to the log thread.
#[derive(Debug)]
pub struct LogRequest;
