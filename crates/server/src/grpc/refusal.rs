//! The one table of everything that can go wrong at the gRPC doors, and what the client is told.
//!
//! etcd's clients look errors up by their text, so a text is never changed. Errors of the layers
//! below are turned into refusals here and nowhere else, each `match` naming every variant.

use replica::{ChangeRefusal, Failure, Unserved};
use store::{AuthRefused, CommandError, ReadError, Refused};
use tonic::{Code, Status};

use crate::access::{NotDone, NotLoggedIn, Unknown};

/// Writes the table down once.
macro_rules! refusals {
    ($($refusal:ident $code:ident $message:literal,)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Refusal {
            $($refusal,)+
        }

        impl Refusal {
            #[cfg(test)]
            pub(super) const ALL: &[Refusal] = &[$(Refusal::$refusal,)+];

            /// The code, and the text that clients know it by.
            pub(super) const fn row(self) -> (Code, &'static str) {
                match self {
                    $(Refusal::$refusal => (Code::$code, $message),)+
                }
            }
        }
    };
}

refusals! {
    EmptyKey InvalidArgument "etcdserver: key is not provided",
    KeyNotFound InvalidArgument "etcdserver: key not found",
    ValueProvided InvalidArgument "etcdserver: value is provided",
    LeaseProvided InvalidArgument "etcdserver: lease is provided",
    TooManyOps InvalidArgument "etcdserver: too many operations in txn request",
    DuplicateKey InvalidArgument "etcdserver: duplicate key given in txn request",
    InvalidClientVersion InvalidArgument "etcdserver: invalid client api version",
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
    NoRootUser FailedPrecondition "etcdserver: root user does not exist",
    NoRootRole FailedPrecondition "etcdserver: root user does not have root role",
    UserExists FailedPrecondition "etcdserver: user name already exists",
    UserEmpty InvalidArgument "etcdserver: user name is empty",
    UserNotFound FailedPrecondition "etcdserver: user name not found",
    RoleExists FailedPrecondition "etcdserver: role name already exists",
    RoleNotFound FailedPrecondition "etcdserver: role name not found",
    RoleEmpty InvalidArgument "etcdserver: role name is empty",
    AuthFailed InvalidArgument
        "etcdserver: authentication failed, invalid user ID or password",
    PasswordOfNobody Unknown
        "auth: authentication failed, password was given for no password user",
    PermissionNotGiven InvalidArgument "etcdserver: permission not given",
    PermissionDenied PermissionDenied "etcdserver: permission denied",
    RoleNotGranted FailedPrecondition "etcdserver: role is not granted to the user",
    PermissionNotGranted FailedPrecondition "etcdserver: permission is not granted to the role",
    AuthNotEnabled FailedPrecondition "etcdserver: authentication is not enabled",
    InvalidToken Unauthenticated "etcdserver: invalid auth token",
    InvalidManagement InvalidArgument "etcdserver: invalid auth management",
    NoSpace ResourceExhausted "etcdserver: mvcc: database space exceeded",
    TooManyRequests ResourceExhausted "etcdserver: too many requests",
    NoLeader Unavailable "etcdserver: no leader",
    LeaderChanged Unavailable "etcdserver: leader changed",
    Stopped Unavailable "etcdserver: server stopped",
    Timeout Unavailable "etcdserver: request timed out",
    Unhealthy Unavailable "etcdserver: unhealthy cluster",
    TransferTimeout Unknown "etcdserver: request timed out, leader transfer took too long",
    Corrupt DataLoss "etcdserver: corrupt cluster",
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let (code, message) = refusal.row();
        Status::new(code, message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        match failure {
            Failure::NotLeader { .. } => Refusal::NotLeader,
            Failure::Unavailable => Refusal::NoLeader,
            Failure::Overloaded => Refusal::TooManyRequests,
            Failure::Corrupt => Refusal::Corrupt,
            Failure::NoSpace | Failure::NoMemory => Refusal::NoSpace,
            // It is not done, and etcd's word for that is this one.
            Failure::Superseded => Refusal::LeaderChanged,
            Failure::Unknown => Refusal::Timeout,
            Failure::NoTransferTarget => Refusal::BadTransferee,
            Failure::TransferFailed => Refusal::TransferTimeout,
            Failure::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<NotDone> for Refusal {
    fn from(why: NotDone) -> Refusal {
        match why {
            NotDone::Refused(refused) => refused.into(),
            NotDone::Failed(failure) => failure.into(),
        }
    }
}

impl From<AuthRefused> for Refusal {
    fn from(refused: AuthRefused) -> Refusal {
        match refused {
            AuthRefused::NoUser => Refusal::UserEmpty,
            AuthRefused::StaleCredentials => Refusal::InvalidToken,
            AuthRefused::Denied => Refusal::PermissionDenied,
            AuthRefused::NoRootUser => Refusal::NoRootUser,
            AuthRefused::NoRootRole => Refusal::NoRootRole,
            AuthRefused::UserExists => Refusal::UserExists,
            AuthRefused::UserNotFound => Refusal::UserNotFound,
            AuthRefused::RoleExists => Refusal::RoleExists,
            AuthRefused::RoleNotFound => Refusal::RoleNotFound,
            AuthRefused::RoleNotGranted => Refusal::RoleNotGranted,
            AuthRefused::PermissionNotGranted => Refusal::PermissionNotGranted,
            AuthRefused::NotEnabled => Refusal::AuthNotEnabled,
            AuthRefused::RootStays => Refusal::InvalidManagement,
            AuthRefused::Full => Refusal::NoSpace,
        }
    }
}

impl From<Unknown> for Refusal {
    fn from(unknown: Unknown) -> Refusal {
        match unknown {
            Unknown::WrongToken => Refusal::InvalidToken,
            Unknown::WrongPassword => Refusal::AuthFailed,
            Unknown::Busy => Refusal::TooManyRequests,
        }
    }
}

impl From<NotLoggedIn> for Refusal {
    fn from(why: NotLoggedIn) -> Refusal {
        match why {
            NotLoggedIn::NoPassword => Refusal::PasswordOfNobody,
            NotLoggedIn::Unknown(unknown) => unknown.into(),
            NotLoggedIn::NotDone(not_done) => not_done.into(),
        }
    }
}

impl From<ChangeRefusal> for Refusal {
    fn from(refusal: ChangeRefusal) -> Refusal {
        match refusal {
            ChangeRefusal::InProgress
            | ChangeRefusal::NotReady
            | ChangeRefusal::BelowLevel { .. }
            | ChangeRefusal::LevelHeld { .. }
            | ChangeRefusal::Draining(_)
            | ChangeRefusal::MemberDown(_)
            | ChangeRefusal::MemberBehind { .. } => Refusal::Unhealthy,
            ChangeRefusal::UnknownMember(_) | ChangeRefusal::Removed(_) => Refusal::MemberNotFound,
            ChangeRefusal::IdTaken(_) | ChangeRefusal::NameTaken(_) => Refusal::MemberExists,
            ChangeRefusal::Invalid => Refusal::BadMemberUrls,
            ChangeRefusal::AddressTaken(_) => Refusal::PeerUrlExists,
            ChangeRefusal::TooManyMembers { .. } => Refusal::TooManyLearners,
            ChangeRefusal::NotALearner(_) | ChangeRefusal::NotAVoter(_) => Refusal::NotALearner,
            ChangeRefusal::NotJoined(_) | ChangeRefusal::LearnerBehind { .. } => {
                Refusal::LearnerNotReady
            }
            ChangeRefusal::QuorumWouldBeLost { .. } | ChangeRefusal::LastVoter => {
                Refusal::NotEnoughStarted
            }
        }
    }
}

impl From<Unserved> for Refusal {
    fn from(why: Unserved) -> Refusal {
        match why {
            Unserved::NoLeader => Refusal::NoLeader,
            Unserved::NoState | Unserved::WrongState => Refusal::Unhealthy,
            Unserved::Removed | Unserved::Stopped => Refusal::Stopped,
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Refusal {
        match error {
            CommandError::EmptyKey => Refusal::EmptyKey,
            CommandError::KeyTooLarge { .. }
            | CommandError::RequestTooLarge { .. }
            | CommandError::WrongName => Refusal::RequestTooLarge,
            CommandError::TooManyOperations | CommandError::TooDeep => Refusal::TooManyOps,
            CommandError::DuplicateKey => Refusal::DuplicateKey,
            CommandError::ValueGiven => Refusal::ValueProvided,
            CommandError::WrongTtl => Refusal::LeaseTtlTooLarge,
            CommandError::ConditionOnRange
            | CommandError::NotOnce
            | CommandError::WrongSeq
            | CommandError::WrongOnceKey { .. }
            | CommandError::Setting(_)
            | CommandError::TooManyExpired => panic!("no call of this door makes it: {error}"),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(reason: Refused) -> Refusal {
        match reason {
            Refused::KeyNotFound => Refusal::KeyNotFound,
            Refused::LeaseNotFound => Refusal::LeaseNotFound,
            Refused::LeaseExists => Refusal::LeaseExists,
            Refused::Unreadable(error) => error.into(),
            Refused::Auth(refused) => refused.into(),
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        match error {
            ReadError::FutureRevision { .. } => Refusal::FutureRevision,
            ReadError::Compacted { .. } => Refusal::Compacted,
        }
    }
}
