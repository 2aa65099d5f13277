//! The one table of everything that can go wrong at the gRPC doors, and what the client is told.
//!
//! etcd's clients look errors up by their text, so a text is never changed. Errors of the layers
//! below are turned into faults here and nowhere else, each `match` naming every variant.

use replica::{ChangeRefusal, Failure};
use store::{CommandError, ReadError, Refused};
use tonic::{Code, Status};

/// Writes the table down once.
macro_rules! faults {
    ($($fault:ident $code:ident $message:literal,)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault {
            $($fault,)+
        }

        impl Fault {
            #[cfg(test)]
            pub(super) const ALL: &[Fault] = &[$(Fault::$fault,)+];

            /// The code, and the text that clients know it by.
            pub(super) const fn row(self) -> (Code, &'static str) {
                match self {
                    $(Fault::$fault => (Code::$code, $message),)+
                }
            }
        }
    };
}

faults! {
    EmptyKey InvalidArgument "etcdserver: key is not provided",
    KeyNotFound InvalidArgument "etcdserver: key not found",
    ValueProvided InvalidArgument "etcdserver: value is provided",
    LeaseProvided InvalidArgument "etcdserver: lease is provided",
    TooManyOps InvalidArgument "etcdserver: too many operations in txn request",
    DuplicateKey InvalidArgument "etcdserver: duplicate key given in txn request",
    InvalidSortOption InvalidArgument "etcdserver: invalid sort option",
    RequestTooLarge InvalidArgument "etcdserver: request is too large",
    BadMemberUrls InvalidArgument "etcdserver: given member URLs are invalid",
    Compacted OutOfRange "etcdserver: mvcc: required revision has been compacted",
    FutureRevision OutOfRange "etcdserver: mvcc: required revision is a future revision",
    LeaseTtlTooLarge OutOfRange "etcdserver: too large lease TTL",
    LeaseNotFound NotFound "etcdserver: requested lease not found",
    MemberNotFound NotFound "etcdserver: member not found",
    LeaseExists FailedPrecondition "etcdserver: lease already exists",
    MemberExists FailedPrecondition "etcdserver: member ID already exist",
    PeerUrlExists FailedPrecondition "etcdserver: Peer URLs already exists",
    NotEnoughStarted Unknown
        "etcdserver: re-configuration failed due to not enough started members",
    NotALearner FailedPrecondition "etcdserver: can only promote a learner member",
    LearnerNotReady FailedPrecondition
        "etcdserver: can only promote a learner member which is in sync with leader",
    TooManyLearners FailedPrecondition "etcdserver: too many learner members in cluster",
    NotLeader FailedPrecondition "etcdserver: not leader",
    NotForLearner FailedPrecondition "etcdserver: rpc not supported for learner",
    BadTransferee FailedPrecondition "etcdserver: bad leader transferee",
    NoDowngrade FailedPrecondition "etcdserver: no inflight downgrade job",
    BadDowngradeTarget InvalidArgument "etcdserver: invalid downgrade target version",
    BadDowngradeVersion InvalidArgument "etcdserver: wrong downgrade target version format",
    NoSpace ResourceExhausted "etcdserver: mvcc: database space exceeded",
    TooManyRequests Unknown "etcdserver: too many requests",
    NoLeader Unavailable "etcdserver: no leader",
    LeaderChanged Unavailable "etcdserver: leader changed",
    Stopped Unavailable "etcdserver: server stopped",
    Timeout Unavailable "etcdserver: request timed out",
    Unhealthy Unavailable "etcdserver: unhealthy cluster",
    TransferTimeout Unknown "etcdserver: request timed out, leader transfer took too long",
    Corrupt DataLoss "etcdserver: corrupt cluster",
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        let (code, message) = fault.row();
        Status::new(code, message)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        match failure {
            Failure::NotLeader { .. } => Fault::NotLeader,
            Failure::Unavailable => Fault::NoLeader,
            Failure::Overloaded => Fault::TooManyRequests,
            Failure::Corrupt => Fault::Corrupt,
            Failure::NoSpace | Failure::NoMemory => Fault::NoSpace,
            // It is not done, and etcd's word for that is this one.
            Failure::Superseded => Fault::LeaderChanged,
            Failure::Unknown => Fault::Timeout,
            Failure::NoTransferTarget => Fault::BadTransferee,
            Failure::TransferFailed => Fault::TransferTimeout,
            Failure::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<ChangeRefusal> for Fault {
    fn from(refusal: ChangeRefusal) -> Fault {
        match refusal {
            ChangeRefusal::InProgress | ChangeRefusal::NotReady => Fault::Unhealthy,
            ChangeRefusal::UnknownMember(_) | ChangeRefusal::Removed(_) => Fault::MemberNotFound,
            ChangeRefusal::IdTaken(_) | ChangeRefusal::NameTaken(_) => Fault::MemberExists,
            ChangeRefusal::Invalid => Fault::BadMemberUrls,
            ChangeRefusal::AddressTaken(_) => Fault::PeerUrlExists,
            ChangeRefusal::TooManyMembers { .. } => Fault::TooManyLearners,
            ChangeRefusal::NotALearner(_) | ChangeRefusal::NotAVoter(_) => Fault::NotALearner,
            ChangeRefusal::NotJoined(_) | ChangeRefusal::LearnerBehind { .. } => {
                Fault::LearnerNotReady
            }
            ChangeRefusal::QuorumWouldBeLost { .. } | ChangeRefusal::LastVoter => {
                Fault::NotEnoughStarted
            }
        }
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Fault {
        match error {
            CommandError::EmptyKey => Fault::EmptyKey,
            CommandError::KeyTooLarge { .. } | CommandError::RequestTooLarge { .. } => {
                Fault::RequestTooLarge
            }
            CommandError::TooManyOperations | CommandError::TooDeep => Fault::TooManyOps,
            CommandError::DuplicateKey => Fault::DuplicateKey,
            CommandError::ValueGiven => Fault::ValueProvided,
            CommandError::WrongTtl => Fault::LeaseTtlTooLarge,
            CommandError::ConditionOnRange
            | CommandError::NotOnce
            | CommandError::WrongSeq
            | CommandError::WrongOnceKey { .. }
            | CommandError::Setting(_)
            | CommandError::TooManyExpired => panic!("no call of this door makes it: {error}"),
        }
    }
}

impl From<Refused> for Fault {
    fn from(reason: Refused) -> Fault {
        match reason {
            Refused::KeyNotFound => Fault::KeyNotFound,
            Refused::LeaseNotFound => Fault::LeaseNotFound,
            Refused::LeaseExists => Fault::LeaseExists,
            Refused::Unreadable(error) => error.into(),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        match error {
            ReadError::FutureRevision { .. } => Fault::FutureRevision,
            ReadError::Compacted { .. } => Fault::Compacted,
        }
    }
}
